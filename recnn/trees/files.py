"""Files of trees with targets in JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import error_at
from corpora.text import lines, write_lines
from parsers.errors import TreeError
from recnn.trees.typed_tree import TypedTree

_KEYS = ("tree", "target", "targets", "source")


class TreeExample(NamedTuple):
    """A tree with what is to be predicted of it.

    Attributes:
        tree: the tree.
        target: target of the tree: a class (a string, or true or false), a list of labels, a number or a list of
            numbers; None if there is none.
        targets: the same for each node, in preorder, with None for nodes without a target; None if there are none.
        source: where the tree is from, such as the name of a file; None if that is not known.
    """

    tree: TypedTree
    target: Any = None
    targets: list[Any] | None = None
    source: str | None = None


def read_examples(path: str | Path) -> Iterator[TreeExample]:
    """Read the trees of a file, one by one: a JSON object with ``tree``, and ``target`` or ``targets``, on each line.

    Raises:
        CorpusError: a line is malformed. All trees before it have been yielded.
        OSError: the file cannot be read.
    """
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            yield _example(json.loads(line))
        except json.JSONDecodeError as error:
            raise error_at(path, number, error.colno, f"not JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits
            raise error_at(path, number, 1, str(error)) from None


def _example(record: Any) -> TreeExample:
    if not isinstance(record, dict) or "tree" not in record:
        raise TreeError('expected an object with "tree"')
    if unknown := [name for name in record if name not in _KEYS]:
        raise TreeError(f"unknown entry {unknown[0][:60]!r}, expected {', '.join(_KEYS)}")
    tree, targets, source = TypedTree.from_dict(record["tree"]), record.get("targets"), record.get("source")
    if targets is not None and (not isinstance(targets, list) or len(targets) != len(tree)):
        raise TreeError(f"targets: expected a list with an entry for each of {len(tree)} nodes")
    if source is not None and not isinstance(source, str):
        raise TreeError(f"source: expected a string, got {type(source).__name__}")
    return TreeExample(tree, record.get("target"), targets, source)


def write_examples(path: str | Path, examples: Iterable[TreeExample | TypedTree]) -> None:
    """Write trees to a file that `read_examples` reads; if that fails, the previous file is left unchanged.

    Raises:
        OSError: the file cannot be written.
    """
    write_lines(path, map(_line, examples))


def _line(example: TreeExample | TypedTree) -> str:
    if isinstance(example, TypedTree):
        example = TreeExample(example)
    rest = {name: value for name, value in example._asdict().items() if name != "tree" and value is not None}
    return json.dumps({"tree": example.tree.to_dict(), **rest})
