"""networkx trees: slots survive exactly, or the graph is refused with its nodes named."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import recnn
from recnn import GraphError
from recnn.graphs.structure import children_of, slots_of


@st.composite
def slotted_trees(draw, kind=nx.DiGraph):
    """A tree whose nodes have names of any kind, with gaps between the slots."""
    size = draw(st.integers(1, 9))
    names = draw(st.permutations([f"n{i}" if i % 2 else i for i in range(size)]))
    tree, used = kind(), {}
    tree.add_node(names[0], word="w0", label="S")
    for place in range(1, size):
        parent = names[draw(st.integers(0, place - 1))]
        taken = used.setdefault(parent, set())
        slot = draw(st.sampled_from([slot for slot in range(13) if slot not in taken]))
        taken.add(slot)
        tree.add_node(names[place], word=f"w{place}", label=draw(st.sampled_from("AB")))
        tree.add_edge(parent, names[place], slot=slot)
    return tree


def shape(tree, node=None):
    """The tree without the names of its nodes: (word, label, {slot: child})."""
    if node is None:
        (node,) = (node for node, degree in tree.in_degree() if not degree)
    below = {data["slot"]: shape(tree, child) for _, child, data in tree.out_edges(node, data=True)}
    return tree.nodes[node].get("word"), tree.nodes[node].get("label"), below


@settings(deadline=None)
@given(st.sampled_from([nx.DiGraph, nx.MultiDiGraph]).flatmap(slotted_trees))
def test_slots_survive_there_and_back(tree):
    graph = recnn.networkx_to_graph(tree)
    assert shape(recnn.graph_to_networkx(graph)) == shape(tree)
    number = graph.num_nodes()
    shuffled = torch.randperm(number).tolist()
    names = {node: shuffled[node] for node in range(number)}
    again = nx.relabel_nodes(recnn.graph_to_networkx(graph), names)
    assert shape(recnn.graph_to_networkx(recnn.networkx_to_graph(again))) == shape(tree)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph])
def test_a_lone_right_child_stays_one(kind):
    torch.manual_seed(0)
    cell, x = recnn.LSTMCell(2, 3), torch.randn(2, 2)
    states = []
    for slot in (0, 1):
        tree = kind()
        tree.add_edge("top", "below", slot=slot)
        graph = recnn.networkx_to_graph(tree)
        assert graph.edata["slot"].tolist() == [slot]
        states.append(recnn.propagate(cell, graph, x).hidden[0])
    assert not torch.allclose(*states)


def test_slots_are_numbers_not_text():
    tree = nx.DiGraph()
    for slot in (10, 9, 2):
        tree.add_edge("top", f"child {slot}", slot=np.int32(slot))
        tree.nodes[f"child {slot}"]["word"] = str(slot)
    graph = recnn.networkx_to_graph(tree)
    assert graph.edata["slot"].tolist() == [2, 9, 10]
    assert [graph.vocabulary[i] for i in graph.ndata["word"].tolist()[1:]] == ["2", "9", "10"]


def edges(*given, kind=nx.DiGraph):
    tree = kind()
    for parent, child, data in given:
        tree.add_edge(parent, child, **data)
    return tree


def named(key, value):
    tree = nx.DiGraph([("a", "b")])
    tree.nodes["b"][key] = value
    return tree


WRONG = [
    (edges(("a", "b", {"slot": "1"})), "the slot of node 'b' below node 'a' must be an integer from 0, got '1'"),
    (edges(("a", "b", {"slot": 1.0})), "the slot of node 'b' below node 'a' must be an integer from 0, got 1.0"),
    (edges(("a", "b", {"slot": True})), "the slot of node 'b' below node 'a' must be an integer from 0, got True"),
    (edges(("a", "b", {"slot": -1})), "the slot of node 'b' below node 'a' must be an integer from 0, got -1"),
    (edges(("a", "b", {"slot": 1}), ("a", "c", {"slot": 1})), "nodes 'b' and 'c' are both in slot 1 of node 'a'"),
    (edges(("a", "b", {"slot": 1}), ("a", "c", {})), "the edge from node 'a' to node 'c' has no slot, others"),
    (edges(("a", "b", {}), ("a", "b", {}), kind=nx.MultiDiGraph), "there are 2 edges from node 'a' to node 'b'"),
    (edges(("a", "c", {}), ("b", "c", {})), r"node 'c' has several parents: \['a', 'b'\]"),
    (edges(("a", "a", {})), "nodes 'a' form a cycle"),
    (edges(("r", "b", {}), ("x", "y", {}), ("y", "x", {})), "nodes 'x', 'y' form a cycle"),
    (named("word", 5), "the word of node 'b' must be a string, got 5"),
    (named("label", ("N", "P")), r"the label of node 'b' must be a string, got \('N', 'P'\)"),
    (nx.Graph([("a", "b")]), "the networkx graph is undirected"),
]


@pytest.mark.parametrize(("tree", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_not_a_tree_is_refused_with_its_nodes(tree, message):
    with pytest.raises(GraphError, match=message) as caught:
        recnn.networkx_to_graph(tree)
    assert "\n" not in str(caught.value)


def gap(slot=1):
    return recnn.networkx_to_graph(edges(("a", "b", {"slot": slot})))


@pytest.mark.parametrize(
    "convert", [recnn.graph_to_tree, recnn.graph_to_productions, recnn.graph_to_sequence, children_of]
)
def test_what_has_no_place_for_a_gap_refuses_it(convert):
    with pytest.raises(GraphError, match="node 1 is in slot 1 of node 0, whose slot 0 is empty"):
        convert(gap())


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (torch.tensor([-1]), "node 1 is in slot -1 of node 0"),
        (torch.tensor([0.0]), "must be integers, got torch.float32"),
        (torch.tensor([False]), "must be integers, got torch.bool"),
    ],
)
def test_slots_of_a_graph_are_integers_from_0(slot, message):
    graph = gap(0)
    graph.edata["slot"] = slot
    for convert in (slots_of, recnn.graph_to_networkx, recnn.graph_to_tree):
        with pytest.raises(GraphError, match=message):
            convert(graph)


def test_graphs_with_other_data_are_not_batched():
    bare = gap(0)
    del bare.edata["slot"]
    with pytest.raises(GraphError, match="graph 1 has no edata 'slot', others have it"):
        recnn.batch([gap(0), bare])
    more = gap(0)
    more.ndata["target"] = torch.zeros(2)
    with pytest.raises(GraphError, match="graph 0 has no ndata 'target', others have it"):
        recnn.batch([gap(0), more])
