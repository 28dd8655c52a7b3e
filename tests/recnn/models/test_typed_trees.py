"""Networks over trees of typed nodes, against their equations and their own parts."""

import pytest
import torch
from torch.nn import functional as F

import recnn
from parsers.errors import InputError
from recnn import TypedTreeConfig, TypedTreeModel, Vocabulary
from recnn.data.datasets import batch_of
from recnn.trees import TypedTree, from_python, from_value, left_child_right_sibling

torch.set_num_threads(1)
TREES = [from_value(value) for value in ({"a": [1, 2.5, "x"]}, [], 7, {"b": "new", "c": [None, [-3]]})]
WORDS = Vocabulary(["a", "x", "1", "b"])
TYPES = Vocabulary(["object", "member", "array", "number"])
CLASSES = {"task": "classes", "labels": ("p", "q", "r"), "outputs": 3}
TASKS = {
    "classes": CLASSES,
    "labels": {**CLASSES, "task": "labels"},
    "regression": {"task": "regression", "outputs": 2},
}


def made(task="classes", **options):
    torch.manual_seed(0)
    sizes = {"input_size": 5, "hidden_size": 4, "numbers": 1}
    model = TypedTreeModel(TypedTreeConfig(**{**TASKS[task], **sizes, **options}), WORDS, TYPES).eval()
    if task == "regression":
        model.standardise(([3.0], [2.0]), ([1.0, -1.0], [10.0, 0.5]))
    return model


def inputs_by_hand(model, tree):
    """The inputs of the nodes in preorder."""
    rows = []
    for label, word, numbers in zip(tree.labels, tree.words, tree.numbers or [()] * len(tree), strict=True):
        own = []
        if model.inputs.types is not None:
            own.append(model.inputs.types.weight[TYPES.index(label)])
        if model.inputs.words is not None:
            vector = model.inputs.words.embedding.weight
            own.append(torch.zeros(5) if word is None else vector[WORDS.index(word)])
        x = torch.cat(own) if model.config.inputs == "concat" else sum(own)
        z = (
            [(numbers[0] - float(model.inputs.number_mean)) / float(model.inputs.number_deviation), 1.0]
            if numbers
            else [0, 0]
        )
        rows.append(x + model.inputs.numbers.weight @ torch.tensor(z, dtype=x.dtype))
    return torch.stack(rows)


@pytest.mark.parametrize("inputs", ["label", "word", "sum", "concat"])
def test_inputs_are_those_of_the_equation(inputs):
    model = made(inputs=inputs)
    model.standardise(numbers=([1.5], [2.0]))
    for tree in TREES:
        graph = model.graph(tree)
        expected = inputs_by_hand(model, tree)[graph.ndata["row"]]
        torch.testing.assert_close(model.inputs(graph), expected)


def test_every_node_has_its_input():
    """A child-sum recursive network over the inputs, by recursion."""
    model = made(cell="recursive")
    cell = model.encoder.cells[0]
    tree = TREES[3]
    x, below = inputs_by_hand(model, tree), tree.children()
    h = [None] * len(tree)
    for node in reversed(range(len(tree))):
        total = sum((h[child] for child in below[node]), torch.zeros(4))
        bias = cell.bias_ih + cell.bias_hh
        h[node] = torch.tanh(cell.weight_ih @ x[node] + cell.weight_hh @ total + bias)
    graph = model.graph(tree)
    torch.testing.assert_close(model.states(graph), torch.stack(h)[graph.ndata["row"]])


def test_huge_numbers_are_cut_off():
    model = made()
    small, huge = (model.graph(from_value(value)) for value in (10, 1e300))
    for graph in (small, huge):
        graph.ndata["word"][:] = -1
    torch.testing.assert_close(model.states(small), model.states(huge))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("at", ["root", "nodes"])
@pytest.mark.parametrize("options", [{}, {"direction": "both", "num_layers": 2, "cell": "gru"}])
def test_predictions_are_in_order(task, at, options):
    model = made(task, at=at, **options)
    found = model.predict(TREES, batch_size=3)
    for tree, prediction in zip(TREES, found, strict=True):
        graph = model.graph(tree)
        outputs = model(graph)
        if task == "regression":
            outputs = outputs * torch.tensor([10.0, 0.5]) + torch.tensor([1.0, -1.0])
        rows = [None] * len(tree)
        for place, row in enumerate(graph.ndata["row"].tolist()):
            best, own = outputs[place].argmax().item(), outputs[place].tolist()
            labels = [label for label, score in zip("pqr", own, strict=False) if score > 0]
            rows[row] = {"classes": "pqr"[best], "labels": labels, "regression": pytest.approx(own, abs=1e-5)}[task]
        assert prediction == (rows if at == "nodes" else rows[0])


def test_the_loss():
    for task, target in (("classes", [0, 2]), ("labels", [[1.0, 0, 1], [0, 0, 0]]), ("regression", [[1.0, 2], [3, 4]])):
        model = made(task)
        scores, target = torch.randn(2, 2 if task == "regression" else 3), torch.tensor(target)
        expected = {
            "classes": lambda s, t: F.cross_entropy(s, t),
            "labels": F.binary_cross_entropy_with_logits,
            "regression": lambda s, t: F.mse_loss(s, (t - torch.tensor([1.0, -1])) / torch.tensor([10, 0.5])),
        }[task]
        torch.testing.assert_close(model.loss(scores, target), expected(scores, target))


def test_saved_and_loaded(tmp_path):
    model = made("regression", direction="both", inputs="concat")
    model.save(tmp_path / "model")
    loaded = recnn.load(tmp_path / "model")
    assert type(loaded) is TypedTreeModel
    assert loaded.config == model.config
    assert loaded.predict(TREES) == model.predict(TREES)


def test_binarised_trees_fit_two_children():
    wide = from_python("f(a, b, c, d)")
    with pytest.raises(InputError, match=r"node 5 \('args'\) has 4 children, the network takes 2: binarise"):
        made(arity=2).predict([wide])
    model = made(arity=2, binarise=True)
    assert model.predict([wide]) == model.predict([left_child_right_sibling(wide)])


def test_another_number_of_features():
    tree = TypedTree((-1,), ("x",), (None,), ((1.0, 2.0),))
    with pytest.raises(InputError, match="nodes have 2 numbers, expected 1"):
        made().predict([tree])
    with pytest.raises(InputError, match="nodes have 1 numbers, expected none"):
        made(numbers=0).predict([TREES[2]])


def test_a_batch_is_its_trees():
    model = made(cell="lstm", arity="sum")
    one = torch.cat([model(model.graph(tree)) for tree in TREES])
    torch.testing.assert_close(model(batch_of([model.graph(tree) for tree in TREES])), one)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"task": "regression", "labels": ("a", "b")}, "labels: a regression has none"),
        ({"task": "classes", "labels": ("a", "b"), "outputs": 3}, "outputs: expected the number of labels, 2, got 3"),
        ({"task": "labels", "labels": ("a",), "outputs": 1}, "at least two different"),
        ({"task": "regression", "binarise": True, "arity": 3}, "binarise: a binarised tree fits"),
    ],
)
def test_settings_that_do_not_fit(options, problem):
    with pytest.raises(ValueError, match=problem):
        TypedTreeConfig(**options)


def test_closed_vocabularies():
    with pytest.raises(ValueError, match="open"):
        TypedTreeModel(TypedTreeConfig(**CLASSES), WORDS, Vocabulary(["x"], unknown=None))
