"""Classification of the nodes of trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from nltk import Tree
from torch import Tensor

from corpora.listops import ListOpsParser
from corpora.vocabulary import Vocabulary
from parsers.api import Parser
from recnn.data.datasets import Targets, TreeDataset
from recnn.data.parsing import Sentence
from recnn.graphs.convert import batch, graph_to_tree, tree_to_graph
from recnn.layers.heads import Head
from recnn.models.config import TreeConfig
from recnn.models.phrase_model import PhraseModel
from recnn.models.predictions import NodePredictions

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeClassifier(PhraseModel, kind="trees"):
    """Classifier of the nodes of a forest: word vectors and a network (`PhraseEncoder`) and an output layer (`Head`).

    `predict` labels sentences, `predict_trees` each of their phrases. Here the weights are random; those of a training
    run are read by ``recnn.load("runs/lstm")``.

    >>> from nltk import Tree
    >>> import corpora, recnn
    >>> config = recnn.TreeConfig(("bad", "good"), parser="balanced")
    >>> model = recnn.TreeClassifier(config, corpora.Vocabulary(["a", "fine", "film"]))
    >>> label, same = model.predict(["a fine film", Tree.fromstring("(X (X a fine) film)")])
    >>> label in ("bad", "good")
    True

    Args:
        config: settings of the model, see `recnn.TreeConfig`.
        vocabulary: open vocabulary of the words.

    Shapes:
        scores: (N, C), in the order of the nodes.

    Raises:
        ValueError: the vocabulary is not open, see `WordVectors`.
    """

    Config = TreeConfig
    config: TreeConfig

    def __init__(self, config: TreeConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.labels = Vocabulary(config.labels, unknown=None)
        self.head = Head(self.encoder.output_size, len(config.labels), config.dropout, ordinal=config.ordinal)

    def forward(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the scores (N, C) of all nodes, or (R, C) of the nodes in ``rows``; see `PhraseEncoder.forward`."""
        scores: Tensor = self.head(self.encoder(forest, rows))
        return scores

    def own_parser(self, roots: bool = False) -> str | Parser:
        """Return the parser of the configuration; for ListOps, that of its expressions."""
        if self.config.form == "listops":
            return ListOpsParser()
        return super().own_parser(roots)

    def dataset(self, trees: Iterable[Tree], targets: Targets = "all", on_disk: bool = False) -> TreeDataset:
        """Make a data set of labelled trees, with the model's vocabulary and labels, see `TreeDataset`."""
        return TreeDataset(trees, self.vocabulary, self.labels, targets, self.config.subwords, on_disk)

    @torch.no_grad()
    def probabilities(self, trees: Sequence[Tree]) -> list[Tensor]:
        """Compute the class probabilities (N, C) of each tree, in the order of the nodes of `graph`."""
        graphs = [self.graph(tree) for tree in trees]
        found = self.head.probabilities(self(batch(graphs)))
        return list(found.split([graph.num_nodes() for graph in graphs]))

    def node_predictions(self, tree: Tree) -> NodePredictions:
        """Predict the label of each node of a tree; a notebook shows the result as a picture."""
        (found,) = self.probabilities([tree])
        return NodePredictions(tree_to_graph(tree), found, self.labels)

    def predict(
        self, sentences: Iterable[Sentence], parser: str | Parser | None = None, batch_size: int = 32
    ) -> list[str]:
        """Predict the label of each sentence, that of the root of its tree.

        Args:
            sentences: strings, lists of words, or trees, see `trees`.
            parser: parser of the sentences without a tree, or its name; that of the model if None.
            batch_size: number of sentences in a batch.

        Raises:
            InputError: see `trees`.
        """
        trees = self.trees(sentences, parser, roots=True)
        best = self.each(trees, lambda forest: self.head(self.root_states(forest)).argmax(1).cpu(), batch_size)
        return [self.config.labels[int(label)] for label in best]

    def predict_trees(
        self, sentences: Iterable[Sentence], parser: str | Parser | None = None, batch_size: int = 32
    ) -> list[Tree]:
        """Return the tree of each sentence, with the predicted labels at all its nodes; the arguments of `predict`."""
        found = []
        trees = list(self.trees(sentences, parser))
        for tree, scores in zip(trees, self.each(trees, self._split_scores, batch_size), strict=True):
            graph = tree_to_graph(tree)
            graph.ndata["label"] = scores.argmax(1).cpu()
            found.append(graph_to_tree(graph, labels=self.config.labels))
        return found

    def _split_scores(self, forest: DGLGraph) -> Sequence[Tensor]:
        scores: Tensor = self(forest)
        split: tuple[Tensor, ...] = torch.split(scores, forest.batch_num_nodes().tolist())
        return split
