"""ListOps: nested operations on lists of digits, read, generated and evaluated.

Nangia and Bowman, "ListOps: A Diagnostic Dataset for Latent Tree Learning", NAACL 2018 Student Research Workshop. An
expression is an n-ary nltk.Tree of operators over digits: ``[MAX 2 [MIN 4 7 ] 0 ]`` is ``(MAX 2 (MIN 4 7) 0)``. MED is
the median, rounded down, SM the sum modulo 10. An expression that is a mere digit is the tree ``(DIGIT 7)``.

A published file has a line for each expression: its value, a tab, its tokens in the brackets of a left-branching
binary tree, ``( ( ( ( [MAX 2 ) ... ) 0 ) ] )``.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from nltk import Tree

from corpora.errors import error_at, quoted
from corpora.text import fields, lines
from parsers.errors import TreeError
from parsers.trees import brackets, constituents

OPERATORS: dict[str, Callable[[list[int]], int]] = {
    "MIN": min,
    "MAX": max,
    "MED": lambda values: int(median(values)),
    "SM": lambda values: sum(values) % 10,
}

_DIGIT = re.compile(r"[0-9]")
_ATTEMPTS = 10_000


class Expression(NamedTuple):
    """An expression and its value, 0 to 9."""

    tree: Tree
    value: int


def value_of(tree: Tree) -> int:
    """The value of an expression.

    >>> value_of(Tree.fromstring("(SM 9 (MED 1 4 8 5) (MAX 3 2))"))
    6

    Raises:
        TreeError: an unknown operator, or a word that is no digit.
    """
    found = constituents(tree)
    values: list[list[int]] = [[] for _ in found]  # those of each node's children, from right to left
    result = 0
    for index in range(len(found) - 1, -1, -1):
        node, start, _, parent = found[index]
        if isinstance(node, str):
            if not _DIGIT.fullmatch(node):
                raise TreeError(f"word {start}, {quoted(node)}, is no digit")
            result = int(node)
        elif node.label() in OPERATORS:
            result = OPERATORS[node.label()](values[index])
        elif node.label() == "DIGIT" and len(node) == 1 and parent < 0:
            result = values[index][0]
        else:
            raise TreeError(f"the label {quoted(node.label())} is no operator (at word {start})")
        values[parent].append(result)
    return result


def listops_tokens(tree: Tree, binary: bool = True) -> list[str]:
    """The tokens of an expression, with or without the brackets of its left-branching binary tree.

    >>> print(*listops_tokens(Tree.fromstring("(MAX 2 (MIN 4 7) 0)")))
    ( ( ( ( [MAX 2 ) ( ( ( [MIN 4 ) 7 ) ] ) ) 0 ) ] )
    >>> print(*listops_tokens(Tree.fromstring("(MAX 2 (MIN 4 7) 0)"), binary=False))
    [MAX 2 [MIN 4 7 ] 0 ]
    """
    if tree.label() == "DIGIT":
        return [str(tree[0])]
    opening, closing = (["("], [")"]) if binary else ([], [])
    tokens: list[str] = []
    agenda: list[Tree | list[str]] = [tree]
    while agenda:
        item = agenda.pop()
        if isinstance(item, Tree):
            tokens += [*opening * (len(item) + 1), f"[{item.label()}"]
            agenda.append(["]", *closing])
            for child in reversed(item):
                agenda += [closing, child if isinstance(child, Tree) else [child]]
        else:
            tokens += item
    return tokens


def parse_listops(text: str) -> Tree:
    """The expression of a text, with or without the brackets of its binary tree.

    >>> print(parse_listops("[MAX 2 [MIN 4 7 ] 0 ]"))
    (MAX 2 (MIN 4 7) 0)

    Raises:
        TreeError: it is malformed; the message names the column.
    """
    tree, column, problem = _parse(list(_tokens(text)), len(text) + 1)
    if tree is None:
        raise TreeError(f"{quoted(text)}, column {column}: {problem}")
    return tree


def _tokens(text: str, column: int = 1) -> Iterator[tuple[int, str]]:
    return ((column + match.start(), match.group()) for match in re.finditer(r"[^ ]+", text))


def listops_tree(tree: Tree) -> Tree:
    """The left-branching binary tree of an expression, as published, with its value at each complete expression.

    >>> print(listops_tree(Tree.fromstring("(MAX 2 (MIN 4 7) 0)")))
    (4 ( ( ( ( [MAX) ( 2)) (4 ( ( ( [MIN) ( 4)) ( 7)) ( ]))) ( 0)) ( ]))
    """
    found = constituents(tree)
    if tree.label() == "DIGIT":
        return Tree(str(value_of(tree)), [str(tree[0])])
    made: list[list[Tree]] = [[] for _ in found]  # the children of each node, from right to left
    result = tree
    for index in range(len(found) - 1, -1, -1):
        node, parent = found[index].node, found[index].parent
        if isinstance(node, str):
            result = Tree("", [node])
        else:
            result = Tree("", [f"[{node.label()}"])
            for child in reversed(made[index]):
                result = Tree("", [result, child])
            values = [int(child.label() or child[0]) for child in made[index]]
            result = Tree(str(OPERATORS[node.label()](values)), [result, Tree("", ["]"])])
            made[index] = []
        made[parent].append(result)
    return result


def read_listops(path: str | Path) -> Iterator[Expression]:
    """The expressions of a published file, one by one, each with the value that the file gives it.

    Raises:
        CorpusError: a malformed expression, or a value that is not that of the expression; all expressions before it
            have been yielded. Files without the binary tree's brackets are accepted.
        OSError: the file cannot be read.
    """
    found = 0
    for number, line in lines(path):
        row = fields(line)
        if len(row) != 2:
            raise error_at(
                path, number, len(line) + 1, f"expected a value, a tab and an expression; columns: {len(row)}"
            )
        (_, value), (column, text) = row
        if not _DIGIT.fullmatch(value):
            raise error_at(path, number, 1, f"the value {quoted(value)} is no digit")
        tree, where, problem = _parse(list(_tokens(text, column)), len(line) + 1)
        if tree is None:
            raise error_at(path, number, where, problem)
        if (computed := value_of(tree)) != int(value):
            raise error_at(path, number, 1, f"the value {value} is wrong, the expression has {computed}")
        found += 1
        yield Expression(tree, computed)
    if not found:
        raise error_at(path, 1, 1, "no expression in this file")


def _parse(tokens: list[tuple[int, str]], end: int) -> tuple[Tree | None, int, str]:
    """The tree of ``tokens``; or None, the column of what is wrong, and what that is."""
    root: list[Tree | str] = []
    opened: list[tuple[Tree, int]] = []
    for column, token in tokens:
        if token in ("(", ")"):
            continue  # compared below, once it is known where they belong
        if token == "]":
            if not opened:
                return None, column, "']' closes no operator"
            tree, _ = opened.pop()
            if not tree:
                return None, column, f"the operator {tree.label()} has no arguments"
            continue
        if root and not opened:
            return None, column, f"{quoted(token)} after the end of the expression"
        siblings = opened[-1][0] if opened else root
        if token[0] == "[" and token[1:] in OPERATORS:
            opened.append((Tree(token[1:], []), column))
            siblings.append(opened[-1][0])
        elif _DIGIT.fullmatch(token):
            siblings.append(token)
        else:
            return None, column, f"{quoted(token)} is no digit, operator or bracket"
    if opened:
        return None, opened[-1][1], f"the operator {opened[-1][0].label()} is never closed"
    if not root:
        return None, end, "no expression"
    tree = root[0] if isinstance(root[0], Tree) else Tree("DIGIT", root)
    expected = listops_tokens(tree, binary=any(token in ("(", ")") for _, token in tokens))
    for (column, token), right in zip(tokens, expected, strict=False):
        if token != right:
            return None, column, f"expected {right!r}, found {token!r}"
    if len(tokens) < len(expected):
        return None, end, f"expected {expected[len(tokens)]!r}, found the end of the line"
    if len(tokens) > len(expected):
        column, token = tokens[len(expected)]
        return None, column, f"{token!r} after the end of the expression"
    return tree, 0, ""


def generate_listops(
    count: int,
    seed: int,
    *,
    max_depth: int = 20,
    max_args: int = 5,
    operator_probability: float = 0.25,
    min_length: int = 1,
    max_length: int | None = None,
) -> Iterator[Expression]:
    """``count`` distinct expressions from the published distribution; the same for the same arguments, everywhere.

    Each place holds an operator, of the four, with the given probability and a digit otherwise; an operator has two to
    ``max_args`` arguments, all of these being equally likely. Because short expressions soon repeat themselves, later
    ones are longer on average: the published data are 100,000 drawn at once, then shuffled, then split in 90,000 for
    training and 10,000 for test.

    Args:
        count: how many.
        seed: of the random numbers.
        max_depth: a place at this depth, the root being at 1, holds a digit.
        max_args: the largest number of arguments.
        operator_probability: 0.25 in the paper's program, where it is called ``VALUE_P``.
        min_length: the least number of tokens, brackets of the binary tree not counted; shorter ones are drawn again.
        max_length: the largest number of tokens, likewise.

    Raises:
        ValueError: the arguments leave no, or not so many, expressions.
    """
    if count < 0 or max_depth < 1 or max_args < 2 or not 0 <= operator_probability <= 1:
        raise ValueError(
            f"expected count >= 0, max_depth >= 1, max_args >= 2 and a probability, got count={count}, "
            f"max_depth={max_depth}, max_args={max_args}, operator_probability={operator_probability}"
        )
    return _generate(count, Random(seed), (max_depth, max_args, operator_probability), min_length, max_length)


def _generate(
    count: int, random: Random, shape: tuple[int, int, float], min_length: int, max_length: int | None
) -> Iterator[Expression]:
    seen: set[str] = set()
    attempts = 0
    while len(seen) < count:
        tree = _draw(random, *shape, max_length)
        if (
            tree is not None
            and len(listops_tokens(tree, binary=False)) >= min_length
            and (key := brackets(tree)) not in seen
        ):
            seen.add(key)
            attempts = 0
            yield Expression(tree, value_of(tree))
            continue
        attempts += 1
        if attempts == _ATTEMPTS:
            raise ValueError(f"after {len(seen)} expressions, {_ATTEMPTS:,} draws gave no new one of the wanted length")


def _draw(
    random: Random, max_depth: int, max_args: int, operator_probability: float, max_length: int | None
) -> Tree | None:
    """An expression, or None where it would be too long."""
    # Of `Random`, only `random()` and the seeding are promised to give the same on every version of Python.
    names = list(OPERATORS)
    root: list[Tree | str] = []
    agenda: list[tuple[Tree | list[Tree | str], int]] = [(root, 1)]  # where an argument is due, and its depth
    length = 0
    while agenda:
        siblings, depth = agenda.pop()
        if depth < max_depth and random.random() < operator_probability:
            tree = Tree(names[int(len(names) * random.random())], [])
            siblings.append(tree)
            agenda += [(tree, depth + 1)] * (2 + int((max_args - 1) * random.random()))
            length += 2
        else:
            siblings.append(str(int(10 * random.random())))
            length += 1
        if max_length is not None and length + len(agenda) > max_length:
            return None
    return root[0] if isinstance(root[0], Tree) else Tree("DIGIT", root)
