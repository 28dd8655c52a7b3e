import copy
import io
import pickle
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import recnn

KINDS = ["RNN", "LSTM", "GRU"]
LAYOUTS = ["padded", "unbatched", "packed sorted", "packed unsorted"]
every_kind = pytest.mark.parametrize("kind", KINDS)
# A warning of torch.nn.LSTM on the CPU.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def close(found, expected, atol=1e-10, rtol=0):
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


def parts(value):
    """The tensors in an output or a state."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [value.data] if isinstance(value, PackedSequence) else [part for one in value for part in parts(one)]


def pair(kind, *sizes, **options):
    """A network of torch.nn, and ours with its weights."""
    theirs, ours = getattr(torch.nn, kind)(*sizes, **options), getattr(recnn, kind)(*sizes, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def state_of(kind, *shape, dtype=torch.float64):
    made = [torch.randn(*shape, dtype=dtype, requires_grad=True) for _ in range(1 + (kind == "LSTM"))]
    return tuple(made) if kind == "LSTM" else made[0]


@st.composite
def networks(draw):
    """A class, its sizes, and all options of torch.nn."""
    kind = draw(st.sampled_from(KINDS))
    hidden = draw(st.integers(1, 4))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    return kind, draw(st.integers(1, 3)), hidden, options


@settings(deadline=None, max_examples=150)
@given(
    network=networks(),
    layout=st.sampled_from(LAYOUTS),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    begun=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 99),
)
def test_all_that_torch_does(network, layout, lengths, begun, dtype, seed):
    kind, size, hidden, options = network
    tolerance = {"atol": 1e-10} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    torch.manual_seed(seed)
    theirs, ours = pair(kind, size, hidden, dtype=dtype, **options)

    lengths = sorted(lengths, reverse=True) if layout == "packed sorted" else lengths
    batch, steps, first = len(lengths), max(lengths), options["batch_first"]
    shape = (steps,) if layout == "unbatched" else (batch, steps) if first else (steps, batch)
    x = torch.randn(*shape, size, dtype=dtype, requires_grad=True)
    hx, roots = None, [x]
    if begun:
        rows = options["num_layers"] * (1 + options["bidirectional"])
        wide = [options.get("proj_size") or hidden, hidden][: 1 + (kind == "LSTM")]
        middle = () if layout == "unbatched" else (batch,)
        hx = [torch.randn(rows, *middle, columns, dtype=dtype, requires_grad=True) for columns in wide]
        roots += hx
        hx = tuple(hx) if kind == "LSTM" else hx[0]

    found = []
    for module in (theirs, ours):
        given_input = x
        if layout.startswith("packed"):
            given_input = pack_padded_sequence(
                x, torch.tensor(lengths), first, enforce_sorted=layout == "packed sorted"
            )
        output, final = module(given_input, hx)
        weights = [getattr(module, name) for name in theirs.state_dict()]
        generator = torch.Generator().manual_seed(seed)
        pull = [torch.rand(part.shape, dtype=dtype, generator=generator) for part in parts([output, final])]
        gradients = torch.autograd.grad(parts([output, final]), [*roots, *weights], pull)
        found.append((output, final, gradients))
    (output, final, gradients), (our_output, our_final, our_gradients) = found
    assert type(our_output) is type(output)
    assert type(our_final) is type(final)
    if layout.startswith("packed"):
        assert torch.equal(our_output.batch_sizes, output.batch_sizes)
        for field in ("sorted_indices", "unsorted_indices"):
            ours_field, theirs_field = getattr(our_output, field), getattr(output, field)
            assert (ours_field is None) == (theirs_field is None)
            assert theirs_field is None or torch.equal(ours_field, theirs_field)
    for one, other in zip(parts([our_output, our_final]), parts([output, final]), strict=True):
        close(one, other, **tolerance)
    for name, one, other in zip(
        ["x", *"hc"[: len(roots) - 1], *theirs.state_dict()], our_gradients, gradients, strict=True
    ):
        torch.testing.assert_close(
            one, other, **{"rtol": 0, **tolerance}, msg=lambda text, name=name: f"gradient of {name}: {text}"
        )


@settings(deadline=None, max_examples=30)
@given(networks())
def test_state_dicts_go_both_ways(network):
    kind, size, hidden, options = network
    theirs, ours = (getattr(module, kind)(size, hidden, **options) for module in (torch.nn, recnn))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    for (name, one), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(getattr(ours, name), one)
    fresh = getattr(recnn, kind)(size, hidden, **options)
    fresh.load_state_dict(theirs.state_dict())
    assert all(torch.equal(one, ours.state_dict()[name]) for name, one in fresh.state_dict().items())
    assert [[one.shape for one in layer] for layer in ours.all_weights] == [
        [one.shape for one in layer] for layer in theirs.all_weights
    ]
    ours.flatten_parameters()


def test_state_dicts_within_a_model():
    def model(module):
        return torch.nn.ModuleDict({"words": torch.nn.Embedding(5, 3), "net": module.GRU(3, 4, 2, bidirectional=True)})

    theirs, ours = model(torch.nn), model(recnn)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    wrong = dict(theirs.state_dict(), **{"net.weight_ih_l7": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"net\.weight_ih_l7"):
        ours.load_state_dict(wrong)
    del wrong["net.weight_ih_l7"], wrong["net.weight_hh_l1_reverse"]
    with pytest.raises(RuntimeError, match="Missing key"):
        ours.load_state_dict(wrong)


def outcome(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error)
    return None


zeros = torch.zeros
WRONG_INPUTS = {
    "1-D": zeros(3),
    "4-D": zeros(1, 1, 1, 3),
    "size": zeros(5, 2, 4),
    "size, unbatched": zeros(5, 4),
    "dtype": zeros(5, 2, 3, dtype=torch.float64),
    "integers": zeros(5, 2, 3, dtype=torch.int64),
    "half": zeros(5, 2, 3, dtype=torch.float16),
    "no steps": zeros(0, 2, 3),
    "no steps, unbatched": zeros(0, 3),
}
WRONG_STATES = {
    "layers": (zeros(5, 2, 3), (2, 2, 4)),
    "batch": (zeros(5, 2, 3), (1, 3, 4)),
    "size": (zeros(5, 2, 3), (1, 2, 5)),
    "2-D": (zeros(5, 2, 3), (1, 4)),
    "4-D": (zeros(5, 2, 3), (1, 1, 2, 4)),
    "unbatched layers": (zeros(5, 3), (2, 4)),
    "unbatched size": (zeros(5, 3), (1, 5)),
    "unbatched 3-D": (zeros(5, 3), (1, 1, 4)),
    "unbatched 1-D": (zeros(5, 3), (4,)),
    "packed layers": (pack_sequence([zeros(5, 3), zeros(2, 3)]), (2, 2, 4)),
    "packed batch": (pack_sequence([zeros(5, 3), zeros(2, 3)]), (1, 3, 4)),
    "packed size": (pack_sequence([zeros(2, 3), zeros(5, 3)], enforce_sorted=False), (1, 2, 5)),
}


@every_kind
@pytest.mark.parametrize("wrong", WRONG_INPUTS)
def test_wrong_inputs_are_the_same_kind_of_error(kind, wrong):
    theirs, ours = pair(kind, 3, 4)
    expected = outcome(lambda: theirs(WRONG_INPUTS[wrong]))
    assert expected is not None
    assert outcome(lambda: ours(WRONG_INPUTS[wrong])) is expected


@every_kind
@pytest.mark.parametrize("packed", [zeros(5, 4), zeros(5, 3, dtype=torch.float64)], ids=["size", "dtype"])
def test_wrong_packed_inputs_are_errors(kind, packed):
    """Size and dtype are checked as in torch.nn.RNN; torch.nn.LSTM checks neither, and may read out of bounds."""
    packed = pack_sequence([packed])
    expected = outcome(lambda: torch.nn.RNN(3, 4)(packed))
    assert expected in (RuntimeError, ValueError)
    assert outcome(lambda: getattr(recnn, kind)(3, 4)(packed)) is expected


@every_kind
@pytest.mark.parametrize("wrong", [*WRONG_STATES, "dtype"])
def test_wrong_states_are_the_same_kind_of_error(kind, wrong):
    theirs, ours = pair(kind, 3, 4)
    x, shape = WRONG_STATES.get(wrong, (zeros(5, 2, 3), (1, 2, 4)))
    hx = state_of(kind, *shape, dtype=torch.float64 if wrong == "dtype" else torch.float32)
    expected = outcome(lambda: theirs(x, hx))
    assert expected is not None
    assert outcome(lambda: ours(x, hx)) is expected


@pytest.mark.parametrize("size", [-1, 4])
def test_a_wrong_projection_is_an_error_as_well(size):
    assert [outcome(lambda m=m: m.LSTM(3, 4, proj_size=size)) for m in (torch.nn, recnn)] == [ValueError] * 2


def test_a_wrong_cell_state_is_an_error_as_well():
    for wrong in ((1, 2, 5), (1, 3, 4), (2, 2, 4), (2, 4)):
        expected = [
            outcome(lambda m=m, w=wrong: m(zeros(5, 2, 3), (zeros(1, 2, 4), zeros(w)))) for m in pair("LSTM", 3, 4)
        ]
        assert expected == [RuntimeError] * 2
    projected = [outcome(lambda m=m: m(zeros(5, 2, 3), (zeros(1, 2, 4),) * 2)) for m in pair("LSTM", 3, 4, proj_size=2)]
    assert projected == [RuntimeError] * 2


WRONG_SETTINGS = [
    {"num_layers": 0},
    {"num_layers": -1},
    {"num_layers": 1.5},
    {"hidden_size": 0},
    {"hidden_size": -2},
    {"hidden_size": 2.0},
    {"input_size": 0},
    {"input_size": 3.0},
    {"dropout": 1.5},
    {"dropout": -0.5},
    {"dropout": True},
    {"bias": 1},
    {"batch_first": 1},
    {"nonlinearity": "sigmoid"},
    {"unheard_of": 1},
]


@every_kind
@pytest.mark.parametrize("wrong", WRONG_SETTINGS, ids=str)
def test_wrong_settings_are_the_same_kind_of_error(kind, wrong):
    options = {"input_size": 3, "hidden_size": 4, **wrong}
    expected = outcome(lambda: getattr(torch.nn, kind)(**options))
    assert expected is not None
    assert outcome(lambda: getattr(recnn, kind)(**options)) is expected


@every_kind
def test_a_batch_of_no_sequences(kind):
    theirs, ours = pair(kind, 3, 4)
    x = zeros(5, 0, 3)
    assert [part.shape for part in parts(ours(x))] == [part.shape for part in parts(theirs(x))]


@every_kind
def test_copies_and_pickles(kind):
    module = getattr(recnn, kind)(3, 4, num_layers=2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    expected = module(x)[0]
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = getattr(recnn, kind)(3, 4, num_layers=2, bidirectional=True)
    assert not torch.equal(fresh(x)[0], expected)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for other in (fresh, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x)[0], expected)
        assert list(other.state_dict()) == list(module.state_dict())
        other.weight_ih_l1_reverse.data.zero_()
        assert not torch.equal(other(x)[0], expected)
    assert torch.equal(module(x)[0], expected)
    assert not hasattr(module, "weight_ih_l2")
    assert not hasattr(module, "weight_xy_l0")


def test_printing_shows_the_cells():
    shown = str(recnn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True))
    assert shown.startswith("LSTM(")
    assert "batch_first=True" in shown
    assert "LSTMCell(3, 4, arity=1)" in shown
    assert "LSTMCell(8, 4, arity=1)" in shown


@every_kind
def test_dropout_of_all_or_in_evaluation_equals_torchs(kind):
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    for rate, training in ((0.5, False), (1.0, True), (1.0, False), (0.0, True)):
        theirs, ours = pair(kind, 3, 4, num_layers=3, dropout=rate, bidirectional=True, dtype=torch.float64)
        for one, other in zip(parts(ours.train(training)(x)), parts(theirs.train(training)(x)), strict=True):
            close(one, other)
    with pytest.warns(UserWarning, match="dropout"):
        getattr(recnn, kind)(3, 4, dropout=0.5)


@every_kind
def test_dropout_in_training_has_torchs_distribution(kind):
    torch.manual_seed(0)
    n = 4000
    theirs, ours = pair(kind, 2, 3, num_layers=2, dropout=0.4)
    x = torch.randn(3, 1, 2).expand(3, n, 2)
    with torch.no_grad():
        (one, _), (other, _) = ours(x), theirs(x)
    assert len(one[-1].unique(dim=0)) > 8
    error = ((one.var(1) + other.var(1)) / n).sqrt()
    assert ((one.mean(1) - other.mean(1)).abs() < 5 * error).all()
    assert ((one.std(1) / other.std(1) - 1).abs() < 0.1).all()


# Options that torch.nn does not have: expected values are computed sequence by sequence, with networks of torch.nn that
# have one layer and one direction.

MERGES = {
    "concat": lambda forth, back: torch.cat([forth, back], -1),
    "sum": lambda forth, back: forth + back,
    "mul": lambda forth, back: forth * back,
    "ave": lambda forth, back: (forth + back) / 2,
}


def one_layer(cell, rows, backwards, state=None):
    """A torch network with the weights of ``cell`` over one sequence: outputs (T, H) and the final state."""
    name = {recnn.RecursiveCell: "RNN", recnn.LSTMCell: "LSTM", recnn.GRUCell: "GRU"}[type(cell)]
    options = {"proj_size": cell.proj_size} if name == "LSTM" else {}
    network = getattr(torch.nn, name)(cell.input_size, cell.hidden_size, dtype=torch.float64, **options)
    network.load_state_dict({f"{name}_l0": value for name, value in cell.named_parameters()})
    output, final = network(rows.flip(0) if backwards else rows, state)
    return (output.flip(0) if backwards else output), parts(final)


def by_hand(module, rows):
    """Outputs and final states of one sequence, (T, *) and for each field (L * directions, H)."""
    cells, merge = iter(module.encoder.cells), module.merge_mode
    apart = module.bidirectional and (module.encoder.independent or merge is None)
    read, ends = [rows] * (1 + module.bidirectional), []
    for layer in range(module.num_layers):
        made = [one_layer(next(cells), part, backwards) for backwards, part in enumerate(read)]
        ends += [end for _, end in made]
        wrote = [output for output, _ in made]
        if module.bidirectional and not apart:
            wrote = [MERGES[merge](*wrote)] * 2
        if module.encoder.residual and layer:
            wrote = [w + r if w.shape == r.shape else w for w, r in zip(wrote, read, strict=True)]
        read = wrote
    output = read[0] if not apart else tuple(read) if merge is None else MERGES[merge](*read)
    return output, [[end.squeeze(0) for end in field] for field in zip(*ends, strict=True)]


@every_kind
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_merging_two_directions(kind, merge_mode, independent, residual):
    torch.manual_seed(0)
    module = getattr(recnn, kind)(
        3,
        4,
        3,
        bidirectional=True,
        dtype=torch.float64,
        merge_mode=merge_mode,
        independent=independent,
        residual=residual,
    )
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in (2, 5, 1, 4)]
    outputs, final = module(pack_sequence(sequences, enforce_sorted=False))
    ways = outputs if merge_mode is None else [outputs]
    for number, rows in enumerate(sequences):
        expected, ends = by_hand(module, rows)
        for way, one in zip(ways, expected if merge_mode is None else [expected], strict=True):
            padded, lengths = pad_packed_sequence(way)
            close(padded[: lengths[number], number], one)
        for field, states in zip(parts(final), ends, strict=True):
            close(field[:, number], torch.stack(states))
    x = torch.stack([sequences[3], sequences[1][:4]])
    module.batch_first = True
    padded = module(x)[0]
    for one, other in zip(parts(padded), parts(by_hand(module, x[1])[0]), strict=True):
        close(one[1], other)
    for one, other in zip(parts(module(x[0])[0]), parts(by_hand(module, x[0])[0]), strict=True):
        close(one, other)


@pytest.mark.parametrize("bidirectional", [False, True])
@every_kind
def test_layers_of_many_sizes(kind, bidirectional):
    module = getattr(recnn, kind)(3, [4, 2, 5], bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    output, final = module(x)
    expected, ends = by_hand(module, x[:, 1])
    close(output[:, 1], expected)
    fields = final if kind == "LSTM" else [final]
    for field, states in zip(fields, ends, strict=True):
        assert isinstance(field, tuple)
        assert [part.shape[1] for part in field] == [4, 2, 5] if not bidirectional else [4, 4, 2, 2, 5, 5]
        for one, other in zip(field, states, strict=True):
            close(one[1], other)
    if not bidirectional:
        (first, state), (second, _) = module(x[:2]), (None, None)
        second, _ = module(x[2:], state)
        close(torch.cat([first, second]), output)
    with pytest.raises(ValueError, match="expected 2 hidden sizes with num_layers=2, got 3"):
        getattr(recnn, kind)(3, [4, 2, 5], num_layers=2)


def stepped(cell, rows):
    """The cell states (T, H) of a torch.nn.LSTMCell with the weights of ``cell``."""
    theirs = torch.nn.LSTMCell(cell.input_size, cell.hidden_size, dtype=torch.float64)
    theirs.load_state_dict(dict(cell.named_parameters()))
    state, found = None, []
    for row in rows:
        state = theirs(row, state)
        found.append(state[1])
    return torch.stack(found)


@pytest.mark.parametrize("merge_mode", [*MERGES, None])
def test_cell_states_equal_stepping_torchs_cell(merge_mode):
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in (2, 6, 4)]
    options = {"dtype": torch.float64, "return_cell_states": True, "merge_mode": merge_mode}
    for both in (False, True):
        module = recnn.LSTM(3, 4, bidirectional=both, **options)
        _, (_, c_n), packed = module(pack_sequence(sequences, enforce_sorted=False))
        forth, *back = module.encoder.cells
        for number, rows in enumerate(sequences):
            found = [
                pad_packed_sequence(one)[0][: len(rows), number]
                for one in (packed if type(packed) is tuple else [packed])
            ]
            expected = [stepped(forth, rows)] + [stepped(cell, rows.flip(0)).flip(0) for cell in back]
            close(c_n[0, number], expected[0][-1])
            if both and merge_mode:
                expected = [MERGES[merge_mode](*expected)]
            for one, other in zip(found, expected, strict=True):
                close(one, other)


def test_cell_states_of_the_last_layer_as_the_input_is_laid_out():
    module = recnn.LSTM(3, 4, 2, batch_first=True, dtype=torch.float64, return_cell_states=True, proj_size=2)
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    output, (_, c_n), cells = module(x)
    assert (output.shape, cells.shape) == ((2, 6, 2), (2, 6, 4))
    close(cells[:, -1], c_n[1])
    output, (_, c_n), cells = module(x[0])
    assert (output.shape, cells.shape) == ((6, 2), (6, 4))
    close(cells[-1], c_n[1])


@every_kind
@pytest.mark.parametrize("merge_mode", [*MERGES, None])
def test_only_the_last_state(kind, merge_mode):
    whole = getattr(recnn, kind)(3, 4, 2, bidirectional=True, dtype=torch.float64, merge_mode=merge_mode)
    last = getattr(recnn, kind)(
        3, 4, 2, bidirectional=True, dtype=torch.float64, merge_mode=merge_mode, return_sequences=False
    )
    last.load_state_dict(whole.state_dict())
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    lengths = torch.tensor([2, 5, 3])
    for given_input in (x, x[:, 0], pack_padded_sequence(x, lengths, enforce_sorted=False)):
        output, final = last(given_input)
        _, expected = whole(given_input)
        for one, other in zip(parts(final), parts(expected), strict=True):
            assert torch.equal(one, other)
        h_n = parts(final)[0]
        close(output, (h_n[-2], h_n[-1]) if merge_mode is None else MERGES[merge_mode](h_n[-2], h_n[-1]))
    plain = getattr(recnn, kind)(3, 4, dtype=torch.float64, return_sequences=False)
    output, final = plain(x)
    close(output, parts(final)[0][0])


def transparent(**options):
    """Two layers that return positive inputs unchanged: for inputs of 1 the output is the dropout mask between them."""
    module = recnn.RNN(40, 40, 2, nonlinearity="relu", bias=False, dropout=0.5, **options)
    for name, value in module.state_dict().items():
        value.copy_(torch.eye(40) if "ih" in name else zeros(40, 40))
    return module


def test_variational_dropout_drops_the_same_entries_at_every_step():
    torch.manual_seed(0)
    x = torch.ones(7, 3, 40)
    mask, _ = transparent(variational=True)(x)
    assert set(mask.unique().tolist()) == {0, 2}
    assert (mask == mask[0]).all()
    assert len(mask[0].unique(dim=0)) == 3
    packed, _ = transparent(variational=True)(pack_padded_sequence(x, torch.tensor([2, 7, 4]), enforce_sorted=False))
    mask, lengths = pad_packed_sequence(packed)
    for number, length in enumerate(lengths):
        assert (mask[:length, number] == mask[0, number]).all()
    assert len(mask[0].unique(dim=0)) == 3
    usual, _ = transparent()(x)
    assert len(usual.flatten(0, 1).unique(dim=0)) == 21
    assert torch.equal(transparent(variational=True).eval()(x)[0], x)


@every_kind
def test_segments_carry_the_state_but_no_gradient(kind):
    module = getattr(recnn, kind)(3, 4, 2, dtype=torch.float64)
    x = torch.randn(9, 2, 3, dtype=torch.float64, requires_grad=True)
    whole, expected = module(x)
    outputs, state = [], None
    for segment in x.split([4, 3, 2]):
        output, state = module(segment, state)
        outputs.append(output)
        state = recnn.detached(state)
        assert all(not part.requires_grad for part in parts(state))
    close(torch.cat(outputs), whole)
    for one, other in zip(parts(state), parts(expected), strict=True):
        close(one, other)
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), x)
    assert not gradient[:7].any()
    assert gradient[7:].all()
    assert torch.autograd.grad(whole[-1].sum(), x)[0].all()


def test_detaching_keeps_the_form():
    leaf = zeros(2, requires_grad=True)
    found = recnn.detached(((leaf * 1, leaf * 2), leaf * 3))
    assert isinstance(found, tuple)
    assert isinstance(found[0], tuple)
    assert [part.requires_grad for part in parts(found)] == [False] * 3


@every_kind
@pytest.mark.parametrize("options", [{"bidirectional": True}, {"num_layers": 2, "residual": True}], ids=str)
def test_second_derivatives(kind, options):
    torch.manual_seed(3)
    module = getattr(recnn, kind)(2, 2, dtype=torch.float64, **options)
    hx = state_of(kind, 2, 2, 2)
    names = [name for name, _ in module.named_parameters()]

    def run(x, *rest):
        state, weights = rest[: len(parts(hx))], rest[len(parts(hx)) :]
        packed = pack_padded_sequence(x, torch.tensor([1, 3]), enforce_sorted=False)
        given_state = state if kind == "LSTM" else state[0]
        called = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (packed, given_state))
        return tuple(parts(called))

    roots = (torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True), *parts(hx), *module.parameters())
    assert torch.autograd.gradcheck(run, roots, fast_mode=True, nondet_tol=1e-12)
    assert torch.autograd.gradgradcheck(run, roots, fast_mode=True, nondet_tol=1e-12)


@every_kind
def test_the_graph_of_its_chains(kind):
    module = getattr(recnn, kind)(3, 4, dtype=torch.float64)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    lengths = [2, 5, 3]
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    for given_input, sizes in ((packed, lengths), (x, [5] * 3), (x[:, 0], [5])):
        graph = module.to_graph(given_input)
        assert graph.batch_num_nodes().tolist() == sizes
        output, final = module(given_input)
        state = recnn.propagate(module.encoder.cells[0], graph, graph.ndata["x"])
        padded = pad_packed_sequence(output)[0] if given_input is packed else output.view(5, len(sizes), 4)
        for number, (single, rows) in enumerate(zip(recnn.unbatch(graph), state.hidden.split(sizes), strict=True)):
            assert torch.equal(single.ndata["x"], x[: sizes[number], number])
            assert torch.equal(single.edges()[1] - single.edges()[0], torch.ones(sizes[number] - 1, dtype=torch.int64))
            assert not single.edata["slot"].any()
            close(rows, padded[: sizes[number], number])
        ends = state.hidden[graph.out_degrees() == 0]
        close(ends, parts(final)[0].view(len(sizes), 4))
        back = module.from_graph(graph)
        close(pad_packed_sequence(module(back)[0])[0], padded.view(-1, len(sizes), 4))
        assert module.from_graph(module.to_graph(back)).unsorted_indices.equal(back.unsorted_indices)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recnn.Recurrent(recnn.GRUCell(3, 4, 2)), r"cells with one child: arity=1 or arity='sum', got \[2\]"),
        (lambda: recnn.Recurrent(recnn.GRUCell(3, 4, 1), return_cell_states=True), "a GRUCell has no cell state"),
        (lambda: recnn.GRU(3, 4, merge_mode="average"), "merge_mode must be one of 'concat', .* got 'average'"),
    ],
)
def test_settings_beyond_torchs_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [lambda: recnn.GRUCell(3, 4, 1), lambda: recnn.GRUCell(3, 4, "sum")], ids=["1", "sum"])
def test_any_cell_makes_a_recurrent_network(make):
    ours = recnn.Recurrent(make(), 2, bidirectional=True).double()
    theirs = torch.nn.GRU(3, 4, 2, bidirectional=True, dtype=torch.float64)
    for index, cell in enumerate(ours.encoder.cells):
        for name, value in cell.state_dict().items():
            value.copy_(theirs.state_dict()[f"{name}_l{index // 2}{'_reverse' * (index % 2)}"])
    x, hx = torch.randn(5, 2, 3, dtype=torch.float64), torch.randn(4, 2, 4, dtype=torch.float64)
    for one, other in zip(parts(ours(x, hx)), parts(theirs(x, hx)), strict=True):
        close(one, other)


@pytest.mark.parametrize(("steps", "batch", "hidden"), [(11, 2, 4), (13, 40, 60)])
@every_kind
def test_training_after_inference_mode(kind, steps, batch, hidden):
    """Tensors that are cached by a call in inference mode must be usable in training, for large and small inputs."""
    for options in ({}, {"bidirectional": True}, {"proj_size": 2} if kind == "LSTM" else {"num_layers": 2}):
        module = getattr(recnn, kind)(3, hidden, engine="levels", **options)
        x = torch.randn(steps, batch, 3)
        with torch.inference_mode():
            before = module(x)[0]
        after = module(x)[0]
        after.sum().backward()
        assert torch.equal(after, before)


@every_kind
def test_a_graph_may_be_kept_for_a_second_backward_pass(kind):
    module = getattr(recnn, kind)(3, 4)
    x = torch.randn(5, 2, 3, requires_grad=True)
    output = module(x)[0].sum()
    (first,) = torch.autograd.grad(output, x, retain_graph=True)
    (second,) = torch.autograd.grad(output, x)
    close(second, first, atol=1e-6)


@every_kind
def test_only_what_needs_a_gradient_gets_one(kind):
    theirs, ours = pair(kind, 3, 4, num_layers=2, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    for module in (theirs, ours):
        module.weight_hh_l0.requires_grad_(False)
        module(x)[0].sum().backward()
        assert module.weight_hh_l0.grad is None
        module(x)[0].sum().backward()  # gradients add up
    assert x.grad is None
    for name in theirs.state_dict():
        if name != "weight_hh_l0":
            close(getattr(ours, name).grad, getattr(theirs, name).grad)
    with torch.no_grad():
        assert not parts(ours(x))[0].requires_grad


def test_only_chains_are_sequences():
    tree = recnn.tree_to_graph(Tree.fromstring("(S a b)"))
    with pytest.raises(recnn.GraphError, match="no node data 'x'"):
        recnn.GRU.from_graph(tree)
    tree.ndata["x"] = torch.zeros(3, 2)
    with pytest.raises(recnn.GraphError, match="expected a batch of chains, got a graph that is not a chain"):
        recnn.GRU.from_graph(tree)
