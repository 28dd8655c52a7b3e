"""Labelled trees from files of several formats."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from parsers.shapes import Shape, shaped
from parsers.tokens import tokenize

if TYPE_CHECKING:
    from nltk import Tree

Form = Literal["sst", "trees", "listops", "sentences"]


def read_labelled_trees(path: str | Path, form: Form = "trees", shape: Shape = "balanced") -> "Iterator[Tree]":
    """Read the trees of a file, one by one. The labels are the targets; a node with an empty label has none.

    Args:
        path: the file.
        form: format of the file: "sst", see `read_sst`; "trees", brackets with any labels, see `read_trees`; "listops",
            see `read_listops`, as binary trees with the value of each complete expression, see `listops_tree`; or
            "sentences", a label, a tab and a sentence per line, see `read_labelled`, as trees with the label at the
            root over the words of `parsers.tokenize`.
        shape: shape of the trees over "sentences", see `parsers.shaped`.

    Raises:
        CorpusError: the file is malformed.
        OSError: the file cannot be read.
    """
    if form == "sst":
        from corpora.sst import read_sst

        return read_sst(path)
    if form == "listops":
        from corpora.listops import listops_tree, read_listops

        return (listops_tree(expression.tree) for expression in read_listops(path))
    if form == "sentences":
        from corpora.labelled import read_labelled

        return (shaped(tokenize(sentence), shape, label) for label, sentence in read_labelled(path))
    from corpora.treebanks import read_trees

    return read_trees(path)
