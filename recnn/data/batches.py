"""Batches by number of trees or of nodes, in a reproducible order."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from threading import Thread
from time import sleep
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class TreeBatches(Sampler[list[int]]):
    """Batch sampler whose order depends only on the seed and the epoch, so that training can be resumed.

    Trees are shuffled and cut into pools of ``pool`` batches; each pool is sorted by size, so that the trees of a batch
    have similar sizes, and cut into batches; then the batches are shuffled. Batches are lists of indices.

    Args:
        sizes: number of nodes of each tree.
        trees: number of trees in a batch; one batch of an epoch may have fewer. Or
        nodes: largest number of nodes in a batch; a larger tree makes a batch by itself.
        shuffle: if False, the trees come in their original order, and ``pool`` has no effect.
        pool: number of batches whose trees are sorted by size together; 1 for none.
        seed: random seed of the order.

    Raises:
        ValueError: both or neither of ``trees`` and ``nodes`` are given, or a number is not a positive integer.
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
            raise ValueError(f"give either trees or nodes, got trees={trees!r} and nodes={nodes!r}")
        for name, value in (("trees", trees), ("nodes", nodes), ("pool", pool)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        self.sizes = list(sizes)
        self.trees, self.nodes = trees, nodes
        self.shuffle, self.pool, self.seed = shuffle, pool, seed
        self.epoch = 0
        self._made: tuple[int, list[list[int]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that determines the order; called by Lightning's Trainer."""
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


def loader(data: Dataset[Any], batches: Sampler[list[int]], workers: int = 0) -> DataLoader[Any]:
    """Make a DataLoader of the batches of a data set.

    Args:
        data: data set that returns a batch for a list of indices, such as `TreeDataset`.
        batches: sampler of the batches.
        workers: number of processes that load data; 0 loads in the main process.
    """
    # A DataLoader draws a seed for its workers; with a generator of its own, the global random state does not change.
    random = torch.Generator().manual_seed(0)
    return DataLoader(
        data,
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        collate_fn=_same,
        generator=random,
        worker_init_fn=_end_with_parent if workers else None,
    )


def _end_with_parent(worker: int) -> None:
    """End this process, which loads data, soon after the one that started it, even if that is killed.

    torch's own check does not end a process that waits for its parent to take a batch.
    """
    Thread(target=_wait_for_end, args=(os.getppid(),), daemon=True).start()


def _wait_for_end(parent: int) -> None:
    while os.getppid() == parent:
        sleep(1)
    os._exit(1)


def _same(batch: Any) -> Any:
    return batch


def mixed(*numbers: int) -> int:
    """Hash several numbers into one seed, so that consecutive epochs have unrelated seeds."""
    return int.from_bytes(hashlib.sha256(json.dumps(numbers).encode()).digest()[:7])
