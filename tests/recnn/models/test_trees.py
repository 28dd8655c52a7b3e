"""Tree classifiers, over trees and sequences."""

import subprocess
import sys

import pytest
import torch
from nltk import Tree

import recnn
from corpora import SENTIMENTS, bundled_sentiment
from parsers import dependencies, tree_from_dependencies, words_of
from recnn import TreeClassifier, TreeConfig, TreeDataset, Vocabulary
from recnn.cells import cell_class, cell_names

torch.set_num_threads(1)
TREES = [tree for tree, _ in zip(bundled_sentiment("dev"), range(8), strict=False)]
DEPENDENCIES = [tree_from_dependencies(words_of(tree), dependencies(tree)) for tree in TREES]
VOCABULARY = Vocabulary.of(word for tree in TREES for word in words_of(tree))
LABELS = tuple(SENTIMENTS)
DATA = TreeDataset(TREES, VOCABULARY, SENTIMENTS)

CELLS = [name for name in cell_names() if cell_class(name).__module__.startswith("recnn.")]


def classifier(seed=0, **options):
    torch.manual_seed(seed)
    return TreeClassifier(TreeConfig(LABELS, **{"input_size": 6, "hidden_size": 4, **options}), VOCABULARY)


@pytest.mark.parametrize("direction", ["up", "both"])
@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_answers_as_its_trees_do(model, cell, direction):
    if cell == "matrix-vector" and model == "sequence":
        return
    made = classifier(model=model, cell=cell, direction=direction).eval()
    together = made(DATA[[2, 0, 1]])
    torch.testing.assert_close(together, torch.cat([made(DATA[i]) for i in (2, 0, 1)]))
    assert together.shape == (sum(DATA.sizes[:3]), 5)
    together.sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    by_tree = torch.cat(made.probabilities([TREES[i] for i in (2, 0, 1)]))
    torch.testing.assert_close(by_tree, together.softmax(1))


@pytest.mark.parametrize("merge", ["concat", "sum", "ave"])
@pytest.mark.parametrize("direction", ["up", "both"])
@pytest.mark.parametrize("model", ["tree", "sequence"])
def test_some_rows_are_rows_of_the_whole_answer(model, direction, merge):
    made = classifier(model=model, direction=direction, merge=merge, num_layers=2).double().eval()
    forest = DATA[[3, 0, 5]]
    rows = torch.randperm(forest.num_nodes(), generator=torch.Generator().manual_seed(1))[:9].repeat(2)
    weights = torch.linspace(-1, 1, 18 * 5, dtype=torch.float64).view(18, 5)
    answers = []
    for asked in (made(forest, rows), made(forest)[rows]):
        made.zero_grad()
        (asked * weights).sum().backward()
        answers.append((asked, *(parameter.grad.clone() for parameter in made.parameters())))
    torch.testing.assert_close(*answers)
    none = made(forest, rows[:0])
    assert none.shape == (0, 5)
    made.head.loss(none, rows[:0]).backward()


@pytest.mark.parametrize("trees", [TREES[:2], DEPENDENCIES[:2]], ids=["phrases", "dependencies"])
@pytest.mark.parametrize(("direction", "layers"), [("up", 1), ("up", 2), ("both", 1), ("both", 2)])
def test_a_sequence_model_reads_each_phrase(direction, layers, trees):
    made = classifier(model="sequence", direction=direction, num_layers=layers).eval()
    ways = direction == "both"
    reference = recnn.LSTM(6, 4, num_layers=layers, bidirectional=ways, return_sequences=False)
    reference.encoder.load_state_dict(made.encoder.network.encoder.state_dict())
    data = made.dataset(trees)
    states = made.encoder(data[[1, 0]])
    row = 0
    for tree in (1, 0):
        words = [VOCABULARY.index(word) for word in words_of(trees[tree])]
        for first, last in data[tree].ndata["span"].tolist():
            x = made.encoder.words.embedding(torch.tensor(words[first - 1 : last]))
            torch.testing.assert_close(states[row], reference(x)[0])
            row += 1


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_child_sum_model_has_a_word_at_each_node_of_a_dependency_tree(cell):
    made = classifier(cell=cell, arity="sum").double().eval()
    tree = DEPENDENCIES[0]
    graph = made.graph(tree)
    heads = dependencies(TREES[0])
    words = torch.tensor([VOCABULARY.index(word) for word in words_of(TREES[0])])
    own = graph.ndata["position"] - 1
    assert torch.equal(graph.ndata["word"], words[own])
    parents = {own[child].item() + 1: own[parent].item() + 1 for child, parent in zip(*graph.edges(), strict=True)}
    assert parents == {word: head for word, head in enumerate(heads, 1) if head}
    (before,) = made.probabilities([tree])
    with torch.no_grad():
        made.encoder.words.embedding.weight[graph.ndata["word"][0]] += 1
    (after,) = made.probabilities([tree])
    assert not torch.allclose(before[0], after[0])  # the word of the root is read there


def test_a_tree_model_is_a_head_over_an_encoder_over_word_vectors():
    made = classifier(direction="both", num_layers=2).double().eval()
    reference = recnn.Encoder(recnn.LSTMCell(6, 4, 2), 2, "both").double()
    reference.load_state_dict(made.encoder.network.state_dict())
    vectors = made.encoder.words.embedding.weight
    x = torch.stack([0 * vectors[0] if word < 0 else vectors[word] for word in DATA[0].ndata["word"].tolist()])
    h = reference(DATA[0], x).h
    torch.testing.assert_close(made(DATA[0]), h @ made.head.linear.weight.T + made.head.linear.bias)


@pytest.mark.parametrize("cell", ["lstm", "tensor"])
@pytest.mark.parametrize("direction", ["up", "both"])
@pytest.mark.parametrize("subwords", [0, 100])
@pytest.mark.parametrize("dropout", [{}, {"word_dropout": 0.3}, {"word_dropout": 0.3, "input_dropout": 0.5}])
def test_a_word_of_many_trees_is_looked_up_once(cell, direction, subwords, dropout, monkeypatch):
    """The same answers, gradients and random draws as with a row of its own for each word of the text."""
    options = {"cell": cell, "direction": direction, "subwords": subwords, "dropout": 0.0, **dropout}
    torch.manual_seed(0)
    known = Vocabulary.of(words_of(TREES[0]))
    made = TreeClassifier(TreeConfig(LABELS, input_size=6, hidden_size=4, num_layers=2, **options), known).double()
    forest = TreeDataset(TREES, known, SENTIMENTS, subwords=subwords)[list(range(8))]
    found = []
    for fewest in (1, 10**9):
        monkeypatch.setattr("recnn.models.phrases.FEWEST", fewest)
        made.zero_grad()
        torch.manual_seed(1)
        rows = len(made.encoder.words.rows(forest)[0])
        torch.manual_seed(1)
        answer = made(forest)
        (answer * torch.linspace(-1, 1, answer.numel(), dtype=torch.float64).view_as(answer)).sum().backward()
        found.append((rows, [answer.detach(), *(parameter.grad for parameter in made.parameters())]))
    (shared, once), (words, each) = found
    assert words == int((forest.ndata["word"] >= 0).sum())
    assert shared == words if "input_dropout" in dropout else shared < words
    torch.testing.assert_close(once, each, rtol=0, atol=1e-12)


def test_a_graph_without_words_has_states():
    made = classifier(word_dropout=0.3)
    forest = DATA[[0, 1]]
    forest.ndata["word"] = torch.full_like(forest.ndata["word"], -1)
    found = made(forest)
    found.sum().backward()
    assert found.isfinite().all()
    assert made.encoder.network.cells[0].weight_hh.grad.abs().sum() > 0


def test_labels_of_a_tree_play_no_part_in_its_answer():
    made = classifier().eval()
    bare = TREES[0].copy(deep=True)
    for node in bare.subtrees():
        node.set_label("?")
    assert torch.equal(*made.probabilities([TREES[0]]), *made.probabilities([bare]))


def test_dropped_words_are_unknown_in_training_only():
    made = classifier(word_dropout=0.999, dropout=0.0)
    forest = TreeDataset(TREES, VOCABULARY, SENTIMENTS)[[0]]
    unknown = forest.ndata["word"].clone()
    unknown[unknown >= 0] = 0
    dropped = made(forest)
    made.eval()
    assert not torch.equal(dropped, made(forest))
    forest.ndata["word"] = unknown
    torch.testing.assert_close(dropped, made(forest))


def test_a_closed_vocabulary_is_refused():
    with pytest.raises(ValueError, match="expected an open vocabulary"):
        TreeClassifier(TreeConfig(LABELS, input_size=6, hidden_size=4), Vocabulary(["a"], unknown=None))


def test_a_node_with_more_children_than_the_arity_is_named():
    with pytest.raises(recnn.GraphError, match="but the cell takes 2 children"):
        classifier().probabilities([Tree.fromstring("(S a b c)")])


def test_importing_recnn_imports_nothing_of_training():
    heavy = "{'lightning', 'torchmetrics', 'matplotlib', 'safetensors'}"
    code = f"import sys, recnn, recnn.cli; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
