"""Trees of parses, of dependencies, and of formulas in a grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nltk import CFG, Tree

from parsers.dependency_trees import DependencyTree
from parsers.errors import TreeError
from parsers.grammar import GrammarParser
from parsers.loading import load_grammar
from parsers.trees import constituents
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree

if TYPE_CHECKING:
    from pathlib import Path

    from corpora.conllu import Dependencies

_BRACKETS = frozenset("()[]{},")


def from_nltk(tree: Tree) -> TypedTree:
    """Convert an nltk.Tree: types are the labels of phrases, words those of the leaves.

    A phrase over one word is one node, and in a `parsers.DependencyTree` every phrase with its own word, as in
    `recnn.tree_to_graph`. A word beside others has an empty type.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
    """
    constituents(tree)  # raises the error
    dependencies = isinstance(tree, DependencyTree)

    def children(node: Tree | str) -> Iterable[Tree | str]:
        if isinstance(node, str) or (len(node) == 1 and isinstance(node[0], str)):
            return ()
        return [child for child in node if not (dependencies and isinstance(child, str))]

    def label(node: Tree | str) -> str:
        return "" if isinstance(node, str) else str(node.label())

    def word(node: Tree | str) -> str | None:
        if isinstance(node, str):
            return node
        if dependencies or len(node) == 1:
            return next((child for child in node if isinstance(child, str)), None)
        return None

    return from_nested(tree, children, label, word)


def from_dependencies(sentence: Dependencies) -> TypedTree:
    """Convert a dependency tree, such as those of `corpora.read_conllu` and `corpora.read_parents`.

    Each word is a node, with its relation to its head as type; its dependents are below it.

    Raises:
        TreeError: the heads do not form a tree.
    """
    return from_nltk(sentence.tree())


def from_formula(formula: str, grammar: str | Path | CFG) -> TypedTree:
    r"""Parse a formula with a grammar, and convert it to its abstract syntax.

    The type of an operation is its operator, all that the grammar has between the operands. The type of a variable or
    constant is its category in the grammar, and its text is the word. Brackets and commas have no node.

    >>> grammar = "F -> 'not' F | '(' F 'and' F ')' | V\nV -> 'p' | 'q'"
    >>> print(from_formula("(not p and q)", grammar))
    and
    ├── not
    │   └── V: p
    └── V: q

    Args:
        formula: the formula; it is split into the terminals of the grammar, the longest ones first.
        grammar: name, path or text of a grammar in NLTK's notation, see `parsers.load_grammar`, or the grammar.

    Raises:
        GrammarError: the grammar cannot be read.
        TreeError: a part of the formula is not a terminal of the grammar.
        SentenceError: the formula has no parse.
    """
    parser = GrammarParser(grammar if isinstance(grammar, CFG) else load_grammar(grammar))
    tree = parser.parse(_tokens(formula, parser.lexicon))
    return from_nested(_resolved(tree), _operands, _operator, _operand)


def _tokens(formula: str, terminals: Iterable[str]) -> list[str]:
    pattern = re.compile("|".join(map(re.escape, sorted(terminals, key=len, reverse=True))) or r"(?!)")
    found, place = [], 0
    while place < len(formula):
        if formula[place].isspace():
            place += 1
        elif (match := pattern.match(formula, place)) and match.end() > place:
            found.append(match[0])
            place = match.end()
        else:
            raise TreeError(f"column {place + 1}: {formula[place : place + 20]!r} is not in the grammar")
    return found


def _parts(node: Tree) -> list[Tree | str]:
    return [part for part in node if isinstance(part, Tree) or part not in _BRACKETS]


def _resolved(node: Tree) -> Tree:
    """Return the phrase below phrases that only rename or bracket it."""
    while len(parts := _parts(node)) == 1 and isinstance(parts[0], Tree):
        node = parts[0]
    return node


def _operands(node: Tree) -> list[Tree]:
    return [_resolved(part) for part in node if isinstance(part, Tree)]


def _texts(node: Tree) -> str:
    return " ".join(part for part in _parts(node) if isinstance(part, str))


def _operator(node: Tree) -> str:
    has_operands = any(isinstance(part, Tree) for part in node)
    return (_texts(node) if has_operands else "") or str(node.label())


def _operand(node: Tree) -> str | None:
    return None if any(isinstance(part, Tree) for part in node) else _texts(node)
