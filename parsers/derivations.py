"""Trees from a chart: the k best, one by one, and random ones from their distribution. Without recursion."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from math import log
from typing import Any, NamedTuple

import numpy as np
from nltk import ProbabilisticTree

from parsers.binary_grammar import BinaryGrammar, Floats
from parsers.inside import Chart


class DerivationStep(NamedTuple):
    """A node of a derivation, which is the list of its nodes in preorder.

    Attributes:
        symbol: number of the symbol.
        children: number of its children; 0 if the child is a word.
        score: logarithm of the probability of the rule.
    """

    symbol: int
    children: int
    score: float


def derived_tree(steps: list[DerivationStep], words: list[str], grammar: BinaryGrammar) -> ProbabilisticTree:
    """Build the tree of a derivation, without the symbols that `BinaryGrammar` added."""
    built: list[tuple[list[Any], float]] = []  # the children that each node has for its parent, and their score
    position = len(words)
    for symbol, arity, score in reversed(steps):
        if arity:
            children, below = built.pop()
            for _ in range(arity - 1):
                more, score_of_more = built.pop()
                children += more
                below += score_of_more
            score += below
        else:
            position -= 1
            children = [words[position]]
        label = grammar.label(symbol)
        if label is not None:
            children = [ProbabilisticTree(label, children, logprob=score / log(2))]
        built.append((children, score))
    tree: ProbabilisticTree = built[0][0][0]
    return tree


class _Key(NamedTuple):
    """A node of the chart; with ``chain``, any rule can be on top, otherwise a binary or lexical one."""

    start: int
    length: int
    symbol: int
    chain: bool


class _Found(NamedTuple):
    """One of the best derivations of a node: the nodes below it, and which of their derivations."""

    score: float
    own: tuple[DerivationStep, ...]
    below: tuple[tuple[_Key, int], ...]


class _Ranked:
    """The derivations of a node, the best first, as far as they have been found."""

    def __init__(self, ways: Iterator[tuple[float, _Found]]) -> None:
        self.found: list[_Found] = []
        self.ways = ways  # best derivation of each way to make the node
        self.next_way = next(ways, None)
        self.agenda: list[tuple[float, int, Any]] = []
        self.seen: set[Any] = set()


class KBest:
    """The trees of a chart, most probable first, with no rule twice in a chain of unary rules.

    Only as much of each node's list of derivations is computed as the next tree needs.

    Args:
        chart: a chart with the reduction "max".

    Source: L. Huang and D. Chiang, "Better k-best parsing", IWPT 2005, algorithm 3. Chains of unary rules are searched
    best first, with the scores of the chart as the estimate of the rest.
    """

    def __init__(self, chart: Chart) -> None:
        self.chart, self.grammar = chart, chart.grammar
        self._nodes: dict[_Key, _Ranked] = {}
        self._younger = count()

    def __iter__(self) -> Iterator[ProbabilisticTree]:
        top = _Key(0, len(self.chart.words), self.grammar.start, True)
        for rank in count():
            self._resolve(top, rank)
            if len(self._nodes[top].found) <= rank:
                return
            yield derived_tree(self._steps(top, rank), self.chart.words, self.grammar)

    def _steps(self, key: _Key, rank: int) -> list[DerivationStep]:
        steps: list[DerivationStep] = []
        agenda = [(key, rank)]
        while agenda:
            key, rank = agenda.pop()
            found = self._nodes[key].found[rank]
            steps += found.own
            agenda += reversed(found.below)
        return steps

    def _resolve(self, key: _Key, rank: int) -> None:
        """Find the derivations of a node up to ``rank``, if there are so many, and those below that this needs."""
        agenda = [self._search(key, rank)]
        while agenda:
            request = next(agenda[-1], None)
            if request is None:
                agenda.pop()
            else:
                agenda.append(self._search(*request))

    def _search(self, key: _Key, rank: int) -> Iterator[tuple[_Key, int]]:
        """Find the derivations of a node up to ``rank``; yields what must be found first."""
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _Ranked(iter(()) if key.chain else self._ways(key))
            if key.chain:
                score = self.chart.above(self.chart.cell(key.start, key.length))[key.symbol]
                if score > -np.inf:
                    heappush(node.agenda, (-score, next(self._younger), ()))
        while len(node.found) <= rank:
            if node.found:
                yield from self._successors(node, node.found[-1])
            found = self._next(key, node)
            if found is None:
                return
            for request in found.below:
                if request[1] == 0:
                    yield request
            node.found.append(found)

    def _next(self, key: _Key, node: _Ranked) -> _Found | None:
        """Take the best derivation that has not been found yet."""
        while node.agenda or node.next_way:
            if node.next_way and (not node.agenda or node.next_way[0] >= -node.agenda[0][0]):
                found = node.next_way[1]
                node.next_way = next(node.ways, None)
                return found
            cost, _, item = heappop(node.agenda)
            if isinstance(item, _Found):
                return item
            self._extend(key, node, -cost, item)
        return None

    def _successors(self, node: _Ranked, found: _Found) -> Iterator[tuple[_Key, int]]:
        """Add the derivations that have the next best one of one of the nodes below ``found``."""
        for at, (below, rank) in enumerate(found.below):
            others = (*found.below[:at], (below, rank + 1), *found.below[at + 1 :])
            mark = (found.own, others)
            if mark in node.seen:
                continue
            node.seen.add(mark)
            yield below, rank + 1
            ranked = self._nodes[below].found
            if len(ranked) > rank + 1:
                score = found.score - ranked[rank].score + ranked[rank + 1].score
                heappush(node.agenda, (-score, next(self._younger), _Found(score, found.own, others)))

    def _extend(self, key: _Key, node: _Ranked, bound: float, chain: tuple[int, ...]) -> None:
        """Add the ways to go on with a chain of unary rules: to end it, or to add a rule.

        Args:
            key: the node.
            node: its derivations.
            bound: score of the best derivation that begins with the chain.
            chain: its rules.
        """
        rules = self.grammar.unary
        last = int(rules.child[chain[-1]]) if chain else key.symbol
        cell = self.chart.cell(key.start, key.length)
        above = self.chart.above(cell)
        gained = bound - above[last]  # score of the chain alone
        if self.chart.base[cell, last] > -np.inf:
            steps = tuple(DerivationStep(int(rules.parent[rule]), 1, float(rules.score[rule])) for rule in chain)
            score = gained + self.chart.base[cell, last]
            below = (key._replace(symbol=last, chain=False), 0)
            heappush(node.agenda, (-score, next(self._younger), _Found(score, steps, (below,))))
        for rule in range(rules.start[last], rules.start[last + 1]):
            child = rules.child[rule]
            if rule not in chain and above[child] > -np.inf:
                score = gained + rules.score[rule] + above[child]
                heappush(node.agenda, (-score, next(self._younger), (*chain, rule)))

    def _ways(self, key: _Key) -> Iterator[tuple[float, _Found]]:
        """Yield the best derivation of each way to make a node without a unary rule on top, the best first."""
        start, length, symbol, _ = key
        if length == 1:
            score = float(self.chart.base[start, symbol])
            yield score, _Found(score, (DerivationStep(symbol, 0, score),), ())
            return
        rules = self.grammar.by_parent
        own, parts, scores = self.chart.binary_ways(start, length, symbol)
        for way in _descending(scores):
            rule, part, score = int(own[way]), int(parts[way]), float(scores[way])
            left = _Key(start, part, int(rules.left[rule]), True)
            right = _Key(start + part, length - part, int(rules.right[rule]), True)
            yield score, _Found(score, (DerivationStep(symbol, 2, float(rules.score[rule])),), ((left, 0), (right, 0)))


def _descending(scores: Floats) -> Iterator[int]:
    """Yield the indices of the largest, second largest, ... score; they are sorted if more than one is needed."""
    if len(scores):
        best = int(scores.argmax())
        yield best
        yield from (int(index) for index in np.argsort(-scores, kind="stable") if index != best)


def sample_tree(chart: Chart, generator: np.random.Generator) -> ProbabilisticTree:
    """Draw a tree from the distribution of the trees of a sentence, given the sentence.

    Args:
        chart: a chart with the reduction "sum".
        generator: source of the random numbers.
    """
    grammar = chart.grammar
    steps: list[DerivationStep] = []
    agenda = [(0, len(chart.words), grammar.start)]
    while agenda:
        start, length, symbol = agenda.pop()
        cell = chart.cell(start, length)
        symbol = _sample_chain(chart, cell, symbol, generator, steps)
        if length == 1:
            steps.append(DerivationStep(symbol, 0, float(chart.base[cell, symbol])))
            continue
        own, parts, scores = chart.binary_ways(start, length, symbol)
        way = _draw(scores, generator)
        rule, part = own[way], int(parts[way])
        steps.append(DerivationStep(symbol, 2, float(grammar.by_parent.score[rule])))
        agenda.append((start + part, length - part, int(grammar.by_parent.right[rule])))
        agenda.append((start, part, int(grammar.by_parent.left[rule])))
    return derived_tree(steps, chart.words, grammar)


def _sample_chain(
    chart: Chart, cell: int, symbol: int, generator: np.random.Generator, steps: list[DerivationStep]
) -> int:
    """Draw unary rules above a span, from ``symbol`` down; return the last symbol."""
    rules, above = chart.grammar.unary, chart.above(cell)
    while True:
        own = slice(rules.start[symbol], rules.start[symbol + 1])
        options = np.append(rules.score[own] + above[rules.child[own]], chart.base[cell, symbol])
        drawn = _draw(options, generator)
        if drawn == len(options) - 1:
            return symbol
        steps.append(DerivationStep(symbol, 1, float(rules.score[own][drawn])))
        symbol = int(rules.child[own][drawn])


def _draw(scores: Floats, generator: np.random.Generator) -> int:
    """Draw an index with a probability proportional to ``exp(scores)``."""
    weights = np.cumsum(np.exp(scores - scores.max()))
    return int(np.searchsorted(weights, generator.random() * weights[-1], side="right"))
