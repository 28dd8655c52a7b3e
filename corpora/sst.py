"""The Stanford Sentiment Treebank's format: binary trees in brackets with a sentiment at every node.

Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013. The labels
are ``0`` (very negative) to ``4`` (very positive). They stay strings, as all of NLTK's tools expect of a label, and
`SENTIMENTS` turns each into its number: ``recnn.tree_to_graph(tree, words, SENTIMENTS).ndata["label"]`` is 0 to 4.
"""

from collections.abc import Iterator
from pathlib import Path

from nltk import Tree

from corpora.errors import quoted
from corpora.treebanks import parse_brackets
from corpora.vocabulary import Vocabulary

SENTIMENTS = Vocabulary("01234", unknown=None)

# Trees and labelled nodes of the published splits.
SST_COUNTS = {"train": (8_544, 318_582), "dev": (1_101, 41_447)}


def read_sst(path: str | Path, expect: tuple[int, int] | None = None) -> Iterator[Tree]:
    """The trees of a file of the Stanford Sentiment Treebank, one by one.

    Args:
        path: the file, one tree a line in the original.
        expect: how many trees and nodes it must have, such as ``SST_COUNTS["train"]``.

    Raises:
        CorpusError: a label other than 0 to 4, a node that has neither one word nor two nodes, and all that
            `read_trees` raises.
        OSError: the file cannot be read.
    """
    return parse_brackets(path, expect, _label_problem, _node_problem)


def _label_problem(label: str) -> str | None:
    return None if label in SENTIMENTS else f"the label {quoted(label)} is none of 0, 1, 2, 3, 4"


def _node_problem(node: Tree) -> str | None:
    if not node.label():
        return "this node has no label"
    kinds = [isinstance(child, Tree) for child in node]
    if kinds in ([False], [True, True]):
        return None
    words, nodes = kinds.count(False), kinds.count(True)
    return f"expected a word or two nodes below this one, found words: {words}, nodes: {nodes}"
