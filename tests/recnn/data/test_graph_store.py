"""Graphs in arrays equal the graphs that were given, one by one and in batches, in memory and in a folder."""

import errno
import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

import recnn
from corpora import Vocabulary
from parsers.errors import InputError
from recnn.data.datasets import batch_of
from recnn.data.graph_store import GraphStore
from tests.strategies import trees

WORDS = Vocabulary(["a", "b"])
LABELS = Vocabulary(["X"], unknown="?")
ONE = Tree.fromstring("(X (X a b) (X (X a) b a))")


def graphs_of(some):
    return [recnn.tree_to_graph(tree, WORDS, LABELS) for tree in some]


def check_equal(found, expected):
    assert torch.equal(torch.stack(found.edges()), torch.stack(expected.edges()))
    assert found.idtype == expected.idtype
    for data in ("ndata", "edata"):
        ours, theirs = getattr(found, data), getattr(expected, data)
        assert set(ours) == set(theirs)
        for name in theirs:
            assert ours[name].dtype == theirs[name].dtype
            assert torch.equal(ours[name], theirs[name])
    assert torch.equal(found.batch_num_nodes(), expected.batch_num_nodes())
    assert torch.equal(found.batch_num_edges(), expected.batch_num_edges())


@given(st.lists(trees(), min_size=1, max_size=5), st.data())
def test_a_batch_is_that_of_dgl(some, data):
    graphs = graphs_of(some)
    store = GraphStore(graphs)
    index = data.draw(st.lists(st.integers(0, len(graphs) - 1), min_size=1, max_size=6))
    check_equal(store.batch(index), batch_of([graphs[one] for one in index]))
    check_equal(store[index[0]], graphs[index[0]])


def test_a_folder_has_the_same_graphs(tmp_path, monkeypatch):
    monkeypatch.setattr("recnn.data.graph_store._AT_ONCE", 2)
    graphs = graphs_of([ONE, Tree("X", ["a"]), Tree("X", ["b", "a"]), ONE, Tree("X", ["b"])])
    GraphStore(graphs, tmp_path / "graphs")
    store = GraphStore.open(tmp_path / "graphs")
    assert store.sizes == [graph.num_nodes() for graph in graphs]
    check_equal(store.batch([4, 0, 2]), batch_of([graphs[4], graphs[0], graphs[2]]))
    assert torch.equal(store.column("word"), torch.cat([graph.ndata["word"] for graph in graphs]))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".", "piece"))]


def test_numbers_beyond_a_byte_are_kept():
    words = Vocabulary([f"w{number}" for number in range(70_000)])
    wide = [recnn.tree_to_graph(Tree("X", [words[at] for at in (0, 300, 69_999)]), words) for _ in range(2)]
    store = GraphStore(wide)
    check_equal(store.batch([1, 0]), batch_of(wide))


@pytest.mark.parametrize("problem", ["cut", "format", "missing", "other"])
def test_a_folder_that_is_damaged_is_one_line(tmp_path, problem):
    folder = tmp_path / "graphs"
    GraphStore(graphs_of([ONE] * 50), folder)
    path = folder / "node word.npy"
    if problem == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif problem == "format":
        header = folder / "graphs.json"
        header.write_text(header.read_text().replace('"format": 1', '"format": 2'))
    elif problem == "missing":
        path.unlink()
    else:
        folder = tmp_path
    with pytest.raises(InputError, match=r"graphs|damaged") as error:
        GraphStore.open(folder)
    assert "\n" not in str(error.value)


def test_a_folder_of_something_else_is_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="choose another name"):
        GraphStore(graphs_of([ONE]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no room on the disk")
def test_a_full_disk_leaves_the_older_graphs(tmp_path, monkeypatch):
    """Where it is full only when the arrays are joined: to write to a mapped file would end the process."""
    GraphStore(graphs_of([ONE]), tmp_path / "store")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        GraphStore(graphs_of([ONE, ONE]), tmp_path / "store")
    assert str(error.value).endswith(f"'{tmp_path / 'store'}'")
    assert (len(GraphStore.open(tmp_path / "store")), os.listdir(tmp_path)) == (1, ["store"])


def test_graphs_with_other_data_are_refused():
    one, other = graphs_of([ONE, ONE])
    other.ndata["more"] = torch.zeros(other.num_nodes())
    with pytest.raises(ValueError, match="node more"):
        GraphStore([one, other])


def test_no_graphs_and_no_such_graph():
    assert len(GraphStore([])) == 0
    with pytest.raises(IndexError):
        GraphStore(graphs_of([ONE]))[1]


def test_integers_take_the_smallest_type():
    store = GraphStore(graphs_of([ONE]))
    assert store.nbytes < 20 * sum(store.sizes) + np.dtype(np.int64).itemsize
