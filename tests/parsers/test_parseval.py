from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers import Parseval, TreeError, score, shaped, words_of
from tests.strategies import WORDS, deep_tree, sentences

read = Tree.fromstring
# The sample of evalb (by S. Sekine and M. J. Collins, in the public domain), and what its output sample.rsl has for
# each sentence: matched brackets, gold brackets, predicted brackets, crossing brackets, words, right tags.
SAMPLE_GOLD = "(S (A (P this)) (B (Q is) (A (R a) (T test))))"
SAMPLE = [
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (A (R a) (T test))))", (4, 4, 4, 0, 4, 4)),
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (C (R a) (T test))))", (3, 4, 4, 0, 4, 4)),
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (A (R a) (U test))))", (4, 4, 4, 0, 4, 3)),
    (SAMPLE_GOLD, "(S (C (P this)) (B (Q is) (A (R a) (U test))))", (3, 4, 4, 0, 4, 3)),
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (R a) (A (T test))))", (3, 4, 4, 0, 4, 4)),
    (SAMPLE_GOLD, "(S (A (P this) (Q is)) (A (R a) (T test)))", (2, 4, 3, 1, 4, 4)),
    (SAMPLE_GOLD, "(S (P this) (Q is) (R a) (T test))", (1, 4, 1, 0, 4, 4)),
    (SAMPLE_GOLD, "(TOP (P this) (Q is) (R a) (T test))", (0, 4, 0, 0, 4, 4)),
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (A (A (R a) (T test)))))", (4, 4, 5, 0, 4, 4)),
    (SAMPLE_GOLD, "(S (A (P this)) (B (Q is) (A (A (A (A (A (R a) (T test))))))))", (4, 4, 8, 0, 4, 4)),
    (SAMPLE_GOLD, "(TOP (S (A (P this)) (B (Q is) (A (R a) (T test)))))", (4, 4, 4, 0, 4, 4)),
    ("(S (A-SBJ-1 (P this)) (B-WHATEVER (Q is) (A (R a) (T test))))", SAMPLE_GOLD, (4, 4, 4, 0, 4, 4)),
    (f"{SAMPLE_GOLD[:-1]} (-NONE- *))", f"{SAMPLE_GOLD[:-1]} (-NONE- *))", (4, 4, 4, 0, 4, 4)),
    (f"{SAMPLE_GOLD[:-1]} (: *))", f"{SAMPLE_GOLD[:-1]} (: *))", (4, 4, 4, 0, 4, 4)),
]


def counts(result):
    return (result.matched, result.gold, result.predicted, result.crossing, result.words, result.tags)


@pytest.mark.parametrize(("gold", "predicted", "expected"), SAMPLE)
def test_the_sample_of_evalb(gold, predicted, expected):
    assert counts(score([read(gold)], [read(predicted)])) == expected


def test_the_summary_of_the_sample_of_evalb():
    """Its 17 valid sentences: these, three of them more than once, and one of 44 words."""
    same = "(A (P this)) (B (Q is) (A (R a) (T test)))"
    long = f"(S {' '.join([same] * 11)})"
    rows = [(gold, predicted) for gold, predicted, _ in SAMPLE] + [(SAMPLE_GOLD, SAMPLE_GOLD)] * 2 + [(long, long)]
    gold, predicted = ([read(text) for text in side] for side in zip(*rows, strict=True))
    every, short = score(gold, predicted), score(gold, predicted, max_length=40)
    shown = ("recall", "precision", "exact_match", "average_crossing", "without_crossing", "tag_accuracy")
    expected = (87.76, 90.53, 52.94, 0.06, 94.12, 98.15), (81.25, 85.25, 50.00, 0.06, 93.75, 96.88)
    for result, figures in zip((every, short), expected, strict=True):
        shares = [getattr(result, name) * (1 if name == "average_crossing" else 100) for name in shown]
        assert [round(share, 2) for share in shares] == list(figures)
        assert result.two_or_less_crossing == 1
    assert (every.sentences, short.sentences) == (17, 16)


ERRORS = [
    ("(S (A (P this)) (B (Q was) (A (A (R a) (T test)))))", "sentence 2, word 2: expected 'is', .*, got 'was'"),
    ("(S (A (P this)) (B (Q is) (U not) (A (R a) (T test))))", "sentence 2, word 3: expected 'a', .*, got 'not'"),
    ("(S (A (P this)) (B (Q is) (R a)))", "sentence 2, word 4: expected 'test', .*, got none"),
    (f"{SAMPLE_GOLD[:-1]} (NONE *))", "sentence 2: expected 4 words, .* then got '[*]'"),
]


@pytest.mark.parametrize(("predicted", "message"), ERRORS)
def test_other_words_are_an_error(predicted, message):
    gold = read(SAMPLE_GOLD)
    with pytest.raises(TreeError, match=message):
        score([gold, gold], [gold, read(predicted)])
    with pytest.raises(ValueError, match="shorter"):
        score([gold, gold], [gold])


def test_punctuation_by_the_gold_tags():
    gold = read("(S (`` ``) (NP (PRP it)) (, ,) (PRN (: -) (NP (NN duck)) (: -)) (VP (VBZ is)) (. .) ('' ''))")
    wrong_tag = read("(S (`` ``) (NP (PRP it)) (, ,) (PRN (HYPH -) (NP (NN duck)) (: -)) (VP (VBZ is)) (. .) (: ''))")
    without = read("(S (NP (PRP it)) (PRN (NP (NN duck))) (VP (VBZ is)))")
    for predicted in (gold, wrong_tag, without):
        result = score([gold], [predicted])
        assert counts(result) == (5, 5, 5, 0, 3, 3)
        assert result.exact_match == 1
    brackets = read("(NP (-LRB- -LRB-) (NN duck) (-RRB- -RRB-))")
    assert score([brackets], [read("(NP (NN -LRB-) (NN duck) (-RRB- -RRB-))")]).tag_accuracy == pytest.approx(2 / 3)


def test_labels_that_are_equal_and_brackets_that_are_not_counted():
    gold = read("(ROOT (S (PRT (RP up)) (VP (VB go) (S (-NONE- *)))))")
    predicted = read("(S1 (S (ADVP (RP up)) (VP (VB go))))")
    result = score([gold], [predicted])
    assert counts(result) == (3, 3, 3, 0, 2, 2)
    assert set(result.labels) == {"S", "ADVP", "VP"}


def test_a_sentence_without_a_tree_has_no_brackets():
    gold = read(SAMPLE_GOLD)
    result = score([gold, gold], [None, gold])
    assert counts(result) == (4, 8, 4, 0, 8, 4)
    assert (result.sentences, result.unparsed, result.exact) == (2, 1, 1)
    assert (result.precision, result.recall, result.without_crossing) == (1, 0.5, 1)
    empty = Parseval()
    assert (empty.precision, empty.f1, empty.tag_accuracy, empty.average_crossing) == (0, 0, 0, 0)


def test_labels_and_spans_by_hand():
    gold = read("(S (NP (PRP we)) (VP (VBD saw) (NP (PRP$ her) (NN duck))))")
    predicted = read("(S (NP (PRP we)) (VP (VBD saw) (S (NP (PRP her)) (VP (VB duck)))))")
    result = score([gold], [predicted])
    assert (result.precision, result.recall, result.f1) == (3 / 6, 3 / 4, 6 / 10)
    assert (result.unlabelled_precision, result.unlabelled_recall, result.unlabelled_f1) == (4 / 6, 1, 8 / 10)
    assert result.labels == {"S": (1, 2, 1), "NP": (2, 2, 1), "VP": (1, 2, 1)}
    record = result.record()
    assert record["f1"] == 0.6
    assert record["labels"]["S"] == {"gold": 1, "predicted": 2, "matched": 1}


def random_tree(draw, words):
    """A tree over words with tags, some of them of punctuation or traces, with unary chains."""
    tags = ["NN", "VB", ",", ".", "-NONE-"]
    parts = [Tree(draw(st.sampled_from(tags)), [word]) for word in words]
    while len(parts) > 1 or draw(st.integers(0, 3)) == 3:
        start = draw(st.integers(0, len(parts) - 1))
        end = min(start + draw(st.sampled_from([2, 3, 2, 3, 1])), len(parts))
        label = draw(st.sampled_from(["S", "NP-SBJ", "NP", "ADVP", "PRT", "TOP"]))
        parts[start:end] = [Tree(label, parts[start:end])]
    return parts[0]


@st.composite
def pairs(draw):
    """Two trees over the same words, with the same tags of punctuation and traces."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5))
    gold, predicted = random_tree(draw, words), random_tree(draw, words)
    tags = [sub.label() for sub in gold.subtrees() if isinstance(sub[0], str)]
    for sub, tag in zip([s for s in predicted.subtrees() if isinstance(s[0], str)], tags, strict=True):
        if tag in (",", ".", "-NONE-") or sub.label() in (",", ".", "-NONE-"):
            sub.set_label(tag)
    return gold, predicted


def evalb(gold, predicted):
    """Its algorithm, in its steps: deletion, then a match of each gold bracket with the first free predicted one."""

    def brackets(tree, start, found, tags):
        if isinstance(tree[0], str):
            if tree.label() in (",", ":", "``", "''", ".", "-NONE-"):
                return start
            tags.append(tree.label())
            return start + 1
        end = start
        for child in tree:
            end = brackets(child, end, found, tags)
        if end > start and tree.label() != "TOP":
            found.append((tree.label().split("-")[0].replace("PRT", "ADVP"), start, end))
        return end

    sides = [[], []], [[], []]
    for tree, (found, tags) in zip((gold, predicted), sides, strict=True):
        brackets(tree, 0, found, tags)
    (right, tags), (others, other_tags) = sides
    free, matched = list(others), 0
    for bracket in right:
        if bracket in free:
            free.remove(bracket)
            matched += 1
    crossing = sum(any(a < i < b < j or i < a < j < b for _, a, b in right) for _, i, j in others)
    same = sum(a == b for a, b in zip(tags, other_tags, strict=True))
    return matched, len(right), len(others), crossing, len(tags), same


@given(pairs())
def test_the_counts_are_those_of_evalbs_algorithm(both):
    result = score(*([tree] for tree in both))
    assert counts(result) == evalb(*both)
    assert result.exact == (result.matched == result.gold == result.predicted)


@given(st.lists(pairs(), min_size=2, max_size=3))
def test_counts_are_sums(several):
    gold, predicted = zip(*several, strict=True)
    total = score(gold, predicted)
    assert sum((score([a], [b]) for a, b in several), Parseval()) == total
    by_label = [sum(column) for column in zip((0, 0, 0), *total.labels.values(), strict=True)]
    assert by_label == [total.gold, total.predicted, total.matched]
    swapped = score(predicted, gold)
    assert (swapped.precision, swapped.recall, swapped.unlabelled_f1) == (
        total.recall,
        total.precision,
        total.unlabelled_f1,
    )


@given(sentences)
def test_branching_to_the_other_side_crosses(words):
    right, left = shaped(words, "right", "X"), shaped(words, "left", "X")
    result = score([right], [left])
    # All spans of several words but the whole: each one of one side crosses one of the other.
    assert result.crossing == max(0, len(words) - 2)


def test_a_deep_tree():
    deep = deep_tree(30_000)
    assert counts(score([deep], [deep])) == (29_999, 29_999, 29_999, 0, 1, 1)
    assert Counter(words_of(deep)) == {"word": 1}
