"""Trees in lines of text: in brackets, and in CoNLL-U."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from corpora.text import LINE_LIMIT
from parsers.errors import InputError
from recnn.encoding.places import FoundRecord, NumberedLine

_TREE_LIMIT = 1 << 22  # characters; of a tree over several lines
# As in parsers.bracketed, a backslash makes a bracket part of a word.
_BRACKET = re.compile(r"\\[()]|[()]")


class _Counted(NamedTuple):
    """A line with its brackets counted."""

    line: NumberedLine
    change: int
    """Opening brackets less closing ones."""
    least: int
    """Least number of open brackets within the line, if none is open before it."""


def _counted(line: NumberedLine) -> _Counted:
    depth = least = 0
    if isinstance(line.text, str):
        for found in _BRACKET.finditer(line.text):
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            least = min(least, depth)
    return _Counted(line, depth, least)


def trees_from_lines(lines: Iterable[NumberedLine]) -> Iterator[FoundRecord]:
    """Read trees, which may have several lines, as a line may have several trees."""
    rest = map(_counted, lines)
    ahead: list[_Counted] = []
    while run := _run(rest, ahead):
        first = run[0]
        wrong = next((line.text for line in run if isinstance(line.text, InputError)), None)
        if wrong is not None:
            yield FoundRecord(first.offset, first.number, wrong)
            continue
        text = "\n".join(str(line.text) for line in run)
        for skip, (begin, end) in enumerate(_trees_in(text)):
            after = text.count("\n", 0, begin)
            yield FoundRecord(first.offset, first.number + after, text[begin:end], skip, after=after)


def _run(rest: Iterator[_Counted], ahead: list[_Counted]) -> list[NumberedLine]:
    """Return the next lines up to one where no bracket is open.

    Where a bracket is not closed, they are those before the next line that begins with one.
    """
    depth = size = number = 0
    while size < _TREE_LIMIT:
        if number == len(ahead):
            if (line := next(rest, None)) is None:
                break
            ahead.append(line)
        (_, _, text), change, least = ahead[number]
        number += 1
        if isinstance(text, InputError):
            depth = number - 1
            break
        if depth + least < 0 or depth + change == 0:
            depth = 0
            break
        depth, size = depth + change, size + len(text)
    if depth:
        number = next((n for n in range(1, len(ahead)) if str(ahead[n].line.text).startswith("(")), len(ahead))
    run = [counted.line for counted in ahead[:number]]
    del ahead[:number]
    return run


def _trees_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each tree, with what is wrong before it; and of what is after the last one."""
    begin = depth = 0
    for found in _BRACKET.finditer(text):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth < 0:
            break
        if depth == 0 and found[0] == ")":
            begin += len(text[begin : found.start()]) - len(text[begin : found.start()].lstrip())
            yield begin, found.end()
            begin = found.end()
    if text[begin:].strip():
        yield begin, len(text)


def conllu_from_lines(lines: Iterable[NumberedLine]) -> Iterator[FoundRecord]:
    """Read sentences, with an empty line after each."""
    some: list[NumberedLine] = []
    size = 0
    for line in lines:
        if line.text == "":
            yield from _sentence(some, size)
            some, size = [], 0
        elif isinstance(line.text, InputError) or size < LINE_LIMIT:
            some.append(line)
            size += 0 if isinstance(line.text, InputError) else len(line.text)
    yield from _sentence(some, size)


def _sentence(lines: Sequence[NumberedLine], size: int) -> Iterator[FoundRecord]:
    if all(isinstance(line.text, str) and line.text.startswith("#") for line in lines):
        return
    wrong = next((line.text for line in lines if isinstance(line.text, InputError)), None)
    if wrong is None and size >= LINE_LIMIT:
        wrong = InputError(f"a sentence of more than {LINE_LIMIT:,} characters")
    text = "\n".join(str(line.text) for line in lines)
    yield FoundRecord(lines[0].offset, lines[0].number, text if wrong is None else wrong)
