"""`recnn parse`: the parse trees of sentences."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import parsers
import recnn
from parsers.printing import printable
from recnn.commands.common import (
    Failures,
    ParserName,
    PictureFile,
    Sentences,
    counted,
    fail,
    out,
    read_sentences,
    save_pictures,
)
from recnn.commands.streams import print_json

if TYPE_CHECKING:
    from nltk import Tree

MOST = (1 << 63) - 1
"""Largest number that Python takes as the length of a sequence."""
Limit = Annotated[int, typer.Option(min=1, max=MOST, help="Maximum number of parses per sentence.")]
Tokens = Annotated[bool, typer.Option("--tokens", help="Sentences are tokens already: split them at blanks only.")]
MaxEdges = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum number of edges in the chart of a sentence. \\[default: 1000000, or 100000 for a grammar with "
        "features]",
    ),
]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Time limit per sentence. \\[default: none]")
]
FILES = "Files"
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per parse and line.")]


class Parse(NamedTuple):
    """One parse of one sentence."""

    sentence: str
    number: int
    tree: Tree
    parser: str | None = None
    """Name of the parser; None for a given tree, or for a parser without a name, such as that of an autoencoder."""

    @property
    def probability(self) -> float | None:
        """Probability under a PCFG, else None."""
        return self.tree.prob() if hasattr(self.tree, "prob") else None

    def record(self) -> dict[str, Any]:
        """Return the parse as JSON values."""
        return {
            "sentence": self.sentence,
            "parse": self.number,
            "tree": parsers.brackets(self.tree),
            "parser": self.parser,
            "probability": self.probability,
            "productions": parsers.productions(self.tree),
        }

    def described(self) -> str:
        """Return the parse as text: the tree, drawn unless it is too deep, and its production rules."""
        try:
            drawn = recnn.tree_to_text(self.tree)
        except parsers.InputError:
            drawn = parsers.brackets(self.tree)
        rules = "\n".join(printable(str(rule)) for rule in parsers.productions(self.tree))
        return f"{printable(self.sentence)}\n{printable(self.caption())}\n\n{drawn}\n\n{rules}\n"

    def caption(self) -> str:
        """Return the number of the parse, its probability and its parser."""
        probability = "" if self.probability is None else f", probability {self.probability:.3g}"
        return f"parse {self.number}{probability}" + ("" if self.parser is None else f", parser {self.parser}")


def parse(
    sentences: Sentences = None,
    parser: ParserName = "english",
    every: Annotated[bool, typer.Option("--all", help="Print all parses, not only the best one.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Maximum number of parses per sentence; implies --all. \\[default: 100]"),
    ] = None,
    tokens: Tokens = False,
    max_edges: MaxEdges = None,
    timeout: Timeout = None,
    picture: PictureFile = None,
    gold: Annotated[
        Path | None,
        typer.Option(
            "--score", metavar="FILE", help="File of bracketed trees: parse their words, and compare (PARSEVAL)."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="File of sentences, one per line, whose trees are written to --out, one per line.",
            rich_help_panel=FILES,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="File for the trees.", rich_help_panel=FILES),
    ] = None,
    text: Annotated[
        bool,
        typer.Option(
            "--text", help="The file is running English text: split it into sentences first.", rich_help_panel=FILES
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes, each with one thread.", rich_help_panel=FILES)
    ] = 1,
    as_json: Json = False,
) -> None:
    """Print the parse trees of sentences, with their production rules and probabilities.

    The parser english gives any sentence one tree, with the labels of the Penn Treebank; a grammar gives all readings.
    Full stops, commas, colons, quotes and the like that a grammar does not have are left out, with a message on
    standard error. A sentence that cannot be parsed is reported there, and the next one follows.

    With --score, the best parses of the words of a treebank are compared with its trees: precision and recall of the
    brackets as evalb counts them with COLLINS.prm. A sentence without a parse counts as one without brackets.

    With --input and --out, a file of any size is parsed into trees in brackets, or JSON. A sentence without a tree has
    an empty line, or an object with "error". If the command ends early, the same command continues.
    """
    if (source is None) != (target is None):
        raise typer.BadParameter("give both or none", param_hint="--input, --out")
    if source is not None and target is not None:
        from recnn.commands.parse_file import Job, parse_file

        if sentences or every or limit or gold or picture:
            problem = "it takes no sentences, --all, --limit, --score or --picture"
            raise typer.BadParameter(problem, param_hint="--input")
        with Failures() as failures:
            job = Job(str(source), parser, tokens, text, as_json, max_edges, timeout)
            parse_file(job, target, workers, failures)
        return
    if picture is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--picture")
    if text or workers > 1:
        raise typer.BadParameter("they are for files, see --input", param_hint="--text, --workers")
    if gold is not None and (sentences or every or limit or tokens or picture):
        raise typer.BadParameter("it takes no sentences, --all, --limit, --tokens or --picture", param_hint="--score")
    loaded = parsers.load(parser, max_edges, timeout)
    if gold is not None:
        from recnn.commands.score import score

        score(loaded, gold, as_json)
        return
    every = every or limit is not None
    with Failures() as failures:
        read = read_sentences(sentences, failures)
        several = parse_each(loaded, parser, read, limit or 100, failures, tokens)
        groups = several if every else best_parses(loaded, parser, read, failures, tokens)
        if picture is not None:
            every_parse = [found for parses in groups for found in parses]
            captions = [found.caption() for found in every_parse]
            save_pictures((recnn.draw.picture(found.tree) for found in every_parse), picture, captions)
            return
        for parses in groups:
            for found in parses:
                if as_json:
                    print_json(found.record())
                else:
                    out.print(found.described())


def parse_each(
    parser: parsers.Parser,
    name: str | None,
    sentences: Iterable[tuple[str, str]],
    limit: int,
    failures: Failures,
    tokens: bool = False,
) -> Iterator[list[Parse]]:
    """Yield the parses of each sentence that has any.

    Args:
        parser: parser of the sentences.
        name: its name.
        sentences: each with the beginning of its error messages, see `read_sentences`.
        limit: largest number of parses per sentence.
        failures: the errors of sentences are added to it.
        tokens: split sentences at blanks only.
    """
    for place, sentence in sentences:
        found: list[Parse] = []
        try:
            parses = parse_one(parser, place, sentence, tokens)
            found.extend(Parse(sentence, number, tree, name) for number, tree in enumerate(islice(parses, limit)))
            if next(parses, None) is not None:
                fail(f"{place}{sentence!r} has more than {counted(limit, 'parse')}: increase --limit to see them")
        except parsers.SentenceError as error:
            failures.add(parsers.SentenceError(f"{place}{error}"))
        if found:
            yield found


def best_parses(
    parser: parsers.Parser,
    name: str | None,
    sentences: Iterable[tuple[str, str]],
    failures: Failures,
    tokens: bool = False,
) -> Iterator[list[Parse]]:
    """Yield the best parse of each sentence that has any, as a list; the arguments are those of `parse_each`."""
    given, rest = tee(sentences)
    for (_, sentence), found in zip(given, best_trees(parser, rest, tokens), strict=True):
        if isinstance(found, parsers.SentenceError):
            failures.add(found)
        else:
            yield [Parse(sentence, 0, found, name)]


def best_trees(
    parser: parsers.Parser, sentences: Iterable[tuple[str, str]], tokens: bool = False
) -> Iterator[Tree | parsers.SentenceError]:
    """Yield the best parse of each sentence, or the error with its place; in batches, unless someone is typing."""
    # A grammar takes no batches, and has messages about what it leaves out.
    if isinstance(parser, parsers.GrammarParser) or sys.stdin.isatty():
        for place, sentence in sentences:
            try:
                yield next(parse_one(parser, place, sentence, tokens))
            except parsers.SentenceError as error:
                yield parsers.SentenceError(f"{place}{error}")
        return
    given, rest = tee(sentences)
    trees = parser.parse_each(sentence.split() if tokens else sentence for _, sentence in rest)
    for (place, _), tree in zip(given, trees, strict=True):
        yield parsers.SentenceError(f"{place}{tree}") if isinstance(tree, parsers.SentenceError) else tree


def parse_one(parser: parsers.Parser, place: str, sentence: str, tokens: bool = False) -> parsers.Parses:
    """Parse a sentence, with a message about punctuation that is left out; raises the errors of the parser."""
    parses = parser.parses(sentence.split() if tokens else sentence)
    if parses.dropped:
        dropped = ", ".join(map(repr, dict.fromkeys(parses.dropped)))
        fail(f"{place}sentence {sentence!r}: left out {dropped}, which the grammar does not have")
    return parses
