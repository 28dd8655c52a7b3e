from collections import Counter
from itertools import islice

import pytest
from nltk import Tree

from corpora import SENTIMENT_SIZES, bundled_sentiment, generate_sentiment
from corpora.sentiment import compose, part_of, sentiment_grammar, with_sentiments, write_sentiment
from parsers import GrammarParser, brackets, constituents, words_of


@pytest.fixture(scope="module")
def treebank():
    return {part: list(bundled_sentiment(part)) for part in SENTIMENT_SIZES}


@pytest.fixture(scope="module")
def parser():
    return GrammarParser(sentiment_grammar())


def test_the_bundled_files_are_those_of_the_program(tmp_path, treebank):
    write_sentiment(tmp_path)
    for part, trees in treebank.items():
        assert (tmp_path / f"{part}.txt").read_text("utf-8") == "".join(f"{brackets(tree)}\n" for tree in trees)


def test_sizes_words_and_labels(treebank):
    assert {part: len(trees) for part, trees in treebank.items()} == SENTIMENT_SIZES
    sentences = [" ".join(words_of(tree)) for trees in treebank.values() for tree in trees]
    assert len(set(sentences)) == len(sentences)
    words = [{word for tree in trees for word in words_of(tree)} for trees in treebank.values()]
    assert words[0] == words[1] == words[2]
    for trees in treebank.values():
        counts = Counter(tree.label() for tree in trees)
        assert len(counts) == 5
        assert min(counts.values()) > len(trees) / 10


def pairs(tree):
    """Pairs of a modifier and the word that it modifies."""
    modifiers = ["very", "really", "truly", "extremely", "slightly", "somewhat", "fairly", "not", "never", "hardly"]
    nodes = [c.node for c in constituents(tree) if isinstance(c.node, Tree) and len(c.node) == 2]
    found = [tuple(words_of(node)) for node in nodes if node[0][0] in modifiers and isinstance(node[1][0], str)]
    return {pair for pair in found if pair[1] not in modifiers}


def test_every_sentence_of_a_held_out_part_has_a_pair_of_its_own(treebank):
    train, dev, test = ([pairs(tree) for tree in trees] for trees in treebank.values())
    for held_out, other in ((dev, test), (test, dev)):
        elsewhere = set().union(*train, *other)
        assert all(found - elsewhere for found in held_out)
        assert len(set().union(*held_out) - elsewhere) >= 15


def test_every_node_follows_from_its_parts(treebank, parser):
    """The labels are computed again, recursively, from a parse of each sentence by the grammar."""

    def strength(tree):
        if isinstance(tree[0], str):
            return int(with_sentiments(tree).label()) - 2
        left, right = tree
        return compose(left.label(), strength(left), right.label(), strength(right))

    def check(parse, tree):
        assert tree.label() == str(strength(parse) + 2)
        for below, labelled in zip(parse, tree, strict=True):
            if isinstance(below, Tree):
                check(below, labelled)
            else:
                assert below == labelled

    for part, trees in treebank.items():
        for tree in trees[:40]:
            parses = list(parser.parses(words_of(tree)))
            parse = next(parse for parse in parses if with_sentiments(parse) == tree)
            assert part_of(parse) == part
            check(parse, tree)


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("the film is good .", "3"),
        ("the film is very good .", "4"),
        ("the film is not good .", "1"),
        ("the film is not very good .", "1"),
        ("the film is slightly awful .", "1"),
        ("the film is not bad .", "3"),
        ("the film is very long .", "2"),
        ("the film does not bore the crowd .", "3"),
        ("the film lacks any funny scene .", "1"),
        ("the plot is awful , but the cast is superb .", "4"),
        ("the cast is superb , but the plot is awful .", "0"),
        ("although the plot is awful , the cast is good .", "3"),
        ("the plot is good and the cast is bad .", "2"),
    ],
)
def test_negation_intensification_and_contrast(parser, sentence, label):
    assert with_sentiments(parser.parse(sentence)).label() == label


def test_the_generator_goes_on_without_repetition():
    trees = [brackets(tree) for _, tree in islice(generate_sentiment(seed=7), 300)]
    assert len(set(trees)) == 300
    assert trees[:50] == [brackets(tree) for _, tree in islice(generate_sentiment(seed=7), 50)]


def test_an_unknown_part():
    with pytest.raises(ValueError, match="no part 'valid', expected one of train, dev, test"):
        next(bundled_sentiment("valid"))
