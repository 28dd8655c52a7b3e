"""Models of pairs of sentences, which share one network."""

import pytest
import torch

import recnn
from parsers import shaped, words_of
from recnn import PairConfig, PairDataset, PairModel, Vocabulary

torch.set_num_threads(1)
SENTENCES = ["a man sings a song", "a dog", "a man is singing", "no dog runs here", "dog", "a song"]
TREES = [shaped(text.split()) for text in SENTENCES]
VOCABULARY = Vocabulary.of(word for tree in TREES for word in words_of(tree))
PAIRS = [(TREES[0], TREES[2]), (TREES[1], TREES[3]), (TREES[4], TREES[4]), (TREES[5], TREES[0])]
DATA = PairDataset(PAIRS, torch.tensor([4.5, 1.0, 5.0, 2.25]), VOCABULARY)
ANSWERS = ["relatedness", "entailment"]


def made(**options):
    torch.manual_seed(0)
    sizes = {"input_size": 5, "hidden_size": 4, "pair_size": 3, "dropout": 0.4}
    return PairModel(PairConfig(**{**sizes, **options}), VOCABULARY).double()


@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_batch_answers_as_its_pairs_do(model, answer):
    found = made(model=model, answer=answer).eval()
    together = found(DATA[[2, 0, 3, 1]].forest)
    torch.testing.assert_close(together, torch.cat([found(DATA[[i]].forest) for i in (2, 0, 3, 1)]))
    assert together.shape == (4, 5 if answer == "relatedness" else 3)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_head_compares_the_states_of_the_two_roots(answer):
    found = made(answer=answer).eval()
    reference = recnn.Encoder(recnn.LSTMCell(5, 4, 2)).double()
    reference.load_state_dict(found.encoder.network.state_dict())

    def root(tree):
        graph = recnn.tree_to_graph(tree, VOCABULARY)
        return reference(graph, found.encoder.words.embedding(graph.ndata["word"].clamp(min=0))).roots

    for index, (first, second) in enumerate(PAIRS):
        expected = found.head(root(first), root(second))
        torch.testing.assert_close(found(DATA[[index]].forest), expected)


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_a_mean_grade_or_a_class(answer):
    found = made(answer=answer).eval()
    forest = DATA[[0, 1, 2, 3]].forest
    scores = found(forest)
    if answer == "relatedness":
        expected = scores.exp() @ torch.arange(1.0, 6, dtype=torch.float64)
        assert ((expected > 1) & (expected < 5)).all()
    else:
        expected = scores.argmax(1)
    torch.testing.assert_close(found.answers(forest), expected)


@pytest.mark.parametrize(("answer", "target"), [("relatedness", [4.5, 1.0]), ("entailment", [2, 0])])
def test_a_saved_model_answers_the_same(tmp_path, answer, target):
    found = made(answer=answer).float()
    loss = found.head.loss(found(DATA[[0, 1]].forest), torch.tensor(target))
    loss.backward()
    assert all(parameter.grad is not None for parameter in found.parameters())
    found.save(tmp_path / "model")
    again = PairModel.load(tmp_path / "model")
    assert torch.equal(again.answers(DATA[[1, 3]].forest), found.eval().answers(DATA[[1, 3]].forest))


def test_pairs_stay_pairs_in_any_order():
    batch = DATA[[3, 1]]
    assert batch.target.tolist() == [2.25, 1.0]
    words = [tree for pair in (PAIRS[3], PAIRS[1]) for tree in pair]
    assert batch.forest.batch_size == 4
    for graph, tree in zip(recnn.unbatch(batch.forest), words, strict=True):
        read = graph.ndata["word"][graph.ndata["word"] >= 0]
        span = graph.ndata["span"][graph.ndata["word"] >= 0][:, 0]
        assert [VOCABULARY[i] for i in read[span.argsort()].tolist()] == words_of(tree)
    assert DATA.sizes == [2 * len(words_of(a)) + 2 * len(words_of(b)) - 2 for a, b in PAIRS]


def test_labels_of_the_trees_play_no_part():
    labelled = [(shaped(["a", "dog"], label="NP"), shaped(["dog"], label="N"))]
    batch = PairDataset(labelled, torch.tensor([1.0]), VOCABULARY)[[0]]
    assert set(batch.forest.ndata) == {"word", "span"}
    with pytest.raises(ValueError, match="expected a target for each of 1 pairs, got 2"):
        PairDataset(labelled, torch.tensor([1.0, 2.0]), VOCABULARY)
