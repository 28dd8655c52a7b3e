import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers import GrammarParser, ProductionError, TreeError, load_grammar, productions, tree_from_productions
from tests.strategies import deep_tree, trees

WORDS = ["a", "b", "c", "d", "e"]


def test_the_rules_of_the_book():
    """The example of Goldberg 2017; the child of a leaf is its word, where the book repeats the label."""
    tree = GrammarParser(load_grammar("duck")).parse("The boy saw her duck")
    assert set(productions(tree)) == {
        ("S", ("NP", "VP"), (1, 2, 5)),
        ("NP", ("Det", "Noun"), (1, 1, 2)),
        ("VP", ("Verb", "NP"), (3, 3, 5)),
        ("NP", ("Det", "Noun"), (4, 4, 5)),
        ("Det", ("The",), (1, 1, 1)),
        ("Noun", ("boy",), (2, 2, 2)),
        ("Verb", ("saw",), (3, 3, 3)),
        ("Det", ("her",), (4, 4, 4)),
        ("Noun", ("duck",), (5, 5, 5)),
    }
    assert set(productions(tree, labelled=False)) == {
        (1, 2, 5), (1, 1, 2), (3, 3, 5), (4, 4, 5), (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5)
    }  # fmt: skip


def test_unary_and_wide_rules():
    tree = Tree.fromstring("(S (NP (Pron her)) saw (X a b c))")
    assert productions(tree) == [
        ("S", ("NP", "saw", "X"), (1, 1, 2, 5)),
        ("NP", ("Pron",), (1, 1)),
        ("Pron", ("her",), (1, 1, 1)),
        ("X", ("a", "b", "c"), (3, 3, 4, 5)),
    ]


@given(trees())
def test_labelled_rules_and_trees_are_inverse(tree):
    assert tree_from_productions(tree.leaves(), productions(tree)) == tree


@given(trees(), st.randoms())
def test_the_order_of_rules_does_not_matter(tree, random):
    rules = productions(tree)
    shuffled = random.sample(rules, len(rules))
    found = tree_from_productions(tree.leaves(), shuffled)
    assert sorted(productions(found)) == sorted(rules)
    if len({(rule.parent, rule.positions[0], rule.positions[-1]) for rule in rules}) == len(rules):
        assert found == tree  # no unary chain repeats a label


@given(trees())
def test_unlabelled_rules_keep_the_shape(tree):
    for phrase in tree.subtrees():
        phrase.set_label("")
    assert tree_from_productions(tree.leaves(), productions(tree, labelled=False)) == tree


def test_depth_is_no_limit():
    rules = productions(deep_tree(20_000))
    assert len(rules) == 20_000
    assert productions(tree_from_productions(["word"], rules)) == rules


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "there are no rules"),
        ([(1, 2, 5)], r"rule \(1, 2, 5\): no rule for its child phrase over words 1\.\.2"),
        ([(1, 2, 5), (1, 1, 2), (3, 3, 4)], r"rule \(1, 2, 5\): no rule for its child phrase over words 3\.\.5"),
        ([(1, 2, 3, 4, 5), (2, 2, 3)], r"rule \(1, 2, 3, 4, 5\): no rule for its child phrase over words 1\.\.2"),
        ([(1, 1, 2, 3, 4, 5), (2, 2, 3)], r"rule \(2, 2, 3\): not contained in any other rule"),
        ([(1, 1, 2), (3, 3, 4, 5)], r"no rule spans all words 1\.\.5; the topmost rules: 1, 1, 2; 3, 3, 4, 5"),
        ([(1, 2, 5), (1, 3, 5)], r"rule \(1, 3, 5\): a second rule for words 1\.\.5"),
        ([("S", ("A", "e"), (1, 4, 5))], r"rule \(S -> A e, 1, 4, 5\): no rule for its child A over words 1\.\.4"),
        ([("S", ("A", "e"), (1, 4, 5)), ("B", WORDS[:4], (1, 1, 2, 3, 4))], r"label 'B' does not fit the child 'A'"),
        ([("S", ("a", "b", "x", "d", "e"), (1, 1, 2, 3, 4, 5))], r"no rule for its child x over words 3\.\.3"),
        (
            [("S", (*WORDS[:4], "E"), (1, 1, 2, 3, 4, 5)), ("E", ("x",), (5, 5, 5))],
            r"\(E -> x, 5, 5, 5\): word 5 is 'e'",
        ),
        ([("S", ("A",), (1, 5))], r"rule \(S -> A, 1, 5\): no rule for its child A over words 1\.\.5"),
        ([(0, 1, 5)], r"rule \(0, 1, 5\): expected"),
        ([(1, 3, 2)], r"rule \(1, 3, 2\): expected"),
        ([(1, 3, 6)], r"rule \(1, 3, 6\): expected"),
        ([("S", ("A",), (1, 2, 5))], r"one end per child"),
        ([("S",)], r"rule \('S',\): expected"),
        ([3], r"rule 3: expected"),
        ([(1, 2, 5), ("S", ("A", "B"), (1, 2, 5))], "mixed"),
    ],
)
def test_sets_of_rules_that_are_no_tree(rules, message):
    with pytest.raises(ProductionError, match=message):
        tree_from_productions(WORDS, rules)


def test_many_rules_without_a_root():
    """The topmost rules are found in one sweep, and five of them are named."""
    count = 30_000
    rules = [rule for i in range(1, count, 2) for rule in ((i, i, i + 1), (i, i, i))]
    with pytest.raises(
        ProductionError, match=rf"1\.\.{count}; the topmost rules: 1, 1, 2; 3, 3, 4; .*; 9, 9, 10; \.\.\.$"
    ):
        tree_from_productions(["a"] * count, rules)


@given(st.sets(st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda span: (min(span), max(span))), min_size=1))
def test_topmost_rules_are_in_no_other(spans):
    spans.discard((1, 10))
    rules = [(start, start, end) if start < end else (start,) * 3 for start, end in spans]
    inside = {a for a in spans for b in spans if a != b and b[0] <= a[0] and a[1] <= b[1]}
    with pytest.raises(ProductionError) as error:
        tree_from_productions(["a"] * 10, rules)
    shown = str(error.value).split("topmost rules: ")[1].removesuffix("; ...").split("; ")
    ends = [tuple(map(int, text.split(", "))) for text in shown]
    assert [(rule[0], rule[-1]) for rule in ends] == sorted(spans - inside)[:5]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (Tree("S", [Tree("NP", []), "a"]), r"the phrase \(NP\) has no words"),
        (Tree("S", ["a", 3]), "word 2 is not a string: 3"),
        (Tree(7, ["a"]), "label 7 is not a string"),
        ("(S a)", "expected an nltk.Tree, got str"),
    ],
)
def test_no_parse_tree(tree, message):
    with pytest.raises(TreeError, match=message):
        productions(tree)
