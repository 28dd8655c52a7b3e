"""Explanations of the predictions of a tree classifier: what each phrase contributes to the score of a class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from nltk import Tree
from torch import Tensor

from parsers.errors import InputError
from parsers.printing import printable, shown_words
from parsers.trees import words_of
from recnn.data.datasets import batch_of
from recnn.draw.compose import picture
from recnn.draw.drawing import ColourScale, Drawing, tree_to_drawing
from recnn.errors import GraphError, ModelError
from recnn.gradients.probes import gradient_times_state
from recnn.graphs.convert import graph_to_tree, tree_to_graph
from recnn.models.trees import TreeClassifier
from recnn.settings import Explained

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_NODES = 8192  # of a batch
_STEPS = 50  # of integrated gradients


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each phrase of a tree contributes to the score of a class, see `explain`; printed as a table.

    Attributes:
        method: how the contributions were computed.
        target: the class.
        node: node whose class it is.
        score: its score, the log-odds of the class.
        baseline: its score in the same tree over unknown words.
        contributions: contribution of each of the N nodes, breadth first from the root.
        spans: positions of the first and the last word of each node, from 1.
        words: words of the sentence.
        tree: the tree with the contributions as labels.
    """

    method: Explained
    target: str
    node: int
    score: float
    baseline: float
    contributions: list[float]
    spans: list[tuple[int, int]]
    words: list[str]
    tree: Tree

    @property
    def phrases(self) -> list[str]:
        """The words of each node; of more than 100, the first."""
        return [shown_words(self.words, *span) for span in self.spans]

    def drawing(self) -> Drawing:
        """Return the tree with the contributions as colours, for `recnn.draw.picture`."""
        largest = max(map(abs, self.contributions))
        scale = ColourScale(f"contribution to {self.target}", -largest, largest)
        return replace(tree_to_drawing(self.tree), values=self.contributions, notes=self.phrases, scale=scale)

    def _repr_svg_(self) -> str:
        return picture(self.drawing()).svg()

    def __str__(self) -> str:
        head = f"log-odds of {self.target}: {self.score:+.3f}, over unknown words {self.baseline:+.3f}; {self.method}"
        rows = sorted(zip(self.contributions, self.phrases, strict=True), key=lambda row: -abs(row[0]))
        return "\n".join([head, *(f"{value:+9.3f}  {printable(phrase)}" for value, phrase in rows)])


def explain(
    model: TreeClassifier,
    sentence: str | Tree,
    target: str | None = None,
    method: Explained = "occlusion",
    node: int | tuple[int, int] = 0,
) -> Explanation:
    """Compute what each phrase contributes to the score of a class.

    The score of class c is its log-odds, log p_c / (1 - p_c) = s_c - log Σ_{d≠c} exp s_d of the scores s of the model:
    it does not change if a number is added to all scores, and is not flat where p_c is near 0 or 1 (Robnik-Šikonja and
    Kononenko, "Explaining classifications for individual instances", 2008, section 3.2).

    The methods are:

    - "occlusion": the score minus the score with all words of the phrase replaced by the unknown word. The tree stays
      as it is: if the phrase were removed, the other words would move up in the tree, and the score would change by
      that as well. The unknown word is what the model reads for words that it does not know; its vector is learnt with
      ``word_dropout``, and 0 otherwise. At the root, this is ``score - baseline``. The time grows with the square of
      the number of nodes. (Zeiler and Fergus 2014 occlude parts of images; Li, Monroe and Jurafsky 2016 words.)
    - "gradient": the state of the node times the gradient of the score with respect to it, Σ h ⊙ ∂s/∂h over the fields
      of the state (`recnn.gradients.probes.gradient_times_state`), in the last layer. One backward pass, exact only to
      first order.
    - "integrated_gradients": of a word with vector x, Σ (x - x') ⊙ ∫ ∂s/∂x dα along the straight line from x', the
      vectors of unknown words, to x; of a phrase, the sum over its words. So the contribution of the root is
      ``score - baseline`` (completeness; Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML
      2017, equation 1 and proposition 1), up to the error of Gauss-Legendre quadrature with 50 steps.

    Args:
        model: a classifier; set to evaluation mode meanwhile.
        sentence: a tree; or a sentence, which is parsed with the model's parser.
        target: label of the class; by default the predicted one.
        method: how contributions are computed.
        node: the node whose class is explained: its number, breadth first from the root, or the positions (i, j) of
            its first and last word, from 1, for the topmost one over them.

    Raises:
        InputError: no such class or node, a sentence without a parse, a tree that does not fit the model, a model of
            another kind, or the gradient method with a network over sequences, in which phrases have no states.
        ValueError: no such method.
    """
    if method not in get_args(Explained):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Explained)))}, got {method!r}")
    if not isinstance(model, TreeClassifier):
        raise ModelError(f"expected a model of kind 'trees', got {getattr(model, 'kind', type(model).__name__)!r}")
    (tree,) = model.trees([sentence], place=lambda _: "")
    training = model.training
    model.eval()
    try:
        return _explained(model, tree, target, method, node)
    finally:
        model.train(training)


def _explained(
    model: TreeClassifier, tree: Tree, target: str | None, method: Explained, node: int | tuple[int, int]
) -> Explanation:
    graph = model.graph(tree)
    spans = [(start, end) for start, end in graph.ndata["span"].tolist()]
    row = _row(spans, node)
    scored = _Scored(model, graph, row, target)
    x, unknown = scored.words, scored.unknown
    with torch.no_grad():
        score, baseline = scored(torch.stack([x, unknown.expand_as(x)])).cpu().tolist()
    if method == "occlusion":
        contributions = _occlusion(scored, score)
    elif method == "gradient":
        contributions = _gradient(scored)
    else:
        contributions = _integrated(scored)
    found = contributions.cpu().tolist()
    words, label = words_of(tree), model.config.labels[scored.target]
    return Explanation(method, label, row, score, baseline, found, spans, words, _labelled(tree, found))


def _row(spans: list[tuple[int, int]], node: int | tuple[int, int]) -> int:
    if not isinstance(node, int):
        if node not in spans:
            raise GraphError(f"no phrase spans {node}")
        return spans.index(node)
    if not 0 <= node < len(spans):
        raise GraphError(f"the tree has nodes 0..{len(spans) - 1}, got node {node}")
    return node


class _Scored:
    """The score of a class at a node, as a function of the vectors of the words.

    Attributes:
        words: (W, D) vectors of the words, in the order of their nodes.
        unknown: (D,) vector of the unknown word.
        target: index of the class.
    """

    def __init__(self, model: TreeClassifier, graph: DGLGraph, row: int, target: str | None) -> None:
        self.model, self.graph, self.row = model, graph, row
        self.leaves = (graph.ndata["word"] >= 0).nonzero().squeeze(1)
        with torch.no_grad():
            self.words = model.encoder.words.of(graph, self.leaves)
            self.unknown = model.encoder.words.embedding.weight[0]
            if target is None:
                self.target = int(model(graph, torch.tensor([row])).argmax())
            elif target in model.labels:
                self.target = model.labels.index(target)
            else:
                raise InputError(f"no class {target!r}, expected one of {', '.join(model.labels)}")

    def __call__(self, vectors: Tensor) -> Tensor:
        """Compute the scores (V,) for V choices of the vectors of the words, (V, W, D)."""
        found = []
        for some in vectors.split(max(1, _NODES // self.graph.num_nodes())):
            rows = torch.arange(len(some)) * self.graph.num_nodes() + self.row
            states = self.model.encoder(batch_of([self.graph] * len(some)), rows, some.flatten(0, 1))
            found.append(self.of(states))
        return torch.cat(found)

    def of(self, states: Tensor) -> Tensor:
        """Compute the scores (V,) of states (V, H) of the node."""
        scores = self.model.head(states)
        others = torch.arange(scores.shape[1], device=scores.device) != self.target
        found: Tensor = scores[:, self.target] - scores[:, others].logsumexp(1)
        return found


def _occlusion(scored: _Scored, score: float) -> Tensor:
    found = []
    for hidden in _hidden(scored.graph, scored.leaves):
        vectors = torch.where(hidden.unsqueeze(2).to(scored.words.device), scored.unknown, scored.words)
        with torch.no_grad():
            found.append(score - scored(vectors))
    return torch.cat(found)


def _hidden(graph: DGLGraph, leaves: Tensor) -> Iterator[Tensor]:
    """Yield, for some nodes at a time, whether the words (W,) are below them, (n, W); together (N, W)."""
    first, size = _preorder(graph)
    word = first[leaves]
    step = max(1, _NODES // graph.num_nodes())
    for start, count in zip(first.split(step), size.split(step), strict=True):
        yield (word >= start.unsqueeze(1)) & (word < (start + count).unsqueeze(1))


def _preorder(graph: DGLGraph) -> tuple[Tensor, Tensor]:
    """Return the places (N,) of the nodes of a tree in preorder, and the number (N,) of nodes of each subtree."""
    parents = _parents(graph)
    size = [1] * len(parents)
    for node in reversed(range(1, len(parents))):  # parents come before their children
        size[parents[node]] += size[node]
    place, begin = [0] * len(parents), [1] * len(parents)
    for node in range(1, len(parents)):
        above = parents[node]
        place[node] = place[above] + begin[above]
        begin[above] += size[node]
    return torch.tensor(place), torch.tensor(size)


def _parents(graph: DGLGraph) -> list[int]:
    parents = [-1] * graph.num_nodes()
    for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True):
        parents[child] = parent
    return parents


def _gradient(scored: _Scored) -> Tensor:
    model = scored.model
    if model.config.model != "tree":
        raise InputError("method 'gradient': phrases have no states in a network over sequences")
    inputs = scored.graph, torch.tensor([scored.row])
    found = gradient_times_state(model.encoder, *inputs, late=lambda states: scored.of(states)[0])
    return torch.stack(found[-2 if model.config.direction == "both" else -1 :]).sum(0)


def _integrated(scored: _Scored) -> Tensor:
    points, weights = (torch.from_numpy(values).to(scored.words) for values in np.polynomial.legendre.leggauss(_STEPS))
    way = scored.words - scored.unknown
    with torch.enable_grad():
        vectors = (scored.unknown + (points.view(-1, 1, 1) + 1) / 2 * way).requires_grad_()
        (gradient,) = torch.autograd.grad(scored(vectors).sum(), vectors)
    found = torch.zeros(scored.graph.num_nodes(), dtype=torch.float64)
    found[scored.leaves] = (way * (weights.view(-1, 1, 1) / 2 * gradient).sum(0)).sum(1).double().cpu()
    parents = _parents(scored.graph)
    for node in reversed(range(1, len(parents))):
        found[parents[node]] += found[node]
    return found


def _labelled(tree: Tree, contributions: list[float]) -> Tree:
    """Return the tree with contributions as labels."""
    graph = tree_to_graph(tree)
    graph.ndata["label"] = torch.arange(graph.num_nodes())
    graph.labels = [f"{value:+.2f}" for value in contributions]
    return graph_to_tree(graph)
