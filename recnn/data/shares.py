"""Batches divided over the processes of a training."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Sampler

from recnn.data.batches import TreeBatches, loader


def divided(sizes: Sequence[int], parts: int) -> list[list[int]]:
    """Divide examples into parts of similar size: the largest first, each to the smallest part so far.

    The largest part is larger than the mean by at most the size of the largest example. Each part has an example if
    there are at least as many examples as parts and no size is 0.

    Args:
        sizes: size of each example.
        parts: number of parts.

    Returns:
        The indices of the examples of each part, ascending.

    >>> divided([5, 3, 3, 2], 2)
    [[0, 3], [1, 2]]
    """
    found: list[list[int]] = [[] for _ in range(parts)]
    loads = [(0, part) for part in range(parts)]
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        load, part = min(loads)
        found[part].append(index)
        loads[part] = load + sizes[index], part
    return [sorted(part) for part in found]


class Share(Sampler[list[int]]):
    """The part of each batch that one process trains on; its smallest example if it has no part of a batch.

    Args:
        batches: sampler of the whole batches.
        rank: number of the process.
        processes: number of processes.
    """

    def __init__(self, batches: TreeBatches, rank: int, processes: int) -> None:
        self.whole, self.rank, self.processes = batches, rank, processes

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that determines the order; called by Lightning's Trainer."""
        self.whole.set_epoch(epoch)

    def spare(self, batch: int) -> bool:
        """Return True if this process has no part of a batch, so that its example must not count."""
        return not self._part(self.whole.batches()[batch])

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.whole.batches():
            yield self._part(batch) or [min(batch, key=self.whole.sizes.__getitem__)]

    def __len__(self) -> int:
        return len(self.whole)

    def _part(self, batch: list[int]) -> list[int]:
        sizes = [self.whole.sizes[index] for index in batch]
        return [batch[place] for place in divided(sizes, self.processes)[self.rank]]


class EveryNth(Sampler[list[int]]):
    """Every n-th batch, for validation; all batches if there are fewer than processes.

    Attributes:
        places: indices of the batches.
    """

    def __init__(self, batches: TreeBatches, rank: int, processes: int) -> None:
        self.whole, count = batches, len(batches)
        self.places = range(count)[rank::processes] if count >= processes else range(count)

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.whole.batches()
        return (batches[place] for place in self.places)

    def __len__(self) -> int:
        return len(self.places)


def shared(data: DataLoader[Any], share: Share | EveryNth) -> DataLoader[Any]:
    """Make a DataLoader of a share of the batches of another one."""
    return loader(data.dataset, share, data.num_workers)
