"""Many trees in a few arrays, in memory or in temporary files, from which each tree is made when it is asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import numpy as np
from nltk import Tree
from numpy.typing import NDArray

from parsers.dependency_trees import DependencyTree
from parsers.trees import constituents

_WORD = -1
_AT_ONCE = 1 << 16  # nodes that are in memory before they are written to a file


class TreeStore(Sequence[Tree]):
    """Trees as arrays of 8 bytes per phrase and word, where an nltk.Tree takes some 600 bytes per phrase.

    A tree keeps its labels, its words and whether it is a `parsers.DependencyTree`, but no probabilities.

    Args:
        trees: trees, iterated over once.
        on_disk: keep the arrays in temporary files, mapped into memory. The files are in the folder that the
            environment variable TMPDIR names, have no names, and vanish with the store, or with the process.

    Raises:
        TreeError: a tree is malformed, see `parsers.constituents`.
        OSError: the files cannot be written.
    """

    def __init__(self, trees: Iterable[Tree], on_disk: bool = False) -> None:
        numbers: dict[str, int] = {}
        names, children = (_Column(on_disk) for _ in range(2))
        ends, kinds = array("q"), array("b")
        total = 0
        for tree in trees:
            nodes = [one.node for one in constituents(tree)]
            texts = (node if isinstance(node, str) else node.label() for node in nodes)
            names.extend(numbers.setdefault(text, len(numbers)) for text in texts)
            children.extend(_WORD if isinstance(node, str) else len(node) for node in nodes)
            total += len(nodes)
            ends.append(total)
            kinds.append(isinstance(tree, DependencyTree))
        self._texts = list(numbers)
        self._names, self._children = names.array(), children.array()
        self._end = np.array(ends, dtype=np.int64)
        self._begin = np.concatenate([[0], self._end[:-1]]).astype(np.int64)
        self._dependency = np.array(kinds, dtype=bool)

    def __len__(self) -> int:
        return len(self._end)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"tree {index} of {len(self)}")
        part = slice(self._begin[index], self._end[index])
        kind = DependencyTree if self._dependency[index] else Tree
        made: list[Tree | str] = []
        # From the last node in preorder to the first: the children of a node are the last ones made.
        for name, count in zip(self._names[part][::-1].tolist(), self._children[part][::-1].tolist(), strict=True):
            if count == _WORD:
                made.append(self._texts[name])
            else:
                made[-count:] = [kind(self._texts[name], made[: -count - 1 : -1])]
        return made[0]

    def __iter__(self) -> Iterator[Tree]:
        return (self[index] for index in range(len(self)))

    def select(self, index: Sequence[int]) -> TreeStore:
        """Return the trees with these indices, in their order, which share the arrays."""
        chosen, found = np.asarray(index, dtype=np.int64), copy(self)
        for name in ("_begin", "_end", "_dependency"):
            setattr(found, name, getattr(self, name)[chosen])
        return found


class _Column:
    """Integers of 32 bits to which more are appended, until `array` is called."""

    def __init__(self, on_disk: bool) -> None:
        self._values = array("i")
        self._file: BinaryIO | None = TemporaryFile() if on_disk else None  # noqa: SIM115

    def extend(self, values: Iterable[int]) -> None:
        """Append integers."""
        self._values.extend(values)
        if self._file is not None and len(self._values) > _AT_ONCE:
            self._write(self._file)

    def array(self) -> NDArray[np.int32]:
        """Return all integers."""
        if self._file is None:
            return np.frombuffer(self._values, dtype=np.int32)
        with self._file as file:  # a map outlives its file
            self._write(file)
            return np.memmap(file, dtype=np.int32, mode="r") if file.tell() else np.zeros(0, dtype=np.int32)

    def _write(self, file: BinaryIO) -> None:
        self._values.tofile(file)
        file.flush()
        self._values = array("i")
