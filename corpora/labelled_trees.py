"""Labelled trees from files of several formats."""

from collections.abc import Iterator
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import parsers
from corpora.errors import error_at
from parsers.errors import SentenceError

if TYPE_CHECKING:
    from nltk import Tree

Form = Literal["sst", "trees", "listops", "sentences"]


def read_labelled_trees(path: str | Path, form: Form = "trees", parser: str = "balanced") -> "Iterator[Tree]":
    """Read the trees of a file, one by one. The labels are the targets; a node with an empty label has none.

    Args:
        path: the file.
        form: format of the file: "sst", see `read_sst`; "trees", brackets with any labels, see `read_trees`; "listops",
            see `read_listops`, as binary trees with the value of each complete expression, see `listops_tree`; or
            "sentences", a label, a tab and a sentence per line, see `read_labelled`, as trees with the label at the
            root of their parse trees, and no other label.
        parser: name of the parser of "sentences", see `parsers.load`.

    Raises:
        CorpusError: the file is malformed, or a sentence has no parse.
        GrammarError: there is no such parser.
        OSError: the file cannot be read.
    """
    if form == "sst":
        from corpora.sst import read_sst

        return read_sst(path)
    if form == "listops":
        from corpora.listops import listops_tree, read_listops

        return (listops_tree(expression.tree) for expression in read_listops(path))
    if form == "sentences":
        return _parsed(path, parser)
    from corpora.treebanks import read_trees

    return read_trees(path)


def _parsed(path: str | Path, parser: str) -> "Iterator[Tree]":
    """Read labelled sentences as the trees of a parser, with a label at the root only."""
    from corpora.labelled import placed

    read, given = tee(placed(path))
    trees = parsers.load(parser).parse_each(one.sentence for _, _, one in given)
    for tree, (line, column, one) in zip(trees, read, strict=True):  # the parser reads ahead where it has batches
        if isinstance(tree, SentenceError):
            raise error_at(path, line, column, f"parser {parser}: {tree}")
        yield parsers.relabelled(tree, one.label)
