r"""Writing and reading of trees in Penn Treebank brackets; the reader is the inverse of the writer.

A label or word is written as it is wherever NLTK reads it as one token: ``-LRB-``, ``1\/2`` and ``\)`` stay what they
are. In others, white space, control characters, brackets without a backslash, and a backslash that would begin an
escape are written as ``\xhh`` or ``\uhhhh``, and an empty label or word as ``\empty`` where a token is needed. NLTK's
``Tree.fromstring`` reads all that is written as a tree of the same shape; it leaves these escapes as they are.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator

from nltk import Tree

from parsers.errors import InputError, TreeError
from parsers.printing import code
from parsers.trees import constituents

_EMPTY = "\\empty"
_PLAIN = re.compile(r"[^()\\\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_SPECIAL = re.compile(r"\\[()]|[()\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CODE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")
# A backslash makes a bracket part of a word, as in NLTK since 3.10. Only ASCII white space separates tokens: words of
# real treebanks contain no-break spaces ("8 1\/2" in SST).
_TOKEN = re.compile(r"[()]|(?:[^()\\ \t\r\n\f\v]+|\\[()]?)+")


def brackets(tree: Tree) -> str:
    r"""Write ``tree`` in one line of Penn Treebank brackets; the inverse of `tree_from_brackets`.

    >>> print(brackets(Tree("NP", [Tree("QP", ["8 1/2", "(more)"]), Tree("", ["ducks"])])))
    (NP (QP 8\x201/2 \x28more\x29) (\empty ducks))

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
    """
    parts: list[str] = []
    agenda: list[Tree | str | None] = [tree]  # None closes a bracket
    while agenda:
        node = agenda.pop()
        if node is None:
            # A backslash just before the bracket would make it part of the word.
            parts.append(" )" if parts[-1].endswith("\\") else ")")
        elif isinstance(node, Tree):
            label = node.label()
            if not node or not isinstance(label, str):
                constituents(tree)  # raises the error, with the place
            # The reader takes the first word of an unlabelled phrase for its label, and removes empty outer brackets.
            bare = isinstance(node[0], Tree) and (parts or len(node) > 1)
            parts.append(f" ({_written(label) if label or not bare else ''}")
            agenda.append(None)
            agenda.extend(reversed(node))
        elif isinstance(node, str) and parts:
            parts.append(f" {_written(node)}")
        else:
            constituents(tree)  # raises the error
    return "".join(parts).lstrip(" ")


def _written(token: str) -> str:
    if _PLAIN.fullmatch(token):
        return token
    if token in ("", _EMPTY):
        return "\\x5cempty" if token else _EMPTY
    token = _CODE.sub(lambda found: code("\\") + found[0][1:], token)
    return _SPECIAL.sub(lambda found: found[0] if len(found[0]) == 2 else code(found[0]), token)


def _read(token: str) -> str:
    return "" if token == _EMPTY else _CODE.sub(lambda found: chr(int(found[1] or found[2], 16)), token)


def tree_from_brackets(text: str) -> Tree:
    r"""Read the tree in ``text``, over any number of lines; the inverse of `brackets`.

    Empty outer brackets, as in ``( (S ...) )``, are removed.

    >>> tree_from_brackets(r"(NP (QP 8\x201/2 \x28more\x29) (\empty ducks))")
    Tree('NP', [Tree('QP', ['8 1/2', '(more)']), Tree('', ['ducks'])])

    Raises:
        TreeError: there is no tree or more than one, or it is malformed; the message has the line and the column.
    """

    def error(line: int, column: int, problem: str) -> TreeError:
        return TreeError(f"line {line}, column {column}: {problem}")

    trees = list(read_brackets(enumerate(text.split("\n"), 1), error))
    if len(trees) != 1:
        raise TreeError(f"expected one tree in brackets, got {len(trees)}")
    return trees[0]


def read_brackets(
    lines: Iterable[tuple[int, str]],
    error: Callable[[int, int, str], InputError],
    check_label: Callable[[str], str | None] = lambda label: None,
    check_node: Callable[[Tree], str | None] = lambda node: None,
    max_length: int = sys.maxsize,
) -> Iterator[Tree]:
    """Read the trees in lines of text, one by one.

    Args:
        lines: pairs of the line number and the text.
        error: makes the error of a line, a column and a problem.
        check_label: returns the problem of a label, or None.
        check_node: returns the problem of a complete node, or None; the error has the position of its bracket.
        max_length: largest number of characters of a label or word.
    """
    opened: list[tuple[Tree, int, int]] = []  # open brackets: tree, line and column
    labelled = True  # the next token is a word, not the label of a new node
    bare = False  # the outermost bracket has no label, not even an empty one
    for number, line in lines:
        for match in _TOKEN.finditer(line):
            token, column = match.group(), match.start() + 1
            if token == "(":
                bare = bare or not opened
                opened.append((Tree("", []), number, column))
                labelled = False
            elif token != ")":
                text = _read(token) if "\\" in token else token
                if len(text) > max_length:
                    raise error(number, column, f"a word of {len(text):,} characters (limit: {max_length:,})")
                if not opened:
                    raise error(number, column, f"{token!r} outside of any tree")
                if labelled:
                    opened[-1][0].append(text)
                else:
                    if problem := check_label(text):
                        raise error(number, column, problem)
                    opened[-1][0].set_label(text)
                    bare = bare and len(opened) > 1
                    labelled = True
            elif not opened:
                raise error(number, column, "')' outside of any tree")
            else:
                labelled = True
                tree, start_line, start_column = opened.pop()
                problem = check_node(tree) if len(tree) else f"the phrase ({tree.label()}) has no words"
                if problem:
                    raise error(start_line, start_column, problem)
                if opened:
                    opened[-1][0].append(tree)
                else:
                    yield tree[0] if bare and len(tree) == 1 and isinstance(tree[0], Tree) else tree
    if opened:
        raise error(*opened[-1][1:], "this bracket is never closed")
