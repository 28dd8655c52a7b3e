"""Lazy enumeration of the trees of a chart, most probable first, without recursion.

NLTK's `Chart.parses` builds all trees below an edge, possibly exponentially many, before it yields the first. This is a
best-first search instead. A search state is a partial tree: the edges expanded so far in preorder, and the pending
edges. The states are kept in a heap, ordered by the probability of the best complete tree that each can lead to (the
rules used so far times the Viterbi score of the pending edges), so trees are found in order of probability. In a
grammar without probabilities all scores are equal and the newest state goes first: a depth-first search, with constant
memory per step.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count, groupby
from math import inf, log
from typing import Any, NamedTuple

from nltk import CFG, PCFG, ProbabilisticTree, Tree
from nltk.grammar import FeatureGrammar, is_terminal
from nltk.parse.chart import Chart, EdgeI, LeafEdge

from parsers.chart import Budget, symbol_name
from parsers.rules import Rule, productions


class _Way(NamedTuple):
    """One way to make an edge."""

    score: float  # logarithm of the probability of the rule, if the edge is complete
    parts: tuple[EdgeI, ...]  # the children; the first ones may be one incomplete edge, if there are several ways


class _Pending(NamedTuple):
    """A linked list of pending edges, leftmost first."""

    edge: EdgeI
    above: frozenset[EdgeI]  # ancestors of the edge that cover the same words, if it is in a cycle of unary rules
    rest: "_Pending | None"


class _Step(NamedTuple):
    """A linked list of the expansions so far, latest first."""

    edge: EdgeI
    way: _Way
    before: "_Step | None"


_NONE: frozenset[EdgeI] = frozenset()


class ParseForest:
    """The trees below the edges ``roots`` of a chart, over ``tokens``."""

    def __init__(self, chart: Chart, roots: list[EdgeI], tokens: list[str], grammar: CFG) -> None:
        self.roots, self.tokens, self.grammar = roots, tokens, grammar
        self._probability = _probabilities(grammar)
        same = {} if isinstance(grammar, FeatureGrammar) else _same_but_for_spelling(chart)
        self.roots = list(dict.fromkeys(same.get(root, root) for root in roots))
        self._ways = self._reachable(chart, same)
        self._cyclic = _cyclic(self._ways)
        self._best = _viterbi(self._ways, self._leaf_scores())

    def trees(self, budget: Budget) -> Iterator[Tree]:
        """Yield the trees, most probable first, with no unary rule twice in a chain.

        Raises:
            LimitError: the search for the next tree reached a limit.
        """
        budget.renew()
        seen: set[tuple[Rule, ...]] = set()  # trees that differ in features alone are one
        for tree in self._search(budget):
            if isinstance(self.grammar, FeatureGrammar):
                if (rules := tuple(productions(tree))) in seen:
                    continue
                seen.add(rules)
            yield tree
            budget.renew()

    def _search(self, budget: Budget) -> Iterator[Tree]:
        best, cyclic = self._best, self._cyclic
        younger = count(0, -1)
        agenda: list[tuple[float, int, _Pending | None, _Step | None]] = []
        for root in reversed(self.roots):
            heappush(agenda, (-best[root], next(younger), _Pending(root, _NONE, None), None))
        while agenda:
            budget.spend()
            cost, _, pending, steps = heappop(agenda)
            if pending is None:
                yield self._tree(steps)
                continue
            edge, above, rest = pending
            if edge in cyclic:
                above |= {edge}
            for way in reversed(self._ways[edge]):
                if above and any(part in above for part in way.parts):
                    continue
                todo = rest
                for part in reversed(way.parts):
                    if not _is_leaf(part):
                        todo = _Pending(part, above if _is_unary(edge, way) else _NONE, todo)
                gained = way.score + sum(best[part] for part in way.parts) - best[edge]
                heappush(agenda, (cost - gained, next(younger), todo, _Step(edge, way, steps)))

    def _reachable(self, chart: Chart, same: dict[EdgeI, EdgeI]) -> dict[EdgeI, list[_Way]]:
        """Map each edge that is part of a tree to the ways to make it."""
        ways: dict[EdgeI, list[_Way]] = {}
        agenda = list(self.roots)
        while agenda:
            edge = agenda.pop()
            if edge in ways:
                continue
            p = self._probability.get((edge.lhs(), edge.rhs()), 1.0) if edge.is_complete() else 1.0
            # A tree with a rule of probability 0 is still found, after all others.
            score = log(p) if p else -1e9
            every = dict.fromkeys(tuple(same.get(e, e) for e in parts) for parts in chart.child_pointer_lists(edge))
            ways[edge] = [_Way(score, parts) for parts in every]
            agenda.extend(part for parts in every for part in parts if not _is_leaf(part))
        for edge in sorted(ways, key=lambda edge: edge.length()):
            ways[edge] = [_flat(way, ways) for way in ways[edge]]
        return ways

    def _leaf_scores(self) -> dict[EdgeI, float]:
        """Without probabilities, words that are spelt as in the grammar come first."""
        leaves = {part for some in self._ways.values() for way in some for part in way.parts if _is_leaf(part)}
        probable = isinstance(self.grammar, PCFG)
        return {leaf: 0.0 if probable or leaf.lhs() == self.tokens[leaf.start()] else -1.0 for leaf in leaves}

    def _tree(self, steps: _Step | None) -> Tree:
        """Build the tree of the expansions, which were made in preorder."""
        built: list[Any] = []  # a tree for each complete edge, a list of children for the others
        while steps is not None:
            edge, way, steps = steps
            children = [self.tokens[p.start()] if _is_leaf(p) else built.pop() for p in way.parts]
            if way.parts[0].is_incomplete():
                children[0] += children[1:]
                children = children[0]
            if edge.is_incomplete():
                built.append(children)
            elif isinstance(self.grammar, PCFG):
                probability = self._probability[edge.lhs(), edge.rhs()]
                for child in children:
                    probability *= child.prob() if isinstance(child, ProbabilisticTree) else 1.0
                built.append(ProbabilisticTree(edge.lhs().symbol(), children, prob=probability))
            else:
                built.append(Tree(symbol_name(edge.lhs()), children))
        return built[0]


def _flat(way: _Way, ways: dict[EdgeI, list[_Way]]) -> _Way:
    """Replace an incomplete edge by its parts if there is one way to make it."""
    first, *rest = way.parts
    if first.is_complete() or len(ways[first]) > 1:
        return way
    return _Way(way.score, (*ways[first][0].parts, *rest))


def _is_unary(edge: EdgeI, way: _Way) -> bool:
    """Return whether a way is a rule with one child that is a phrase."""
    return len(way.parts) == 1 and bool(edge.is_complete()) and not _is_leaf(way.parts[0])


def _is_leaf(edge: EdgeI) -> bool:
    return isinstance(edge, LeafEdge)


def _probabilities(grammar: CFG) -> dict[Any, float]:
    found: dict[Any, float] = {}
    if isinstance(grammar, PCFG):
        for rule in grammar.productions():
            key = rule.lhs(), rule.rhs()
            found[key] = max(rule.prob(), found.get(key, 0.0))
    return found


def _same_but_for_spelling(chart: Chart) -> dict[EdgeI, EdgeI]:
    """Map edges to the first edge of the chart that differs from them only in the spelling of words.

    With the words ``May`` and ``may`` below the same label, a sentence would else have the same tree twice.
    """
    leaves = [edge.start() for edge in chart.edges() if _is_leaf(edge)]
    if len(set(leaves)) == len(leaves):
        return {}
    first: dict[Any, EdgeI] = {}
    same = {}
    for edge in chart.edges():
        if not _is_leaf(edge):
            words = tuple(_folded(symbol) if is_terminal(symbol) else symbol for symbol in edge.rhs())
            kept = first.setdefault((edge.span(), edge.lhs(), words, edge.dot()), edge)
            if kept is not edge:
                same[edge] = kept
    return same


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _cyclic(ways: dict[EdgeI, list[_Way]]) -> set[EdgeI]:
    """Return the edges that are in a cycle of unary rules, or below one (Kahn's algorithm)."""
    below = {edge: [way.parts[0] for way in some if _is_unary(edge, way)] for edge, some in ways.items()}
    parents = Counter(child for children in below.values() for child in children)
    agenda = [edge for edge in ways if edge not in parents]
    while agenda:
        for child in below[agenda.pop()]:
            parents[child] -= 1
            if not parents[child]:
                agenda.append(child)
    return {edge for edge, number in parents.items() if number}


def _viterbi(ways: dict[EdgeI, list[_Way]], leaves: dict[EdgeI, float]) -> dict[EdgeI, float]:
    """Log probability of the best tree below each edge, shorter edges first, given the scores of the leaves."""
    best = dict(leaves)
    order = sorted(ways, key=lambda edge: (edge.length(), edge.is_incomplete()))
    for (_, incomplete), group in groupby(order, key=lambda edge: (edge.length(), edge.is_incomplete())):
        edges = list(group)
        heap: list[tuple[float, int, EdgeI]] = []  # for the unary rules: Dijkstra's algorithm, as no score is above 0
        parents: dict[EdgeI, list[tuple[EdgeI, float]]] = {}
        younger = count()
        for edge in edges:
            score = -inf
            for way in ways[edge]:
                if not incomplete and _is_unary(edge, way):
                    parents.setdefault(way.parts[0], []).append((edge, way.score))
                else:
                    score = max(score, way.score + sum(best[part] for part in way.parts))
            if incomplete:
                best[edge] = score
            elif score > -inf:
                heappush(heap, (-score, next(younger), edge))
        while heap:
            cost, _, edge = heappop(heap)
            if edge not in best:
                best[edge] = -cost
                for parent, step in parents.get(edge, ()):
                    if parent not in best:
                        heappush(heap, (cost - step, next(younger), parent))
    return best
