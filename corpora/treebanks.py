"""Reading of files of trees in Penn Treebank brackets; `parsers.transform` has the usual preprocessing."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nltk import Tree

from corpora.errors import error_at
from corpora.text import WORD_LIMIT, lines
from parsers.bracketed import read_brackets
from parsers.transform import copied
from parsers.trees import constituents

_ESCAPE = re.compile(r"-([LR][RSC])B-|\\([/*])")
_BRACKETS = {"LR": "(", "RR": ")", "LS": "[", "RS": "]", "LC": "{", "RC": "}"}


def read_trees(path: str | Path, expect: tuple[int, int] | None = None) -> Iterator[Tree]:
    """Read the trees of a UTF-8 file, one by one.

    A tree may span several lines, and a line may have several trees. Empty outer brackets, as in ``( (S ...) )``, are
    removed; function tags, traces and the escapes of treebanks are kept. Those of `parsers.brackets` are undone: this
    is its inverse, `parsers.tree_from_brackets`, for files.

    Args:
        path: the file.
        expect: required numbers of trees and of nodes (without empty outer brackets), to detect incomplete copies of
            published data; None for no check.

    Raises:
        CorpusError: there is no tree, a tree is malformed (all trees before it have been yielded), or the numbers are
            not those expected.
        OSError: the file cannot be read.
    """
    return parse_brackets(path, expect)


def read_treebank(path: str | Path) -> Iterator[Tree]:
    """Read the trees of a file, or of all files of a folder in the order of their names; see `read_trees`."""
    path = Path(path)
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if not file.name.startswith("."):
            yield from read_trees(file)


def parse_brackets(
    path: str | Path,
    expect: tuple[int, int] | None = None,
    check_label: Callable[[str], str | None] = lambda label: None,
    check_node: Callable[[Tree], str | None] = lambda node: None,
) -> Iterator[Tree]:
    """Read trees as `read_trees` does, with additional checks of a format.

    Args:
        path: the file.
        expect: see `read_trees`.
        check_label: returns the problem of a label, or None; the error has the position of the label.
        check_node: returns the problem of a complete node, or None; the error has the position of its bracket.
    """
    end, trees, nodes = (1, 1), 0, 0

    def text() -> Iterator[tuple[int, str]]:
        nonlocal end
        for number, line in lines(path):
            end = number, len(line) + 1
            yield number, line

    for tree in read_brackets(text(), partial(error_at, path), check_label, check_node, WORD_LIMIT):
        trees += 1
        nodes += sum(isinstance(c.node, Tree) for c in constituents(tree)) if expect else 0
        yield tree
    if not trees:
        raise error_at(path, 1, 1, "no tree in this file")
    if expect and expect != (trees, nodes):
        problem = f"expected trees: {expect[0]:,}, nodes: {expect[1]:,}; found trees: {trees:,}, nodes: {nodes:,}"
        raise error_at(path, *end, problem)


def unescape(tree: Tree) -> Tree:
    r"""Return a copy of ``tree`` with the original characters for escapes in words; labels such as ``-LRB-`` are kept.

    >>> print(*unescape(Tree.fromstring(r"(NP (-LRB- -LRB-) (CD 8) (CD 1\/2) (SYM \*\*) (-RRB- -RRB-))")).leaves())
    ( 8 1/2 ** )
    """
    return copied(tree, word=lambda word: _ESCAPE.sub(lambda escape: _BRACKETS.get(escape[1], escape[2]), word))
