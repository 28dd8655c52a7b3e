"""Exact parsing with probabilistic context-free grammars of any size: best trees, probabilities, marginals, samples."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from nltk import PCFG, ProbabilisticTree

from parsers.binary_grammar import BinaryGrammar
from parsers.derivations import KBest, sample_tree
from parsers.errors import NoParseError
from parsers.inside import Chart, Reduction, no_parse


class CkyParser:
    """Parser for an `nltk.PCFG` by the CKY algorithm in NumPy, see `parsers.inside`.

    It takes the terminals of the grammar as they are and is made for grammars of treebanks, with many thousand rules.
    `GrammarParser` takes any grammar and looks words up in several spellings.

    Args:
        grammar: the grammar. Rules may have any number of children and unary rules may have cycles.
        beam: prune symbols whose score, times the expected number of times that the symbol is in a tree, is less than
            ``exp(-beam)`` of the best over the same words; None for exact results. What is pruned is missing from
            all results: probabilities are lower bounds.

    >>> from parsers import brackets, load_grammar
    >>> parser = CkyParser(load_grammar("duck"))
    >>> words = "the boy saw her duck".split()
    >>> for tree in parser.parses(words):
    ...     print(f"{tree.prob():.6f}", brackets(tree))
    0.002881 (S (NP (Det the) (Noun boy)) (VP (Verb saw) (NP (Det her) (Noun duck))))
    0.002117 (S (NP (Det the) (Noun boy)) (VP (Verb saw) (SC (NP (Pron her)) (Bare duck))))
    >>> print(f"{np.exp(parser.log_probability(words)):.6f}")
    0.004998
    >>> round(parser.marginals(words)["SC", 4, 5], 4)
    0.4235

    Raises:
        GrammarError: not a PCFG.
    """

    def __init__(self, grammar: PCFG, beam: float | None = None) -> None:
        self.grammar, self.beam = BinaryGrammar(grammar), beam

    def chart(self, words: Sequence[str], reduction: Reduction = "max") -> Chart:
        """Return the chart of a sentence; raises the errors of `Chart`."""
        return Chart(self.grammar, words, reduction, self.beam)

    def parses(self, words: Sequence[str]) -> Iterator[ProbabilisticTree]:
        """Return an iterator over the trees, most probable first, with no rule twice in a chain of unary rules.

        Raises:
            EmptySentenceError: there are no words.
            UnknownWordError: a word is not in the grammar.
            NoParseError: the words cannot be derived from the start symbol.
        """
        return iter(KBest(self._possible(words, "max")))

    def parse(self, words: Sequence[str]) -> ProbabilisticTree:
        """Return the most probable tree; raises the errors of `parses`."""
        return next(self.parses(words))

    def log_probability(self, words: Sequence[str]) -> float:
        """Return the logarithm of the probability of a sentence, the sum over all its trees; -inf if there are none.

        Raises:
            EmptySentenceError: there are no words.
            UnknownWordError: a word is not in the grammar.
            GrammarError: a cycle of unary rules has probability 1.
        """
        return self.chart(words, "sum").log_probability

    def marginals(self, words: Sequence[str]) -> dict[tuple[str, int, int], float]:
        """Return the expected number of phrases with each label, first word and last word (from 1), given the sentence.

        That is the probability of such a phrase, unless unary rules have a cycle.

        Raises:
            NoParseError: the words cannot be derived from the start symbol. Other errors as for `log_probability`.
        """
        values = self._possible(words, "sum").marginals()
        starts = [
            (start, start + length) for length in range(1, len(words) + 1) for start in range(len(words) - length + 1)
        ]
        found: dict[tuple[str, int, int], float] = {}
        for cell, symbol in zip(*np.nonzero(values), strict=True):
            label = self.grammar.label(symbol)
            if label is not None:
                start, end = starts[cell]
                found[label, start + 1, end] = found.get((label, start + 1, end), 0.0) + float(values[cell, symbol])
        return found

    def samples(
        self, words: Sequence[str], generator: np.random.Generator, size: int | None = None
    ) -> Iterator[ProbabilisticTree]:
        """Return an iterator over ``size`` random trees (None for no end), drawn from all trees of the sentence.

        Raises:
            NoParseError: the words cannot be derived from the start symbol. Other errors as for `log_probability`.
        """
        chart = self._possible(words, "sum")
        return islice(iter(lambda: sample_tree(chart, generator), None), size)

    def _possible(self, words: Sequence[str], reduction: Reduction) -> Chart:
        chart = self.chart(words, reduction)
        if chart.log_probability == -np.inf:
            raise NoParseError(no_parse(self.grammar, words))
        return chart
