"""Training on trees of typed nodes: its metrics, counted by hand, and what it learns."""

import pytest
import torch

from parsers.errors import InputError
from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.training.objectives.typed_trees import TypedTreeObjective, measured_examples
from recnn.training.options import TreeTraining, WordTraining
from recnn.training.run import train
from recnn.trees import TreeExample, from_sexpr, from_value

torch.set_num_threads(1)
NETWORK = TypedNetworkConfig(input_size=6, hidden_size=5, dropout=0.0)
TEXTS = ["x", "(f x)", "(f (g x) y)", "(g x x x)", "(f 3 (g 4))", "(g (f 1.5))", "y"]
TREES = [from_sexpr(text) for text in TEXTS] * 3


def examples(task, at):
    found = []
    for tree in TREES:
        values = {
            "classes": ["leaf" if word else "inner" for word in tree.words],
            "labels": [
                [label for label in ("f", "x") if label in (label_, word)]
                for label_, word in zip(tree.labels, tree.words, strict=True)
            ],
            "regression": [float(len(below)) for below in tree.children()],
        }[task]
        if at == "root":
            found.append(TreeExample(tree, values[0]))
        else:
            found.append(TreeExample(tree, None, [None if node == 1 else value for node, value in enumerate(values)]))
    return found


def objective(task, at, **training):
    torch.manual_seed(0)
    data = examples(task, at)
    return TypedTreeObjective(NETWORK, TreeTraining(batch=4, **training), data, data)


@pytest.mark.parametrize("task", ["classes", "labels", "regression"])
@pytest.mark.parametrize("at", ["root", "nodes"])
def test_what_is_measured_is_counted_by_hand(task, at):
    made = objective(task, at)
    model, data = made.model.eval(), examples(task, at)
    found = {name: float(one.metric.compute()) for name, one in measured_examples(model, data).items()}
    pairs = []
    for example, answer in zip(data, model.predict(example.tree for example in data), strict=True):
        expected, own = ([example.target], [answer]) if at == "root" else (example.targets, answer)
        pairs += [(want, got) for want, got in zip(expected, own, strict=True) if want is not None]
    if task == "classes":
        assert found == {"accuracy": pytest.approx(sum(want == got for want, got in pairs) / len(pairs))}
    elif task == "labels":
        exact = sum(set(want) == set(got) for want, got in pairs) / len(pairs)
        hits = sum(len(set(want) & set(got)) for want, got in pairs)
        total = sum(len(want) + len(got) for want, got in pairs)
        assert found == {"f1": pytest.approx(2 * hits / total), "exact": pytest.approx(exact)}
    else:
        off = [abs(want - got) for want, got in pairs]
        mse = sum(one**2 for one in off) / len(off)
        assert found == {"rmse": pytest.approx(mse**0.5, rel=1e-4), "mae": pytest.approx(sum(off) / len(off), rel=1e-4)}


def test_numbers_are_standardised_by_the_training_data():
    values = [1, 2.5, [3, 4], {"a": -7}]
    data = [TreeExample(from_value(value), float(number)) for number, value in enumerate(values)]
    model = TypedTreeObjective(NETWORK, TreeTraining(), data, data).model
    numbers = torch.tensor([1, 2.5, 3, 4, -7])
    torch.testing.assert_close(model.inputs.number_mean, numbers.mean(0, keepdim=True))
    torch.testing.assert_close(model.inputs.number_deviation, numbers.std(0, correction=0, keepdim=True))
    torch.testing.assert_close(model.output_mean, torch.tensor([1.5]))
    torch.testing.assert_close(model.output_deviation, torch.tensor([1.25**0.5]))


def test_numbers_can_be_learnt(tmp_path):
    """The target is a number of the tree, which is no word of another tree."""
    random = torch.Generator().manual_seed(1)
    numbers = torch.randn(300, generator=random).mul(100).tolist()
    data = [TreeExample(from_value({"a": ["x", number]}), -3 * number) for number in numbers]

    def make():
        return TypedTreeObjective(NETWORK, training, data[:250], data[250:], WordTraining(min_count=2))

    training = TreeTraining(epochs=15, batch=10)
    best = train(make, training, tmp_path / "run")
    assert best["rmse"] < 60  # the deviation is 300


def test_wrong_data():
    data = examples("classes", "root")
    with pytest.raises(InputError, match="no trees to validate on"):
        TypedTreeObjective(NETWORK, TreeTraining(), data, [])
    with pytest.raises(InputError, match="tree 21 has no target"):
        TypedTreeObjective(NETWORK, TreeTraining(), [*data[:-1], TreeExample(TREES[0])], data)
