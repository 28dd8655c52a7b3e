import numpy as np
import pytest
import torch
from nltk import Tree

import recnn
from parsers import InputError
from recnn.draw import nearest, project_states, scatter
from tests.recnn.draw.test_pictures import parsed, texts


def test_the_plane_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(30, 7, generator=generator, dtype=torch.float64) * torch.tensor([5.0, 3, 1, 1, 1, 1, 1])
    points, shares = project_states(states.requires_grad_())
    _, S, V = torch.pca_lowrank(states, q=7, niter=20)
    expected = ((states - states.mean(0)) @ V[:, :2]).abs().detach()
    torch.testing.assert_close(torch.tensor(points).abs(), expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        torch.tensor(shares, dtype=S.dtype), (S[:2] ** 2 / (S**2).sum()).detach(), rtol=1e-6, atol=1e-8
    )
    assert (points.max(0) >= -points.min(0)).all()


@pytest.mark.parametrize("states", [[[1.0, 2.0, 3.0]], [[1.0], [2.0]], [[0.0, 0.0], [0.0, 0.0]]])
def test_few_states(states):
    points, _ = project_states(states)
    assert points.shape == (len(states), 2)
    assert np.isfinite(points).all()
    assert parsed(scatter(states, ["a"] * len(states))) is not None


def test_points_have_their_labels_as_far_as_there_is_room():
    states = np.random.default_rng(0).normal(size=(40, 5))
    labels = [f"phrase {index} <a>" for index in range(40)]
    drawn = scatter(states, labels, values=[*range(39), None])
    titles = [title.text.split("\n")[0] for title in parsed(drawn).iter("{http://www.w3.org/2000/svg}title")]
    assert titles == labels
    assert len(set(labels) & set(texts(drawn))) > 5
    assert texts(drawn)[-3:] == ["value:", "0", "38"]


def test_nearest_phrases():
    states = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.3], [-1.0, 0.0], [0.0, 0.0]])
    labels = ["a", "b", "c", "d", "e"]
    assert [found.label for found in nearest(states, labels, "a")] == ["c", "b", "e", "d"]
    assert [found.node for found in nearest(states, labels, 1, count=2)] == [2, 0]
    found = nearest(states, labels, torch.tensor([1.0, 1.0]), count=1)[0]
    expected = torch.nn.functional.cosine_similarity(states, torch.tensor([[1.0, 1.0]]))
    assert found.node == expected.argmax()
    assert found.similarity == pytest.approx(expected.max().item())


def test_errors():
    for states, labels, query, message in (
        ([1.0, 2.0], ["a", "b"], 0, r"expected states as a matrix \(N, H\), got the shape \(2,\)"),
        ([[1.0], [2.0]], ["a"], 0, "expected labels of 2 states, got 1"),
        ([[1.0], [2.0]], ["a", "b"], "c", "no state has the label 'c'"),
        ([[1.0], [2.0]], ["a", "b"], 2, "expected the index of a state, 0 to 1, got 2"),
        ([[1.0], [2.0]], ["a", "b"], [1.0, 2.0], r"expected a vector of 1 numbers, got the shape \(2,\)"),
        ([[1.0], [float("nan")]], ["a", "b"], 0, "state 1 is not finite"),
    ):
        with pytest.raises(InputError, match=message):
            nearest(states, labels, query)
    with pytest.raises(InputError, match="expected values of 2 states, got 1"):
        scatter([[1.0], [2.0]], ["a", "b"], [1.0])


def test_phrases_of_states():
    graph = recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in ("(S (N ducks) (V swim))", "(S a b)")])
    states = recnn.NodeStates(graph, recnn.HiddenState(torch.eye(6)))
    assert states.phrases == ["ducks swim", "ducks", "swim", "a b", "a", "b"]
    assert nearest(states.h, states.phrases, "ducks", count=1)[0].similarity == 0
