"""`torch.export` and ONNX: an encoder over a fixed forest, and sequences of a fixed length."""

import io

import pytest
import torch
from nltk import Tree
from torch import nn
from torch.utils._pytree import tree_leaves

import recnn

D, H = 3, 4
TREES = ["(S (NP her duck) (VP (X slept)))", "(X duck)"]


class OverForest(nn.Module):
    """An encoder over one forest, which is a constant of the exported program."""

    def __init__(self, encoder, read, **options):
        super().__init__()
        self.encoder, self.read, self.options = encoder, read, options
        self.forest = recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in TREES])

    def forward(self, x):
        return self.read(self.encoder(self.forest, x, **self.options))


def roots(states):
    return states.roots


def ends(states):
    return states.h, states.final().hidden, states.final(0, "down").hidden, states.node(1), states.span(1, 2)


MODELS = {
    "child-sum": lambda: OverForest(recnn.Encoder(recnn.LSTMCell(D, H, "sum")), roots),
    "two layers": lambda: OverForest(recnn.Encoder(recnn.GRUCell(D, H), 2, "both"), ends),
    "own loop": lambda: recnn.LSTM(D, H, peepholes=True),
}


def model_and_inputs(name):
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    shape = (model.forest.num_nodes(), D) if isinstance(model, OverForest) else (3, 2, D)
    return model, *(torch.randn(*shape) for _ in range(2))


def close(found, expected):
    for one, other in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:No complete tensor found in the group")  # constants that are parts of one tensor
@pytest.mark.parametrize("name", MODELS)
def test_exported_saved_and_loaded(name):
    model, example, x = model_and_inputs(name)
    file = io.BytesIO()
    torch.export.save(torch.export.export(model, (example,)), file)
    file.seek(0)
    close(torch.export.load(file).module()(x), model(x))
    # What is kept of the forest for later passes serves training too.
    sum(part.sum() for part in tree_leaves(model(x))).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_lengths_of_our_own_loop_are_fixed():
    model, example, _ = model_and_inputs("own loop")
    with pytest.raises(Exception, match=r"specialized|constant"):
        torch.export.export(model, (example,), dynamic_shapes=({1: torch.export.Dim("batch")},))


def test_batches_of_torchs_loop_may_vary():
    model = recnn.LSTM(D, H).eval()
    batch = {1: torch.export.Dim("batch")}
    exported = torch.export.export(model, (torch.randn(5, 2, D),), dynamic_shapes=(batch,)).module()
    x = torch.randn(5, 7, D)
    close(exported(x), model(x))


def test_what_cannot_be_exported_is_refused():
    model = OverForest(recnn.Encoder(recnn.LSTMCell(D, H)), roots, engine="dgl")
    x = torch.randn(model.forest.num_nodes(), D)
    with pytest.raises(RuntimeError, match="a model is exported with engine='levels', got engine='dgl'"):
        torch.export.export(model, (x,))
    with pytest.raises(Exception, match=r"torch\.export with strict=False"):
        torch.export.export(OverForest(recnn.Encoder(recnn.LSTMCell(D, H)), roots), (x,), strict=True)


ONNX = {
    **{kind: lambda kind=kind: getattr(recnn, kind)(D, H) for kind in ("RNN", "LSTM", "GRU")},
    "two layers": lambda: recnn.LSTM(D, H, 2, bidirectional=True),
    "own loop": lambda: recnn.LSTM(D, H, peepholes=True),
    "trees": MODELS["child-sum"],
}


@pytest.mark.filterwarnings("ignore")  # of the exporter
@pytest.mark.parametrize("name", ONNX)
def test_onnx_runtime_gives_the_same(name):
    """Projections are missing: torch writes a wrong initial cell state for them, for `torch.nn.LSTM` too."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model = ONNX[name]().eval()
    if isinstance(model, OverForest):
        example, x = (torch.randn(model.forest.num_nodes(), D) for _ in range(2))
    else:
        model.batch_first = True
        example, x = (torch.randn(2, 5, D) for _ in range(2))
    program = torch.onnx.export(model, (example,), dynamo=True, verbose=False)
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    close([torch.from_numpy(part) for part in found], model(x))
