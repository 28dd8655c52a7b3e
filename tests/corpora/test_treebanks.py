import re
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree

from corpora import read_trees, unescape
from parsers import brackets, constituents, without_functions, without_traces, words_of
from tests.strategies import awkward_trees, deep_tree, forests, trees


@settings(deadline=None)
@given(forests)
def test_trees_survive_a_file(tmp_path_factory, forest):
    path = tmp_path_factory.mktemp("trees") / "trees.txt"
    path.write_text("\n".join(brackets(tree) for tree in forest), "utf-8")
    assert list(read_trees(path)) == forest
    path.write_text("\r\n".join(str(tree) for tree in forest), "utf-8-sig")  # over several lines, with CRLF and BOM
    assert list(read_trees(path)) == forest


@settings(deadline=None)
@given(st.lists(awkward_trees(), min_size=1, max_size=3))
def test_any_trees_survive_a_file(tmp_path_factory, forest):
    path = tmp_path_factory.mktemp("trees") / "trees.txt"
    path.write_text("\n".join(map(brackets, forest)), "utf-8")
    assert list(read_trees(path)) == forest


def test_outer_brackets_and_white_space(write):
    assert list(read_trees(write("( (S (NP a)\n\t(VP 8\u00a01\\/2)) ) (X\n\n-LRB-)"))) == [
        Tree("S", [Tree("NP", ["a"]), Tree("VP", ["8\u00a01\\/2"])]),
        Tree("X", ["-LRB-"]),
    ]


def test_nltk_reads_the_same(write):
    texts = [
        "( (S (NP-SBJ-1 (PRP$ Her) (NN duck)) (VP (VBD was) (VP (VBN seen) (NP (-NONE- *-1)))) (. .)) )",
        "(X\n  (-LRB- -LRB-)\n  (CD 1\\/2) (`` ``) ('' '') ($ $) (# #) (X 你好) (NP=2 é))",
        "(S a (NP b) c)",
        "((S a) (S b))",
    ]
    expected = [Tree.fromstring(text, remove_empty_top_bracketing=True) for text in texts]
    assert list(read_trees(write("\n".join(texts)))) == expected
    assert list(read_trees(write(" ".join(texts)))) == expected


def test_counts_are_checked_at_the_end(write):
    path = write("( (S (NP a) (VP b)) )\n(S c)")
    assert len(list(read_trees(path, expect=(2, 4)))) == 2


def test_a_deep_tree_needs_no_recursion(write):
    tree = deep_tree(50_000)
    (read,) = read_trees(write(brackets(tree)))
    assert brackets(read) == brackets(tree)
    assert brackets(unescape(read)) == brackets(tree)


def test_reading_is_streamed(write):
    path = write("(S (NP a) (VP b))\n" * 50_000)
    tracemalloc.start()
    count = sum(1 for _ in read_trees(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 500_000  # bytes; the file has 900,000


@given(trees(), st.data())
def test_unescape_undoes_the_escapes_of_brackets(tree, data):
    words = words_of(tree)
    written = iter([data.draw(st.text("()/*a", min_size=1, max_size=3)) for _ in words])
    for constituent in constituents(tree):
        if isinstance(constituent.node, Tree):
            constituent.node[:] = [child if isinstance(child, Tree) else next(written) for child in constituent.node]
    escapes = {r"\x28": "-LRB-", r"\x29": "-RRB-", "/": r"\/", "*": r"\*"}
    escaped = re.sub(r"\\x2[89]|[/*]", lambda found: escapes[found[0]], brackets(tree))
    assert unescape(Tree.fromstring(escaped)) == tree


def test_gum(data):
    counts = {}
    for part in ("train", "dev"):
        counts[part] = 0
        for path in sorted((data / "gum" / part).glob("*.ptb")):
            read = list(read_trees(path))
            text = "(FILE\n" + path.read_text("utf-8") + ")"
            assert read == list(Tree.fromstring(text)), path
            counts[part] += len(read)
            for tree in read:
                labels = {c.node.label() for c in constituents(without_functions(tree)) if isinstance(c.node, Tree)}
                assert not any("-" in label.strip("-") for label in labels)
                assert without_traces(tree) == tree
    assert counts == {"train": 4_906, "dev": 598}
