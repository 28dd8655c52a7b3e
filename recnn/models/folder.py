"""Save and load models: a folder with configuration and vocabularies in JSON and weights in safetensors."""

import json
import os
import re
import shutil
import stat
import time
from abc import ABC
from collections.abc import Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from corpora.errors import CorpusError
from corpora.parts import part_beside, parts_beside, replace_folder, sweep
from corpora.vocabulary import Vocabulary
from recnn.errors import ModelError, missing_extra
from recnn.models.bounds import at_most, countable
from recnn.models.weights import Entry, read_header, read_tensor
from recnn.settings import as_json, settings_of

_FORMAT = 1
_FORMER_KINDS = {
    "classifier": "trees",
    "sequence": "sequences",
    "language-model": "language_model",
    "translator": "translation",
}
"""Names of kinds in version 0.1, whose folders can still be loaded."""
_FORMER_SETTINGS = {"shape": "parser"}
"""Names of settings in version 0.1."""
_FILES = re.compile(r"model\.json|weights\.safetensors|.*\.jsonl")
"""Names of the files in the folder of a model."""


class Model(nn.Module, ABC):
    """Base class of models that can be saved to a folder and loaded from it.

    A model is rebuilt as ``type(model)(model.config, *model.vocabularies)``. A subclass defines `Config`,
    `vocabulary_names` if it has not exactly one ``vocabulary``, and the name of its kind in ``model.json``:

        class MyModel(Model, kind="mine"): ...

    The models of this package have a method `predict`, which takes what a user has: sentences, pairs of sentences,
    texts, or sequences of numbers.
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

    def save(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Save the model as ``model.json``, ``weights.safetensors`` and a ``.jsonl`` file for each vocabulary.

        The files are written to a temporary folder, which then replaces ``folder`` at once: who reads ``folder`` at the
        same time finds the older or the newer model. If writing fails, an existing folder stays as it is.

        Args:
            folder: folder of the model.
            dtype: type of the floating-point weights in the file, such as `torch.half` for half the size; that of the
                weights if None. The loaded model has its usual type again.

        Raises:
            ModelError: ``folder`` has a file that is not of a model, and would be lost.
            OSError: a file cannot be written.
        """
        folder = Path(os.path.realpath(folder))  # a link stays a link
        if folder.is_dir() and (others := [name for name in os.listdir(folder) if not _FILES.fullmatch(name)]):
            problem = "which is not a file of a model and would be lost: choose another folder"
            raise ModelError(f"{folder}: there is {min(others)!r}, {problem}")
        sweep(folder)
        part = part_beside(folder)
        try:
            part.mkdir(parents=True)
            self._write(part, dtype)
            replace_folder(part, folder)
        except OSError as error:
            # Not the name of the temporary folder; and writing fails without a name if the disk is full.
            name = Path(str(error.filename)).name if error.filename not in (None, str(part)) else ""
            error.filename = str(folder / name)
            del error.filename2
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _write(self, folder: Path, dtype: torch.dtype | None) -> None:
        found = {"recnn": self.kind, "format": _FORMAT, "config": as_json(self.config)}
        (folder / "model.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        for name, vocabulary in zip(self.vocabulary_names, self.vocabularies, strict=True):
            vocabulary.save(folder / f"{name}.jsonl")
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        if dtype is not None:
            state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
        path = folder / "weights.safetensors"
        try:
            _safetensors("torch").save_file(state, path)
        except _safetensors("").SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None

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


def model_in(folder: str | Path) -> Path:
    """Return the folder of a model: of the best one if ``folder`` is that of a training run, else ``folder``."""
    folder = Path(folder)
    return folder / "best" if (folder / "run.json").is_file() and (folder / "best").is_dir() else folder


def recover(folder: str | Path) -> None:
    """Remove what a `Model.save` that was killed has left; restore the older model if there is no newer one."""
    folder = Path(folder)
    for old in parts_beside(folder, "old", gone=False):
        shutil.rmtree(old) if folder.exists() else os.rename(old, folder)
    sweep(folder, gone=False)


def load(folder: str | Path) -> Model:
    """Load a model that was saved by `Model.save`, in evaluation mode.

    No code is executed from the folder (no pickle), nothing is built that the file of the weights does not hold, and
    no more memory is allocated for the weights than the size of their file. The model does not depend on the folder
    afterwards. While another process replaces the folder, either the older or the newer model is loaded.

    Args:
        folder: folder of the model, or of a training run for its best model.

    Raises:
        ModelError: the folder does not hold a model, a file in it is malformed or does not fit the others, or a weight
            is NaN or infinite.
        CorpusError: a vocabulary is malformed.
        OSError: a file cannot be read.
    """
    folder = model_in(folder)
    kinds = _kinds()
    with ExitStack() as stack:
        files = _opened(folder, stack)
        _check_files(folder, files, "model.json", "weights.safetensors")
        path, weights = folder / "model.json", folder / "weights.safetensors"
        with _blamed_on(weights):
            header = read_header(files["weights.safetensors"])
        kind, config = _configuration(path, files["model.json"].read(), kinds)
        _check_files(folder, files, *(f"{name}.jsonl" for name in kind.vocabulary_names))
        vocabularies = [_vocabulary(folder / name, files[name]) for name in _vocabulary_files(kind)]
        problem = f"the network has more parameters than the {len(header)} of {weights.name}"
        # Some parameters are made more than once, but not four times.
        with _blamed_on(path), countable(), at_most(4 * len(header), problem), torch.device("meta"), _NotDrawn():
            model = kind(config, *vocabularies)
        _check_entries(weights, header, model)
        state, expected = {}, model.state_dict()
        for name, entry in header.items():
            with _blamed_on(weights):
                state[name] = read_tensor(files[weights.name], entry).to(expected[name].dtype)
            if not state[name].isfinite().all():
                raise ModelError(f"{weights}: {name!r} has values that are NaN or infinite")
    model.load_state_dict(state, assign=True)
    return model.eval()


class _NotDrawn(TorchFunctionMode):
    """Skip `nn.init.normal_`, which imports `torch._dynamo` for tensors on the meta device, over a second."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return kwargs["tensor"] if function is nn.init.normal_ else function(*args, **kwargs)


def _opened(folder: Path, stack: ExitStack) -> dict[str, BinaryIO]:
    """Open the files of a model, all of them of one folder, even while another process replaces it.

    Who replaces the folder may remove the older one; what has been opened stays readable.
    """
    vocabularies = (name for kind in Model.kinds.values() for name in _vocabulary_files(kind))
    names = {"model.json", "weights.safetensors", *vocabularies}
    while True:
        descriptor = _folder_of_model(folder)
        try:
            with ExitStack() as attempt:
                files: dict[str, BinaryIO] = {}
                for name in names:
                    with suppress(FileNotFoundError):
                        if stat.S_ISREG(os.stat(name, dir_fd=descriptor).st_mode):
                            opener = partial(os.open, dir_fd=descriptor)
                            files[name] = attempt.enter_context(open(name, "rb", opener=opener))
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                        stack.push(attempt.pop_all())
                        return files
        finally:
            os.close(descriptor)


def _folder_of_model(folder: Path) -> int:
    """Open a folder, which may be missing for a moment where `corpora.parts.replace_folder` cannot exchange folders."""
    end = time.monotonic() + 1
    while True:
        try:
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            if time.monotonic() < end and any(parts_beside(folder, "old", gone=False)):
                time.sleep(0.01)
                continue
            raise ModelError(f"{folder}: no such folder, expected the folder of a model") from None
        except NotADirectoryError:
            raise ModelError(f"{folder}: not a folder, expected the folder of a model") from None


def _vocabulary_files(kind: type[Model]) -> list[str]:
    return [f"{name}.jsonl" for name in kind.vocabulary_names]


def _vocabulary(path: Path, file: BinaryIO) -> Vocabulary:
    opened = f"/dev/fd/{file.fileno()}"  # the file at the path may be another one by now
    try:
        return Vocabulary.load(opened)
    except CorpusError as error:
        raise CorpusError(str(error).replace(opened, str(path), 1)) from None


def _check_files(folder: Path, files: Container[str], *names: str) -> None:
    if missing := [name for name in names if name not in files]:
        raise ModelError(f"{folder}: not the folder of a model, {' and '.join(missing)} missing")


def _configuration(path: Path, content: bytes, kinds: Mapping[str, type[Model]]) -> tuple[type[Model], Any]:
    with _blamed_on(path):
        found = json.loads(content.decode())
        if not isinstance(found, dict) or not isinstance(found.get("recnn"), str):
            raise ValueError(f'expected an object with "recnn": one of {", ".join(kinds)}')
        _check_format(found.get("format"))
        name = str(_FORMER_KINDS.get(found["recnn"], found["recnn"]))
        if name not in kinds:
            raise ValueError(f'"recnn" is {name[:40]!r}, expected one of {", ".join(kinds)}')
        config = found.get("config")
        if isinstance(config, dict):
            config = {_FORMER_SETTINGS.get(setting, setting): value for setting, value in config.items()}
        return kinds[name], settings_of(kinds[name].Config, config)


def _check_format(found: object) -> None:
    if type(found) is int and found > _FORMAT:
        problem = f"format {str(found)[:20]}, this version of recnn reads formats up to {_FORMAT}"
        raise ValueError(f"written by a newer version of recnn ({problem}): install a newer version")
    if found != _FORMAT:
        raise ValueError(f'"format" is {found!r:.40}, expected {_FORMAT}')


def _kinds() -> dict[str, type[Model]]:
    """Return the classes of models by kind: those of this package and those that the program has defined."""
    face = import_module("recnn.models")
    for name in face.__all__:
        getattr(face, name)
    return Model.kinds


def _check_entries(path: Path, header: Mapping[str, Entry], model: Model) -> None:
    """Compare the names, shapes and types of the tensors in a file with those of a model."""
    expected = {name: (tuple(value.shape), value.dtype) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | header.keys()):
        if name not in header or name not in expected:
            raise ModelError(f"{path}: {name!r} is {'missing' if name in expected else 'not part of this model'}")
        shape, dtype = header[name].shape, header[name].dtype
        # Weights that were saved in fewer bits have those of the model again.
        shorter = dtype in (torch.half, torch.bfloat16) and expected[name][1] == torch.float32
        if (shape, expected[name][1] if shorter else dtype) != expected[name]:
            wanted = " ".join(map(str, expected[name]))
            raise ModelError(f"{path}: expected {name!r} of {wanted}, got {shape} {dtype}")


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
