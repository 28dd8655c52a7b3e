"""The recursive autoencoder against plain recursive functions, on given and on greedy trees."""

import json
from collections import Counter
from itertools import islice
from random import Random
from typing import NamedTuple

import pytest
import torch
import typer
from nltk import Tree
from pydantic import ValidationError
from torch.func import functional_call
from torch.nn import functional as F
from typer.testing import CliRunner

import recnn
from corpora import bundled_sentiment
from corpora.vocabulary import Vocabulary
from parsers import InputError
from parsers.bracketed import brackets
from parsers.shapes import shaped
from parsers.trees import words_of
from recnn.commands.autoencoder import autoencode, autoencoder
from recnn.models.autoencoder import TreeAutoencoder
from recnn.models.config import AutoencoderConfig
from recnn.training.objectives.autoencoder import AutoencoderObjective, labels_of
from recnn.training.options import TreeTraining

torch.set_num_threads(1)
LETTERS = Vocabulary("abcdefgh")
TREES = [
    Tree.fromstring(text)
    for text in (
        "(0 (1 a) (0 (0 b) (1 c)))",
        "(1 (0 (1 (0 a) (0 d)) (1 (1 e) (0 f))) (1 g))",
        "(0 h)",
        "(1 (0 (1 b) (1 b)) (0 (0 (1 c)) (1 a)))",
    )
]
WIDE = Tree.fromstring("(1 (0 a) (1 (0 b) (0 c) (1 d)) (1 (1 e) (0 z)))")


def made(vocabulary=LETTERS, seed=0, std=0.7, dtype=torch.float64, **options):
    """A model of small size with large weights."""
    torch.manual_seed(seed)
    model = TreeAutoencoder(AutoencoderConfig(**{"hidden_size": 4, "labels": (), **options}), vocabulary).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model


def forest_of(model, trees):
    return recnn.batch([model.graph(tree) for tree in trees])


class Part(NamedTuple):
    """A node in the recursive functions below."""

    c: torch.Tensor
    words: int
    errors: list[float]  # of the node, then of its descendants
    tree: Tree | str


def joined(model, parts, label=""):
    """The paper's equations for one node, computed from the parameters."""
    H = model.config.hidden_size
    W1, W2 = model.cell.weight_hh, model.decoder.weight
    p = torch.tanh(sum(W1[:, k * H : (k + 1) * H] @ part.c for k, part in enumerate(parts)) + model.cell.bias_hh)
    p = p / p.norm() if model.config.normalise else p
    n = sum(part.words for part in parts)
    error = 0.0
    for k, part in enumerate(parts):
        c = W2[k * H : (k + 1) * H] @ p + model.decoder.bias[k * H : (k + 1) * H]
        error = error + part.words / n * ((part.c - c) ** 2).sum()
    below = [one for part in parts for one in part.errors]
    return Part(p, n, [error, *below], Tree(label, [part.tree for part in parts]))


def word(model, text):
    return Part(model.words.embedding.weight[model.vocabulary.index(text)], 1, [], Tree("", [text]))


@torch.no_grad()
def by_recursion(model, tree):
    if len(tree) == 1 and isinstance(tree[0], str):
        return word(model, tree[0])
    return joined(model, [by_recursion(model, child) for child in tree])


@torch.no_grad()
def by_brute_force(model, sentence):
    """Join greedily, with the errors of all pairs of neighbours computed anew before each join."""
    row = [word(model, text) for text in sentence]
    while len(row) > 1:
        pairs = [joined(model, row[at : at + 2]) for at in range(len(row) - 1)]
        best = min(range(len(pairs)), key=lambda at: float(pairs[at].errors[0]))
        row[best : best + 2] = [pairs[best]]
    return row[0]


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("arity", "trees"), [(2, TREES), (3, [*TREES, WIDE])])
def test_the_errors_are_those_of_a_recursion(arity, trees, normalise):
    model = made(arity=arity, normalise=normalise)
    forest = forest_of(model, trees)
    with torch.no_grad():
        found = model(forest)
    sizes = forest.batch_num_nodes().tolist()
    roots = found.states[forest.out_degrees() == 0]
    for tree, errors, root in zip(trees, found.error.split(sizes), roots, strict=True):
        expected = by_recursion(model, tree)
        torch.testing.assert_close(root, expected.c, rtol=0, atol=1e-12)
        of_words = [0.0] * (len(errors) - len(expected.errors))
        assert sorted(errors.tolist()) == pytest.approx([*of_words, *sorted(map(float, expected.errors))], abs=1e-12)
    phrase = forest.in_degrees() > 0
    assert not found.error[~phrase].any()
    if normalise:
        assert (found.states[phrase].norm(dim=1) - 1).abs().max() < 1e-12


def test_the_loss_is_that_of_a_recursion():
    config = AutoencoderConfig(hidden_size=4, labels=("0", "1"), alpha=0.3)
    objective = AutoencoderObjective(config, TreeTraining(), TREES, TREES)
    model = objective.model = made(objective.model.vocabulary, labels=("0", "1"), alpha=0.3)

    def entropies(tree):
        """The cross entropy at each node."""
        scores = model.head.linear.weight @ by_recursion(model, tree).c + model.head.linear.bias
        below = [one for child in tree if isinstance(child, Tree) for one in entropies(child)]
        return [-scores.log_softmax(0)[int(tree.label())], *below]

    errors = torch.stack([error for tree in TREES for error in by_recursion(model, tree).errors])
    entropy = torch.stack([one for tree in TREES for one in entropies(tree)])
    loss = objective.loss(objective.data[[0, 1, 2, 3]])
    torch.testing.assert_close(loss, 0.3 * errors.mean() + 0.7 * entropy.mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("normalise", [True, False])
def test_gradients_equal_differences(normalise):
    model = made(learn_words=True, normalise=normalise, arity=3)
    forest = forest_of(model, [*TREES, WIDE])
    names = [name for name, _ in model.named_parameters()]

    def errors(*weights):
        return functional_call(model, dict(zip(names, weights, strict=True)), (forest,)).error.sum()

    assert torch.autograd.gradcheck(errors, tuple(model.parameters()), fast_mode=True)


@pytest.mark.parametrize("arity", [2, 3])
def test_greedy_trees_are_those_of_brute_force(arity):
    model, random = made(arity=arity), Random(1)
    sentences = [random.choices("abcdefgh", k=length) for length in [1, 2, 3, 12, 7, 5, 20, 9] * 3]
    for sentence, tree in zip(sentences, model.greedy(sentences), strict=True):
        expected = by_brute_force(model, sentence)
        assert tree == expected.tree
        assert words_of(tree) == sentence
        # The errors of the joins equal the errors of the finished tree.
        found = [phrase.error for phrase in model.phrases(tree)]
        assert sorted(found) == pytest.approx(sorted(map(float, expected.errors)), abs=1e-12)
        assert model.greedy([sentence]) == [tree]
    assert model.greedy([]) == []
    with pytest.raises(InputError, match="no words"):
        model.greedy([["a"], []])


def test_greedy_trees_of_a_forest_have_the_targets_of_their_sentences():
    config = AutoencoderConfig(hidden_size=4, labels=("0", "1"), alpha=0.5, trees="greedy")
    objective = AutoencoderObjective(config, TreeTraining(), TREES, TREES)
    grown = objective.model.regrown(objective.data[[1, 0, 3, 2]])
    order = [TREES[1], TREES[0], TREES[3], TREES[2]]
    for graph, tree in zip(recnn.unbatch(grown), order, strict=True):
        (expected,) = objective.model.greedy([words_of(tree)])
        assert recnn.graph_to_tree(graph, objective.model.vocabulary) == expected
        assert set(graph.ndata["target"].tolist()) == {int(tree.label())}
    assert objective.loss(objective.data[[0, 1, 2, 3]]).isfinite()


def test_a_batch_equals_its_trees():
    model = made()
    alone = zip(*(model(model.graph(tree)) for tree in TREES), strict=True)
    for together, parts in zip(model(forest_of(model, TREES)), alone, strict=True):
        torch.testing.assert_close(together, torch.cat(parts), rtol=0, atol=1e-12)


def test_a_long_chain():
    model = made(learn_words=True, dtype=torch.float32, hidden_size=8, std=0.3)
    tree = shaped(Random(0).choices("abcdefgh", k=2000), "left")
    model(model.graph(tree)).error.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    phrases = model.phrases(tree)
    assert len(phrases) == 1999
    assert len(phrases[0].words) == 2000


def test_a_long_sentence():
    model = made(dtype=torch.float32, hidden_size=8, std=0.3)
    sentence = Random(0).choices("abcdefgh", k=2000)
    (tree,) = model.greedy([sentence])
    assert words_of(tree) == sentence


def trained(epochs, **options):
    """Train with Adam on a part of the bundled treebank; return the mean held-out error after each epoch as well."""
    torch.manual_seed(0)
    parts = [list(islice(bundled_sentiment(part), count)) for part, count in (("train", 400), ("dev", 50))]
    objective = AutoencoderObjective(AutoencoderConfig(**{"labels": (), **options}), TreeTraining(), *parts)
    optimizer = torch.optim.Adam(objective.model.parameters(), lr=0.01)
    errors = []
    for epoch in range(epochs):
        for batch in objective.batches(epoch):
            optimizer.zero_grad()
            objective.loss(batch).backward()
            optimizer.step()
        for measure in objective.measures.values():
            measure.metric.reset()
        with torch.no_grad():
            for batch in objective.held_out():
                objective.measure(batch)
        errors.append(float(objective.measures["error"].metric.compute()))
    return objective, errors


@pytest.fixture(scope="module")
def learnt():
    return trained(6)


def test_errors_fall_and_pairs_of_words_are_reconstructed(learnt):
    objective, errors = learnt
    assert errors == sorted(errors, reverse=True)
    trees = islice(bundled_sentiment("train"), 100)
    pairs = [phrase for tree in trees for phrase in objective.model.phrases(tree) if len(phrase.words) == 2]
    said = [(word, part) for pair in pairs for word, part in zip(pair.words, pair.parts, strict=True)]
    right = sum(word == part for word, part in said) / len(said)
    # Baseline: always the most frequent word. The network is right on 99 of 100.
    assert Counter(word for word, _ in said).most_common(1)[0][1] / len(said) < 0.2
    assert right > 0.85
    assert float(objective.measures["words"].metric.compute()) > 0.85


def test_words_that_are_learnt_without_labels_draw_together(learnt):
    def mean_cosine(model):
        unit = F.normalize(model.words.embedding.weight.detach(), dim=1)
        return float((unit @ unit.T).mean())

    collapsed, _ = trained(3, learn_words=True)
    labelled, _ = trained(3, learn_words=True, alpha=0.2, labels=tuple("01234"))
    assert mean_cosine(learnt[0].model) < 0.05
    assert mean_cosine(collapsed.model) > 0.3
    assert mean_cosine(labelled.model) < mean_cosine(collapsed.model) / 2
    assert float(labelled.measures["labels"].metric.compute()) > 0.7


def test_what_is_drawn():
    model = made()
    drawn = model.annotated(Tree.fromstring("(S (A a) (B (C b) zebra))"))
    top, low = model.phrases(Tree.fromstring("(S (A a) (B (C b) zebra))"))
    assert (top.words, low.words) == (["a", "b", "zebra"], ["b", "zebra"])
    assert (top.span, low.span) == ((1, 3), (2, 3))
    assert top.parts[1] is None
    assert drawn.label() == f"{top.error:.3f}\n{top.parts[0]} …"
    assert drawn[1].label() == f"{low.error:.3f}\n{low.parts[0]} {low.parts[1]}"
    assert drawn.leaves() == ["a", "b", "zebra"]
    assert f"{low.error:.3f}" in recnn.tree_to_text(drawn)
    assert "<svg" in recnn.draw.picture(drawn).svg()
    for vectors, index in zip(model.words.embedding.weight, range(9), strict=True):
        assert model.nearest(3 * vectors[None]).item() == index


def test_a_folder_is_the_model(tmp_path):
    model = made(labels=("0", "1"), alpha=0.2, arity=3, dtype=torch.float32)
    model.save(tmp_path / "model")
    again = recnn.load(tmp_path / "model")
    assert again.config == model.config
    assert not again.words.embedding.weight.requires_grad
    for one, other in zip(model(forest_of(model, TREES)), again(forest_of(again, TREES)), strict=True):
        assert torch.equal(one, other)


def test_what_is_wrong_is_said():
    for options in ({"alpha": 0.5, "labels": ()}, {"labels": ("a", "b")}, {"alpha": 0.5, "labels": ("a", "a")}):
        with pytest.raises(ValidationError, match="labels"):
            AutoencoderConfig(**options)
    model = made()
    with pytest.raises(recnn.GraphError, match="take a cell of larger arity"):
        model(model.graph(WIDE))
    with pytest.raises(InputError, match="no trees to validate on"):
        AutoencoderObjective(AutoencoderConfig(labels=()), TreeTraining(), TREES, [])
    assert labels_of(TREES) == ("0", "1")


def recnn_command(*arguments):
    app = typer.Typer()
    app.command("train")(autoencoder)
    app.command()(autoencode)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_commands(tmp_path):
    for part, count in (("train", 30), ("dev", 10)):
        trees = list(islice(bundled_sentiment(part), count))
        for form, shown in (("trees", brackets), ("text", lambda tree: " ".join(words_of(tree)))):
            (tmp_path / form).mkdir(exist_ok=True)
            (tmp_path / form / f"{part}.txt").write_text("\n".join(map(shown, trees)) + "\n")
    small = ["train", "--hidden-size", 8, "--epochs", 1, "--data"]
    for form, more in (("trees", ["--alpha", 0.5]), ("text", ["--trees", "greedy"])):
        found = recnn_command(*small, tmp_path / form, "--form", form, "--out", tmp_path / f"{form}.run", *more)
        assert found.exit_code == 0, found.output
    found = recnn_command(*small, tmp_path / "text", "--form", "text", "--out", tmp_path / "x")
    assert found.exit_code == 2
    assert "use --trees greedy" in found.output
    found = recnn_command(*small, tmp_path / "text", "--form", "text", "--trees", "greedy", "--alpha", 0.5)
    assert found.exit_code == 2
    assert "at least two different labels" in " ".join(found.output.split())

    sentence = "the plot is not very funny ."
    for run in ("trees.run", "text.run"):
        found = recnn_command("autoencode", tmp_path / run, sentence)
        assert (found.exit_code, found.output.strip().splitlines()[-1].split()) == (0, sentence.split())
    found = recnn_command("autoencode", tmp_path / "text.run", "--json", "--trees", tmp_path / "trees" / "dev.txt")
    assert found.exit_code == 0
    records = [json.loads(line) for line in found.output.splitlines()]
    assert len(records) == 10
    assert records[0]["words"] == records[0]["phrases"][0]["words"] == records[0]["sentence"].split()
    (tmp_path / "long.txt").write_text(brackets(shaped(["plot"] * 101, "right")))
    found = recnn_command("autoencode", tmp_path / "text.run", "--json", "--trees", tmp_path / "long.txt")
    record = json.loads(found.output)
    assert len(record["words"]) == 101
    assert [phrase["span"] for phrase in record["phrases"]] == [[start, 101] for start in range(1, 101)]
    assert not any("words" in phrase or "sentence" in phrase for phrase in record["phrases"])
    assert recnn_command("autoencode", tmp_path / "trees.run", sentence, "--picture", tmp_path / "t.svg").output == ""
    assert "<svg" in (tmp_path / "t.svg").read_text()
    two = recnn_command("autoencode", tmp_path / "trees.run", "a b", "b a", "--picture", tmp_path / "t.svg")
    assert two.exit_code == 0
    assert (tmp_path / "t.svg").read_text().count(">b<") == 2
    assert recnn_command("autoencode", tmp_path / "trees.run").exit_code == 2
    some = recnn_command("autoencode", tmp_path / "trees.run", "--json", "a b", "", "b a")
    assert some.exit_code == 1
    assert [json.loads(line)["sentence"] for line in some.output.splitlines() if line[0] == "{"] == ["a b", "b a"]
    (tmp_path / "deep.txt").write_text("(S " * 150 + "(S a b)" + " b)" * 150 + "(S a b)")
    deep = recnn_command("autoencode", tmp_path / "trees.run", "--trees", tmp_path / "deep.txt")
    assert deep.exit_code == 1
    assert "a picture shows at most 100" in deep.output
    assert ["a", "b"] in [line.split() for line in deep.output.splitlines()]  # the second tree is drawn
    (tmp_path / "wide.txt").write_text("(S a b c)")
    assert recnn_command("autoencode", tmp_path / "trees.run", "--trees", tmp_path / "wide.txt").exit_code == 0
