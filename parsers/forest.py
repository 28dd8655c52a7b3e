"""Lazy enumeration of the trees of an NLTK chart, most probable first, without recursion.

`Chart.parses` builds all trees below an edge, possibly exponentially many, before it yields the first. This is a
best-first search instead. A search state is a partial tree: the edges expanded so far in preorder, and the pending
edges. The states are kept in a heap, ordered by the probability of the best complete tree that each can lead to (the
rules used so far times the Viterbi score of the pending edges), so trees are found in order of probability. In a
grammar without probabilities all scores are equal and the newest state goes first: a depth-first search, with constant
memory per step.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from math import inf, log
from typing import Any, NamedTuple

from nltk import CFG, PCFG, ProbabilisticTree, Tree
from nltk.parse.chart import Chart, EdgeI, LeafEdge


class _Expansion(NamedTuple):
    """One way to build an edge: the probability of its rule, the logarithm of that, and the child edges."""

    probability: float
    score: float
    children: tuple[EdgeI, ...]


class _Pending(NamedTuple):
    """A linked list of pending edges, leftmost first."""

    edge: EdgeI
    above: frozenset[EdgeI]  # ancestors of the edge that cover the same words
    rest: "_Pending | None"


class _Step(NamedTuple):
    """A linked list of the expansions so far, latest first."""

    edge: EdgeI
    expansion: _Expansion
    before: "_Step | None"


def derivations(chart: Chart, roots: list[EdgeI], tokens: list[str], grammar: CFG) -> Iterator[Tree]:
    """Yield the trees below ``roots`` over ``tokens``, most probable first, with no unary rule twice in a chain."""
    expansions = _expansions(chart, grammar)
    best = _viterbi(expansions)
    younger = count(0, -1)
    agenda: list[tuple[float, int, _Pending | None, _Step | None]] = []
    for root in reversed(roots):
        heappush(agenda, (-best[root], next(younger), _Pending(root, frozenset(), None), None))
    while agenda:
        cost, _, pending, steps = heappop(agenda)
        if pending is None:
            yield _tree(steps, tokens, isinstance(grammar, PCFG))
            continue
        edge, above, rest = pending
        above |= {edge}
        for expansion in reversed(expansions[edge]):
            if any(child in above for child in expansion.children):
                continue
            todo = rest
            for child in reversed(expansion.children):
                if not isinstance(child, LeafEdge):
                    todo = _Pending(child, above if child.span() == edge.span() else frozenset(), todo)
            gained = expansion.score + sum(best[child] for child in expansion.children) - best[edge]
            heappush(agenda, (cost - gained, next(younger), todo, _Step(edge, expansion, steps)))


def _expansions(chart: Chart, grammar: CFG) -> dict[EdgeI, list[_Expansion]]:
    """Map each complete edge to the ways to build it, short edges first."""
    probability: dict[Any, float] = {}
    for rule in grammar.productions():
        key = rule.lhs(), rule.rhs()
        probability[key] = max(rule.prob() if isinstance(grammar, PCFG) else 1.0, probability.get(key, 0.0))
    edges = (edge for edge in chart.select(is_complete=True) if not isinstance(edge, LeafEdge))
    return {
        edge: [
            # A tree with a rule of probability 0 is still found, after all others.
            _Expansion(p := probability[edge.lhs(), edge.rhs()], log(p) if p else -1e9, tuple(children))
            for children in chart.child_pointer_lists(edge)
        ]
        for edge in sorted(edges, key=lambda edge: edge.length())
    }


def _viterbi(expansions: dict[EdgeI, list[_Expansion]]) -> dict[EdgeI, float]:
    """Log probability of the best tree below each edge."""
    best = {
        child: 0.0
        for ways in expansions.values()
        for way in ways
        for child in way.children
        if isinstance(child, LeafEdge)
    }
    improved = True
    while improved:  # one sweep, and one more for each link of the longest chain of unary rules
        improved = False
        for edge, ways in expansions.items():
            score = max(way.score + sum(best.get(child, -inf) for child in way.children) for way in ways)
            if score > best.get(edge, -inf):
                best[edge] = score
                improved = True
    return best


def _tree(steps: _Step | None, tokens: list[str], probabilistic: bool) -> Tree:
    """Build the tree of the expansions, which were made in preorder."""
    built: list[Tree] = []
    while steps is not None:
        edge, expansion, steps = steps
        children = [tokens[c.start()] if isinstance(c, LeafEdge) else built.pop() for c in expansion.children]
        label = edge.lhs().symbol()
        if probabilistic:
            probability = expansion.probability
            for child in children:
                probability *= child.prob() if isinstance(child, ProbabilisticTree) else 1.0
            built.append(ProbabilisticTree(label, children, prob=probability))
        else:
            built.append(Tree(label, children))
    return built[0]
