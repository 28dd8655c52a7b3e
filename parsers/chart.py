"""Charts of sentences, built with NLTK's rules for bottom-up left-corner parsing, within limits that are ours.

`nltk.ChartParser` is not used: since NLTK 3.10 it has a limit of 5 seconds, so that a result depends on the load of the
machine, and it keeps every list of children of a rule, whose number is exponential in the length of the rule.
"""

from collections.abc import Collection, Sequence
from time import monotonic

from nltk import CFG, Nonterminal
from nltk.featstruct import TYPE, unify
from nltk.grammar import FeatureGrammar
from nltk.parse.chart import BottomUpPredictCombineRule, Chart, EdgeI, LeafEdge, SingleEdgeFundamentalRule
from nltk.parse.featurechart import (
    FeatureBottomUpPredictCombineRule,
    FeatureChart,
    FeatureSingleEdgeFundamentalRule,
    FeatureTreeEdge,
)

from parsers.errors import LimitError


class Budget:
    """The work that may be spent on a chart, or on the search for the next tree in it.

    Args:
        sentence: the sentence, for error messages.
        max_edges: the largest number of edges of a chart, counted once for each way to make them of two smaller ones;
            also the largest number of steps from one tree to the next.
        timeout: seconds; None for no limit.
    """

    def __init__(self, sentence: str, max_edges: int, timeout: float | None) -> None:
        self.sentence, self.max_edges, self.timeout = sentence, max_edges, timeout
        self.renew()

    def renew(self) -> None:
        """Start from zero, for the next tree."""
        self._left = self.max_edges
        self._deadline = None if self.timeout is None else monotonic() + self.timeout

    def spend(self) -> None:
        """Count an edge or a step.

        Raises:
            LimitError: there were too many, or the time is over.
        """
        self._left -= 1
        if self._left < 0:
            raise LimitError(
                f"sentence {self.sentence}: more than {self.max_edges:,} edges in the chart: increase max_edges "
                "(--max-edges), or take a shorter sentence or a less ambiguous grammar"
            )
        self.check_time()

    def check_time(self) -> None:
        """Raise LimitError if the time is over."""
        if self._deadline is not None and monotonic() > self._deadline:
            raise LimitError(
                f"sentence {self.sentence}: not parsed within {self.timeout:g} seconds: increase timeout (--timeout)"
            )


class _Packed:
    """Mixin for NLTK's charts, in which an edge has pairs of smaller edges in place of lists of all its children.

    ``child_pointer_lists(edge)`` are pairs of an edge with one child less and the last child, or single first children.
    """

    def __init__(self, tokens: list[str], budget: Budget) -> None:
        super().__init__(tokens)  # type: ignore[call-arg]
        self._budget = budget
        self._ways: dict[EdgeI, dict[tuple[EdgeI, ...], None]] = {}

    def child_pointer_lists(self, edge: EdgeI) -> Collection[tuple[EdgeI, ...]]:
        return self._ways.get(edge, {})

    def insert(self, edge: EdgeI, *ways: tuple[EdgeI, ...]) -> bool:
        """Return whether the edge is new; an edge that is only made in another way need not be looked at again."""
        known = self._ways.get(edge)
        if known is None:
            super().insert(edge)  # type: ignore[misc]
            self._ways[edge] = {}
        for way in ways:
            if way not in self._ways[edge]:
                self._budget.spend()
                self._ways[edge][way] = None
        return known is None

    def insert_with_backpointer(self, new_edge: EdgeI, previous_edge: EdgeI, child_edge: EdgeI) -> bool:
        return self.insert(new_edge, (previous_edge, child_edge))


class _Chart(_Packed, Chart):
    pass


class _FeatureChart(_Packed, FeatureChart):
    pass


# Without NLTK's EmptyPredictRule: a phrase has at least one word.
_RULES = [BottomUpPredictCombineRule(), SingleEdgeFundamentalRule()]
_FEATURE_RULES = [FeatureBottomUpPredictCombineRule(), FeatureSingleEdgeFundamentalRule()]


def build_chart(grammar: CFG, spellings: Sequence[Sequence[str]], budget: Budget) -> Chart:
    """Build the chart of a sentence.

    Args:
        grammar: the grammar.
        spellings: the terminals that each word of the sentence can stand for.
        budget: the limits.

    Raises:
        LimitError: a limit was reached.
    """
    made, rules = (_FeatureChart, _FEATURE_RULES) if isinstance(grammar, FeatureGrammar) else (_Chart, _RULES)
    chart = made([words[0] for words in spellings], budget)
    agenda = [LeafEdge(word, index) for index, words in enumerate(spellings) for word in words]
    for leaf in agenda:
        chart.insert(leaf, ())
    agenda.reverse()
    while agenda:
        budget.check_time()
        edge = agenda.pop()
        for rule in rules:
            agenda += rule.apply(chart, grammar, edge)
    return chart


def roots_of(chart: Chart, grammar: CFG) -> list[EdgeI]:
    """Return the edges over all words with the start symbol."""
    start, whole = grammar.start(), {"start": 0, "end": chart.num_leaves(), "is_complete": True}
    if not isinstance(grammar, FeatureGrammar):
        return list(chart.select(lhs=start, **whole))
    return [
        edge
        for edge in chart.select(**whole)
        if isinstance(edge, FeatureTreeEdge)
        and edge.lhs().get(TYPE) == start.get(TYPE)
        and unify(edge.lhs(), start, rename_vars=True) is not None
    ]


def symbol_name(symbol: Nonterminal) -> str:
    """Return the name of a symbol, without features."""
    return str(symbol.get(TYPE, "")) if isinstance(symbol, dict) else str(symbol.symbol())
