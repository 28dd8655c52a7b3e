"""Trees of JSON values, and back."""

import json
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import TreeError
from recnn.trees import TypedTree, from_json, from_value, to_json, to_value

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.sampled_from(["null", "1", ""])
)
values = st.recursive(
    scalars, lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(st.text(), v, max_size=4)), max_leaves=20
)


def exactly(value):
    """Equality of values that tells 1, 1.0 and True apart."""
    return json.dumps(value)


@given(values)
def test_there_and_back(value):
    tree = from_value(value)
    assert exactly(to_value(tree)) == exactly(value)
    assert exactly(json.loads(to_json(tree))) == exactly(value)
    assert from_json(json.dumps(value)) == tree
    assert TypedTree.from_dict(json.loads(json.dumps(tree.to_dict()))) == tree


def test_numbers_are_features():
    tree = from_value({"a": [3, 2.5, True, None, "4", 10**400, -inf]})
    assert tree.labels[3:] == ("number", "number", "boolean", "null", "string", "number", "number")
    assert tree.numbers[3:] == ((3.0,), (2.5,), (), (), (), (), ())
    assert tree.words[3:5] == ("3", "2.5")


def test_any_depth():
    value = []
    for _ in range(50_000):
        value = {"a": value}
    tree = from_value(value)
    assert len(tree) == 100_001
    assert to_json(tree) == '{"a": ' * 50_000 + "[]" + "}" * 50_000


WRONG = [
    ("[" * 100_000 + "]" * 100_000, "nested too deeply for Python's json module"),
    ('{"a": 1,\n "b" 2}', "line 2, column 6: Expecting ':' delimiter"),
    ("", "line 1, column 1"),
    (b"\xff\xfe[", "not UTF-"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_is_not_json(text, problem):
    with pytest.raises(TreeError, match=problem):
        from_json(text)


def test_other_values():
    with pytest.raises(TreeError, match="expected a value as in JSON, got set: use from_nested"):
        from_value([{1, 2}])
    with pytest.raises(TreeError, match="expected strings as keys, got 3"):
        from_value({3: 4})
    loop = []
    loop.append(loop)
    with pytest.raises(TreeError, match="below itself"):
        from_value(loop)


@pytest.mark.parametrize(
    ("labels", "words", "parents"),
    [
        (("object", "string"), (None, "x"), (-1, 0)),
        (("array", "member", "null"), (None, "x", None), (-1, 0, 1)),
        (("object", "member"), (None, "x"), (-1, 0)),
        (("number",), ("x",), (-1,)),
        (("number",), ("true",), (-1,)),
        (("boolean",), ("1",), (-1,)),
        (("string",), (None,), (-1,)),
        (("Call",), ("1",), (-1,)),
        (("string", "string"), ("x", "y"), (-1, 0)),
    ],
)
def test_a_tree_of_another_kind(labels, words, parents):
    tree = TypedTree(parents, labels, words)
    for convert in (to_value, to_json):
        with pytest.raises(TreeError, match="node"):
            convert(tree)
