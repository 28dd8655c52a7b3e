"""Explanations: against predictions for changed sentences, derivatives by differences, and planted causes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree

import recnn
from benchmarks.planted_causes import is_found, planted
from corpora import SENTIMENTS, Vocabulary, bundled_sentiment
from parsers import shaped, tree_from_dependencies
from parsers.errors import InputError
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining
from recnn.training.run import train

torch.set_num_threads(1)
WORDS = ["a", "bad", "good", "film", "not", "very"]
TREE = Tree.fromstring("(S (NP a (X bad film)) (VP (V not) (A very good)))")
NETWORKS = [
    {},
    {"cell": "recursive", "num_layers": 2},
    {"direction": "both", "subwords": 32},
    {"arity": "sum", "direction": "down"},
    {"model": "sequence"},
    {"model": "sequence", "direction": "both"},
]


def made(seed=0, labels=("x", "y", "z"), **options):
    torch.manual_seed(seed)
    config = recnn.TreeConfig(labels, input_size=5, hidden_size=4, **options)
    model = recnn.TreeClassifier(config, Vocabulary(WORDS, unknown="<unk>"))
    torch.nn.init.normal_(model.encoder.words.embedding.weight)
    torch.nn.init.normal_(model.head.linear.weight)
    return model.eval()


def log_odds(model, tree, target, node=0):
    p = model.probabilities([tree])[0][node, model.config.labels.index(target)].double()
    return float(torch.log(p / (1 - p)))


def without(tree, hidden):
    """The tree with other words at some positions, from 1, that the model does not know."""
    other = tree.copy(deep=True)
    for position, place in enumerate(tree.treepositions("leaves"), 1):
        if position in hidden:
            other[place] = "zzz"
    return other


@pytest.mark.parametrize("options", NETWORKS, ids=str)
@pytest.mark.parametrize("node", [0, (1, 3)])
def test_occlusion_is_the_prediction_with_unknown_words(options, node):
    model = made(**{**options, "subwords": 0})
    found = recnn.explain(model, TREE, "y", node=node)
    at = found.node
    assert found.spans[at] == ((1, 6) if node == 0 else node)
    assert found.score == pytest.approx(log_odds(model, TREE, "y", at), abs=1e-4)
    assert found.baseline == pytest.approx(log_odds(model, without(TREE, range(1, 7)), "y", at), abs=1e-4)
    for (start, end), value in zip(found.spans, found.contributions, strict=True):
        hidden = without(TREE, range(start, end + 1))
        assert value == pytest.approx(found.score - log_odds(model, hidden, "y", at), abs=1e-4)
    assert found.contributions[0] == pytest.approx(found.score - found.baseline, abs=1e-5)


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_integrated_gradients_are_complete(options):
    model = made(**options)
    with torch.no_grad():
        found = recnn.explain(model, TREE, "z", "integrated_gradients")
    assert found.contributions[0] == pytest.approx(found.score - found.baseline, abs=1e-4)
    by_span = dict(zip(found.spans, found.contributions, strict=True))
    for span, value in by_span.items():
        words = (by_span[position, position] for position in range(span[0], span[1] + 1))
        assert value == pytest.approx(sum(words), abs=1e-5)


@settings(max_examples=25)
@given(words=st.lists(st.sampled_from([*WORDS, "zzz"]), min_size=1, max_size=9), seed=st.integers(0, 99))
def test_sums_of_any_sentence(words, seed):
    model = made(seed)
    for tree in (shaped(words, "balanced"), shaped(words, "right")):
        difference = None
        for method in ("occlusion", "integrated_gradients"):
            found = recnn.explain(model, tree, method=method)
            difference = found.score - found.baseline
            assert found.contributions[0] == pytest.approx(difference, abs=2e-4)
            for span, value in zip(found.spans, found.contributions, strict=True):
                if {words[at - 1] for at in range(span[0], span[1] + 1)} == {"zzz"}:
                    assert value == pytest.approx(0, abs=1e-6)


def test_integrated_gradients_against_differences():
    """∫ ∂s/∂x · (x - x') dα by the midpoint rule, with derivatives by central differences, in float64."""
    model = made().double()
    found = recnn.explain(model, TREE, "x", "integrated_gradients")
    graph = model.graph(TREE)
    leaves = (graph.ndata["word"] >= 0).nonzero().squeeze(1)
    x = model.encoder.words.of(graph, leaves).detach()
    way, steps, h = x - model.encoder.words.embedding.weight[0].detach(), 100, 1e-4

    def score(vectors):
        with torch.no_grad():
            s = model.head(model.encoder(graph, torch.tensor([0]), vectors))[0]
        return float(s[0] - s[1:].logsumexp(0))

    for row, node in enumerate(leaves.tolist()):
        total = 0.0
        for alpha in (np.arange(steps) + 0.5) / steps:
            ends = []
            for sign in (1, -1):
                point = x - (1 - alpha) * way
                point[row] += sign * h * way[row]
                ends.append(score(point))
            total += (ends[0] - ends[1]) / (2 * h) / steps
        assert found.contributions[node] == pytest.approx(total, abs=1e-4)


def test_gradient_of_the_root_is_its_part_of_a_linear_score():
    """With two classes the score is linear in the state of the root: s = (w_x - w_y) · h + b_x - b_y."""
    model = made(labels=("x", "y"))
    found = recnn.explain(model, TREE, "x", "gradient")
    first, second = model.head.linear.weight.detach()
    h = model.encoder(model.graph(TREE), torch.tensor([0]))[0].detach()
    assert found.contributions[0] == pytest.approx(float(h @ (first - second)), abs=1e-5)
    bias = model.head.linear.bias.detach()
    assert found.score == pytest.approx(found.contributions[0] + float(bias[0] - bias[1]), abs=1e-5)


def test_a_node_of_a_dependency_tree_is_occluded_with_its_dependents():
    heads = [3, 4, 4, 0]  # the third word has the first as its dependent, and the second crosses
    model = made(arity="sum")
    tree, hidden = (
        tree_from_dependencies(words, heads) for words in (["a", "film", "not", "good"], ["zz", "film", "zz", "good"])
    )
    found = recnn.explain(model, tree, "x")
    value = found.contributions[found.phrases.index("a not")]
    assert value == pytest.approx(found.score - log_odds(model, hidden, "x"), abs=1e-4)
    complete = recnn.explain(model, tree, "x", "integrated_gradients")
    assert complete.contributions[0] == pytest.approx(found.score - found.baseline, abs=1e-4)


def test_what_is_shown():
    model = made()
    found = recnn.explain(model, TREE, "y")
    assert [float(label) for label in _labels(found.tree)] == [round(value, 2) for value in found.contributions]
    assert "".join(recnn.tree_to_text(found.tree).split()).endswith("abadfilmnotverygood")
    head, *rows = str(found).splitlines()
    assert head.startswith(f"log-odds of y: {found.score:+.3f}")
    values = [float(row.split()[0]) for row in rows]
    assert [abs(value) for value in values] == sorted(map(abs, values), reverse=True)
    assert len(rows) == len(found.phrases) == len(found.spans)


def _labels(tree):
    """The labels, breadth first."""
    agenda = [tree]
    for node in agenda:
        agenda += [child for child in node if isinstance(child, Tree)]
    return [node.label() for node in agenda]


def test_the_class_is_the_predicted_one_and_the_model_stays_in_its_mode():
    model = made(dropout=0.5)
    labels = [max(range(3), key=row.__getitem__) for row in model.probabilities([TREE])[0].tolist()]
    model.train()
    for node, label in enumerate(labels):
        found = recnn.explain(model, TREE, node=node)
        assert found.target == model.config.labels[label]
    assert model.training


WRONG = [
    ({"target": "w"}, "no class 'w', expected one of x, y, z"),
    ({"node": 11}, r"the tree has nodes 0\.\.10, got node 11"),
    ({"node": (2, 4)}, r"no phrase spans \(2, 4\)"),
    ({"model": made(model="sequence"), "method": "gradient"}, "phrases have no states in a network over sequences"),
    ({"model": torch.nn.Linear(1, 1)}, "expected a model of kind 'trees', got 'Linear'"),
    ({"sentence": ""}, "sentence '': no words"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(InputError, match=message):
        recnn.explain(**{"model": made(parser="balanced"), "sentence": TREE, **options})


def test_an_unknown_method():
    with pytest.raises(ValueError, match="method must be one of 'occlusion', 'gradient', 'integrated_gradients'"):
        recnn.explain(made(), TREE, method="magic")


def test_planted_causes_are_found(tmp_path):
    parts = [list(bundled_sentiment(part)) for part in ("train", "dev")]
    config = recnn.TreeConfig(tuple(SENTIMENTS), input_size=24, hidden_size=24)
    training = TreeTraining(epochs=5, learning_rate=0.1)
    train(lambda: TreeObjective(config, training, *parts), training, tmp_path)
    model = recnn.load(tmp_path / "best")
    found = {
        method: sum(is_found(recnn.explain(model, tree, method=method), position) for tree, position in planted())
        for method in ("occlusion", "integrated_gradients")
    }
    assert found["occlusion"] >= 9, found
    assert found["integrated_gradients"] >= 6, found
