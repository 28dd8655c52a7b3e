from collections import Counter
from itertools import islice, pairwise
from math import exp, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nltk import PCFG, InsideChartParser, Nonterminal, ProbabilisticProduction, Tree, ViterbiParser
from nltk.grammar import is_terminal

from parsers import (
    CkyParser,
    EmptySentenceError,
    GrammarError,
    GrammarParser,
    NoParseError,
    UnknownWordError,
    constituents,
    load_grammar,
)

WORDS = ["a", "b", "c"]
SYMBOLS = [Nonterminal(name) for name in "SABC"]
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)


@st.composite
def grammars(draw, cycles=False):
    """Grammars with rules of one to four symbols and words, in which each word has at least one symbol."""
    rules = {}
    for level, parent in enumerate(SYMBOLS):
        below = SYMBOLS if cycles else SYMBOLS[level + 1 :]
        sides = [st.tuples(st.sampled_from(WORDS)), *([st.tuples(st.sampled_from(below))] if below else [])]
        sides += [st.lists(st.sampled_from(SYMBOLS + WORDS), min_size=2, max_size=4).map(tuple)]
        rules[parent] = draw(st.lists(st.one_of(sides), min_size=1, max_size=5, unique=True))
    rules[SYMBOLS[-1]] += [(word,) for word in WORDS if (word,) not in rules[SYMBOLS[-1]]]
    made = []
    for parent, sides in rules.items():
        weights = [draw(st.integers(1, 9)) for _ in sides]
        made += [ProbabilisticProduction(parent, s, prob=w / sum(weights)) for s, w in zip(sides, weights, strict=True)]
    return PCFG(SYMBOLS[0], made)


def all_trees(grammar, tokens):
    """Every tree over the tokens, with its probability, by plain recursion over the rules."""

    def spans(symbols, start, end):
        if not symbols:
            if start == end:
                yield [], 1.0
            return
        first, *rest = symbols
        for middle in range(start + 1, end - len(rest) + 1) if rest else [end]:
            for child, p in derive(first, start, middle):
                for children, q in spans(rest, middle, end):
                    yield [child, *children], p * q

    def derive(symbol, start, end):
        if is_terminal(symbol):
            if end - start == 1 and tokens[start] == symbol:
                yield symbol, 1.0
            return
        for rule in grammar.productions(lhs=symbol):
            if len(rule.rhs()) <= end - start:
                for children, p in spans(list(rule.rhs()), start, end):
                    yield Tree(symbol.symbol(), children), rule.prob() * p

    return list(derive(grammar.start(), 0, len(tokens)))


def labelled_spans(tree):
    return [(c.node.label(), c.start, c.end) for c in constituents(tree) if isinstance(c.node, Tree)]


@given(grammars(), words)
@settings(max_examples=50)
def test_trees_sums_and_marginals_are_those_of_all_trees(grammar, tokens):
    expected = all_trees(grammar, tokens)
    assume(len(expected) <= 150)
    parser = CkyParser(grammar)
    if not expected:
        assert parser.log_probability(tokens) == -np.inf
        with pytest.raises(NoParseError, match="no parse as S"):
            parser.parse(tokens)
        return
    total = sum(p for _, p in expected)
    assert parser.log_probability(tokens) == pytest.approx(log(total))
    found = list(islice(parser.parses(tokens), 151))
    assert [tree.prob() for tree in found] == pytest.approx(sorted((p for _, p in expected), reverse=True))
    assert {str(Tree.convert(tree)) for tree in found} == {str(tree) for tree, _ in expected}
    marginals = Counter()
    for tree, p in expected:
        for span in labelled_spans(tree):
            marginals[span] += p / total
    values = parser.marginals(tokens)
    assert values == pytest.approx(dict(marginals), abs=1e-12)


@given(grammars(), words)
@settings(max_examples=30)
def test_best_tree_is_that_of_nltk(grammar, tokens):
    expected = next(iter(ViterbiParser(grammar).parse(tokens)), None)
    assume(expected is not None)
    assert CkyParser(grammar).parse(tokens).prob() == pytest.approx(expected.prob())


@given(words)
@settings(max_examples=20)
def test_sum_is_that_of_the_trees_of_nltk(tokens):
    grammar = PCFG.fromstring(
        "S -> S S [0.3] | A B [0.3] | A [0.2] | 'c' [0.2]\nA -> 'a' [0.6] | S B [0.4]\nB -> 'b' [1]"
    )
    expected = sum(tree.prob() for tree in InsideChartParser(grammar).parse(tokens))
    assert exp(CkyParser(grammar).log_probability(tokens)) == pytest.approx(expected)


@given(grammars(cycles=True), words)
@settings(max_examples=40)
def test_cycles_of_unary_rules(grammar, tokens):
    parser = CkyParser(grammar)
    try:
        total = exp(parser.log_probability(tokens))
    except GrammarError:  # a cycle of probability 1
        assume(False)
    try:
        ours = list(islice(parser.parses(tokens), 20))
    except NoParseError:
        assert total == 0
        return
    expected = list(islice(GrammarParser(grammar).parses(tokens), 20))
    assert [tree.prob() for tree in ours] == pytest.approx([tree.prob() for tree in expected])
    assert sum(tree.prob() for tree in ours) <= total * (1 + 1e-9)


def test_the_sum_over_a_cycle_is_a_geometric_series():
    parser = CkyParser(PCFG.fromstring("S -> A [1]\nA -> B [0.5] | 'a' [0.5]\nB -> A [0.8] | 'b' [0.2]"))
    assert exp(parser.log_probability(["a"])) == pytest.approx(0.5 / (1 - 0.4))
    assert exp(parser.log_probability(["b"])) == pytest.approx(0.5 * 0.2 / (1 - 0.4))
    assert parser.marginals(["a"]) == pytest.approx({("S", 1, 1): 1, ("A", 1, 1): 1 / 0.6, ("B", 1, 1): 0.4 / 0.6})
    with pytest.raises(GrammarError, match="cycle of probability 1"):
        CkyParser(PCFG.fromstring("S -> A [1]\nA -> S [1]\nB -> 'b' [1]")).log_probability(["b"])


def test_samples_have_the_probabilities_of_the_trees():
    parser = CkyParser(PCFG.fromstring("S -> S S [0.4] | A [0.3] | 'a' [0.3]\nA -> S [0.5] | 'a' [0.5]"))
    tokens = ["a", "a", "a"]
    drawn = Counter(str(tree) for tree in parser.samples(tokens, np.random.default_rng(0), 2000))
    total = exp(parser.log_probability(tokens))
    for tree in islice(parser.parses(tokens), 4):
        expected = tree.prob() / total
        assert drawn[str(tree)] / 2000 == pytest.approx(expected, abs=4 * (expected / 2000) ** 0.5)
    first, again = (list(islice(parser.samples(tokens, np.random.default_rng(1)), 3)) for _ in range(2))
    assert first == again


def test_pruning_gives_lower_bounds_that_a_wide_beam_reaches():
    grammar = load_grammar("duck")
    tokens = ["the", "boy", "saw", "her", "duck"]
    exact = CkyParser(grammar)
    bounds = [CkyParser(grammar, beam).log_probability(tokens) for beam in (1.0, 2.0, 5.0, 50.0)]
    assert bounds[0] < exact.log_probability(tokens)
    assert all(a <= b for a, b in pairwise(bounds))
    assert bounds[-1] == exact.log_probability(tokens)
    assert CkyParser(grammar, 50.0).parse(tokens) == exact.parse(tokens)


def test_long_sentences_need_no_recursion():
    parser = CkyParser(PCFG.fromstring("S -> A S [0.9] | 'a' [0.1]\nA -> 'a' [1]"))
    tree = parser.parse(["a"] * 400)
    assert tree.logprob() * log(2) == pytest.approx(399 * log(0.9) + log(0.1))
    assert parser.log_probability(["a"] * 400) == pytest.approx(399 * log(0.9) + log(0.1))


def test_errors_name_the_word_and_the_start_symbol():
    parser = CkyParser(load_grammar("duck"))
    with pytest.raises(UnknownWordError, match=r"'cat' \(word 2\)"):
        parser.parse(["the", "cat"])
    with pytest.raises(EmptySentenceError):
        parser.parse([])
    with pytest.raises(NoParseError, match="no parse as S"):
        parser.marginals(["the", "duck"])
    with pytest.raises(GrammarError, match="probabilities"):
        CkyParser(load_grammar("telescope"))
