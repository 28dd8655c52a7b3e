"""Trees with labels as targets, from any of the file formats that hold such trees."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from parsers.shapes import Shape, shaped
from parsers.tokens import tokenize

if TYPE_CHECKING:
    from nltk import Tree

Form = Literal["sst", "trees", "listops", "sentences"]


def read_labelled_trees(path: str | Path, form: Form = "trees", shape: Shape = "balanced") -> "Iterator[Tree]":
    """Read the trees of a file one by one; an empty label is no target.

    Args:
        path: the file.
        form: "sst", see `read_sst`; "trees", brackets with any labels; "listops", binary trees with the value of each
            complete expression; or "sentences", a label, a tab and a sentence a line, whose root has the label.
        shape: shape of the trees over plain sentences, see `parsers.shaped`.

    Raises:
        CorpusError: the file is malformed.
        OSError: it cannot be read.
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
