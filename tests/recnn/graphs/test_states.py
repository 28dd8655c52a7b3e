import pytest
import torch
from nltk import Tree

import recnn
from recnn.cells import HiddenState


@pytest.fixture
def states():
    forest = ["(S (NP (NP (Pron her))) (VP slept))", "(S a (X b c))"]
    graph = recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in forest])
    return recnn.NodeStates(graph, HiddenState(torch.arange(graph.num_nodes()).float().unsqueeze(1)))


def test_by_node_span_and_label(states):
    # nodes of the first tree: 0 S, 1 NP, 2 VP, 3 NP, 4 Pron; of the second: 5 S, 6 a, 7 X, 8 b, 9 c
    assert states.node(2).item() == 2
    assert states.node(2, tree=1).item() == 7
    assert states.span(1, 2).item() == 0
    assert states.span(1, 1).item() == 1  # the topmost of a unary chain
    assert states.span(1, 1, "Pron").item() == 4
    assert states.span(1, 1, "NP").item() == 1
    assert states.span(2, 3, tree=1).item() == 7
    assert states.span(2, 3, "X", tree=1).item() == 7
    assert states.roots.flatten().tolist() == [0, 5]


def test_errors_say_what_there_is(states):
    with pytest.raises(recnn.GraphError, match=r"span \(1, 1\) has no label 'VP'; labels there: NP, NP, Pron"):
        states.span(1, 1, "VP")
    with pytest.raises(recnn.GraphError, match=r"no phrase spans \(1, 2\) in tree 1"):
        states.span(1, 2, tree=1)
    with pytest.raises(recnn.GraphError, match="no tree 2 in a batch of 2"):
        states.node(0, tree=2)
