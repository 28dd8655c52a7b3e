"""Batches by trees or by nodes, in an order that depends on the seed and the epoch alone, so that it can be resumed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class TreeBatches(Sampler[list[int]]):
    """Batches of indices in an order that is a function of the seed and the epoch alone, so that it can be resumed.

    Shuffled trees are cut into pools of some batches each; a pool is sorted by size, so that trees of one batch are of
    about one size, and cut into batches; then the batches are shuffled.

    Args:
        sizes: the number of nodes of each tree.
        trees: how many trees a batch has, the last of a pool perhaps fewer; or
        nodes: how many nodes it has at most, and more only if a single tree has.
        shuffle: without it, the trees come in their order.
        pool: how many batches are sorted together; 1 does not sort.
        seed: of the order.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        trees: int | None = None,
        nodes: int | None = None,
        shuffle: bool = True,
        pool: int = 1,
        seed: int = 0,
    ) -> None:
        if (trees is None) == (nodes is None):
            raise ValueError("give either trees or nodes")
        for name, value in (("trees", trees), ("nodes", nodes), ("pool", pool)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        self.sizes = list(sizes)
        self.trees, self.nodes = trees, nodes
        self.shuffle, self.pool, self.seed = shuffle, pool, seed
        self.epoch = 0
        self._made: tuple[int, list[list[int]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning's Trainer does."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches())

    def __len__(self) -> int:
        return len(self.batches())

    def batches(self) -> list[list[int]]:
        """All batches of the epoch."""
        if self._made is None or self._made[0] != self.epoch:
            self._made = self.epoch, self._batches()
        return self._made[1]

    def _batches(self) -> list[list[int]]:
        if not self.shuffle:
            return self._cut(list(range(len(self.sizes))), self.trees or len(self.sizes))
        random = torch.Generator().manual_seed(mixed(self.seed, self.epoch))
        order = torch.randperm(len(self.sizes), generator=random).tolist()
        mean = max(1, sum(self.sizes) // max(1, len(self.sizes)))
        pool = self.pool * (self.trees or max(1, (self.nodes or 1) // mean))
        made: list[list[int]] = []
        for begin in range(0, len(order), pool):
            some = order[begin : begin + pool]
            if self.pool > 1:
                some.sort(key=self.sizes.__getitem__)
            made += self._cut(some, self.trees or len(some))
        return [made[place] for place in torch.randperm(len(made), generator=random).tolist()]

    def _cut(self, order: list[int], trees: int) -> list[list[int]]:
        if self.nodes is None:
            return [order[begin : begin + trees] for begin in range(0, len(order), trees)]
        made: list[list[int]] = []
        total = 0
        for index in order:
            total += self.sizes[index]
            if not made or total > self.nodes:
                made.append([])
                total = self.sizes[index]
            made[-1].append(index)
        return made


def loader(data: Dataset[Any], batches: TreeBatches, workers: int = 0) -> DataLoader[Any]:
    """Batches of ``data``, which takes lists of indices, made in ``workers`` processes, or in this one.

    Its random numbers, which workers want though nothing here draws any, are its own, so that those of the training do
    not depend on it.
    """
    random = torch.Generator().manual_seed(batches.seed)
    return DataLoader(
        data,
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        collate_fn=_same,
        generator=random,
    )


def _same(batch: Any) -> Any:
    return batch


def mixed(*numbers: int) -> int:
    """One seed of several numbers, such that neighbours have nothing in common."""
    return int.from_bytes(hashlib.sha256(json.dumps(numbers).encode()).digest()[:7])
