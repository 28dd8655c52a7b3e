"""Trees of parses, dependencies and formulas."""

import pytest
from hypothesis import given
from nltk import CFG, Tree

import corpora
import parsers
import recnn
from parsers.errors import GrammarError, NoParseError, TreeError
from recnn.trees import from_dependencies, from_formula, from_nltk, typed_tree_to_graph
from tests.strategies import trees

LOGIC = """
F -> F 'or' T | T
T -> T 'and' N | N
N -> 'not' N | '(' F ')' | V | P
P -> 'P' '(' V ',' V ')'
V -> 'p' | 'q'
"""


def same(one, other):
    """True if two graphs have the same edges, slots, words and labels, as texts."""

    def names(graph, key, table):
        return [table[index] if index >= 0 else None for index in graph.ndata[key].tolist()]

    return all(
        found(one) == found(other)
        for found in (
            lambda g: [part.tolist() for part in g.edges()],
            lambda g: g.edata["slot"].tolist(),
            lambda g: names(g, "word", g.vocabulary),
            lambda g: [name or None for name in names(g, "label", g.labels)],
        )
    )


@given(trees())
def test_the_graph_is_that_of_the_parse(tree):
    assert same(typed_tree_to_graph(from_nltk(tree)), recnn.tree_to_graph(tree))


def test_the_graph_is_that_of_the_dependency_tree():
    sentence = corpora.Dependencies(("the", "boy", "saw", "it"), (2, 3, 0, 3), ("det", "nsubj", "root", "obj"))
    tree = from_dependencies(sentence)
    assert tree.labels == ("root", "nsubj", "det", "obj")
    assert tree.words == ("saw", "boy", "the", "it")
    assert same(typed_tree_to_graph(tree), recnn.tree_to_graph(sentence.tree()))


def test_files_of_dependencies(tmp_path):
    rows = [("a", "2", "det"), ("duck", "0", "root")]
    lines = [f"{n}\t{word}\t_\t_\t_\t_\t{head}\t{rel}\t_\t_" for n, (word, head, rel) in enumerate(rows, 1)]
    (tmp_path / "x.conllu").write_text("\n".join(lines) + "\n\n")
    (tmp_path / "x.parents").write_text("2 0\n")
    (tmp_path / "x.toks").write_text("a duck\n")
    (tmp_path / "x.rels").write_text("det root\n")
    (one,) = map(from_dependencies, corpora.read_conllu(tmp_path / "x.conllu"))
    (other,) = map(from_dependencies, corpora.read_parents(tmp_path / "x.parents"))
    assert one == other
    assert (one.labels, one.words) == (("root", "det"), ("duck", "a"))


def test_a_phrase_without_words():
    with pytest.raises(TreeError, match="no words"):
        from_nltk(Tree("S", [Tree("NP", [])]))


@pytest.mark.parametrize("grammar", [LOGIC, CFG.fromstring(LOGIC), parsers.load_grammar(LOGIC)])
def test_a_formula_has_the_operators_as_types(grammar):
    tree = from_formula("not(p and q) or P(p,q)", grammar)
    assert tree.labels == ("or", "not", "and", "V", "V", "P", "V", "V")
    assert tree.words == (None, None, None, "p", "q", None, "p", "q")


def test_a_formula_of_one_constant():
    tree = from_formula("((p))", LOGIC)
    assert (tree.labels, tree.words) == (("V",), ("p",))


def test_what_is_no_formula():
    with pytest.raises(TreeError, match="column 5: 'r and' is not in the grammar"):
        from_formula("not r and", LOGIC)
    with pytest.raises(NoParseError):
        from_formula("not", LOGIC)
    with pytest.raises(GrammarError):
        from_formula("p", "no-such-grammar")
