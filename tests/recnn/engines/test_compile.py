"""`torch.compile` of models with trees: the loop stays as it is, the layers around it are compiled once."""

import pytest
import torch
from nltk import Tree
from torch import nn

import recnn

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # in torch._dynamo
D, H = 3, 4
FORESTS = [
    ["(S (NP her duck) (VP slept))", "(S she (VP saw (NP her duck)))"],
    ["(S a (S b (S c (S d e))))", "(S a b)", "(S a b)", "(S a b)"],
    ["(S (S (S her duck) (X (X a))) b)", "(X duck)", "(S a b)"],
]


def forest_and_inputs(texts):
    graph = recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in texts])
    return graph, torch.randn(graph.num_nodes(), D)


class Classifier(nn.Module):
    """Layers before and after an encoder, in functions of their own."""

    def __init__(self, read):
        super().__init__()
        self.before, self.after = nn.Linear(D, D), nn.Sequential(nn.Linear(2 * H, 5), nn.Tanh())
        self.encoder = recnn.Encoder(recnn.LSTMCell(D, H), 2, "both")
        self.read = read

    def forward(self, graph, x):
        return self.after(self.read(self.encoder(graph, torch.relu(self.before(x)))))


class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Linear(D, D), nn.Linear(H, 5)
        self.recurrent = recnn.Recurrent(recnn.LSTMCell(D, H, 1, peepholes=True))

    def forward(self, x):
        return self.after(self.recurrent(torch.relu(self.before(x)))[0])


@pytest.fixture
def compiled():
    """Compile with a backend, and count the graphs that it was given."""
    torch.compiler.reset()
    graphs = []

    def compile(function, backend="eager"):
        def counted(graph, inputs):
            graphs.append(graph)
            return torch._dynamo.lookup_backend(backend)(graph, inputs)

        return torch.compile(function, backend=counted), graphs

    yield compile
    torch.compiler.reset()


def results(model, *arguments):
    """The output, and the gradients of the weights."""
    output = model(*arguments)
    return output, *torch.autograd.grad(output.square().sum(), list(model.parameters()))


def whole_and_parts(states):
    """What `NodeStates` and `EncoderStates` offer beside ``h``, as rows of the output's width."""
    single = torch.stack([states.node(1), states.span(1, 1)])
    leaves = states.final(direction="down").hidden
    last = torch.cat([state.hidden for state in states.layers[-1]], 1)
    return torch.cat([states.roots, single, torch.cat([leaves, leaves], 1), last])


@pytest.mark.parametrize(
    ("backend", "read"),
    [("eager", lambda states: states.h), ("eager", whole_and_parts), ("aot_eager", lambda states: states.roots)],
    ids=["eager", "eager, all parts", "aot_eager"],
)
def test_trees_are_not_compiled_anew(compiled, backend, read):
    torch.manual_seed(0)
    model = Classifier(read)
    other, graphs = compiled(model, backend)
    counts = []
    for texts in FORESTS:
        arguments = forest_and_inputs(texts)
        for found, expected in zip(results(other, *arguments), results(model, *arguments), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        counts.append(len(graphs))
    assert counts[0] >= 1
    # Sizes that change are made dynamic at the second forest; the third is compiled no more.
    assert counts[1] == counts[2] <= 2 * counts[0]
    operations = {str(node.target) for graph in graphs for node in graph.graph.nodes if node.op == "call_function"}
    assert not any("index_select" in name or "sigmoid" in name for name in operations)


def test_sequences_in_our_loop_are_not_compiled_anew(compiled):
    torch.manual_seed(0)
    model = Sequences()
    other, graphs = compiled(model)
    counts = []
    for steps in (3, 5, 7, 9):
        x = torch.randn(steps, steps + 1, D)
        for found, expected in zip(results(other, x), results(model, x), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        counts.append(len(graphs))
    assert 2 <= counts[0] <= counts[2] == counts[3]


def test_a_training_step_compiles_no_backward_pass_of_trees(compiled):
    model = Classifier(lambda states: states.h)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    copy = Classifier(lambda states: states.h)
    copy.load_state_dict(model.state_dict())

    def step(graph, x):
        loss = model(graph, x).square().sum()
        loss.backward()

    stepped, graphs = compiled(step)
    for texts in FORESTS:
        arguments = forest_and_inputs(texts)
        optimizer.zero_grad()
        stepped(*arguments)
        expected = results(copy, *arguments)[1:]
        for weight, gradient in zip(model.parameters(), expected, strict=True):
            torch.testing.assert_close(weight.grad, gradient, rtol=0, atol=1e-6)
    assert max(len(graph.graph.nodes) for graph in graphs) < 30  # the backward pass of a forest has hundreds


def test_one_graph_for_the_whole_model_is_refused_with_the_reason():
    model = torch.compile(Classifier(lambda states: states.roots), backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="every new one would be compiled anew; call"):
        model(*forest_and_inputs(FORESTS[0]))
    torch.compiler.reset()
