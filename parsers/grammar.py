"""Parsing of sentences with grammars: all parses, lazily and best first, or the best one."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from nltk import CFG, Nonterminal
from nltk.grammar import FeatureGrammar, is_terminal
from nltk.parse.chart import Chart

from parsers.api import Parser, Parses
from parsers.chart import Budget, build_chart, roots_of, symbol_name
from parsers.errors import EmptySentenceError, NoParseError, SentenceError, UnknownWordError
from parsers.forest import ParseForest
from parsers.tokens import Spellings, is_sentence_punctuation, tokenize, typed_quotes

MAX_EDGES = 1_000_000
MAX_FEATURE_EDGES = 100_000  # they take ten times as long
_SHOWN = 5  # phrases or words in a message
_SUGGESTED_FROM = 20_000  # words; a search for similar words in a larger lexicon takes seconds


class _Found(NamedTuple):
    """A word of a sentence and the words of the grammar that it can stand for."""

    word: str
    spellings: list[str]


class GrammarParser(Parser):
    """Parser for a context-free grammar: plain (`nltk.CFG`), probabilistic (`nltk.PCFG`) or with features.

    A sentence is a string, which is split into words by the Penn Treebank's conventions, or a list of tokens, which
    suits grammars with other words (``"don't"``, ``'New York'``). A word stands for the word of the grammar that is
    written like it, in lower case or capitalised: ``May dogs run`` has the readings of ``May`` and ``may``. Trees have
    the words as written.

    Full stops, commas, semicolons, colons, question and exclamation marks and quotes that are not in the grammar are
    dropped from a string, see `Parses`, but not from a list. All other words that are not in the grammar are errors.

    Every phrase of a tree has at least one word: rules with an empty right side (``Det -> ``) are not used. The labels
    of trees of a feature grammar (`nltk.grammar.FeatureGrammar`) are the symbols without their features, and trees that
    differ in features alone are one.

    Args:
        grammar: the grammar, see `load_grammar`.
        max_edges: largest number of edges in the chart of a sentence. An edge is counted once for each way to make it
            of two smaller ones. None for `MAX_EDGES`, a million, which take up to a gigabyte, or for a grammar with
            features `MAX_FEATURE_EDGES`, a tenth of that.
        timeout: seconds for the chart of a sentence, and for the search for each of its trees; None for no limit.

    >>> from parsers import brackets, load_grammar
    >>> parser = GrammarParser(load_grammar("duck"))
    >>> for tree in parser.parses("The boy saw her duck."):
    ...     print(f"{tree.prob():.6f}", brackets(tree))
    0.002881 (S (NP (Det The) (Noun boy)) (VP (Verb saw) (NP (Det her) (Noun duck))))
    0.002117 (S (NP (Det The) (Noun boy)) (VP (Verb saw) (SC (NP (Pron her)) (Bare duck))))
    >>> parser.parses("The boy saw her duck.").dropped
    ['.']
    """

    def __init__(self, grammar: CFG, max_edges: int | None = None, timeout: float | None = None) -> None:
        most = MAX_FEATURE_EDGES if isinstance(grammar, FeatureGrammar) else MAX_EDGES
        self.grammar, self.max_edges, self.timeout = grammar, most if max_edges is None else max_edges, timeout
        self.start: Nonterminal = grammar.start()
        self.lexicon = frozenset(s for p in grammar.productions() for s in p.rhs() if is_terminal(s))
        self._spellings = Spellings(self.lexicon)

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over all parses of ``sentence``.

        The trees are built one by one, so that the first few of a highly ambiguous sentence are cheap. With a PCFG
        they are `nltk.ProbabilisticTree` objects, most probable first. Errors are raised by the call itself, not by the
        iteration, but for a limit that is reached by the search for a further tree.

        Raises:
            EmptySentenceError: the sentence has no words.
            UnknownWordError: words are not in the grammar.
            NoParseError: the words cannot be derived from the start symbol.
            LimitError: ``max_edges`` or ``timeout`` was reached.
            SentenceError: a token is not a string, or the sentence is too long for NLTK's tokenizer.
        """
        found, dropped = self._look_up(sentence)
        words = [one.word for one in found]
        budget = Budget(_shown(sentence), self.max_edges, self.timeout)
        chart = build_chart(self.grammar, [one.spellings for one in found], budget)
        roots = roots_of(chart, self.grammar)
        if not roots:
            raise NoParseError(self._why_not(words, chart))
        return Parses(ParseForest(chart, roots, words, self.grammar).trees(budget), words, dropped)

    def _look_up(self, sentence: str | Sequence[str]) -> tuple[list[_Found], list[str]]:
        """Return the words to parse and the punctuation that is dropped."""
        tokens = tokenize(sentence)
        wrong = next((i for i, token in enumerate(tokens) if not isinstance(token, str)), None)
        if wrong is not None:
            raise SentenceError(f"token {wrong + 1} is not a string: {tokens[wrong]!r}")
        shown, dropped = _shown(sentence), []
        if isinstance(sentence, str):
            found = [self._written(*pair) for pair in zip(typed_quotes(sentence, tokens), tokens, strict=True)]
            dropped = [one.word for one in found if not one.spellings and is_sentence_punctuation(one.word)]
            found = [one for one in found if one.spellings or not is_sentence_punctuation(one.word)]
        else:
            found = [_Found(token, self._spellings.of(token)) for token in tokens]
        if not found:
            raise EmptySentenceError(f"sentence {shown}: no words")
        unknown = [i for i, one in enumerate(found) if not one.spellings or not one.word]
        if unknown:
            names = [self._unknown(found[i].word, i) for i in unknown[:_SHOWN]]
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise UnknownWordError(f"sentence {shown}: the grammar has no word {', '.join(names)}{more}")
        return found, dropped

    def _written(self, typed: str, token: str) -> _Found:
        """Look up a quote as it was typed, and otherwise as the Penn Treebank writes it."""
        for word in (typed, token):
            if spellings := self._spellings.of(word):
                return _Found(word, spellings)
        return _Found(typed, [])

    def _unknown(self, token: str, index: int) -> str:
        near = get_close_matches(token, self.lexicon, n=1) if len(self.lexicon) <= _SUGGESTED_FROM else []
        return f"{_shown(token)} (word {index + 1}{f', did you mean {near[0]!r}?' if near else ''})"

    def _why_not(self, words: list[str], chart: Chart) -> str:
        phrases = [edge for edge in chart.select(is_complete=True) if not is_terminal(edge.lhs())]
        longest = max((edge.length() for edge in phrases), default=0)
        found = sorted(
            {f"{symbol_name(e.lhs())} {_shown(words[e.start() : e.end()])}" for e in phrases if e.length() == longest}
        )
        rules = self.grammar.productions()
        left = {symbol_name(p.lhs()) for p in rules}
        unruled = sorted({symbol_name(s) for p in rules for s in p.rhs() if not is_terminal(s)} - left)
        empty = next((p for p in rules if not any(p.rhs())), None)
        return (
            f"sentence {_shown(words)}: no parse as {symbol_name(self.start)}, the start symbol of the grammar; "
            f"longest phrases found: {_several(found) or 'none'}"
            + (f"; the grammar has no rule for {_several(unruled)}" if unruled else "")
            + (
                f"; a rule with an empty right side ({empty}) is not used, as a phrase has words"
                if empty is not None
                else ""
            )
        )


def _several(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _shown(sentence: str | Sequence[str]) -> str:
    text = sentence if isinstance(sentence, str) else " ".join(map(str, sentence))
    return repr(text if len(text) <= 80 else text[:77] + "...")
