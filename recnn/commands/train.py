"""`recnn train`: a model from data, in one command."""

import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from nltk import Tree
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.labelled_trees import Form, read_labelled_trees
from corpora.listops import generate_listops, listops_tree
from corpora.pairs import read_sick
from corpora.sentiment import bundled_sentiment
from corpora.sst import SENTIMENTS
from parsers.errors import InputError
from parsers.trees import constituents
from recnn.commands.common import out, part_of
from recnn.commands.settings import made, with_settings
from recnn.config import STRICT, Count, Location, NotNegative, as_json, settings_of
from recnn.models.classifier import ClassifierConfig
from recnn.models.config import PhraseConfig
from recnn.models.folder import load
from recnn.models.pairs import PairConfig
from recnn.objectives.options import TrainingOptions, WordOptions

if TYPE_CHECKING:
    from recnn.objectives.base import Objective

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the run.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out; of its options only --epochs may change.")
]


def trainer(
    task: str,
    build: "Callable[..., Objective]",
    training: type[TrainingOptions] = TrainingOptions,
    **kinds: type[Any],
) -> Callable[..., None]:
    """The command that trains what ``build`` makes of the settings ``kinds`` and of the options of training.

    A task for which other options of training are sensible by default has a ``training`` of its own.
    """

    @with_settings(**kinds, options=training)
    def command(context: typer.Context, to: Out = Path(task), resume: Resume = False, **given: Any) -> None:
        from recnn.training.run import RunError, read_run, shown_row, train

        if resume:
            epochs = given["options"].pop("epochs", None)
            if names := [name for values in given.values() for name in values]:
                option = "--" + names[0].replace("_", "-")
                raise typer.BadParameter(
                    f"{option} is the run's own: only --epochs may be given", param_hint="--resume"
                )
            run = read_run(to)
            try:
                if run.get("task") != task:
                    raise ValueError(f"the run there is of the task {run.get('task')!r}, not {task!r}")
                settings = {part: settings_of(kind, run.get("settings", {}).get(part)) for part, kind in kinds.items()}
                options = settings_of(training, run["options"])
            except (ValueError, AttributeError) as error:
                raise RunError(f"{to / 'run.json'}: {error}") from None
            if epochs is not None:
                options = replace(options, epochs=made(TrainingOptions, {"epochs": epochs}).epochs)
        else:
            settings = {part: made(kind, given[part]) for part, kind in kinds.items()}
            options = made(training, given["options"])
        found: list[Objective] = []

        def make() -> "Objective":
            found.append(build(**settings, options=options))
            return found[0]

        best = train(
            make,
            options,
            to,
            resume,
            {"task": task, "settings": {part: as_json(value) for part, value in settings.items()}},
            progress=sys.stderr.isatty() and sys.stdout.isatty(),
            report=out.print,
        )
        out.print(f"best: epoch {best['epoch']}, {shown_row(best, found[0])}; the model is in {to / 'best'}")
        if found[0].closing is not None:
            for line in found[0].closing(load(to / "best")):
                out.print(line)

    command.__doc__ = build.__doc__
    return command


@dataclass(frozen=True, config=STRICT)
class FolderData:
    """Where the data are."""

    data: Annotated[
        Location | None,
        Field(description="A folder with train.txt and dev.txt (.tsv will do). [default: what is bundled, if any]"),
    ] = None


@dataclass(frozen=True, config=STRICT)
class TreebankData(FolderData):
    """Where the trees are, and which of their labels are learnt."""

    targets: Annotated[Literal["all", "roots"], Field(description="The nodes to learn from.")] = "all"


@dataclass(frozen=True, config=STRICT)
class SentimentData(TreebankData):
    """The same, of labels on a scale."""

    ordinal: Annotated[
        NotNegative, Field(description="How far a target reaches to its neighbours on the scale; 0 for not at all.")
    ] = 0.0


@dataclass(frozen=True, config=STRICT)
class ListOpsData:
    """Expressions of ListOps, read or generated, and which of their values are learnt."""

    data: Annotated[
        Location | None, Field(description="A folder with train.tsv and dev.tsv. [default: expressions are generated]")
    ] = None
    count: Annotated[Count, Field(description="How many are generated to learn from; a tenth more to choose on.")] = (
        20_000
    )
    longest: Annotated[Count, Field(description="Most tokens in an expression that is generated.")] = 50
    targets: Annotated[
        Literal["all", "roots"], Field(description="Learn the value of the whole, or of every expression in it.")
    ] = "roots"


def sentiment(network: PhraseConfig, words: WordOptions, data: SentimentData, options: TrainingOptions) -> "Objective":
    """Train a sentiment for every node of a tree, 0 to 4, and keep the model that is best on held-out trees.

    --data takes trees in the format of the Stanford Sentiment Treebank; a small treebank of that kind is bundled. The
    folder of the run gets the models initial, best and last, metrics.csv and curves.png. Killed at any time, the run
    goes on with --resume, and ends with the weights it would have had.
    """
    parts = [
        list(bundled_sentiment(part) if data.data is None else read_labelled_trees(part_of(data.data, part), "sst"))
        for part in ("train", "dev")
    ]
    return _classification(network, words, options, parts, tuple(SENTIMENTS), "sst", data.targets, data.ordinal)


def treebank(network: PhraseConfig, words: WordOptions, data: TreebankData, options: TrainingOptions) -> "Objective":
    """Train the label of every node of a tree, whatever labels there are in the training trees.

    --data takes trees in Penn Treebank brackets; a node with an empty label has no target.
    """
    parts = _read(data.data, "trees", network)
    return _classification(network, words, options, parts, _labels_of(parts[0]), "trees", data.targets)


def sentences(network: PhraseConfig, words: WordOptions, data: FolderData, options: TrainingOptions) -> "Objective":
    """Train the label of sentences without trees: a label, a tab and a sentence a line.

    A tree of the form --shape is put over each sentence; --model sequence has no use for it.
    """
    parts = _read(data.data, "sentences", network)
    return _classification(network, words, options, parts, _labels_of(parts[0]), "sentences", "roots")


def listops(network: PhraseConfig, words: WordOptions, data: ListOpsData, options: TrainingOptions) -> "Objective":
    """Train the values of nested operations on digits, where a model that knows the tree has the advantage."""
    if data.data is not None:
        parts = _read(data.data, "listops", network)
    else:
        sizes = data.count, max(100, data.count // 10)
        # No expression of one part is in the other: both are cut from one sequence without repetitions.
        both = generate_listops(sum(sizes), options.seed, max_length=data.longest)
        try:
            trees = [listops_tree(expression.tree) for expression in both]
        except ValueError as error:
            raise InputError(f"--count {data.count} --longest {data.longest}: {error}") from None
        parts = [trees[: sizes[0]], trees[sizes[0] :]]
    return _classification(network, words, options, parts, tuple("0123456789"), "listops", data.targets)


def pairs(network: PairConfig, words: WordOptions, data: FolderData, options: TrainingOptions) -> "Objective":
    """Train how related two sentences are, or whether one follows from the other, on pairs in the format of SICK.

    --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and dev.txt).
    """
    from recnn.objectives.pairs import PairClassification

    folder = _folder(data.data)
    train, dev = (list(read_sick(part_of(folder, part))) for part in ("train", "dev"))
    return PairClassification(network, options, train, dev, words)


def _classification(
    network: PhraseConfig,
    words: WordOptions,
    options: TrainingOptions,
    parts: list[list[Tree]],
    labels: tuple[str, ...],
    form: Form,
    targets: Literal["all", "roots"],
    ordinal: float = 0.0,
) -> "Objective":
    from recnn.objectives.trees import TreeClassification

    values: Any = {field.name: getattr(network, field.name) for field in fields(network)}
    config = ClassifierConfig(labels, ordinal, form, **values)
    return TreeClassification(config, options, parts[0], parts[1], words, targets)


def _read(
    folder: str | None, form: Literal["trees", "listops", "sentences"], network: PhraseConfig
) -> list[list[Tree]]:
    return [list(read_labelled_trees(part_of(_folder(folder), part), form, network.shape)) for part in ("train", "dev")]


def _folder(folder: str | None) -> str:
    if folder is None:
        raise typer.BadParameter("this task has no bundled data: name a folder", param_hint="--data")
    return folder


def _labels_of(trees: list[Tree]) -> tuple[str, ...]:
    """The labels of all nodes, the most frequent first."""
    from corpora.vocabulary import Vocabulary

    found = (c.node.label() for tree in trees for c in constituents(tree) if isinstance(c.node, Tree))
    labels = tuple(Vocabulary.of((label for label in found if label), unknown=None))
    if len(labels) < 2:
        raise InputError(f"the trees have {len(labels)} different labels: there is nothing to tell apart")
    return labels
