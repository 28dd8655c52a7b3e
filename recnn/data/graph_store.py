"""Many graphs in a few arrays, in memory or in a folder, from which batches are made.

A graph of DGL takes some 20 kB besides its data. Here the edges and the data of all graphs are concatenated, each in
the smallest type of integer that holds its values: for trees of words, some 10 bytes per node.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from corpora.parts import part_beside, replace_folder, sweep
from parsers.errors import InputError
from recnn.graphs import _dgl
from recnn.graphs.schedule import schedule

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_AT_ONCE = 512  # graphs that are in memory while arrays are made
_FORMAT = 1
_HEADER = "graphs.json"
_DAMAGES = (
    *(ValueError, TypeError, KeyError, AttributeError, RecursionError),  # of JSON and of the arrays
    *(EOFError, SyntaxError, OverflowError, TokenError),  # of NumPy
)
_NODES, _EDGES, _CHILD, _PARENT = "nodes", "edges", "child", "parent"
"""Arrays of the numbers of nodes and edges of each graph, and of the two ends of each edge."""


class GraphStore(Sequence["DGLGraph"]):
    """Graphs, each of which is made when it is asked for; `batch` makes several at once.

    Args:
        graphs: graphs with the same names of node and edge data, iterated over once.
        folder: folder for the arrays, which are then mapped into memory; None for arrays in memory. While they are
            written, some 500 graphs are in memory. An existing folder of graphs is replaced.

    Raises:
        ValueError: the graphs have different data.
        OSError: the folder cannot be written; an existing one is as it was.
    """

    def __init__(self, graphs: Iterable[DGLGraph], folder: str | Path | None = None) -> None:
        pieces = _pieces(iter(graphs))
        if folder is None:
            self._set(_joined(list(pieces), _in_memory))
        else:
            _write(pieces, Path(folder))
            self._set(_read(Path(folder)))

    @classmethod
    def open(cls, folder: str | Path) -> GraphStore:
        """Open the arrays in a folder, which are read when they are needed.

        Raises:
            InputError: the folder is not one of graphs, or is damaged, or of another version.
            OSError: it cannot be read.
        """
        store = cls.__new__(cls)
        store._set(_read(Path(folder)))
        return store

    def _set(self, arrays: _Arrays) -> None:
        self._arrays = arrays
        self.sizes: list[int] = arrays.values[_NODES].tolist()
        self._begin = {name: _begins(arrays.values[name]) for name in (_NODES, _EDGES)}

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return sum(values.nbytes for values in self._arrays.values.values())

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"graph {index} of {len(self)}")
        return self._forest([index % len(self)])

    def batch(self, index: Sequence[int]) -> DGLGraph:
        """Return several graphs as one, as `dgl.batch` does, with its levels."""
        forest = self._forest(index)
        schedule(forest)  # kept on the forest, also if the batch is sent from another process
        return forest

    def column(self, name: str) -> torch.Tensor:
        """Return the node data of all graphs by this name."""
        return torch.from_numpy(self._arrays.values[f"node {name}"].astype(self._arrays.types[f"node {name}"]))

    def _forest(self, index: Sequence[int]) -> DGLGraph:
        values, chosen = self._arrays.values, np.asarray(index, dtype=np.int64)
        counts = {name: values[name][chosen].astype(np.int64) for name in (_NODES, _EDGES)}
        rows = {name: _rows(self._begin[name][chosen], count) for name, count in counts.items()}
        shift = np.repeat(_begins(counts[_NODES]), counts[_EDGES])
        ends = np.stack([values[end][rows[_EDGES]] + shift for end in (_CHILD, _PARENT)])
        nodes = int(counts[_NODES].sum())
        if ends.size and not 0 <= ends.min() <= ends.max() < nodes:
            raise InputError("damaged graphs, with edges to nodes that do not exist: prepare them anew")
        forest = _dgl.graph(tuple(map(torch.from_numpy, ends)), num_nodes=nodes)
        if len(chosen) > 1:
            forest.set_batch_num_nodes(torch.from_numpy(counts[_NODES]))
            forest.set_batch_num_edges(torch.from_numpy(counts[_EDGES]))
        for key, dtype in self._arrays.types.items():
            kind, name = key.split(" ", 1)
            of_nodes = kind == "node"
            data = values[key][rows[_NODES if of_nodes else _EDGES]].astype(dtype)
            (forest.ndata if of_nodes else forest.edata)[name] = torch.from_numpy(data)
        return forest


class _Arrays(NamedTuple):
    """Arrays by name: `_NODES` and `_EDGES` (graphs,), `_CHILD` and `_PARENT` (edges,), "node NAME", "edge NAME"."""

    values: Mapping[str, NDArray[Any]]
    types: Mapping[str, str]
    """Types of the node and edge data in the graphs."""


def _pieces(graphs: Iterator[DGLGraph]) -> Iterator[_Arrays]:
    """Yield the arrays of some graphs after the other."""
    first = next(graphs, None)
    types = {} if first is None else {name: str(value.dtype) for name, value in _data_of(first).items()}
    yield _arrays_of([] if first is None else [first], types)
    while some := list(islice(graphs, _AT_ONCE)):
        yield _arrays_of(some, types)


def _arrays_of(graphs: Sequence[DGLGraph], types: Mapping[str, str]) -> _Arrays:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (_CHILD, _PARENT, *types)}
    for graph in graphs:
        child, parent = graph.edges()
        parts[_CHILD].append(child.numpy())
        parts[_PARENT].append(parent.numpy())
        data = _data_of(graph)
        if (found := {name: str(value.dtype) for name, value in data.items()}) != types:
            raise ValueError(f"expected graphs with the data {', '.join(types)}, got one with {', '.join(found)}")
        for name, value in data.items():
            parts[name].append(value)
    counts = {
        _NODES: np.array([graph.num_nodes() for graph in graphs], np.int64),
        _EDGES: np.array([graph.num_edges() for graph in graphs], np.int64),
    }
    values = {**counts, **{name: np.concatenate(some or [np.zeros(0, np.int8)]) for name, some in parts.items()}}
    return _Arrays({name: _smallest(value) for name, value in values.items()}, types)


def _data_of(graph: DGLGraph) -> dict[str, NDArray[Any]]:
    """Return the data by their names in `_Arrays`."""
    data = ("node", graph.ndata), ("edge", graph.edata)
    return {f"{kind} {name}": value.numpy() for kind, view in data for name, value in sorted(view.items())}


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    """Convert integers to the smallest type that holds them."""
    if values.dtype.kind != "i":
        return values
    bounds = (values.min(), values.max()) if values.size else (0, 0)
    fits = (t for t in (np.int8, np.int16, np.int32) if np.iinfo(t).min <= bounds[0] and bounds[1] <= np.iinfo(t).max)
    return values.astype(next(fits, np.int64))


def _begins(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each of the parts begins that have these numbers of rows."""
    begins: NDArray[np.int64] = np.cumsum(counts, dtype=np.int64) - counts
    return begins


def _rows(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of parts, one part after the other."""
    return np.arange(counts.sum()) + np.repeat(begins - _begins(counts), counts)


def _joined(pieces: Sequence[_Arrays], new: Callable[[str, Any, tuple[int, ...]], NDArray[Any]]) -> _Arrays:
    """Concatenate arrays in new ones, each of which ``new`` makes from its name, type and shape."""
    values = {}
    for name in pieces[0].values:
        parts = [piece.values[name] for piece in pieces]
        shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
        values[name] = np.concatenate(parts, out=new(name, np.result_type(*parts), shape))
    return _Arrays(values, pieces[0].types)


def _in_memory(name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.empty(shape, dtype)


def _write(pieces: Iterable[_Arrays], folder: Path) -> None:
    """Write arrays to a folder, which is there when it is complete."""
    if folder.exists() and not (folder / _HEADER).is_file():
        raise InputError(f"{folder}: exists, and is not a folder of graphs: choose another name")
    sweep(folder)
    part = part_beside(folder)
    try:
        part.mkdir(parents=True)
        kept = [_saved(piece, part / f"piece{number}") for number, piece in enumerate(pieces)]
        found = _joined(kept, partial(_on_disk, part))
        del kept
        header = {"format": _FORMAT, "types": found.types, "arrays": sorted(found.values)}
        for number in count():
            if not (part / f"piece{number}").exists():
                break
            shutil.rmtree(part / f"piece{number}")
        (part / _HEADER).write_text(json.dumps(header, indent=1) + "\n", "utf-8")
        replace_folder(part, folder)
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(part)):  # not the name of the temporary folder
            error.filename = str(folder)
            del error.filename2
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _saved(arrays: _Arrays, folder: Path) -> _Arrays:
    """Write arrays to a folder, and return them mapped into memory."""
    folder.mkdir()
    for name, values in arrays.values.items():
        buffer = io.BytesIO()  # as NumPy does not notice if the disk is full when a file is closed
        np.save(buffer, values)
        (folder / f"{name}.npy").write_bytes(buffer.getbuffer())
    return _Arrays({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays.values}, arrays.types)


def _on_disk(folder: Path, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    values = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with open(path, "r+b") as file:  # if the disk is full, an error; writing to the array would end the process
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return values


def _read(folder: Path) -> _Arrays:
    try:
        header = json.loads((folder / _HEADER).read_text("utf-8"))
        known = header["format"]
        if known == _FORMAT:
            values = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in header["arrays"]}
            return _checked(_Arrays(values, header["types"]))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder}: not a folder of graphs: {Path(error.filename).name} is missing") from None
    except _DAMAGES as error:
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{folder}: damaged: {problem}: prepare the graphs anew") from None
    raise InputError(f"{folder}: graphs of format {known!r:.40}, expected {_FORMAT}: prepare them anew")


def _checked(arrays: _Arrays) -> _Arrays:
    """Check that the arrays fit each other.

    Raises:
        ValueError: they do not.
        TypeError: torch has no such type.
    """
    values, structure = arrays.values, (_NODES, _EDGES, _CHILD, _PARENT)
    if not values.keys() >= set(structure) or values.keys() != {*structure, *arrays.types}:
        raise ValueError("arrays are missing")
    for name in structure:
        if not (isinstance(values[name], np.ndarray) and values[name].ndim == 1 and values[name].dtype.kind == "i"):
            raise ValueError(f"{name}: expected integers")
    if len(values[_NODES]) != len(values[_EDGES]) or min(values[name].min(initial=0) for name in (_NODES, _EDGES)) < 0:
        raise ValueError("numbers of nodes and edges")
    for name in (_CHILD, _PARENT, *arrays.types):
        total = int(values[_NODES if name.startswith("node ") else _EDGES].sum(dtype=np.int64))
        if values[name].shape[:1] != (total,):
            raise ValueError(
                f"{name}: expected {total} rows, found {values[name].shape[0] if values[name].ndim else 0}"
            )
    for name, dtype in arrays.types.items():
        if not name.startswith(("node ", "edge ")) or {np.dtype(dtype).kind, values[name].dtype.kind} - {*"biuf"}:
            raise ValueError(f"{name}: expected numbers of nodes or edges")
        torch.from_numpy(np.zeros(0, dtype))
    return arrays
