"""Parser for grammars that were estimated from a treebank: every sentence gets a tree with the treebank's labels."""

import gzip
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from unicodedata import normalize

import numpy as np
from nltk import PCFG, Tree

from parsers.api import Parser, Parses
from parsers.binary_grammar import BinaryGrammar, Floats, Ints
from parsers.consensus import Consensus
from parsers.derivations import KBest
from parsers.errors import GrammarError
from parsers.induction import original_tree
from parsers.inside import Chart
from parsers.loading import load_grammar
from parsers.tokens import tokens_and_words
from parsers.transform import without_root
from parsers.word_classes import ANY, class_of, is_class

_BRACKETS = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
Tags = tuple[Ints, Floats]


class TreebankParser(Parser):
    """Parser for a grammar of `induce_grammar`.

    The probability of a known word is that of the word plus ``class_weight`` times that of its class, so that a rare
    word can have tags with which it was never seen. A sentence without a parse within the beam is parsed with one
    twice as wide; if there is none either, or if it has more than ``max_words`` words, its tree is flat: FRAG.

    Args:
        grammar: the grammar.
        beam: see `CkyParser`.
        class_weight: weight of the class of a known word.
        threshold: the tree is the one with the most right brackets to be expected, see `Consensus`; None for the most
            probable tree, which takes half the time and of which `parses` has the next best.
        max_words: longest sentence that is parsed. Memory is quadratic in the number of words, 460 MB for 100 words
            with the bundled grammar, and time cubic: a sentence of 100 words takes some 15 times as long as one of 40.

    >>> from nltk import Tree
    >>> from parsers import brackets, induce_grammar
    >>> trees = ["(S (NP (PRP it)) (VP (VBZ rains)))", "(S (NP (DT the) (NN duck)) (VP (VBZ swims)))"]
    >>> parser = TreebankParser(induce_grammar(map(Tree.fromstring, trees), min_class=1))
    >>> print(brackets(parser.parse("the newt swims")))
    (S (NP (DT the) (NN newt)) (VP (VBZ swims)))

    Raises:
        GrammarError: the grammar has no probabilities or no class of words.
    """

    def __init__(
        self,
        grammar: PCFG,
        beam: float | None = 10.0,
        class_weight: float = 1e-3,
        threshold: float | None = 0.4,
        max_words: int = 100,
    ) -> None:
        self.grammar, self.beam, self.class_weight, self.max_words = (
            BinaryGrammar(grammar),
            beam,
            class_weight,
            max_words,
        )
        self._consensus = None if threshold is None else Consensus(self.grammar, threshold)
        self._classes = frozenset(filter(is_class, self.grammar.lexicon))
        if ANY not in self._classes:
            raise GrammarError(f"the grammar has no rule for {ANY!r}, the words that it does not have")

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the trees of a sentence, best first.

        Raises:
            EmptySentenceError: the sentence has no words.
            SentenceError: the sentence is too long for NLTK's tokenizer.
        """
        _, words = tokens_and_words(sentence)
        return Parses(self._trees(words), words, [])

    def _trees(self, words: list[str]) -> Iterator[Tree]:
        tags = [self._tags(word, position == 0) for position, word in enumerate(words)]
        if len(words) <= self.max_words:
            for beam in (self.beam, self.beam and 2 * self.beam):
                chart = Chart(self.grammar, words, "sum" if self._consensus else "max", beam, tags)
                if chart.log_probability == -np.inf:
                    continue
                if self._consensus:
                    yield without_root(self._consensus.tree(chart))
                else:
                    yield from (original_tree(tree, words) for tree in KBest(chart))
                return
        best = [self.grammar.label(int(s[(p + self.grammar.expected[s]).argmax()])) for s, p in tags]
        flat = Tree("FRAG", [Tree(tag or "", [word]) for tag, word in zip(best, words, strict=True)])
        yield original_tree(flat, words)

    def _tags(self, word: str, first: bool) -> Tags:
        """Return the symbols that can be above a word, and the logarithms of their probabilities."""
        lexicon = self.grammar.lexicon
        word = normalize("NFC", word)
        written = _BRACKETS.get(word, word)
        forms = [] if is_class(word) else [form for form in dict.fromkeys((written, word.lower())) if form in lexicon]
        if not first:
            forms = [form for form in forms if form == written]
        sums: dict[int, float] = defaultdict(float)
        options = [(form, 1.0) for form in forms]
        options.append((class_of(word, first, self._classes), self.class_weight if forms else 1.0))
        for terminal, weight in options:
            for symbol, score in zip(*lexicon[terminal], strict=True):
                sums[int(symbol)] += weight * float(np.exp(score))
        return np.array(list(sums), np.intp), np.log(list(sums.values()))


def english_pcfg() -> TreebankParser:
    """Return a parser of English: the bundled grammar of MASC, whose first lines have its source."""
    data = (files("parsers") / "grammars" / "english-pcfg.cfg.gz").read_bytes()
    return TreebankParser(load_grammar(gzip.decompress(data).decode()))
