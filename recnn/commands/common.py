"""Common parts of the commands: output, errors, and the reading of sentences, trees and models."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, TypeVar

import typer

import parsers
import recnn
from corpora.text import decoded_lines
from parsers.errors import EmptySentenceError, InputError
from parsers.printing import MOST_WORDS, printable
from recnn.commands.streams import PlainConsole
from recnn.data.parsing import parser_named
from recnn.data.sources import Preparation
from recnn.settings import Device

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.draw import Picture
    from recnn.models.folder import Model

M = TypeVar("M", bound="Model")
T = TypeVar("T")

out = PlainConsole()
wide = PlainConsole(width=1 << 20)
"""Console for drawings, whose lines must not be wrapped at the width of the terminal."""

Sentences = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SENTENCE...", help="Sentences, each in quotes; - reads them from standard input, one per line."
    ),
]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a model, or of a training run for its best model.")
]
ParserName = Annotated[
    str,
    typer.Option(
        "--parser",
        metavar="PARSER",
        help="Parser: english; english-pcfg, a grammar of a treebank; right, left or balanced for trees of that shape; "
        "a bundled grammar (duck or telescope); "
        "the path or text of a grammar; or the folder of a trained parser.",
    ),
]
Trees = Annotated[Path | None, typer.Option(help="File of bracketed trees instead of sentences.")]

TreeFile = Annotated[
    Path | None,
    typer.Option(
        help="File of trees instead of sentences: brackets, or dependencies in CoNLL-U (NAME.conllu) or as heads "
        "(NAME.parents with NAME.toks)."
    ),
]


def _described(name: str) -> Any:
    field = Preparation.__pydantic_fields__[name]  # type: ignore[attr-defined]
    return typer.Option(help=field.description, rich_help_panel="Trees of --trees")


WithoutTraces = Annotated[bool, _described("without_traces")]
WithoutFunctions = Annotated[bool, _described("without_functions")]
CollapseUnaries = Annotated[bool, _described("collapse_unaries")]
Binarise = Annotated[Literal["left", "right", "head"] | None, _described("binarise")]
OnDevice = Annotated[Device, typer.Option("--device", help="Device to run on.")]

PictureFile = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE", help="Draw the trees to this file: .svg, .html, .png or .pdf."),
]
_MOST_PICTURES = 100


class Failures:
    """Counts inputs that fail without ending the command, and ends it with exit status 1 if there were any."""

    count = 0

    def add(self, error: Exception) -> None:
        """Print the error and go on."""
        self.count += 1
        fail(str(error))

    def __enter__(self) -> Failures:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.count and kind is None:
            raise typer.Exit(1)


@contextmanager
def terminable(what_to_do: str) -> Iterator[None]:
    """Let SIGTERM end a command in an orderly way, with one line and status 143.

    Args:
        what_to_do: what the line says to the user.

    Raises:
        typer.Exit: this process was terminated.
    """
    told = False

    def tell(*_: object) -> None:
        nonlocal told
        told = True
        raise KeyboardInterrupt  # which libraries written in C pass on, unlike others

    before = signal.signal(signal.SIGTERM, tell)
    try:
        yield
    except KeyboardInterrupt:
        if not told:
            raise
        fail(f"terminated: {what_to_do}")
        raise typer.Exit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def fail(message: str) -> None:
    """Print one line on standard error."""
    print(f"recnn: {printable(message)}", file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shown_values(values: dict[str, float]) -> str:
    """Metrics by name; accuracies in percent."""
    return ", ".join(
        f"{name} {100 * value:.2f} percent"
        if name in ("accuracy", "sequences", "f1", "exact")
        else f"{name} {value:.2f}"
        for name, value in values.items()
    )


def with_words(nodes: list[dict[str, Any]], words: list[str]) -> list[dict[str, Any]]:
    """Add the words in the "span" of each node of a tree, unless the tree has more than `MOST_WORDS`."""
    if len(words) > MOST_WORDS:
        return nodes
    return [{**node, "words": words[node["span"][0] - 1 : node["span"][1]]} for node in nodes]


def either(sentences: Sequence[str] | None, trees: Path | None) -> None:
    """Raise an error if both or neither of sentences and ``--trees`` are given."""
    if (trees is None) == (not sentences):
        raise typer.BadParameter("give either sentences or --trees FILE", param_hint="SENTENCE...")


def read_sentences(arguments: Sequence[str] | None, failures: Failures) -> Iterator[tuple[str, str]]:
    """Yield each sentence with the beginning of its error messages: its line of standard input, or nothing.

    What is not UTF-8 text is added to ``failures``.
    """
    if not arguments:
        raise typer.BadParameter("no sentence given; - reads them from standard input", param_hint="SENTENCE...")
    for argument in arguments:
        if argument != "-":
            if any("\ud800" <= character <= "\udfff" for character in argument):
                failures.add(InputError(f"sentence {argument!r}: not UTF-8 text"))
            else:
                yield "", argument
            continue
        for place, text in decoded(sys.stdin.buffer, "standard input"):
            if isinstance(text, InputError):
                failures.add(InputError(f"{place}{text}"))
            elif text:
                yield place, text


def decoded(file: BinaryIO, name: str) -> Iterator[tuple[str, str | InputError]]:
    """Yield each line of a file with the beginning of its error messages; or what is wrong with it."""
    for number, _, text in decoded_lines(file):
        yield f"{name}, line {number}: ", text.strip() if isinstance(text, str) else text


def in_chunks(items: Iterable[T], size: int = 64) -> Iterator[list[T]]:
    """Cut into lists, which are computed together; of one item each if someone is typing them.

    Raises:
        InputError: of the items; after those before it have been yielded.
    """
    rest, problem = iter(items), None
    while problem is None:
        some: list[T] = []
        try:
            some.extend(islice(rest, 1 if sys.stdin.isatty() else size))
        except InputError as error:
            problem = error
        if some:
            yield some
        elif problem is None:
            return
    raise problem


def words_in(sentence: str, tokens: bool = False) -> list[str]:
    """Split a sentence into words; at blanks only, if they are ``tokens`` already.

    Raises:
        EmptySentenceError: the sentence has no words.
    """
    words = sentence.split() if tokens else parsers.tokenize(sentence)
    if not words:
        raise EmptySentenceError(f"{sentence!r} has no words")
    return words


_SICK = {"train": "SICK_train.txt", "dev": "SICK_trial.txt", "test": "SICK_test_annotated.txt"}


def part_of(folder: str | Path, part: str) -> Path:
    """Find the file of a part of a corpus, "train", "dev" or "test", under one of its usual names.

    Raises:
        InputError: the folder has no such file.
    """
    names = [*(f"{part}.{suffix}" for suffix in ("txt", "tsv", "conllu", "parents")), _SICK[part]]
    return first_of(Path(folder), names, "a file ")


def first_of(folder: Path, names: Sequence[str], kind: str = "") -> Path:
    """Return the first of some files or folders in a folder that exists.

    Raises:
        InputError: there is none; the message says that one of this ``kind`` was expected.
    """
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise InputError(f"{folder}: expected {kind}{', '.join(names[:-1])} or {names[-1]} in this folder")


def folder_of(data: str | None) -> str:
    """Return the folder of ``--data``, which a task without bundled data requires."""
    if data is None:
        raise typer.BadParameter("this task has no bundled data: give a folder", param_hint="--data")
    return data


def prepared(trees: Iterable[Tree], preparation: Preparation, path: Path) -> Iterator[Tree]:
    """Transform the trees of a file; nodes that binarisation adds have no label.

    Raises:
        InputError: a tree cannot be transformed; the message has its number.
    """
    asked = any(getattr(preparation, field.name) for field in fields(Preparation))
    for number, tree in enumerate(trees, 1):
        try:
            if asked and isinstance(tree, parsers.DependencyTree):
                raise parsers.TreeError("only trees of phrases can be transformed, not dependency trees")
            if preparation.without_traces:
                tree = parsers.without_traces(tree)
            if preparation.without_functions:
                tree = parsers.without_functions(tree)
            if preparation.collapse_unaries:
                tree = parsers.collapse_unaries(tree)
            yield parsers.binarise(tree, preparation.binarise, labelled=False) if preparation.binarise else tree
        except parsers.TreeError as error:
            raise InputError(f"{path}, tree {number}: {error}") from None


def save_pictures(pictures: Iterable[Picture], path: Path, captions: Sequence[str] = ()) -> None:
    """Draw pictures to one file, side by side as far as there is room; no file is made if there are none.

    Raises:
        InputError: there are more than 100 pictures, or as in `recnn.draw.Picture.save`.
    """
    some = list(islice(pictures, _MOST_PICTURES + 1))
    if len(some) > _MOST_PICTURES:
        raise InputError(f"{path}: expected at most {_MOST_PICTURES} trees to draw")
    if some:
        recnn.draw.side_by_side(some, captions).save(path)


def read_model(folder: Path, kind: type[M], device: Device = "cpu") -> M:
    """Load the model in a folder, or the best one of a training run, on a device.

    Raises:
        InputError: there is no such device, or no such model, see `recnn.load`.
    """
    from recnn.graphs.devices import chosen_device
    from recnn.models.folder import model_in

    place = chosen_device(device)  # before the work
    return kind.load(model_in(folder)).to(place)


def load_parser(parser: str | parsers.Parser, max_edges: int | None, timeout: float | None) -> parsers.Parser:
    """Load a parser by its name, of the command line or of a model, see `SentenceModel.own_parser`."""
    return parser_named(parser, max_edges, timeout) if isinstance(parser, str) else parser
