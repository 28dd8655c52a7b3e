"""Training on trees of typed nodes: a class, labels or numbers, of the whole tree or of every node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError
from torchmetrics.classification import MultilabelF1Score

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.data.batches import TreeBatches, loader
from recnn.data.typed_trees import TypedTreeDataset, TypedTreeTargets
from recnn.models.typed_tree_config import TypedNetworkConfig, TypedTreeConfig
from recnn.models.typed_trees import TypedTreeModel
from recnn.settings import TreeTask, values_of
from recnn.training.objectives.base import (
    Measure,
    Objective,
    digest_of,
    digest_of_text,
    fill_vectors,
    means,
    tree_batches,
)
from recnn.training.options import TreeTraining, WordTraining
from recnn.trees.files import TreeExample

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TypedTreeObjective(Objective, kind="typed_trees"):
    """Loss and metrics of the predictions of a `TypedTreeModel`; for the metrics see `measures_of`.

    Args:
        network: settings of the network.
        training: settings of the training.
        trees: training data.
        held_out: validation data.
        words: settings of the vocabulary and the initial vectors.
        task: what is predicted; by default as the targets are, see `TypedTreeTargets.of`.

    Raises:
        InputError: there are no trees, a target is missing or of another kind than others, a tree does not fit the
            network, or the file of vectors does not fit.
    """

    model: TypedTreeModel

    def __init__(
        self,
        network: TypedNetworkConfig,
        training: TreeTraining,
        trees: Sequence[TreeExample],
        held_out: Sequence[TreeExample],
        words: WordTraining | None = None,
        task: TreeTask | None = None,
    ) -> None:
        if not trees or not held_out:
            raise InputError(f"there are no trees to {'validate on' if trees else 'train on'}")
        words = words or WordTraining()
        self.training = training
        config = _config(network, TypedTreeTargets.of([*trees, *held_out], task), trees)
        every = [example.tree for example in trees]
        vocabulary = Vocabulary.of((w for tree in every for w in tree.words if w is not None), words.min_count)
        self.model = TypedTreeModel(config, vocabulary, Vocabulary.of(label for tree in every for label in tree.labels))
        self.data = TypedTreeDataset(trees, self.model.targets, self.model.graph)
        self.dev = TypedTreeDataset(held_out, self.model.targets, self.model.graph)
        self._standardise()
        self.order = tree_batches(training, self.data.sizes)
        if self.model.inputs.words is not None:
            fill_vectors(self.model.inputs.words, vocabulary, words)
        if self.model.inputs.types is not None:
            nn.init.normal_(self.model.inputs.types.weight, std=words.embedding_scale)
            nn.init.zeros_(self.model.inputs.types.weight[0])  # the unknown type, which does not occur in training
        self.measures = self.measures_of(config)
        self._examples = digest_of_examples(held_out)

    def _standardise(self) -> None:
        names = ["number"] * bool(self.model.config.numbers)
        names += ["target"] * (self.model.config.task == "regression")
        found = {name: _moments(torch.cat([graph.ndata[name] for graph in self.data])) for name in names}
        self.model.standardise(found.get("number"), found.get("target"))

    @staticmethod
    def measures_of(config: TypedTreeConfig) -> dict[str, Measure]:
        """Make the metrics: accuracy of classes; micro F1 and exact matches of labels; RMSE and MAE of numbers.

        They are over all nodes with a target. For `recnn compare`, an example of accuracies and exact matches is a
        tree, of the others a node.
        """
        if config.task == "regression":
            return {
                "rmse": Measure(MeanSquaredError(squared=False), "min", share=False),
                "mae": Measure(MeanAbsoluteError(), "min", share=False),
            }
        if config.task == "labels":
            f1 = MultilabelF1Score(config.outputs, average="micro")
            return {"f1": Measure(f1), "exact": Measure(MeanMetric())}
        return {"accuracy": Measure(MeanMetric())}

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: DGLGraph) -> Tensor:
        rows, target = _known(batch)
        return self.model.loss(self.model(batch, rows), target)

    def items(self, batch: DGLGraph) -> float:
        return len(_known(batch)[0])

    def measure(self, batch: DGLGraph) -> None:
        update_measures(self.measures, self.model, batch)

    def digest(self) -> dict[str, str]:
        keys = ["word", "label", "span", "target", *(["number"] if self.model.config.numbers else [])]
        return {
            name: digest_of(*(graph.ndata[key] for graph in data for key in keys))
            for name, data in (("train", self.data), ("dev", self.dev))
        }

    def examples(self) -> str:
        return self._examples


def _config(network: TypedNetworkConfig, targets: TypedTreeTargets, trees: Sequence[TreeExample]) -> TypedTreeConfig:
    numbers = max(example.tree.width for example in trees)
    return TypedTreeConfig(**targets._asdict(), numbers=numbers, **values_of(network))


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean and the standard deviation of the columns of (N, F) values, of those that are not NaN."""
    known = ~values.isnan()
    count = known.sum(0).clamp(min=1)
    mean = values.double().nan_to_num(0.0).sum(0) / count
    square = (values.double() - mean).square().nan_to_num(0.0).sum(0) / count
    deviation = square.sqrt()
    return mean, torch.where(deviation > 0, deviation, 1.0)


def _known(forest: DGLGraph) -> tuple[Tensor, Tensor]:
    """Return the indices (R,) of the nodes that have a target, and their targets."""
    target = forest.ndata["target"]
    there = target >= 0 if target.dim() == 1 else ~target.isnan().any(1)
    rows = there.nonzero().squeeze(1)
    return rows, target[rows]


def update_measures(measures: dict[str, Measure], model: TypedTreeModel, forest: DGLGraph) -> None:
    """Update the metrics of `TypedTreeObjective` with the predictions for a batch of trees."""
    rows, target = _known(forest)
    outputs = model.outputs(forest, rows).cpu()
    tree = torch.repeat_interleave(torch.arange(forest.batch_size), forest.batch_num_nodes())[rows]
    if model.config.task == "regression":
        for measure in measures.values():
            measure.update(outputs, target)
        return
    if model.config.task == "labels":
        right = ((outputs > 0.5) == (target > 0.5)).all(1)
        measures["f1"].update(outputs, target.long())
        measures["exact"].update(*means(right, tree, forest.batch_size))
    else:
        measures["accuracy"].update(*means(outputs.argmax(1) == target, tree, forest.batch_size))


def measured_examples(model: TypedTreeModel, examples: Sequence[TreeExample]) -> dict[str, Measure]:
    """Compute the metrics of a model on trees with targets."""
    measures = TypedTreeObjective.measures_of(model.config)
    data = TypedTreeDataset(examples, model.targets, model.graph)
    for indices in TreeBatches(data.sizes, nodes=4096, shuffle=False):
        update_measures(measures, model, data[indices])
    return measures


def digest_of_examples(examples: Sequence[TreeExample]) -> str:
    """Return a hash of the words and targets of trees."""
    return digest_of_text((each.tree.words, each.target, each.targets) for each in examples)
