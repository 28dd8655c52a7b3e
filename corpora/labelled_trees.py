"""Trees with labels to be learnt, from any of the files that hold such trees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from nltk import Tree

from corpora.labelled import read_labelled
from corpora.listops import listops_tree, read_listops
from corpora.sst import read_sst
from corpora.treebanks import read_trees
from parsers.tokens import tokenize
from parsers.trees import Shape, shaped

Form = Literal["sst", "trees", "listops", "sentences"]


def read_labelled_trees(path: str | Path, form: Form = "trees", shape: Shape = "balanced") -> Iterator[Tree]:
    """The trees of a file, one by one; an empty label is no target.

    Args:
        path: the file.
        form: "sst", see `read_sst`; "trees", brackets with any labels; "listops", binary trees with the value of each
            complete expression; or "sentences", a label, a tab and a sentence a line, whose root has the label.
        shape: of the trees over plain sentences, see `parsers.shaped`.

    Raises:
        CorpusError: the file is malformed.
        OSError: it cannot be read.
    """
    if form == "sst":
        return read_sst(path)
    if form == "listops":
        return (listops_tree(expression.tree) for expression in read_listops(path))
    if form == "sentences":
        return (shaped(tokenize(sentence), shape, label) for label, sentence in read_labelled(path))
    return read_trees(path)
