import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers import (
    TreeError,
    binarise,
    brackets,
    collapse_unaries,
    constituents,
    dependencies,
    restore,
    restore_unaries,
    without_functions,
    without_root,
    without_traces,
    words_of,
)
from tests.strategies import awkward_trees, deep_tree, trees

directions = st.sampled_from(["left", "right", "head"])
markov = st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.integers(1, 4))


def tagged(tree):
    """Put a tag on each word, as NLTK assumes."""
    return Tree(tree.label(), [tagged(c) if isinstance(c, Tree) else Tree("T", [c]) for c in tree])


def unchanged(function, tree, *arguments, **options):
    """Call a function, and check that it has left its argument as it was."""
    before = brackets(tree)
    made = function(tree, *arguments, **options)
    assert brackets(tree) == before
    assert not {id(c.node) for c in constituents(tree) if isinstance(c.node, Tree)} & {
        id(c.node) for c in constituents(made) if isinstance(c.node, Tree)
    }
    return made


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("NP-SBJ", "NP"),
        ("S-NOM-SBJ", "S"),
        ("NP-1", "NP"),
        ("NP=2", "NP"),
        ("NP-SBJ=2", "NP"),
        ("PRP$", "PRP$"),
        ("-LRB-", "-LRB-"),
        ("-NONE-", "-NONE-"),
        ("ADVP|PRT", "ADVP|PRT"),
        ("=", "="),
        ("", ""),
    ],
)
def test_function_tags(label, plain):
    assert without_functions(Tree(label, ["a"])) == Tree(plain, ["a"])


@given(trees(), st.data())
def test_removing_traces_undoes_their_insertion(tree, data):
    with_traces = Tree.fromstring(brackets(tree))
    for constituent in constituents(with_traces):
        if isinstance(constituent.node, Tree) and data.draw(st.booleans()):
            trace = Tree("-NONE-", ["*T*-1"])
            phrase = data.draw(st.sampled_from([trace, Tree("NP", [trace]), Tree("SBAR", [trace, Tree("S", [trace])])]))
            constituent.node.insert(data.draw(st.integers(0, len(constituent.node))), phrase)
    before = brackets(with_traces)
    assert without_traces(with_traces) == tree
    assert brackets(with_traces) == before


def test_a_tree_of_traces_only():
    with pytest.raises(TreeError, match=r"the tree \(S\) has empty elements only"):
        without_traces(Tree.fromstring("(S (NP (-NONE- *)))"))


@given(trees(), st.booleans(), st.booleans(), st.sampled_from(["+", "::"]))
def test_unary_chains_are_nltks(tree, tags, root, joiner):
    expected = tree.copy(deep=True)
    expected.collapse_unary(collapsePOS=tags, collapseRoot=root, joinChar=joiner)
    assert unchanged(collapse_unaries, tree, joiner, tags, root) == expected
    assert unchanged(restore_unaries, expected, joiner) == tree


@given(awkward_trees(), st.booleans(), st.booleans(), st.sampled_from(["+", "\\", ""]))
def test_collapsed_trees_are_restored_or_refused(tree, tags, root, joiner):
    labels = {c.node.label() for c in constituents(tree) if isinstance(c.node, Tree)}
    if any(joiner in label for label in labels):
        with pytest.raises(TreeError, match="choose another joiner"):
            collapse_unaries(tree, joiner, tags, root)
    else:
        assert restore_unaries(collapse_unaries(tree, joiner, tags, root), joiner) == tree


def test_labels_that_would_be_mistaken_for_joined_ones():
    for label, below, joiner in (("a+b", "c", "+"), ("a+", "b", "++"), ("a", "b", "")):
        with pytest.raises(TreeError, match="choose another joiner"):
            collapse_unaries(Tree(label, [Tree(below, [Tree("T", ["w"])])]), joiner)


@given(trees(), st.sampled_from(["left", "right"]), markov)
def test_binarised_trees_are_nltks(tree, direction, order):
    tree = tagged(tree)
    horizontal, vertical = order
    expected = tree.copy(deep=True)
    expected.chomsky_normal_form(direction, horzMarkov=horizontal, vertMarkov=vertical - 1)
    assert unchanged(binarise, tree, direction, horizontal, vertical) == expected


@given(trees(), directions, markov)
def test_binarised_trees_are_restored(tree, direction, order):
    made = unchanged(binarise, tree, direction, *order)
    assert words_of(made) == words_of(tree)
    assert all(len(c.node) <= 2 for c in constituents(made) if isinstance(c.node, Tree))
    assert unchanged(restore, made) == tree


@given(awkward_trees(), directions)
def test_any_trees_are_restored_or_refused(tree, direction):
    marked = any(m in c.node.label() for c in constituents(tree) if isinstance(c.node, Tree) for m in ("|<", "^<"))
    if marked:
        with pytest.raises(TreeError, match="as those of binarised trees"):
            binarise(tree, direction)
    else:
        assert restore(binarise(tree, direction, vertical=2)) == tree


@given(trees(), directions)
def test_new_nodes_without_labels_have_the_same_shape(tree, direction):
    labelled, plain = binarise(tree, direction), binarise(tree, direction, labelled=False)
    for one, other in zip(constituents(labelled), constituents(plain), strict=True):
        assert one[1:] == other[1:]
        if isinstance(one.node, Tree):
            assert other.node.label() == ("" if "|<" in one.node.label() else one.node.label())


@given(trees(), markov)
def test_the_two_directions_are_mirror_images(tree, order):
    def mirrored(tree):
        return Tree(tree.label(), [mirrored(c) if isinstance(c, Tree) else c for c in tree[::-1]])

    def shape(tree):
        return [(c.start, c.end) for c in constituents(tree)]

    assert shape(mirrored(binarise(mirrored(tree), "left", *order))) == shape(binarise(tree, "right", *order))


@given(trees())
def test_the_head_is_innermost_and_heads_are_kept(tree):
    for node in (c.node for c in constituents(binarise(tree, "head"))):
        if isinstance(node, Tree):
            new = [isinstance(child, Tree) and "|<" in child.label() for child in node]
            assert sum(new) <= 1
    # Around the head, the nodes that split off from the left are above those that split off from the right.
    for top in (c.node for c in constituents(binarise(tree, "head"))):
        path = []
        while isinstance(top, Tree) and "|<" in top.label() and len(top) == 2:
            inner = [isinstance(child, Tree) and "|<" in child.label() for child in top]
            path.append("L" if inner[1] else "R" if inner[0] else "")
            top = top[inner.index(True)] if True in inner else None
        assert "RL" not in "".join(path)


def test_markovisation_around_the_head():
    tree = Tree.fromstring("(S (ADVP a) (NP b) (VP c) (NP d) (. e))")
    assert brackets(binarise(tree, "head", horizontal=2)) == (
        "(S (ADVP a) (S|<NP-VP> (NP b) (S|<NP-.> (S|<VP-NP> (VP c) (NP d)) (. e))))"
    )
    assert brackets(binarise(tree, "head", horizontal=0)) == (
        "(S (ADVP a) (S|<> (NP b) (S|<> (S|<> (VP c) (NP d)) (. e))))"
    )
    deep = Tree.fromstring("(A (B (C (D (T a)) (T b) (T c))))")
    assert brackets(binarise(deep, vertical=3)) == ("(A (B^<A> (C^<B-A> (D^<C-B> (T a)) (C|<T-T>^<B-A> (T b) (T c)))))")


@pytest.mark.parametrize(
    "options", [{"direction": "up"}, {"horizontal": -1}, {"vertical": 0}], ids=lambda options: next(iter(options))
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match="expected"):
        binarise(Tree("S", ["a"]), **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(ROOT (S a b))", "(S a b)"),
        ("(TOP (S1 (S a)))", "(S a)"),
        ("(ROOT (S a) (S b))", "(ROOT (S a) (S b))"),
        ("(ROOT a)", "(ROOT a)"),
        ("(S (ROOT (NP a)))", "(S (ROOT (NP a)))"),
    ],
)
def test_outer_nodes(text, expected):
    assert brackets(unchanged(without_root, Tree.fromstring(text))) == expected


def test_no_function_recurses():
    deep = deep_tree(5_000)
    for function in (without_traces, without_functions, without_root, binarise, restore, restore_unaries):
        assert brackets(function(deep)) == brackets(deep)
    collapsed = collapse_unaries(deep)
    assert collapsed.leaves() == ["word"]
    assert brackets(restore_unaries(collapsed)) == brackets(deep)
    wide = Tree("X", [Tree("T", [str(n)]) for n in range(3_000)])
    for direction in ("left", "right", "head"):
        made = binarise(wide, direction, horizontal=1, vertical=2)
        assert brackets(restore(made)) == brackets(wide)
        assert len(dependencies(made)) == 3_000
