"""Trees as sets of production rules (Goldberg 2017, "Neural Network Methods for Natural Language Processing", ch. 18).

A tree over the words 1..n is the set of its rules. The rule (A -> B, C, i, k, j) means: the phrase A over the words
i..j consists of B over i..k and C over k+1..j. The unlabelled rule is (i, k, j), and (i, i, i) is the leaf at word i.

With any number of children, the positions are the first word, then the last word of each child. A unary rule thus has
two, (A -> B, i, j). A leaf has three, as in the book, and the word as its child: (A -> w, i, i, i).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, overload

from nltk import Tree

from parsers.errors import ProductionError
from parsers.trees import constituents


class Rule(NamedTuple):
    """A production rule with its positions, such as ``Rule("NP", ("Det", "Noun"), (4, 4, 5))``.

    Attributes:
        parent: label A of the phrase.
        children: labels of the children, or the word of a leaf.
        positions: first word of the phrase, then last word of each child, from 1; (i, i, i) for a leaf.
    """

    parent: str
    children: tuple[str, ...]
    positions: tuple[int, ...]

    def __str__(self) -> str:
        positions = ", ".join(map(str, self.positions))
        return f"{self.parent} -> {' '.join(self.children)}, {positions}" if any(self.children) else positions


@overload
def productions(tree: Tree, labelled: Literal[True] = True) -> list[Rule]: ...
@overload
def productions(tree: Tree, labelled: Literal[False]) -> list[tuple[int, ...]]: ...
def productions(tree: Tree, labelled: bool = True) -> list[Rule] | list[tuple[int, ...]]:
    r"""Return the production rules of ``tree`` in preorder: parents before children, left before right.

    Args:
        tree: the tree.
        labelled: return a `Rule` for each phrase; otherwise only its positions.

    >>> tree = Tree.fromstring("(NP (Det her) (Noun duck))")
    >>> print(*productions(tree), sep="\n")
    NP -> Det Noun, 1, 1, 2
    Det -> her, 1, 1, 1
    Noun -> duck, 2, 2, 2
    >>> productions(tree, labelled=False)
    [(1, 1, 2), (1, 1, 1), (2, 2, 2)]

    Raises:
        TreeError: a phrase has no words, or a label or word is not a string.
    """
    found = constituents(tree)
    ends: dict[int, list[int]] = defaultdict(list)  # the last word of each child, by the index of the parent
    for constituent in found:
        ends[constituent.parent].append(constituent.end)
    rules = []
    for index, (node, start, _, _) in enumerate(found):
        if isinstance(node, Tree):
            names = tuple(child.label() if isinstance(child, Tree) else child for child in node)
            leaf = len(node) == 1 and isinstance(node[0], str)
            rules.append(Rule(node.label(), names, (start, start, start) if leaf else (start, *ends[index])))
    return rules if labelled else [rule.positions for rule in rules]


def tree_from_productions(words: Sequence[str], rules: Iterable[Rule | tuple[int, ...]]) -> Tree:
    """Build the tree over ``words`` from its production rules; the inverse of `productions`.

    Several unary rules over the same words are put in order by their labels; where labels repeat (NP -> NP -> NP), the
    order in which they are given decides.

    Args:
        words: the words of the sentence.
        rules: the rules in any order, all labelled or all unlabelled; without labels, those of the tree are empty.

    >>> rules = {("NP", ("Det", "Noun"), (1, 1, 2)), ("Det", ("her",), (1, 1, 1)), ("Noun", ("duck",), (2, 2, 2))}
    >>> print(tree_from_productions(["her", "duck"], rules))
    (NP (Det her) (Noun duck))

    Raises:
        ProductionError: the rules leave a gap, overlap, have two roots, or do not fit the words; the message names
            the rule.
    """
    if isinstance(words, str):
        raise ProductionError(f"the words must be a list of strings, not the string {words!r}")
    by_span: dict[tuple[int, int], list[Rule]] = defaultdict(list)
    labelled = set()
    for given in rules:
        rule = _checked(given, len(words))
        labelled.add(isinstance(given[0], str))
        by_span[rule.positions[0], rule.positions[-1]].append(rule)
    if len(labelled) != 1:
        raise ProductionError("labelled and unlabelled rules are mixed" if labelled else "there are no rules")
    if (1, len(words)) not in by_span:
        tops = _topmost(by_span)
        shown = "; ".join(str(by_span[span][0]) for span in tops[:5]) + ("; ..." if len(tops) > 5 else "")
        raise ProductionError(f"no rule spans all words 1..{len(words)}; the topmost rules: {shown}")

    top = by_span[1, len(words)]
    root: list[Tree | str] = []
    agenda: list[tuple[tuple[int, int], str, list[Tree | str], Rule | None]]
    agenda = [((1, len(words)), _top_label(top), root, None)]
    while agenda:
        (start, end), label, siblings, parent = agenda.pop()
        here = by_span.pop((start, end), None)
        if here is None:
            if start != end or (True in labelled and label != words[start - 1]):
                raise ProductionError(
                    f"rule ({parent}): no rule for its child {label or 'phrase'} over words {start}..{end}"
                )
            siblings.append(words[start - 1])
            continue
        *unary, last = _top_down(label, here, parent)
        for rule in unary:
            siblings.append(node := Tree(rule.parent, []))
            siblings = node
        siblings.append(node := Tree(last.parent, []))
        first, *ends = last.positions
        if len(last.positions) == 3 and first == last.positions[2]:
            if True in labelled and last.children[0] != words[first - 1]:
                raise ProductionError(f"rule ({last}): word {first} is {words[first - 1]!r}")
            node.append(words[first - 1])
            continue
        starts = [first, *(k + 1 for k in ends)]
        # Pushed from right to left, so that each child is built before its right sibling.
        agenda.extend(((starts[c], ends[c]), last.children[c], node, last) for c in reversed(range(len(ends))))
    if by_span:
        rule = min(by_span.items())[1][0]
        raise ProductionError(f"rule ({rule}): not contained in any other rule: it overlaps one or is a second root")
    return root[0]


def _checked(given: Rule | tuple[int, ...], n: int) -> Rule:
    """Convert ``given`` to a `Rule`, with empty labels if unlabelled, and check its positions against ``n`` words."""
    try:
        if isinstance(given[0], str):
            parent, children, positions = given
            rule = Rule(parent, tuple(children), tuple(positions))
        else:
            leaf = len(given) == 3 and given[0] == given[2]
            rule = Rule("", ("",) * (1 if leaf else len(given) - 1), tuple(given))
        first, *ends = rule.positions
        leaf = rule.positions == (first,) * 3
        right = leaf or (first <= ends[0] and all(a < b for a, b in pairwise(ends)))
        right = right and len(rule.children) == (1 if leaf else len(ends)) and first >= 1 and ends[-1] <= n
    except (TypeError, ValueError, IndexError):
        right = False
    if not right:
        raise ProductionError(
            f"rule {tuple(given) if isinstance(given, Sequence) else given!r}: expected (A, (B, C), (i, k, j)) or "
            f"(i, k, j) with 1 <= i <= k < j <= {n}, one end per child, (i, j) if unary, (i, i, i) if a leaf"
        )
    return rule


def _topmost(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans that are in no other, from left to right."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not found or end > found[-1][1]:
            found.append((start, end))
    return found


def _top_label(rules: list[Rule]) -> str:
    """Topmost label of ``rules``, all over the same words: more often a parent than the child of a unary rule."""
    starts = Counter(rule.parent for rule in rules)
    starts.subtract(rule.children[0] for rule in rules if len(rule.positions) == 2)
    return max(starts, key=lambda label: starts[label])


def _top_down(label: str, rules: list[Rule], parent: Rule | None) -> list[Rule]:
    """Put ``rules``, all over the same words, in order from ``label`` down: the unary ones, then the one below them.

    Each unary rule is a step from its parent's label to its child's, so the order is an Eulerian path, which is found
    by Hierholzer's algorithm.
    """
    last = [rule for rule in rules if len(rule.positions) != 2]
    if len(last) != 1:
        where = f"words {rules[0].positions[0]}..{rules[0].positions[-1]}"
        raise ProductionError(
            f"rule ({last[1]}): a second rule for {where}, beside ({last[0]})"
            if last
            else f"rule ({rules[-1]}): no rule for its child {rules[-1].children[0] or 'phrase'} over {where}"
        )
    steps: dict[str, list[Rule]] = defaultdict(list)
    for rule in reversed(rules):
        if rule is not last[0]:
            steps[rule.parent].append(rule)
    path: list[Rule] = []
    stack: list[tuple[str, Rule | None]] = [(label, None)]
    while stack:
        here, rule_there = stack[-1]
        if steps[here]:
            step = steps[here].pop()
            stack.append((step.children[0], step))
        else:
            path.extend([rule_there] if rule_there else [])
            stack.pop()
    path = [*reversed(path), last[0]]
    reached = [label, *(rule.children[0] for rule in path[:-1])]
    wrong = next((rule for rule, name in zip(path, reached, strict=True) if rule.parent != name), None)
    if wrong is None and len(path) < len(rules):
        placed = set(map(id, path))
        wrong = next(rule for rule in rules if id(rule) not in placed)
    if wrong is not None:
        expected = f"child {label!r} of ({parent})" if parent else f"root {label!r}"
        raise ProductionError(f"rule ({wrong}): its label {wrong.parent!r} does not fit the {expected}")
    return path
