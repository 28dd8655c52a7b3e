"""Parsers by name: those of this package, and those that installed packages offer."""

import re
from collections.abc import Sequence
from importlib.metadata import entry_points
from os.path import exists, isdir
from typing import get_args

from parsers.api import Parser, Parses
from parsers.errors import GrammarError
from parsers.grammar import GrammarParser
from parsers.loading import bundled_grammars, load_grammar
from parsers.shapes import Shape, shaped
from parsers.tokens import tokens_and_words

NAMED, FOLDERS = "parsers", "parsers.folders"
"""Groups of entry points: functions that make a parser of that name, and functions that make one from a folder."""
SHAPES: tuple[Shape, ...] = get_args(Shape)


class ShapeParser(Parser):
    """Parser that knows no grammar: all trees have one shape, see `shaped`; their labels are empty.

    Args:
        shape: "right", "left" or "balanced".
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the one tree of this shape.

        Raises:
            EmptySentenceError: the sentence has no words.
        """
        _, words = tokens_and_words(sentence)
        return Parses(iter([shaped(words, self.shape)]), words, [])


def available() -> list[str]:
    """Return the names of all parsers, for `load`."""
    return [*sorted(entry_points(group=NAMED).names), *SHAPES, *bundled_grammars()]


def load(name: str, max_edges: int | None = None, timeout: float | None = None) -> Parser:
    """Load a parser.

    Args:
        name: "right", "left" or "balanced" for trees of that shape; a name that an installed package offers, such as
            "english" of recnn; the folder of a trained parser; or a grammar: a bundled one, the path of its file, or
            its text, see `load_grammar`.
        max_edges: for a grammar, see `GrammarParser`.
        timeout: for a grammar, see `GrammarParser`.

    Raises:
        GrammarError: there is no such parser, or the grammar is malformed.
        InputError: the folder has no parser.
    """
    if name in SHAPES:
        return ShapeParser(name)
    for entry in entry_points(group=NAMED, name=name):
        made: Parser = entry.load()()
        return made
    if isdir(name):  # of pathlib, it fails for the text of a grammar that is too long for a path
        for entry in entry_points(group=FOLDERS):
            made = entry.load()(name)
            return made
        raise GrammarError(f"parser {name}: a folder, but no package that is installed has trained parsers")
    if re.fullmatch(r"[\w./-]+", name) and name not in bundled_grammars() and not exists(name):
        names = ", ".join(available())
        raise GrammarError(f"parser {name[:200]}: no such file or folder, and no parser of that name ({names})")
    return GrammarParser(load_grammar(name), max_edges, timeout)
