"""What a notebook shows of trees, parses, states and predictions."""

from types import SimpleNamespace

import pytest
import torch
from nltk import ProbabilisticTree, Tree

import corpora
import parsers
import recnn
from recnn import draw

DUCK = "The boy saw her duck"


class Formatter(dict):
    for_type = dict.__setitem__


def test_an_extension_shows_trees_and_parses():
    formatter = Formatter()
    shell = SimpleNamespace(display_formatter=SimpleNamespace(formatters={"image/svg+xml": formatter}))
    draw.load_ipython_extension(shell)
    parses = parsers.load("duck").parses(DUCK)
    svg = formatter[parsers.Parses](parses)
    assert svg.count(">duck<") == 2
    assert "probability 0.00288" in svg
    trees = list(parses)
    assert len(trees) == 2  # none was lost
    assert formatter[parsers.Parses](parses) is None
    assert formatter[Tree](trees[0]) == draw.picture(trees[0]).svg()
    assert isinstance(trees[0], ProbabilisticTree)


def test_states():
    trees = list(parsers.load("duck").parses(DUCK))
    graph = recnn.batch([recnn.tree_to_graph(tree) for tree in trees])
    h = torch.randn(graph.num_nodes(), 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    states = recnn.NodeStates(graph, recnn.HiddenState(h))
    second = states.drawing(1)
    count = recnn.tree_to_graph(trees[1]).num_nodes()
    torch.testing.assert_close(torch.tensor(second.values), h[-count:].norm(dim=1).detach())
    assert second.notes[0] == f"{DUCK}\nnorm {h[-count].norm():.3f}"
    assert states._repr_svg_().count(">duck<") == 2
    assert second.scale == states.drawing(0).scale
    assert second.scale.high == pytest.approx(h.norm(dim=1).max().item())


def model(labels):
    config = recnn.TreeConfig(labels=labels, input_size=4, hidden_size=4)
    return recnn.TreeClassifier(config, corpora.Vocabulary(["her", "duck"])).eval()


def test_sentiments_are_expected_values():
    tree = Tree.fromstring("(S (A her) (B duck))")
    found = model(tuple("01234")).node_predictions(tree)
    p = found.probabilities
    expected = ((p @ torch.arange(5.0)) - 2) / 2
    drawing = found.drawing()
    torch.testing.assert_close(torch.tensor(drawing.values), expected)
    assert drawing.labels == [str(best) for best in p.argmax(1).tolist()]
    assert drawing.words == [None, "her", "duck"]
    assert drawing.notes[1] == "her\n" + "\n".join(f"{k}: {share:.1%}" for k, share in enumerate(p[1].tolist()))
    assert "positive" in found._repr_svg_()


def test_other_labels_have_their_probability():
    tree = Tree.fromstring("(S (A unknown) (B duck))")
    found = model(("a", "b")).node_predictions(tree)
    torch.testing.assert_close(torch.tensor(found.values()), found.probabilities.amax(1))
    assert "probability" in found._repr_svg_()
    assert found.drawing().words[1] == "unknown"
