import math

import pytest
import torch
from torch.nn.utils import prune

import recnn

CELLS = {
    "recursive": lambda: recnn.RecursiveCell(3, 4, 2),
    "lstm": lambda: recnn.LSTMCell(3, 4, 3),
    "coupled": lambda: recnn.LSTMCell(6, 4, 2, coupled=True),
    "child-sum lstm": lambda: recnn.LSTMCell(5, 4, "sum"),
    "gru": lambda: recnn.GRUCell(6, 4, 2),
    "no bias": lambda: recnn.GRUCell(4, 4, 1, bias=False),
    "tensor": lambda: recnn.TensorCell(3, 4, 2),
    "untied": lambda: recnn.UntiedRecursiveCell(3, 4, 2),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def blocks(weight, rows, columns):
    """Split W into a block for each gate, or U into a block for each gate and child."""
    weight = weight.detach().flatten(0, -2)
    found = [block for gate in weight.split(rows) for block in gate.split(columns, dim=1)]
    assert all(block.shape == (rows, columns) for block in found)
    return found


def of(cell):
    H = cell.hidden_size
    return blocks(cell.weight_ih, H, cell.input_size), blocks(cell.weight_hh, H, cell.output_size)


def is_orthogonal(block):
    square = block.T @ block if block.shape[0] >= block.shape[1] else block @ block.T
    return torch.allclose(square, torch.eye(len(square)), atol=1e-5)


@every_cell
def test_orthogonal_blocks(make):
    cell = recnn.initialise(make(), input="orthogonal", recurrent="orthogonal")
    for found in of(cell):
        assert all(is_orthogonal(block) for block in found)
        assert len({tuple(block.flatten().tolist()) for block in found}) == len(found)


@every_cell
def test_by_default_input_is_glorot_and_recurrent_orthogonal(make):
    cell = recnn.initialise(make())
    inputs, recurrent = of(cell)
    bound = math.sqrt(6 / (cell.input_size + cell.hidden_size))
    assert all(block.abs().max() <= bound for block in inputs)
    assert not any(is_orthogonal(block) for block in inputs)
    assert all(is_orthogonal(block) for block in recurrent)


@every_cell
def test_identity(make):
    _, recurrent = of(recnn.initialise(make(), recurrent="identity"))
    assert all(torch.equal(block, torch.eye(4)) for block in recurrent)


@pytest.mark.parametrize(
    ("rule", "bound_w", "bound_u"), [("glorot", math.sqrt(6 / 40), math.sqrt(6 / 60)), ("uniform", 30**-0.5, 30**-0.5)]
)
def test_bounds_are_those_of_one_block_and_are_filled(rule, bound_w, bound_u):
    torch.manual_seed(0)
    for cell in (recnn.LSTMCell(10, 30, 3), recnn.GRUCell(10, 30, 3), recnn.RecursiveCell(10, 30, 3)):
        recnn.initialise(cell, input=rule, recurrent=rule)
        for found, bound in zip(of(cell), (bound_w, bound_u), strict=True):
            for block in found:
                assert 0.97 * bound < block.abs().max() <= bound * (1 + 1e-6)
                assert block.mean().abs() < bound / 10
                assert abs(block.std() / (bound / math.sqrt(3)) - 1) < 0.1


@every_cell
def test_biases(make):
    cell = recnn.initialise(make(), bias=0.25)
    one, two = getattr(cell, "bias_ih", None), getattr(cell, "bias_hh", None)
    if one is not None:
        assert (one == 0.25).all()
        assert (two == 0).all()
    for name, parameter in cell.named_parameters():
        if name == "bias":
            assert (parameter == 0.25).all()
    recnn.initialise(cell)
    assert all((parameter == 0).all() for name, parameter in cell.named_parameters() if "bias" in name)


def test_the_only_bias_is_the_bias():
    cell = recnn.initialise(recnn.RecursiveCell(4, 4, leaf="input"), bias=0.5)
    assert cell.bias_ih is None
    assert (cell.bias_hh == 0.5).all()


@pytest.mark.parametrize("arity", [1, 3, "sum"])
def test_forget_bias_is_the_sum_of_both_biases_at_the_forget_gates(arity):
    cell = recnn.initialise(recnn.LSTMCell(3, 4, arity), bias=0.1, forget_bias=1.0)
    i, f, g, o = cell.bias_ih.detach().split(4)
    assert (f == 1).all()
    assert all((gate == torch.tensor(0.1)).all() for gate in (i, g, o))
    assert (cell.bias_hh == 0).all()


def test_with_closed_gates_the_forget_bias_is_what_is_kept():
    cell = recnn.initialise(recnn.LSTMCell(3, 4, 2), forget_bias=2.0)
    cell.weight_ih.data.zero_()
    cell.weight_hh.data.zero_()
    graph = recnn.productions_to_graph(["a", "b"], [(1, 1, 2)])
    c = recnn.propagate(cell, graph, torch.zeros(3, 3), initial=(torch.zeros(1, 4), torch.ones(1, 4))).cell
    kept = torch.sigmoid(torch.tensor(2.0))
    torch.testing.assert_close(c[1], kept.expand(4))
    torch.testing.assert_close(c[0], (2 * kept * kept).expand(4))


def test_forget_bias_leaves_other_gates_and_cells_alone():
    coupled = recnn.initialise(recnn.LSTMCell(3, 4, coupled=True), forget_bias=1.0)
    early = recnn.initialise(recnn.LSTMCell(3, 4, forget_gate=False), forget_bias=1.0)
    gru = recnn.initialise(recnn.GRUCell(3, 4), forget_bias=1.0)
    assert not any(cell.bias_ih.any() or cell.bias_hh.any() for cell in (coupled, early, gru))
    bare = recnn.initialise(recnn.LSTMCell(3, 4, bias=False), forget_bias=1.0)
    assert bare.bias_ih is None


@pytest.mark.parametrize("arity", [1, 2])
def test_a_projected_state_has_blocks_of_its_own_size(arity):
    cell = recnn.initialise(recnn.LSTMCell(3, 4, arity, proj_size=3), recurrent="orthogonal")
    assert all(is_orthogonal(block) for block in of(cell)[1])


def test_every_cell_of_a_module_is_drawn_and_nothing_else():
    module = torch.nn.ModuleDict(
        {
            "lstm": recnn.LSTM(3, 4, num_layers=2, bidirectional=True),
            "trees": recnn.Encoder(recnn.GRUCell(3, 4, 2), 2),
            "out": torch.nn.Linear(4, 4),
        }
    )
    out = module["out"].weight.detach().clone()
    assert recnn.initialise(module, recurrent="identity", forget_bias=1.0) is module
    cells = [one for one in module.modules() if isinstance(one, recnn.Cell)]
    assert len(cells) == 6
    assert all(torch.equal(block, torch.eye(4)) for cell in cells for block in of(cell)[1])
    assert all((cell.bias_ih[4:8] == 1).all() for cell in cells[:4])
    assert torch.equal(module["out"].weight, out)
    assert all(parameter.requires_grad and parameter.grad_fn is None for parameter in module.parameters())


@pytest.mark.parametrize("rule", ["glorot", "orthogonal", "uniform"])
def test_a_seed_determines_all(rule):
    def weights(seed):
        module = recnn.Encoder([recnn.LSTMCell(3, 4, 2), recnn.GRUCell(4, 4, 2), recnn.RecursiveCell(4, 4, 2)])
        torch.manual_seed(seed)
        return recnn.initialise(module, input=rule, recurrent=rule).state_dict()

    first, again, other = weights(7), weights(7), weights(8)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if "weight" in name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": "normal"}, r"^input must be one of 'glorot', 'orthogonal', 'uniform', got 'normal'$"),
        ({"input": "identity"}, r"^input must be one of 'glorot', 'orthogonal', 'uniform', got 'identity'$"),
        ({"recurrent": "Glorot"}, r"^recurrent must be one of 'glorot', .*'identity'.*, got 'Glorot'$"),
        ({"recurrent": None}, r"^recurrent must be one of .*, got None$"),
    ],
)
def test_wrong_rules_are_named_before_anything_changes(options, message):
    cell = recnn.LSTMCell(3, 4)
    before = {name: value.clone() for name, value in cell.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        recnn.initialise(cell, **options)
    assert all(torch.equal(value, before[name]) for name, value in cell.state_dict().items())


def test_weights_that_are_computed_are_not_silently_left_as_they_are():
    module = recnn.LSTM(3, 4)
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(ValueError, match="weight_hh of a LSTMCell is computed from other parameters"):
        recnn.initialise(module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    pruned = recnn.GRUCell(3, 4)
    prune.l1_unstructured(pruned, "weight_hh", 0.5)
    with pytest.raises(ValueError, match="weight_hh of a GRUCell is computed"):
        recnn.initialise(pruned)
