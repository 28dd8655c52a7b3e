"""Character n-grams of words: their vectors, and models that use them."""

import pytest
import torch
from nltk import Tree

import recnn
from corpora import Vocabulary
from parsers import DependencyTree
from recnn.data.datasets import word_graph
from recnn.data.subwords import MOST, add_pieces, combined, pieces_of
from recnn.models.phrases import WordVectors, distinct

torch.set_num_threads(1)
OPEN = Vocabulary.of(["her", "duck"])
TREE = Tree.fromstring("(S (NP her duck) (VP (V ducks) ducked))")


def test_pieces_are_the_grams_of_three_to_five_characters():
    grams = ["<du", "duc", "uck", "ck>", "<duc", "duck", "uck>", "<duck", "duck>"]
    many = 1 << 40  # so many that no two n-grams share a bucket
    assert len(set(pieces_of("duck", many))) == len(grams)
    assert pieces_of("Duck", many) == pieces_of("duck", many)
    shared = set(pieces_of("duck", many)) & set(pieces_of("ducks", many))
    assert len(shared) == len(["<du", "duc", "uck", "<duc", "duck", "<duck"])
    assert len(pieces_of("a" * 500, many)) == MOST
    assert len(pieces_of("a", many)) == len(["<a>"])
    assert max(pieces_of("incomprehensibilities", 7)) < 7


def test_a_word_has_the_sum_of_its_pieces_over_the_root_of_their_number():
    graph = recnn.tree_to_graph(TREE)
    add_pieces(graph, TREE.leaves(), 50)
    table = torch.randn(50, 3, dtype=torch.float64)
    found = combined(graph.ndata["pieces"], table, sparse=False)
    words = graph.ndata["word"].tolist()
    for row, word, (start, _) in zip(found, words, graph.ndata["span"].tolist(), strict=True):
        pieces = pieces_of(TREE.leaves()[start - 1], 50) if word >= 0 else ()
        expected = sum((table[piece] for piece in pieces), torch.zeros(3).double()) / max(1, len(pieces)) ** 0.5
        torch.testing.assert_close(row, expected)


@pytest.mark.parametrize("with_pieces", [False, True])
def test_distinct_words_are_those_of_a_set(with_pieces):
    word, pieces = torch.randint(0, 6, (90,)), torch.randint(-1, 2, (90, 3), dtype=torch.int32)
    keys = [(w, *p) if with_pieces else w for w, p in zip(word.tolist(), pieces.tolist(), strict=True)]
    first, index = distinct(word, pieces if with_pieces else None)
    assert len(first) == len(set(keys)) < len(keys)
    assert [keys[place] for place in first[index].tolist()] == keys


def test_each_word_of_a_dependency_tree_has_its_own_pieces():
    graph = word_graph(DependencyTree.fromstring("(r (s (d her) duck) saw (o geese))"), OPEN, 50)
    words = ["saw", "duck", "geese", "her"]  # breadth first
    assert [[piece for piece in row if piece >= 0] for row in graph.ndata["pieces"].tolist()] == [
        list(pieces_of(word, 50)) for word in words
    ]


def test_a_word_that_was_never_seen_has_a_vector_of_its_own():
    vocabulary = Vocabulary.of(["her", "duck"])
    words = WordVectors(vocabulary, 4, subwords=1000)
    graph = word_graph(["ducks", "geese"], vocabulary, 1000)
    assert graph.ndata["word"].tolist() == [0, 0]
    first, second = words.of(graph, torch.arange(2))
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match="make the graph with subwords=1000, as in the model's configuration"):
        words.of(word_graph(["ducks"], vocabulary), torch.arange(1))


@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("kind", ["classifier", "pairs", "translator"])
def test_every_model_of_words_reads_the_pieces(kind, model):
    """The vectors of the n-grams get a gradient, and distinguish unknown words in the model's output."""
    torch.manual_seed(0)
    vocabulary = Vocabulary.of(["her", "duck"])
    sizes = {"input_size": 4, "hidden_size": 3, "subwords": 100, "dropout": 0.0, "model": model}
    other = Tree.fromstring("(S (NP his goose) (VP (V honks) honked))")
    if kind == "classifier":
        made = recnn.TreeClassifier(recnn.TreeConfig(("a", "b"), **sizes), vocabulary)
        found = [made(made.dataset([tree.copy(deep=True)], "all")[[0]]) for tree in map(unlabelled, (TREE, other))]
        words = made.encoder.words
    elif kind == "pairs":
        made = recnn.PairModel(recnn.PairConfig(**sizes), vocabulary)
        pairs = recnn.PairDataset([(TREE, TREE), (other, other)], torch.zeros(2), vocabulary, 100)
        found = [made(pairs[[at]].forest) for at in (0, 1)]
        words = made.encoder.words
    else:
        target = Vocabulary(["la", "oie"], specials=("<s>", "</s>"))
        made = recnn.Translator(recnn.TranslationConfig(**sizes), vocabulary, target)
        read = torch.tensor([[target.index("<s>")]])
        found = [made(recnn.batch([made.graph(tree)]), read) for tree in (TREE, other)]
        words = made.encoder.words
    assert not torch.allclose(*found)
    found[0].sum().backward()
    assert words.pieces.weight.grad.abs().sum() > 0


def unlabelled(tree):
    result = tree.copy(deep=True)
    for phrase in result.subtrees():
        phrase.set_label("")
    return result
