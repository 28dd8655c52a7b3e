"""The predictions of a classifier at the nodes of a tree, as numbers and as a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from corpora.sst import SENTIMENTS
from corpora.vocabulary import Vocabulary
from recnn.draw.compose import picture
from recnn.draw.drawing import ColourScale, Drawing
from recnn.graphs.drawings import graph_to_drawing

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_SENTIMENT = ColourScale("sentiment", -1.0, 1.0, ("negative", "positive"))


class NodePredictions:
    """Predictions at the nodes of a tree, which a notebook shows as a picture.

    Attributes:
        graph: graph of the tree, of N nodes.
        probabilities: (N, C) probabilities of the classes.
        labels: labels of the C classes.
    """

    def __init__(self, graph: DGLGraph, probabilities: Tensor, labels: Vocabulary) -> None:
        self.graph, self.probabilities, self.labels = graph, probabilities.cpu(), labels

    def values(self) -> list[float]:
        """Return what is shown as colours: the expected sentiment from -1 to 1, or the probability of the label."""
        if self.labels == SENTIMENTS:
            weights = self.probabilities.new_tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
            return list((self.probabilities @ weights).tolist())
        return list(self.probabilities.amax(1).tolist())

    @property
    def scale(self) -> ColourScale:
        """Range and meaning of `values`."""
        return _SENTIMENT if self.labels == SENTIMENTS else ColourScale("probability", 0.0, 1.0)

    def drawing(self) -> Drawing:
        """Return the tree with the most probable label of each node, and all probabilities as its note."""
        plain = graph_to_drawing(self.graph)
        labels = [self.labels[best] for best in self.probabilities.argmax(1).tolist()]
        notes = [
            "\n".join([phrase, *(f"{label}: {share:.1%}" for label, share in zip(self.labels, shares, strict=True))])
            for phrase, shares in zip(plain.phrases(), self.probabilities.tolist(), strict=True)
        ]
        return replace(plain, labels=labels, values=self.values(), notes=notes, scale=self.scale)

    def _repr_svg_(self) -> str:
        return picture(self.drawing()).svg()
