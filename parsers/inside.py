"""Charts of sentences with a PCFG in NumPy: the CKY algorithm over all spans of one length at a time.

The chart has a row for each span and a column for each symbol. All ways to make the spans of one length are listed at
once: pairs of a split and a symbol over its left part, joined with the binary rules that have this symbol as left
child. What is impossible, or pruned, is never listed.

Sources: T. Kasami, 1965; D. Younger, "Recognition and parsing of context-free languages in time n³", 1967; J. Baker,
"Trainable grammars for speech recognition", 1979 (inside and outside); A. Stolcke, "An efficient probabilistic
context-free parsing algorithm that computes prefix probabilities", 1995 (cycles of unary rules).
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from parsers.binary_grammar import BinaryGrammar, Floats, Ints, UnaryRules
from parsers.errors import EmptySentenceError, NoParseError

Reduction = Literal["max", "sum"]
_CHUNK = 1 << 20  # ways that are listed at once


class _Ways(NamedTuple):
    """Ways to make spans of one length by binary rules; each attribute has an entry per way."""

    rule: Ints  # number of the rule in by_left
    cell: Ints  # rows of the chart: the whole, its left and its right part
    left: Ints
    right: Ints


class Chart:
    """The scores of all symbols over all spans of a sentence.

    Args:
        grammar: the grammar.
        words: terminals of the grammar.
        reduction: "max" for the score of the best tree of a span and symbol, "sum" for that of all trees together.
        beam: prune symbols whose score, times the expected number of times that the symbol is in a tree, is less than
            ``exp(-beam)`` of the best in the same span; None for no pruning.
        tags: symbols above each word, and the logarithms of their probabilities; None for those of the grammar.

    Attributes:
        base: logarithms of the probabilities of the trees that have a word or a binary rule on top (spans, symbols).
        inside: the same with any rule on top, and -inf where pruned.

    Raises:
        EmptySentenceError: there are no words.
        UnknownWordError: a word is not in the grammar.
    """

    def __init__(
        self,
        grammar: BinaryGrammar,
        words: Sequence[str],
        reduction: Reduction = "max",
        beam: float | None = None,
        tags: Sequence[tuple[Ints, Floats]] | None = None,
    ) -> None:
        if not words:
            raise EmptySentenceError("expected at least one word to parse, got none")
        self.grammar, self.words, self.reduction, self.beam = grammar, list(words), reduction, beam
        self._chains = grammar.best_chains if reduction == "max" else grammar.all_chains
        n = len(words)
        self._above: dict[int, Floats] = {}
        # Spans in order of their length, then of their start.
        self._first = np.concatenate([[0], np.cumsum(np.arange(n, 0, -1))]).astype(np.intp)
        self.base = np.full((self._first[-1], len(grammar)), -np.inf)
        self.inside = self.base.copy()
        # Symbols of finished spans that are the left child of a rule, by span.
        self._has_rules = np.diff(grammar.by_left.start) > 0
        self._left_symbols: Ints = np.empty(0, np.intp)
        self._left_start: Ints = np.zeros(1, np.intp)
        for position, (symbols, scores) in enumerate(grammar.tags(words) if tags is None else tags):
            self.base[position, symbols] = scores
        for length in range(1, n + 1):
            self._fill(length)

    def cell(self, start: int, length: int) -> int:
        """Return the row of the span of ``length`` words from word ``start``, counted from 0."""
        return int(self._first[length - 1]) + start

    def above(self, cell: int) -> Floats:
        """Return the scores of all symbols over a span, as in ``inside``, but not pruned."""
        if cell not in self._above:
            rows = self.base[cell : cell + 1].copy()
            self._close(rows, self.base[cell : cell + 1], self._chains)
            self._above[cell] = rows[0]
        return self._above[cell]

    @property
    def log_probability(self) -> float:
        """Logarithm of the probability of the sentence (of its best tree, with "max"); -inf if there is no tree."""
        return float(self.above(len(self.base) - 1)[self.grammar.start])

    def outside(self) -> Floats:
        """Return the logarithms of the outside scores of all symbols over all spans (spans, symbols).

        The sum with ``inside``, less `log_probability`, is the logarithm of the expected number of nodes with this
        symbol and span in the trees of the sentence, or with "max", of the ratio of the best tree with such a node to
        the best tree.
        """
        outside = np.full_like(self.base, -np.inf)
        outside[-1, self.grammar.start] = 0.0
        backwards = _turned(self._chains, len(self.grammar))
        rules = self.grammar.by_left
        size = len(self.grammar)
        for length in range(len(self.words), 0, -1):
            span = slice(self._first[length - 1], self._first[length])
            self._close(outside[span], outside[span].copy(), backwards)
            for ways in self._ways(length):
                above = outside[ways.cell, rules.parent[ways.rule]] + rules.score[ways.rule]
                reached = np.flatnonzero(above > -np.inf)
                above, ways = above[reached], _Ways(*(column[reached] for column in ways))
                left, right = rules.left[ways.rule], rules.right[ways.rule]
                for cell, symbol, sister, sister_symbol in (
                    (ways.left, left, ways.right, right),
                    (ways.right, right, ways.left, left),
                ):
                    self._reduce(outside, cell * size + symbol, above + self.inside[sister, sister_symbol])
        return outside

    def marginals(self) -> Floats:
        """Return the expected number of nodes of each symbol and span, given the sentence (spans, symbols).

        Raises:
            NoParseError: the sentence has no tree.
        """
        total = self.log_probability
        if total == -np.inf:
            raise NoParseError(no_parse(self.grammar, self.words))
        inside = self.inside.copy()
        inside[-1] = self.above(len(inside) - 1)
        return np.exp(inside + self.outside() - total)

    def splits(self, length: int) -> tuple[Ints, Ints]:
        """Return the rows of the left and the right parts of all splits of all spans of a length (spans, splits)."""
        starts = np.arange(len(self.words) - length + 1)[:, None]
        parts = np.arange(1, length)
        return self._first[parts - 1] + starts, self._first[length - parts - 1] + starts + parts

    def binary_ways(self, start: int, length: int, symbol: int) -> tuple[Ints, Ints, Floats]:
        """Return rules (numbers in ``by_parent``), lengths of the left part, and scores of the ways to make a node."""
        rules = self.grammar.by_parent
        own = np.arange(rules.start[symbol], rules.start[symbol + 1])
        parts = np.arange(1, length)
        left = self._first[parts - 1] + start
        right = self._first[length - parts - 1] + start + parts
        scores = self.inside[left[:, None], rules.left[own]] + self.inside[right[:, None], rules.right[own]]
        part, rule = np.nonzero(scores > -np.inf)
        return own[rule], parts[part], scores[part, rule] + rules.score[own[rule]]

    def _fill(self, length: int) -> None:
        """Compute the scores of all spans of a length from those of shorter ones."""
        rules = self.grammar.by_left
        size = len(self.grammar)
        span = slice(self._first[length - 1], self._first[length])
        for ways in self._ways(length):
            left = self.inside[ways.left, rules.left[ways.rule]]
            scores = left + self.inside[ways.right, rules.right[ways.rule]] + rules.score[ways.rule]
            self._reduce(self.base[span], (ways.cell - span.start) * size + rules.parent[ways.rule], scores)
        rows = self.base[span].copy()
        self._close(rows, self.base[span], self._chains)
        if self.beam is not None:
            merit = rows + self.grammar.expected
            rows[merit < merit.max(1, keepdims=True) - self.beam] = -np.inf
        self.inside[span] = rows
        cells, symbols = np.nonzero((rows > -np.inf) & self._has_rules)
        self._left_symbols = np.concatenate([self._left_symbols, symbols])
        counts = np.bincount(cells, minlength=len(rows))
        self._left_start = np.concatenate([self._left_start, self._left_start[-1] + np.cumsum(counts)])

    def _ways(self, length: int) -> Iterator[_Ways]:
        """Yield all ways to make the spans of a length whose parts have finite scores."""
        if length == 1:
            return
        rules = self.grammar.by_left
        left, right = (part.ravel() for part in self.splits(length))
        cell = np.repeat(np.arange(self._first[length - 1], self._first[length]), length - 1)
        split, item = _ranges(self._left_start[left], self._left_start[left + 1])
        symbol = self._left_symbols[item]
        first, last = rules.start[symbol], rules.start[symbol + 1]
        total = np.cumsum(last - first)
        at = 0
        while at < len(total):
            done = total[at - 1] if at else 0
            stop = max(int(np.searchsorted(total, done + _CHUNK, side="right")), at + 1)
            which, rule = _ranges(first[at:stop], last[at:stop])
            of = split[at:stop][which]
            there = self.inside.ravel()[right[of] * len(self.grammar) + rules.right[rule]]
            possible = np.flatnonzero(there > -np.inf)
            rule, of = rule[possible], of[possible]
            yield _Ways(rule, cell[of], left[of], right[of])
            at = stop

    def _close(self, rows: Floats, base: Floats, chains: UnaryRules) -> None:
        """Reduce the scores ``base`` into ``rows`` by chains of unary rules, which are ordered by the child."""
        cells, symbols = np.nonzero(base > -np.inf)
        item, rule = _ranges(chains.start[symbols], chains.start[symbols + 1])
        scores = base[cells[item], symbols[item]] + chains.score[rule]
        self._reduce(rows, cells[item] * len(self.grammar) + chains.parent[rule], scores)

    def _reduce(self, rows: Floats, index: Ints, scores: Floats) -> None:
        """Take the largest, or the sum, of the scores and what is at ``index`` in the flattened ``rows``."""
        if not len(index):
            return
        flat = rows.reshape(-1)  # a view: rows are consecutive
        if self.reduction == "max":
            np.maximum.at(flat, index, scores)
            return
        # Not `np.logaddexp.at`, which takes ten times as long.
        largest, total = self._scratch
        np.maximum.at(largest, index, scores)
        np.add.at(total, index, np.exp(scores - largest[index]))
        flat[index] = np.logaddexp(flat[index], np.log(total[index]) + largest[index])
        largest[index], total[index] = -np.inf, 0.0

    @cached_property
    def _scratch(self) -> tuple[Floats, Floats]:
        """Room for `_reduce`: -inf and 0 wherever it is not at work."""
        return np.full(self.base.size, -np.inf), np.zeros(self.base.size)


def no_parse(grammar: BinaryGrammar, words: Sequence[str]) -> str:
    """Return the message of a `NoParseError`."""
    text = " ".join(words)
    shown = text if len(text) <= 80 else text[:77] + "..."
    return f"sentence {shown!r}: no parse as {grammar.label(grammar.start)}, the start symbol of the grammar"


def _ranges(start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Concatenate the ranges ``start[i]..stop[i]``; return the i of each entry, and the entries."""
    counts = stop - start
    of = np.repeat(np.arange(len(start)), counts)
    shift = start - (np.cumsum(counts) - counts)
    return of, np.arange(len(of)) + shift[of]


def _turned(chains: UnaryRules, size: int) -> UnaryRules:
    """Return chains with parent and child exchanged, ordered by the new child."""
    order = np.argsort(chains.parent, kind="stable")
    start = np.searchsorted(chains.parent[order], np.arange(size + 1))
    return UnaryRules(chains.child[order], chains.parent[order], chains.score[order], start)
