"""`recnn parse`: the parse trees of sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import parsers
import recnn
from recnn.commands.common import Failures, Sentences, counted, fail, out, read_sentences

if TYPE_CHECKING:
    from nltk import Tree

Grammar = Annotated[str, typer.Option(help="Bundled grammar (duck or telescope), or the path or text of a grammar.")]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of parses per sentence.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per parse and line.")]


class Parse(NamedTuple):
    """One parse of one sentence."""

    sentence: str
    number: int
    tree: Tree

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
            "probability": self.probability,
            "productions": parsers.productions(self.tree),
        }

    def described(self) -> str:
        """Return the parse as text: the tree, drawn unless it is too deep, and its production rules."""
        probability = "" if self.probability is None else f", probability {self.probability:.3g}"
        try:
            drawn = recnn.tree_to_text(self.tree)
        except parsers.InputError:
            drawn = parsers.brackets(self.tree)
        rules = "\n".join(str(rule) for rule in parsers.productions(self.tree))
        return f"{self.sentence}\nparse {self.number}{probability}\n\n{drawn}\n\n{rules}\n"


def parse(
    sentences: Sentences = None,
    grammar: Grammar = "duck",
    every: Annotated[bool, typer.Option("--all", help="Print all parses, not only the best one.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Print the parse trees of sentences, with their production rules and probabilities."""
    parser = parsers.GrammarParser(parsers.load_grammar(grammar))
    with Failures() as failures:
        for parses in parse_each(parser, read_sentences(sentences), limit if every else 1, failures, warn=every):
            for found in parses:
                if as_json:
                    print(json.dumps(found.record(), ensure_ascii=False))
                else:
                    out.print(found.described())


def parse_each(
    parser: parsers.GrammarParser,
    sentences: Iterable[tuple[str, str]],
    limit: int,
    failures: Failures,
    warn: bool = True,
) -> Iterator[list[Parse]]:
    """Yield the parses of each sentence.

    Args:
        parser: parser of the grammar.
        sentences: each with the beginning of its error messages, see `read_sentences`.
        limit: largest number of parses per sentence.
        failures: sentences without a parse are added to it.
        warn: print a message if a sentence has more than ``limit`` parses.
    """
    for place, sentence in sentences:
        try:
            parses = parser.parses(sentence)
        except parsers.SentenceError as error:
            failures.add(parsers.SentenceError(f"{place}{error}"))
            continue
        yield [Parse(sentence, number, tree) for number, tree in enumerate(islice(parses, limit))]
        if warn and next(parses, None) is not None:
            fail(f"{place}{sentence!r} has more than {counted(limit, 'parse')}: increase --limit to see them")
