"""The models and parsers that can be chosen on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import torch
from nltk import Tree

import parsers
from corpora.labelled_trees import read_labelled_trees
from corpora.sentiment import bundled_sentiment
from corpora.sst import SENTIMENTS
from parsers.errors import InputError
from recnn.models.folder import model_in
from recnn.models.trees import TreeClassifier
from recnn.serve.phrases import PhraseTable
from recnn.serve.predictions import predict_nodes
from recnn.serve.schemas import Choices, Colours, Example, OfferedModel

PARSERS = ("duck", "telescope", "english", "right", "left", "balanced")
"""The parsers that are offered by default; `english-pcfg` takes long for long sentences."""
PRETRAINED = ("sentiment-tree", "sentiment-sequence")
_MAX_EDGES = 100_000
_TITLES = ("very negative", "negative", "neutral", "positive", "very positive")
_PHRASES = 5_000  # in the table of a model
_OWN = "the model's own"
_EXAMPLES: tuple[tuple[str, str, Colours], ...] = (
    ("The boy saw her duck", "duck", "norm"),
    ("The plot is not very funny, but the cast is superb.", "english", "prediction"),
    ("although this music is wonderful , the film does not please the crowd .", "english", "prediction"),
    ("I saw the man in the park with a telescope", "telescope", "norm"),
)
_LISTOPS = "[MAX 2 [MIN 4 7 ] 0 ]"


@dataclass(frozen=True)
class ShownModel:
    """A model with what the page shows of it."""

    offer: OfferedModel
    model: TreeClassifier
    table: PhraseTable


class Catalogue:
    """Models and parsers by name.

    Args:
        folders: folders of models of kind "trees", or of their training runs; by default the two that are part of
            this package.
        names: parsers by name, see `parsers.load`; by default `PARSERS`. A model's own parser is added.
        phrases: file of trees whose phrases can be the nearest ones; by default the bundled treebank.
        device: device of the models.
        timeout: seconds for the chart of a sentence of a grammar, and for each of its trees.

    Raises:
        InputError: a folder has no such model, or there is no such parser.
        OSError: a file cannot be read.
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        names: Sequence[str] = PARSERS,
        phrases: Path | None = None,
        device: str = "cpu",
        timeout: float = 2.0,
    ) -> None:
        pretrained = [Path(str(files("recnn"))) / "pretrained" / name for name in PRETRAINED]
        trees = list(bundled_sentiment("dev") if phrases is None else read_labelled_trees(phrases))
        self.parsers = {name: parsers.load(name, _MAX_EDGES, timeout) for name in names}
        self.models: dict[str, ShownModel] = {}
        for folder in folders or pretrained:
            model = TreeClassifier.load(model_in(folder)).to(device).eval()
            name = _distinct_name(folder, self.models)
            own = model.own_parser()
            if isinstance(own, parsers.Parser):
                self.parsers[_OWN] = own
            elif own not in self.parsers:
                self.parsers[own] = parsers.load(own, _MAX_EDGES, timeout)
            self.models[name] = ShownModel(_offer(name, model), model, _table(model, trees))

    def choices(self, max_words: int) -> Choices:
        """Return everything that can be chosen, for sentences of up to ``max_words`` words."""
        examples = [
            Example(sentence=sentence, parser=parser, colours=colours)
            for sentence, parser, colours in _EXAMPLES
            if parser in self.parsers
        ]
        if _OWN in self.parsers:
            examples.insert(0, Example(sentence=_LISTOPS, parser=_OWN, colours="prediction"))
        offers = [shown.offer for shown in self.models.values()]
        return Choices(parsers=list(self.parsers), models=offers, examples=examples, max_words=max_words)

    def parser_of(self, name: str | None, models: Sequence[ShownModel]) -> str:
        """Return the name of a parser, by default that of the first model.

        Raises:
            InputError: there is no such parser.
        """
        name = name if name is not None else models[0].offer.parser
        if name not in self.parsers:
            raise InputError(f"no parser {name[:60]!r}, expected one of {', '.join(self.parsers)}")
        return name

    def chosen(self, names: Sequence[str]) -> list[ShownModel]:
        """Return models by name, by default the first two.

        Raises:
            InputError: there is no such model.
        """
        for name in names:
            if name not in self.models:
                raise InputError(f"no model {name[:60]!r}, expected one of {', '.join(self.models)}")
        return [self.models[name] for name in dict.fromkeys(names or list(self.models)[:2])]


def _distinct_name(folder: Path, taken: Iterable[str]) -> str:
    """Name of a model: that of its folder, or of the run around a folder "best", with a number if it is taken."""
    path = folder.resolve()
    stem = name = path.parent.name if path.name in ("best", "last", "initial") else path.name
    number = 1
    while name in taken:
        number += 1
        name = f"{stem} ({number})"
    return name


def _offer(name: str, model: TreeClassifier) -> OfferedModel:
    config = model.config
    network: Literal["tree", "sequence"] = config.model
    over = "trees" if network == "tree" else "sequences"
    weights = sum(weight.numel() for weight in model.parameters())
    own = model.own_parser()
    return OfferedModel(
        name=name,
        network=network,
        description=f"{config.cell} over {over}, {config.hidden_size} hidden units, {weights:,} weights",
        labels=list(model.labels),
        titles=list(_TITLES if model.labels == SENTIMENTS else model.labels),
        parser=own if isinstance(own, str) else _OWN,
    )


def _table(model: TreeClassifier, trees: Sequence[Tree]) -> PhraseTable:
    """Make the table of phrases of a model; empty for ListOps, whose expressions have other words."""
    phrases: list[str] = []
    labels: list[str] = []
    states = [torch.empty(0, model.state_size)]
    for start in range(0, 0 if model.config.form == "listops" else len(trees), 64):
        for found in predict_nodes(model, trees[start : start + 64]):
            phrases += found.drawing.phrases()
            labels += found.labels
            states.append(found.states)
        if len(phrases) >= _PHRASES:
            break
    return PhraseTable(phrases, labels, torch.cat(states))
