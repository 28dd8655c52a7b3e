"""Files of trees with targets."""

import json

import pytest

from corpora.errors import CorpusError
from recnn.trees import TreeExample, TypedTree, from_python, from_value, read_examples, write_examples

TREE = '{"parents": [-1, 0], "labels": ["a", "b"], "words": [null, "x"]}'


def test_there_and_back(tmp_path):
    examples = [
        TreeExample(from_python("x = 1\n"), "class", None, "a.py"),
        TreeExample(from_value({"a": [1, "\u2028\n"]}), [1.5, 2], [None, "x", True, 3], "b.json"),
        TreeExample(from_value(None)),
    ]
    examples[1] = examples[1]._replace(targets=[None] * len(examples[1].tree))
    write_examples(tmp_path / "trees.jsonl", examples)
    assert list(read_examples(tmp_path / "trees.jsonl")) == examples
    write_examples(tmp_path / "trees.jsonl", [examples[0].tree])
    assert list(read_examples(tmp_path / "trees.jsonl")) == [TreeExample(examples[0].tree)]


def test_no_line_is_nested_deeply(tmp_path):
    depth = 100_000
    tree = TypedTree(tuple(range(-1, depth - 1)), ("x",) * depth, (None,) * depth)
    write_examples(tmp_path / "trees.jsonl", [tree])
    assert next(read_examples(tmp_path / "trees.jsonl")).tree == tree


WRONG = [
    ("[", "column 2: not JSON: Expecting value"),
    ("[]", 'expected an object with "tree"'),
    (f'{{"tree": {TREE}, "label": 1}}', "unknown entry 'label', expected tree, target, targets, source"),
    (f'{{"tree": {TREE}, "targets": [1]}}', "targets: expected a list with an entry for each of 2 nodes"),
    (f'{{"tree": {TREE}, "source": 1}}', "source: expected a string, got int"),
    (f'{{"tree": {TREE.replace("-1", "7")}}}', "parents: node 0 has the parent 7"),
    ('{"tree": ' + "[" * 100_000, "recursion"),
]


@pytest.mark.parametrize(("line", "problem"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_line_is_named(tmp_path, line, problem):
    (tmp_path / "trees.jsonl").write_text(json.dumps({"tree": json.loads(TREE)}) + f"\n\n{line}\n")
    found = read_examples(tmp_path / "trees.jsonl")
    assert next(found).tree.words == (None, "x")
    with pytest.raises(CorpusError, match=f"trees.jsonl, line 3, .*{problem}"):
        next(found)
