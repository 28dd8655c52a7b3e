"""Save and load models: a folder with configuration and vocabularies in JSON and weights in safetensors."""

import json
import os
import shutil
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from corpora.vocabulary import Vocabulary
from recnn.errors import ModelError, missing_extra
from recnn.settings import as_json, settings_of

_FORMAT = 1
_FORMER_KINDS = {
    "classifier": "trees",
    "sequence": "sequences",
    "language-model": "language_model",
    "translator": "translation",
}
"""Names of kinds in version 0.1, whose folders can still be loaded."""


class Model(nn.Module, ABC):
    """Base class of models that can be saved to a folder and loaded from it.

    A model is rebuilt as ``type(model)(model.config, *model.vocabularies)``. A subclass defines `Config`,
    `vocabulary_names` if it has not exactly one ``vocabulary``, and the name of its kind in ``model.json``:

        class TreeClassifier(Model, kind="trees"): ...
    """

    kind: ClassVar[str]
    """Name of the kind of model in ``model.json``."""
    kinds: ClassVar[dict[str, type["Model"]]] = {}
    """Classes of models by kind."""
    Config: ClassVar[type[Any]]
    """Class of the configuration, see `recnn.models.config`."""
    vocabulary_names: ClassVar[tuple[str, ...]] = ("vocabulary",)
    """Names of the attributes and files of the vocabularies."""

    config: Any

    def __init_subclass__(cls, kind: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if kind:
            cls.kind = kind
            Model.kinds[kind] = cls

    @property
    def vocabularies(self) -> list[Vocabulary]:
        """The vocabularies, in the order of the constructor's arguments."""
        return [getattr(self, name) for name in self.vocabulary_names]

    def save(self, folder: str | Path) -> None:
        """Save the model as ``model.json``, ``weights.safetensors`` and a ``.jsonl`` file for each vocabulary.

        The files are written to a temporary folder, which then replaces ``folder``; if writing fails, an existing
        folder stays as it is.

        Raises:
            OSError: a file cannot be written.
        """
        to_file = _safetensors("torch").save_file
        folder = Path(folder)
        part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            found = {"recnn": self.kind, "format": _FORMAT, "config": as_json(self.config)}
            (part / "model.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            for name, vocabulary in zip(self.vocabulary_names, self.vocabularies, strict=True):
                vocabulary.save(part / f"{name}.jsonl")
            state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
            to_file(state, part / "weights.safetensors")
            if folder.exists():
                os.rename(folder, old)
            os.rename(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a model of this class, see `recnn.load`.

        Raises:
            ModelError: the model is of another class.
        """
        model = load(folder)
        if not isinstance(model, cls):
            raise ModelError(f"{folder}: expected a model of kind {cls.kind!r}, got {model.kind!r}")
        return model


def recover(folder: str | Path) -> None:
    """Remove temporary folders of a `Model.save` that was killed; restore the older model if there is no newer one."""
    folder = Path(folder)
    for old in folder.parent.glob(f".{folder.name}.*.old"):
        shutil.rmtree(old) if folder.exists() else os.rename(old, folder)
    for part in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(part)


def load(folder: str | Path) -> Model:
    """Load a model that was saved by `Model.save`, in evaluation mode.

    No code is executed from the folder (no pickle), and no more memory is allocated for the weights than the size of
    their file.

    Args:
        folder: folder of the model.

    Raises:
        ModelError: the folder does not hold a model, or a file in it is malformed or does not fit the others.
        CorpusError: a vocabulary is malformed.
        OSError: a file cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise ModelError(f"{folder}: {problem}, expected the folder of a model")
    _check_files(folder, "model.json", "weights.safetensors")
    kind, config = _configuration(folder / "model.json")
    _check_files(folder, *(f"{name}.jsonl" for name in kind.vocabulary_names))
    vocabularies = [Vocabulary.load(folder / f"{name}.jsonl") for name in kind.vocabulary_names]
    with _blamed_on(folder / "model.json"), torch.device("meta"):
        model = kind(config, *vocabularies)
    model.load_state_dict(_state(folder / "weights.safetensors", model), assign=True)
    return model.eval()


def _check_files(folder: Path, *names: str) -> None:
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ModelError(f"{folder}: not the folder of a model, {' and '.join(missing)} missing")


def _configuration(path: Path) -> tuple[type[Model], Any]:
    with _blamed_on(path):
        found = json.loads(path.read_text("utf-8"))
        kinds = _kinds()
        if not isinstance(found, dict) or not isinstance(found.get("recnn"), str):
            raise ValueError(f'expected an object with "recnn": one of {", ".join(kinds)}')
        if found.get("format") != _FORMAT:
            raise ValueError(f"this version of recnn reads format {_FORMAT}, got format {found.get('format')!r}")
        name = str(_FORMER_KINDS.get(found["recnn"], found["recnn"]))
        if name not in kinds:
            raise ValueError(f'"recnn" is {name[:40]!r}, expected one of {", ".join(kinds)}')
        return kinds[name], settings_of(kinds[name].Config, found.get("config"))


def _kinds() -> dict[str, type[Model]]:
    """Classes of models by kind: those of this package and those that the program has defined."""
    face = import_module("recnn.models")
    for name in face.__all__:
        getattr(face, name)
    return Model.kinds


def _state(path: Path, model: Model) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = _safetensors("torch").load_file(path)
    except _safetensors("").SafetensorError as error:
        raise ModelError(f"{path}: not a safetensors file ({error})") from None
    expected = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | state.keys()):
        if name not in state or name not in expected:
            raise ModelError(f"{path}: {name!r} is {'missing' if name in expected else 'not part of this model'}")
        if (state[name].shape, state[name].dtype) != expected[name]:
            shapes = tuple(expected[name][0]), tuple(state[name].shape)
            types = expected[name][1], state[name].dtype
            raise ModelError(f"{path}: expected {name!r} of {shapes[0]} {types[0]}, got {shapes[1]} {types[1]}")
    return state


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: {problem}") from None


def _safetensors(module: str) -> Any:
    try:
        return import_module(f"safetensors.{module}" if module else "safetensors")
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
