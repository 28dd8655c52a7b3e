"""The span parser: batches, margins against all trees, and what it makes of any sentence."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from nltk import Tree

import recnn
from corpora.vocabulary import Vocabulary
from parsers.errors import EmptySentenceError
from parsers.trees import words_of
from recnn.models.config import ParserConfig, ParserNetworkConfig
from recnn.models.span_parser import SpanParser
from recnn.models.trained_parser import TrainedParser
from recnn.training.objectives.parser import ParserObjective
from recnn.training.options import Training
from tests.parsers.test_span_chart import every_tree
from tests.strategies import deep_tree

SENTENCES = [
    ["The", "boy", "saw", "her", "duck", "."],
    ["Stop"],
    ["Zweifelsohne", "!!!", "3.14", "été"],
    ["x" * 5_000, "\U0001f986"],
    ("a man saw a duck and " * 20).split(),
]
SMALL = {"hidden_size": 6, "input_size": 5, "character_size": 4, "spelling_size": 3, "span_size": 8}
TREES = [
    Tree.fromstring(text)
    for text in (
        "(S (NP (DT The) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (NN duck))) (. .))",
        "(S (NP (NNS ducks)) (VP (VBP fly)))",
        "(FRAG (NP (NP (NN duck)) (PP (IN in) (NP (NN pond)))))",
        "(S (VP (VB Duck) (NP (PRP her)) (ADVP (RB now))))",
    )
]


def parser(cell: str = "lstm") -> SpanParser:
    torch.manual_seed(3)
    config = ParserConfig(cell=cell, labels=("S", "NP", "VP", "S+VP"), tags=("NN", "VB", "."), **SMALL)
    words = Vocabulary(["the", "boy", "saw", "her", "duck", "a", "man"])
    return SpanParser(config, words, Vocabulary("abcdefgbhoysawherduck.TS"))


def objective(trees: Sequence[Tree] = TREES, noise: float = 0.0, **sizes: int) -> ParserObjective:
    torch.manual_seed(5)
    network = ParserNetworkConfig(**SMALL | sizes, layer_dropout=0.0, dropout=0.0, input_dropout=0.0, word_dropout=0.0)
    return ParserObjective(network, Training(batch=2), trees, trees, min_count=1, noise=noise)


@pytest.mark.parametrize("cell", ["lstm", "gru", "recursive"])
def test_batches_are_as_single_sentences(cell: str) -> None:
    model = parser(cell).double().eval()
    together = list(model.parse(SENTENCES))
    assert together == [next(model.parse([words])) for words in SENTENCES]
    assert [words_of(tree) for tree in together] == SENTENCES
    between, tags = model(model.batch(SENTENCES))
    for row, words in enumerate(SENTENCES):
        alone, own = model(model.batch([words]))
        n = len(words)
        torch.testing.assert_close(between[row, : n + 1], alone[0])
        torch.testing.assert_close(tags[row, :n], own[0])


def test_every_word_and_its_neighbours_count() -> None:
    model = parser().double().eval()
    between = model(model.batch([SENTENCES[0]]))[0]
    for place in range(6):
        words = [*SENTENCES[0]]
        words[place] = "bag"
        other = model(model.batch([words]))[0]
        assert (between - other).abs().amax((0, 2)).min() > 1e-9


def test_a_whole_sentence_is_a_phrase_and_trees_are_saved(tmp_path: Path) -> None:
    model = parser().eval()
    with torch.no_grad():
        model.label.bias.fill_(-100.0)  # no phrase anywhere is better
        model.label.bias[2] = -99.0
    (tree,) = model.parse([SENTENCES[0]])
    assert tree.label() == "VP"
    assert [child.height() for child in tree] == [2] * 6
    model.save(tmp_path / "m")
    assert list(recnn.load(tmp_path / "m").parse(SENTENCES)) == list(model.parse(SENTENCES))


def test_no_words() -> None:
    with pytest.raises(EmptySentenceError):
        list(parser().parse([["a"], []]))
    assert list(parser().parse([])) == []


def test_the_hinge_loss_is_that_of_all_trees() -> None:
    made = objective()
    model = made.model.double()
    for trial in range(5):
        torch.manual_seed(trial)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.7)
        batch = made.batch(made.data)
        between, _ = model(batch.sentences)
        found = made.hinge(between, batch).detach()
        for row, example in enumerate(made.data):
            gold = {span[:2]: made._labels[span.label] for span in example.spans}

            n = len(example.words)
            every = [(i, j) for i in range(n) for j in range(i + 1, n + 1)]
            scores = {(i, j): model.span_scores(between[row, i], between[row, j]).detach() for i, j in every}
            scores = {span: torch.cat([one, one.new_zeros(1)]) for span, one in scores.items()}  # the last: no phrase
            best = {}
            for span, own in scores.items():
                cost = torch.ones_like(own)
                cost[gold.get(span, -1)] = 0
                best[span] = float((own + cost).max())
            target = sum(float(scores[span][label]) for span, label in gold.items())
            worst = max(sum(best[span] for span in tree) for tree in every_tree(0, n))
            assert float(found[row]) == pytest.approx(max(0.0, worst - target), abs=1e-9)


def test_gradients_of_the_loss() -> None:
    made = objective()
    made.model.double().train()
    batch = made.batch(made.data)
    parameters = dict(made.model.named_parameters())
    made.loss(batch).backward()
    for name in ("project.weight", "label.bias", "marks", "words.embedding.weight", "letters.embedding.weight"):
        value = parameters[name]
        index = int(value.grad.abs().argmax())
        flat, step = value.data.view(-1), 1e-6
        flat[index] += step
        more = made.loss(batch).detach()
        flat[index] -= 2 * step
        less = made.loss(batch).detach()
        flat[index] += step
        assert float(more - less) / (2 * step) == pytest.approx(float(value.grad.view(-1)[index]), rel=1e-4)


def test_it_learns_its_treebank() -> None:
    made = objective(hidden_size=16, span_size=16)  # enough to learn it in 60 steps from any of some seeds
    optimizer = torch.optim.Adam(made.model.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        made.loss(made.batch(made.data)).backward()
        optimizer.step()
    assert list(made.model.eval().parse([one.words for one in made.data])) == TREES


def test_altered_examples() -> None:
    from recnn.training.objectives.parser import _altered

    (example,) = objective(TREES[:1]).data
    assert _altered(example, 0.1, 0.5, 0.5) is example
    assert _altered(example, 0.1, 0.09, 0.5).words == ("the", "boy", "saw", "her", "duck", ".")
    assert _altered(example, 0.1, 0.14, 0.5).words == ("THE", "BOY", "SAW", "HER", "DUCK", ".")
    shorter = _altered(example, 0.1, 0.5, 0.05)
    assert (shorter.words, shorter.spans[0]) == (example.words[:-1], (0, 5, "S"))
    assert shorter.spans[1:] == example.spans[1:]


def test_a_deep_tree_of_a_trained_parser():
    model = SimpleNamespace(parse=lambda sentences: iter([deep_tree(30_000) for _ in sentences]))
    parses = TrainedParser(model).parses('"')  # whose token is another one, so that the tree is changed
    assert parses.words == words_of(next(parses)) == ['"']
