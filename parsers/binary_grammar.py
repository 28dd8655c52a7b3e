"""A probabilistic context-free grammar as arrays: symbols are numbers, rules are binary, unary or lexical."""

from collections.abc import Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from nltk import PCFG, Nonterminal
from nltk.grammar import is_terminal
from numpy.typing import NDArray

from parsers.errors import GrammarError, UnknownWordError

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class BinaryRules(NamedTuple):
    """Rules A -> B C, ordered by one of their symbols.

    Attributes:
        parent: A of each rule.
        left: B of each rule.
        right: C of each rule.
        score: logarithm of the probability of each rule.
        start: for each symbol, its first rule in this order; one entry more than there are symbols.
    """

    parent: Ints
    left: Ints
    right: Ints
    score: Floats
    start: Ints


class UnaryRules(NamedTuple):
    """Rules A -> B, or chains of them, ordered by A or by B; the attributes are those of `BinaryRules`."""

    parent: Ints
    child: Ints
    score: Floats
    start: Ints


class BinaryGrammar:
    """An `nltk.PCFG` with at most two symbols on the right side of each rule.

    A -> B C D becomes A -> [B C] D and [B C] -> B C, where [B C] is a new symbol, which all rules that begin with B C
    share. A word beside other symbols becomes a new symbol too. Every tree has the same probability as before. Rules of
    probability 0 and rules with an empty right side are not used, as no phrase is empty; a rule that is given twice
    has the sum of the probabilities.

    Args:
        grammar: the grammar.

    Attributes:
        symbols: nonterminal of each number, or None for a new symbol.
        start: number of the start symbol.
        lexicon: for each word, the symbols above it and the logarithms of the probabilities.
        by_left: binary rules, ordered by the left child.
        by_parent: binary rules, ordered by the parent.
        unary: unary rules, ordered by the parent.

    Raises:
        GrammarError: not a PCFG.
    """

    def __init__(self, grammar: PCFG) -> None:
        if not isinstance(grammar, PCFG):
            raise GrammarError(f"expected a grammar with probabilities (nltk.PCFG), got {type(grammar).__name__}")
        self._numbers: dict[Any, int] = {}
        self.symbols: list[Nonterminal | None] = []
        self.start = self._number(grammar.start())
        binary: dict[tuple[int, int, int], float] = {}
        unary: dict[tuple[int, int], float] = {}
        lexical: dict[tuple[str, int], float] = {}
        for rule in grammar.productions():
            if not rule.prob() or not rule.rhs():
                continue
            parent = self._number(rule.lhs())
            if len(rule.rhs()) == 1:
                word = rule.rhs()[0]
                table: dict[Any, float] = lexical if is_terminal(word) else unary
                key: Any = (word, parent) if is_terminal(word) else (parent, self._number(word))
            else:
                table, key = binary, (parent, *self._split(rule.rhs(), binary, lexical))
            table[key] = table.get(key, 0.0) + rule.prob()
        size = len(self.symbols)
        rules = np.array(list(binary), np.intp).reshape(-1, 3).T, np.log(list(binary.values()))
        self.by_left = BinaryRules(*_ordered(*rules, 1, size))
        self.by_parent = BinaryRules(*_ordered(*rules, 0, size))
        chains = np.array(list(unary), np.intp).reshape(-1, 2).T, np.log(list(unary.values()))
        self.unary = UnaryRules(*_ordered(*chains, 0, size))
        self.lexicon: dict[str, tuple[Ints, Floats]] = {}
        by_word: dict[str, list[tuple[int, float]]] = {}
        for (word, parent), probability in lexical.items():
            by_word.setdefault(word, []).append((parent, probability))
        for word, tags in by_word.items():
            self.lexicon[word] = np.array([tag for tag, _ in tags], np.intp), np.log([p for _, p in tags])

    def __len__(self) -> int:
        return len(self.symbols)

    def label(self, symbol: int) -> str | None:
        """Return the label of a symbol, or None if it is a new one, which no tree has."""
        name = self.symbols[symbol]
        return None if name is None else str(name.symbol())

    def tags(self, words: Sequence[str]) -> list[tuple[Ints, Floats]]:
        """Return the symbols above each word, and the logarithms of their probabilities.

        Raises:
            UnknownWordError: a word is not in the grammar.
        """
        unknown = next((i for i, word in enumerate(words) if word not in self.lexicon), None)
        if unknown is not None:
            raise UnknownWordError(f"the grammar has no word {words[unknown]!r} (word {unknown + 1})")
        return [self.lexicon[word] for word in words]

    def _number(self, key: Any) -> int:
        number = self._numbers.setdefault(key, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(key if isinstance(key, Nonterminal) else None)
        return number

    def _split(
        self,
        children: Sequence[Any],
        binary: dict[tuple[int, int, int], float],
        lexical: dict[tuple[str, int], float],
    ) -> tuple[int, int]:
        """Return the two children of a rule with at least two, after new symbols and their rules are made."""
        numbers = []
        for child in children:
            if is_terminal(child):
                numbers.append(self._number(("word", child)))
                lexical[child, numbers[-1]] = 1.0
            else:
                numbers.append(self._number(child))
        left = numbers[0]
        for right in numbers[1:-1]:
            pair = self._number((left, right))
            binary[pair, left, right] = 1.0
            left = pair
        return left, numbers[-1]

    @cached_property
    def best_chains(self) -> UnaryRules:
        """The best chain of unary rules from each symbol to each other that can be reached, ordered by the child."""
        return self._chains(self._best_chain_scores())

    @cached_property
    def all_chains(self) -> UnaryRules:
        """The sums over all chains of unary rules, cycles included, ordered by the child: (I - U)⁻¹ - I.

        Raises:
            GrammarError: the sum is not finite, as a cycle of unary rules never ends.
        """
        own, U = self._unary_matrix()
        try:
            sums = np.linalg.inv(np.eye(len(own)) - np.exp(U)) - np.eye(len(own))
        except np.linalg.LinAlgError:
            sums = np.full_like(U, -1.0)
        reached = self._best_chain_scores()[1] > -np.inf
        if (sums[reached] <= 0).any():
            raise GrammarError("the unary rules have a cycle of probability 1, which no derivation leaves")
        return self._chains((own, np.log(sums, where=reached, out=np.full_like(U, -np.inf))))

    @cached_property
    def expected(self) -> Floats:
        """Logarithm of the expected number of times that each symbol is in a tree of the grammar: (I - Mᵀ)⁻¹ e(start).

        All 0 if the trees of the grammar have no finite expected size.
        """
        size = len(self)
        M = np.zeros((size, size))
        for rules, children in ((self.by_parent, ("left", "right")), (self.unary, ("child",))):
            for name in children:
                np.add.at(M, (rules.parent, getattr(rules, name)), np.exp(rules.score))
        try:
            counts = np.linalg.solve(np.eye(size) - M.T, np.eye(size)[self.start])
        except np.linalg.LinAlgError:
            return np.zeros(size)
        unused = np.abs(counts) < 1e-12
        if (counts[~unused] < 0).any():  # the series diverges
            return np.zeros(size)
        return np.log(counts, where=~unused, out=np.full(size, -np.inf))

    def chain(self, parent: int, child: int) -> list[int]:
        """Return the symbols of the best chain of unary rules from ``parent`` to ``child`` (Dijkstra's algorithm)."""
        younger = count()
        agenda: list[tuple[float, int, int, int]] = [(0.0, next(younger), parent, -1)]
        above: dict[int, int] = {}
        while child not in above:
            cost, _, symbol, from_symbol = heappop(agenda)
            if symbol in above:
                continue
            above[symbol] = from_symbol
            for rule in range(self.unary.start[symbol], self.unary.start[symbol + 1]):
                step = cost - self.unary.score[rule]
                heappush(agenda, (step, next(younger), int(self.unary.child[rule]), symbol))
        path = [child]
        while path[-1] != parent:
            path.append(above[path[-1]])
        return path[::-1]

    def _unary_matrix(self) -> tuple[Ints, Floats]:
        """Return the symbols of the unary rules, and the logarithms of U, the matrix of their probabilities."""
        own = np.unique(np.concatenate([self.unary.parent, self.unary.child]))
        U = np.full((len(own), len(own)), -np.inf)
        U[np.searchsorted(own, self.unary.parent), np.searchsorted(own, self.unary.child)] = self.unary.score
        return own, U

    def _best_chain_scores(self) -> tuple[Ints, Floats]:
        own, best = self._unary_matrix()
        if not len(own):
            return own, best
        parent, child = np.searchsorted(own, self.unary.parent), np.searchsorted(own, self.unary.child)
        parents, first = np.unique(parent, return_index=True)
        for _ in own:  # one step longer each time: no best chain has a symbol twice
            longer = np.maximum.reduceat(best[child] + self.unary.score[:, None], first, axis=0)
            better = longer > best[parents]
            if not better.any():
                break
            best[parents] = np.maximum(best[parents], longer)
        return own, best

    def _chains(self, scores: tuple[Ints, Floats]) -> UnaryRules:
        own, matrix = scores
        rows, columns = np.nonzero(matrix > -np.inf)
        pairs = np.stack([own[rows], own[columns]]) if len(own) else np.empty((2, 0), np.intp)
        return UnaryRules(*_ordered(pairs, matrix[rows, columns], 1, len(self)))


def _ordered(symbols: Ints, scores: Floats, by: int, size: int) -> tuple[Any, ...]:
    """Order rules by their symbol in row ``by``, and return the columns, the scores and the start of each symbol."""
    order = np.argsort(symbols[by], kind="stable")
    start = np.searchsorted(symbols[by][order], np.arange(size + 1))
    return (*(row[order] for row in symbols), np.asarray(scores)[order], start)
