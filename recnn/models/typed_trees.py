"""Networks over trees of typed nodes: programs, JSON, formulas, web pages, and any other trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.vocabulary import Vocabulary
from recnn.data.typed_trees import TypedTreeGraphs, TypedTreeTargets
from recnn.graphs.devices import to_device_of
from recnn.layers.encoder import Encoder
from recnn.layers.heads import Head
from recnn.models.folder import Model
from recnn.models.phrases import WordVectors
from recnn.models.sentences import in_batches
from recnn.models.typed_tree_config import TypedTreeConfig
from recnn.trees.typed_tree import TypedTree

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_LARGEST = 10.0
"""Bound of the standardised numeric features, so that a single huge number does not outweigh everything."""


class NodeInputs(nn.Module):
    """Input vectors of the nodes of a forest, from their types, words and numbers.

        x = t + w    or    x = [t; w]    or one of both, and with F numbers    x + A [z; p]

    with t and w the vectors of the type and of the word, 0 for a node without a word; z the numbers, standardised and
    cut off at 10 standard deviations, and p which of them there are.

    Args:
        config: settings of the network.
        vocabulary: open vocabulary of the words.
        types: open vocabulary of the types.

    Shapes:
        x: (N, D), in the order of the nodes.
    """

    number_mean: Tensor
    number_deviation: Tensor

    def __init__(self, config: TypedTreeConfig, vocabulary: Vocabulary, types: Vocabulary) -> None:
        super().__init__()
        self.how, size = config.inputs, config.input_size
        self.types = nn.Embedding(len(types), size) if self.how != "word" else None
        self.words = WordVectors(vocabulary, size, word_dropout=config.word_dropout) if self.how != "label" else None
        self.numbers = nn.Linear(2 * config.numbers, config.width, bias=False) if config.numbers else None
        self.dropout = config.input_dropout
        self.register_buffer("number_mean", torch.zeros(config.numbers))
        self.register_buffer("number_deviation", torch.ones(config.numbers))

    def forward(self, forest: DGLGraph) -> Tensor:
        """Compute the inputs (N, D) of a forest with node data ``word``, ``label`` and, with numbers, ``number``."""
        like = next(self.parameters())
        parts = []
        if self.types is not None:
            parts.append(self.types(to_device_of(forest.ndata["label"], like)))
        if self.words is not None:
            nodes = (forest.ndata["word"] >= 0).nonzero().squeeze(1)
            found = self.words.of(forest, nodes)
            none = found.new_zeros(forest.num_nodes(), found.shape[1])
            parts.append(none.index_copy(0, to_device_of(nodes, like), found))
        x = torch.cat(parts, dim=1) if self.how == "concat" else sum(parts[1:], parts[0])
        if self.numbers is not None:
            value = to_device_of(forest.ndata["number"].to(like.dtype), like)
            z = ((value - self.number_mean) / self.number_deviation).clamp(-_LARGEST, _LARGEST)
            x = x + self.numbers(torch.cat([z.nan_to_num(0.0), (~value.isnan()).to(z)], dim=1))
        return F.dropout(x, self.dropout, self.training)


class TypedTreeModel(Model, kind="typed_trees"):
    """Network over trees of typed nodes, with a class, labels or numbers as its prediction.

    The prediction is of the whole tree, or of every node. Here the weights are random; those of a training run are read
    by ``recnn.load("trees")``.

    >>> import recnn
    >>> config = recnn.TypedTreeConfig(task="classes", labels=("even", "odd"), outputs=2)
    >>> model = recnn.TypedTreeModel(config, recnn.Vocabulary(["x"]), recnn.Vocabulary(["Name", "Call"]))
    >>> model.predict([recnn.trees.from_python("f(x)")])[0] in ("even", "odd")
    True

    Args:
        config: settings of the model, see `recnn.TypedTreeConfig`.
        vocabulary: open vocabulary of the words.
        types: open vocabulary of the types.

    Shapes:
        scores: (N, C), in the order of the nodes of the graphs.

    Raises:
        ValueError: a vocabulary is not open.
    """

    Config = TypedTreeConfig
    vocabulary_names = ("vocabulary", "types")
    config: TypedTreeConfig
    output_mean: Tensor
    output_deviation: Tensor

    def __init__(self, config: TypedTreeConfig, vocabulary: Vocabulary, types: Vocabulary) -> None:
        super().__init__()
        if types.unknown is None or vocabulary.unknown is None:
            raise ValueError("expected open vocabularies, with an unknown word and an unknown type")
        self.config, self.vocabulary, self.types = config, vocabulary, types
        self.inputs = NodeInputs(config, vocabulary, types)
        self.encoder = Encoder(
            config.first_cell(), config.num_layers, config.direction, config.merge, dropout=config.layer_dropout
        )
        wide = 2 if config.direction == "both" and config.merge == "concat" else 1
        size = wide * self.encoder.cells[-1].output_size
        self.head = Head(size, config.outputs, config.dropout, config.task)
        self._graphs = TypedTreeGraphs(vocabulary, types, config.numbers, config.binarise, config.arity)
        outputs = config.outputs if config.task == "regression" else 0
        self.register_buffer("output_mean", torch.zeros(outputs))
        self.register_buffer("output_deviation", torch.ones(outputs))

    @property
    def targets(self) -> TypedTreeTargets:
        """What the targets are."""
        return TypedTreeTargets(self.config.task, self.config.at, self.config.labels, self.config.outputs)

    def graph(self, tree: TypedTree) -> DGLGraph:
        """Convert a tree to a graph with the indices of the model's vocabularies, see `typed_tree_to_graph`.

        Raises:
            InputError: a node has too many children or another number of numeric features.
        """
        return self._graphs(tree)

    def standardise(self, numbers: tuple[Any, Any] | None = None, outputs: tuple[Any, Any] | None = None) -> None:
        """Set the means and standard deviations of the data.

        Args:
            numbers: mean and deviation of the numeric features of the nodes, (F,) each; None leaves them unchanged.
            outputs: the same of the numbers to predict, (C,).
        """
        for pair, mean, deviation in (
            (numbers, self.inputs.number_mean, self.inputs.number_deviation),
            (outputs, self.output_mean, self.output_deviation),
        ):
            if pair is not None:
                for buffer, values in zip((mean, deviation), pair, strict=True):
                    buffer.copy_(torch.as_tensor(values, dtype=buffer.dtype))

    def states(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the states (N, H) of all nodes, or (R, H) of the nodes in ``rows``.

        Args:
            forest: a graph or a batch, see `graph`.
            rows: (R,) indices of nodes; all nodes if None.
        """
        every = torch.ones(forest.num_nodes(), dtype=torch.bool)
        h: Tensor = self.encoder(forest, self.inputs(forest), has_input=every).h
        return h if rows is None else h.index_select(0, to_device_of(rows, h))

    def forward(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the scores, as `states`; for a regression, the numbers in standard units."""
        scores: Tensor = self.head(self.states(forest, rows))
        return scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the mean loss, see `recnn.Head.loss`.

        Args:
            scores: (R, C), see `forward`.
            target: (R,) indices of classes; (R, C) 0 or 1 for labels, or numbers in their units.
        """
        target = target.to(scores.device)
        if self.config.task == "regression":
            target = (target.to(scores.dtype) - self.output_mean) / self.output_deviation
        return self.head.loss(scores, target)

    @torch.no_grad()
    def outputs(self, forest: DGLGraph, rows: Tensor) -> Tensor:
        """Compute the probabilities of the classes or labels, or the numbers in their units, (R, C)."""
        scores: Tensor = self(forest, rows)
        if self.config.task == "regression":
            scores = scores * self.output_deviation + self.output_mean
            return scores
        return self.head.probabilities(scores)

    def predict(self, trees: Iterable[TypedTree], batch_size: int = 32) -> list[Any]:
        """Predict the target of each tree.

        Args:
            trees: the trees.
            batch_size: number of trees in a batch.

        Returns:
            For each tree a class, a list of labels, or a number (a list, if there are several); with ``at="nodes"``, a
            list of these, for each node in preorder.

        Raises:
            InputError: a tree does not fit the model.
        """
        found = [self.named(outputs) for outputs in self.predict_outputs(trees, batch_size)]
        return found if self.config.at == "nodes" else [values[0] for values in found]

    def predict_outputs(self, trees: Iterable[TypedTree], batch_size: int = 32) -> list[Tensor]:
        """Compute the `outputs` of each tree, (1, C) of the root or (N, C) of the nodes in preorder; as `predict`."""
        return in_batches(self, map(self.graph, trees), self._split_outputs, batch_size)

    def _split_outputs(self, forest: DGLGraph) -> Sequence[Tensor]:
        if self.config.at == "root":
            roots = (forest.out_degrees() == 0).nonzero().squeeze(1)
            split: tuple[Tensor, ...] = self.outputs(forest, roots).cpu().split(1)
            return split
        sizes = forest.batch_num_nodes().tolist()
        found = self.outputs(forest, torch.arange(forest.num_nodes())).cpu().split(sizes)
        order = forest.ndata["row"].split(sizes)
        return [torch.empty_like(one).index_copy(0, row, one) for one, row in zip(found, order, strict=True)]

    def named(self, outputs: Tensor) -> list[Any]:
        """Return the predictions of `outputs` (R, C): a class, a list of labels, or a number or several of each row."""
        labels = self.config.labels
        if self.config.task == "classes":
            return [labels[best] for best in outputs.argmax(1).tolist()]
        if self.config.task == "labels":
            return [[label for label, p in zip(labels, row, strict=True) if p > 0.5] for row in outputs.tolist()]
        return list(outputs.squeeze(1).tolist() if self.config.outputs == 1 else outputs.tolist())
