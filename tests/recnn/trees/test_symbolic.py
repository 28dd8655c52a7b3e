"""S-expressions, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import TreeError
from recnn.trees import TypedTree, from_sexpr, to_sexpr

atoms = st.one_of(
    st.sampled_from(["x", "+", "-1.5e3", "#t", ":k", "'q", "1/2", "symbol", "é"]),
    st.text(st.sampled_from('a "\\()\n;'), max_size=5).map(
        lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
)
expressions = st.recursive(atoms, lambda e: st.lists(e, max_size=4).map(lambda parts: f"({' '.join(parts)})"))


@given(expressions)
def test_there_and_back(text):
    tree = from_sexpr(text)
    assert to_sexpr(tree) == text
    assert from_sexpr(to_sexpr(tree)) == tree


def test_types_words_and_numbers():
    tree = from_sexpr('(if (< x -2.5) ("f" 1) ()) ; nothing')
    assert tree.labels == ("if", "<", "symbol", "number", "", "string", "number", "")
    assert tree.words == (None, None, "x", "-2.5", None, "f", "1", None)
    assert tree.numbers == ((), (), (), (-2.5,), (), (), (1.0,), ())


def test_any_depth():
    text = "(a " * 99_999 + "x" + ")" * 99_999
    assert to_sexpr(from_sexpr(text)) == text


WRONG = [
    ("", "expected one S-expression, got 0"),
    ("a b", "got 2"),
    ("(a\n (b)", "line 1, column 1: a bracket that is not closed"),
    ("(a)\n )", "line 2, column 2: a bracket that was not opened"),
    ('(a "b)', "line 1, column 4: a string that does not end"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_what_is_no_expression(text, problem):
    with pytest.raises(TreeError, match=problem):
        from_sexpr(text)


def test_a_tree_of_another_kind():
    with pytest.raises(TreeError, match="node 0"):
        to_sexpr(TypedTree((-1,), ("Name",), ("x",)))
