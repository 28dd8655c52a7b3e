"""The format of the Stanford Sentiment Treebank: binary trees in brackets with a sentiment at every node.

Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013. The labels
are ``0`` (very negative) to ``4`` (very positive). They are strings, as NLTK's tools expect of labels; the vocabulary
`SENTIMENTS` maps them to numbers: ``recnn.tree_to_graph(tree, words, SENTIMENTS).ndata["label"]`` is 0 to 4.
"""

from collections.abc import Iterator
from pathlib import Path

from nltk import Tree

from corpora.errors import quoted
from corpora.treebanks import parse_brackets
from corpora.vocabulary import Vocabulary

SENTIMENTS = Vocabulary("01234", unknown=None)

# Number of trees and of labelled nodes in the published splits.
SST_COUNTS = {"train": (8_544, 318_582), "dev": (1_101, 41_447)}


def read_sst(path: str | Path, expect: tuple[int, int] | None = None) -> Iterator[Tree]:
    """Read the trees of a file of the Stanford Sentiment Treebank, one by one.

    Args:
        path: the file; the published ones have one tree per line.
        expect: required numbers of trees and nodes, such as ``SST_COUNTS["train"]``; None for no check.

    Raises:
        CorpusError: a label is not one of 0 to 4, a node has neither one word nor two nodes below it, or a tree is
            malformed, see `read_trees`.
        OSError: the file cannot be read.
    """
    return parse_brackets(path, expect, _label_problem, _node_problem)


def _label_problem(label: str) -> str | None:
    return None if label in SENTIMENTS else f"the label {quoted(label)} is not one of 0, 1, 2, 3, 4"


def _node_problem(node: Tree) -> str | None:
    if not node.label():
        return "this node has no label"
    kinds = [isinstance(child, Tree) for child in node]
    if kinds in ([False], [True, True]):
        return None
    words, nodes = kinds.count(False), kinds.count(True)
    return f"expected a word or two nodes below this one, found words: {words}, nodes: {nodes}"
