"""Trees as the sets of production rules by which textbooks define them (Goldberg 2017, ch. 18).

A tree over the words 1..n is the set of its rules: (A -> B, C, i, k, j) says that a phrase A over the words i..j
consists of a B over i..k and a C over k+1..j. Unlabelled it is (i, k, j), and (i, i, i) is the leaf at word i. For
any number of children, the positions are the first word, then the last word of each child; so a unary rule has two,
(A -> B, i, j), and the leaf keeps the book's three, its child being the word: (A -> w, i, i, i).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, overload

from nltk import Tree

from parsers.errors import ProductionError
from parsers.trees import constituents


class Rule(NamedTuple):
    """A labelled production rule: ``Rule("NP", ("Det", "Noun"), (4, 4, 5))``."""

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
    r"""The rules of ``tree``, parents before children, left before right.

    >>> tree = Tree.fromstring("(NP (Det her) (Noun duck))")
    >>> print(*productions(tree), sep="\n")
    NP -> Det Noun, 1, 1, 2
    Det -> her, 1, 1, 1
    Noun -> duck, 2, 2, 2
    >>> productions(tree, labelled=False)
    [(1, 1, 2), (1, 1, 1), (2, 2, 2)]

    Raises:
        TreeError: a phrase without words, or a label or word that is no string.
    """
    found = constituents(tree)
    ends: dict[int, list[int]] = defaultdict(list)  # the last word of each child, by parent
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
    """The tree over ``words`` that ``rules``, labelled or unlabelled and in any order, describe.

    The inverse of `productions`. Labels of an unlabelled tree are empty. Where several unary rules cover the same
    words, their labels tell the order; where these repeat (NP -> NP -> NP), the order given breaks the tie.

    >>> rules = {("NP", ("Det", "Noun"), (1, 1, 2)), ("Det", ("her",), (1, 1, 1)), ("Noun", ("duck",), (2, 2, 2))}
    >>> print(tree_from_productions(["her", "duck"], rules))
    (NP (Det her) (Noun duck))

    Raises:
        ProductionError: the rules leave a gap, overlap, have two roots, or do not fit the words; it names the rule.
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
        tops = [span for span in by_span if not any(o[0] <= span[0] and span[1] <= o[1] and o != span for o in by_span)]
        shown = "; ".join(str(by_span[span][0]) for span in sorted(tops))
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
        # A stack that is filled from the right hands out the children from the left, each before its right sibling.
        agenda.extend(((starts[c], ends[c]), last.children[c], node, last) for c in reversed(range(len(ends))))
    if by_span:
        rule = min(by_span.items())[1][0]
        raise ProductionError(f"rule ({rule}): it lies under no other rule, so it overlaps one or is a second root")
    return root[0]


def _checked(given: Rule | tuple[int, ...], n: int) -> Rule:
    """``given`` as a Rule (with empty labels if it is unlabelled) whose positions fit ``n`` words."""
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


def _top_label(rules: list[Rule]) -> str:
    """The label among ``rules``, all over the same words, that starts once more often than it is led to."""
    starts = Counter(rule.parent for rule in rules)
    starts.subtract(rule.children[0] for rule in rules if len(rule.positions) == 2)
    return max(starts, key=lambda label: starts[label])


def _top_down(label: str, rules: list[Rule], parent: Rule | None) -> list[Rule]:
    """``rules``, all over the same words, as a path from ``label``: the unary ones, then the one that ends it.

    Each unary rule is a step from its parent's label to its child's, so this is an Eulerian path (Hierholzer).
    """
    last = [rule for rule in rules if len(rule.positions) != 2]
    if len(last) != 1:
        where = f"words {rules[0].positions[0]}..{rules[0].positions[-1]}"
        raise ProductionError(
            f"rule ({last[1]}): a second one for {where}, beside ({last[0]})"
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
    wrong = wrong or next((rule for rule in rules if rule not in path), None)
    if wrong is not None:
        expected = f"child {label!r} of ({parent})" if parent else f"root {label!r}"
        raise ProductionError(f"rule ({wrong}): its label {wrong.parent!r} does not fit the {expected}")
    return path
