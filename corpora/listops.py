"""ListOps: reading, generating and evaluating nested operations on lists of digits.

Nangia and Bowman, "ListOps: A Diagnostic Dataset for Latent Tree Learning", NAACL 2018 Student Research Workshop. An
expression is an n-ary nltk.Tree of operators over digits: ``[MAX 2 [MIN 4 7 ] 0 ]`` is ``(MAX 2 (MIN 4 7) 0)``. The
operators are MIN, MAX, MED (the median, rounded down) and SM (the sum modulo 10). A single digit is ``(DIGIT 7)``.

A published file has one expression per line: its value, a tab, and its tokens with the brackets of a left-branching
binary tree, ``( ( ( ( [MAX 2 ) ... ) 0 ) ] )``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from nltk import Tree

from corpora.errors import error_at, quoted
from corpora.text import fields, lines
from parsers.api import Parser, Parses
from parsers.bracketed import brackets
from parsers.errors import SentenceError, TreeError
from parsers.trees import constituents, words_of

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
    """Evaluate an expression.

    >>> value_of(Tree.fromstring("(SM 9 (MED 1 4 8 5) (MAX 3 2))"))
    6

    Raises:
        TreeError: an operator is unknown or has no arguments, or a word is not a digit.
    """
    found = constituents(tree)
    values: list[list[int]] = [[] for _ in found]  # of the children of each node, from right to left
    result = 0
    for index in range(len(found) - 1, -1, -1):
        node, start, _, parent = found[index]
        if isinstance(node, str):
            if not _DIGIT.fullmatch(node):
                raise TreeError(f"word {start}, {quoted(node)}, is not a digit")
            result = int(node)
        elif node.label() in OPERATORS:
            result = OPERATORS[node.label()](values[index])
        elif node.label() == "DIGIT" and len(node) == 1 and parent < 0:
            result = values[index][0]
        else:
            raise TreeError(f"the label {quoted(node.label())} is not an operator (at word {start})")
        values[parent].append(result)
    return result


def listops_tokens(tree: Tree, binary: bool = True) -> list[str]:
    """Return the tokens of an expression, in the published format.

    Args:
        tree: the expression.
        binary: include the brackets of the left-branching binary tree.

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
    """Parse an expression, with or without the brackets of its binary tree; the inverse of `listops_tokens`.

    >>> print(parse_listops("[MAX 2 [MIN 4 7 ] 0 ]"))
    (MAX 2 (MIN 4 7) 0)

    Raises:
        TreeError: the text is malformed; the message has the column.
    """
    tree, column, problem = _parse(list(_tokens(text)), len(text) + 1)
    if tree is None:
        raise TreeError(f"{quoted(text)}, column {column}: {problem}")
    return tree


def _tokens(text: str, column: int = 1) -> Iterator[tuple[int, str]]:
    return ((column + match.start(), match.group()) for match in re.finditer(r"[^ ]+", text))


def listops_tree(tree: Tree) -> Tree:
    """Convert an expression to its published left-branching binary tree, for learning.

    The leaves are the tokens, and the root of each complete expression has its value as label.

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


class ListOpsParser(Parser):
    """Parser of expressions, with the trees of `listops_tree`."""

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the one tree of an expression.

        Raises:
            SentenceError: the expression is malformed, see `parse_listops`.
        """
        try:
            tree = listops_tree(parse_listops(sentence if isinstance(sentence, str) else " ".join(sentence)))
        except TreeError as error:
            raise SentenceError(str(error)) from None
        return Parses(iter([tree]), words_of(tree), [])


def read_listops(path: str | Path) -> Iterator[Expression]:
    """Read the expressions of a file in the published format, one by one.

    The brackets of the binary trees may be absent.

    Raises:
        CorpusError: there is no expression, an expression is malformed, or its value is wrong. All expressions before
            it have been yielded.
        OSError: the file cannot be read.
    """
    found = 0
    for number, line in lines(path):
        row = fields(line)
        if len(row) != 2:
            problem = f"expected a value, a tab and an expression, found columns: {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        (_, value), (column, text) = row
        if not _DIGIT.fullmatch(value):
            raise error_at(path, number, 1, f"the value {quoted(value)} is not a digit")
        tree, where, problem = _parse(list(_tokens(text, column)), len(line) + 1)
        if tree is None:
            raise error_at(path, number, where, problem)
        if (computed := value_of(tree)) != int(value):
            raise error_at(path, number, 1, f"expected the value of the expression, {computed}, found {value}")
        found += 1
        yield Expression(tree, computed)
    if not found:
        raise error_at(path, 1, 1, "no expression in this file")


def _parse(tokens: list[tuple[int, str]], end: int) -> tuple[Tree | None, int, str]:
    """Return the tree of ``tokens`` (with their columns), or else None, the column of the problem, and the problem."""
    root: list[Tree | str] = []
    opened: list[tuple[Tree, int]] = []
    for column, token in tokens:
        if token in ("(", ")"):
            continue  # compared with the expected ones below
        if token == "]":
            if not opened:
                return None, column, "']' without an operator to close"
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
            return None, column, f"{quoted(token)} is not a digit, operator or bracket"
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
    """Generate distinct random expressions from the published distribution; reproducible on every Python version.

    Each position is one of the four operators with probability ``operator_probability``, and a digit otherwise; an
    operator has 2 to ``max_args`` arguments, with equal probability. As short expressions are soon used up, later ones
    are longer on average: shuffle before a split. The published data are 100,000 expressions, shuffled, then split
    into 90,000 for training and 10,000 for test.

    Args:
        count: number of expressions.
        seed: random seed.
        max_depth: depth at which all positions are digits; the root has depth 1.
        max_args: largest number of arguments of an operator.
        operator_probability: probability of an operator; 0.25 in the paper's program, where it is ``VALUE_P``.
        min_length: smallest number of tokens, without the brackets of the binary tree.
        max_length: largest number of tokens, counted likewise; None for any.

    Raises:
        ValueError: an argument is out of range; or, during the iteration, no new expression was found in 10,000 draws.
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
            problem = f"{_ATTEMPTS:,} more draws gave no new one of the required length"
            raise ValueError(f"found {len(seen)} of {count} expressions: {problem}")


def _draw(
    random: Random, max_depth: int, max_args: int, operator_probability: float, max_length: int | None
) -> Tree | None:
    """Draw an expression; return None if it would be too long."""
    # Of `Random`, Python guarantees only the seeding and `random()` to be the same in every version.
    names = list(OPERATORS)
    root: list[Tree | str] = []
    agenda: list[tuple[Tree | list[Tree | str], int]] = [(root, 1)]  # where to append the next argument, and its depth
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
