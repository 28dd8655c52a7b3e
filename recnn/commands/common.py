"""What commands share: where they print, how they fail, and how they read what a user names."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from nltk import Tree
from rich.console import Console

from parsers.errors import EmptySentenceError, InputError
from parsers.tokens import tokenize
from parsers.trees import binarised, constituents
from recnn.cells.base import Arity
from recnn.models.folder import Model

M = TypeVar("M", bound=Model)

out = Console(markup=False, highlight=False, soft_wrap=True)

Sentences = Annotated[
    list[str] | None,
    typer.Argument(metavar="SENTENCE...", help="Sentences; - reads them from standard input, one a line."),
]


class Failures:
    """Counts bad inputs that do not stop the run, and ends it with exit status 1 if there were any."""

    count = 0

    def add(self, error: Exception) -> None:
        """Say what was wrong, and go on."""
        self.count += 1
        fail(str(error))

    def __enter__(self) -> "Failures":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.count and kind is None:
            raise typer.Exit(1)


def fail(message: str) -> None:
    """One line on standard error."""
    print(f"recnn: {message}", file=sys.stderr)


def read_sentences(arguments: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Each sentence with its place, if it is a line of standard input."""
    if not arguments:
        raise typer.BadParameter("no sentence given; - reads them from standard input", param_hint="SENTENCE...")
    for argument in arguments:
        if argument != "-":
            yield "", argument
            continue
        for number, line in enumerate(sys.stdin.buffer, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise InputError(f"standard input, line {number}: not UTF-8 text (byte {error.start + 1})") from None
            if text:
                yield f"standard input, line {number}: ", text


_SICK = {"train": "SICK_train.txt", "dev": "SICK_trial.txt", "test": "SICK_test_annotated.txt"}


def words_in(sentence: str) -> list[str]:
    """The words of a sentence.

    Raises:
        EmptySentenceError: there are none.
    """
    words = tokenize(sentence)
    if not words:
        raise EmptySentenceError(f"{sentence!r} has no words")
    return words


def part_of(folder: str | Path, part: str) -> Path:
    """The file of a part of a corpus, "train", "dev" or "test", under one of the names that it goes by.

    Raises:
        InputError: there is none.
    """
    names = [f"{part}.txt", f"{part}.tsv", _SICK[part]]
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise InputError(f"{folder}: no {names[0]} there, nor {' nor '.join(names[1:])}")


def fitting(tree: Tree, arity: Arity) -> Tree:
    """``tree``, binarised if it has wider nodes than a network of this arity takes.

    The nodes that this adds have no label, so no target either.

    Raises:
        InputError: the network takes chains alone.
    """
    widest = max(len(c.node) if isinstance(c.node, Tree) else 0 for c in constituents(tree))
    if arity == "sum" or widest <= arity:
        return tree
    if arity < 2:
        raise InputError(f"the model takes chains, and a node of the tree has {widest} children: take --arity 2")
    return binarised(tree)


def read_model(folder: Path, kind: type[M]) -> M:
    """The model in a folder, or the best one of a run's."""
    return kind.load(folder / "best" if (folder / "run.json").is_file() and (folder / "best").is_dir() else folder)
