"""The tree with the largest expected number of right brackets, from the marginals of a chart."""

from functools import cached_property

import numpy as np
from nltk import Tree

from parsers.binary_grammar import BinaryGrammar, Floats, Ints
from parsers.induction import treebank_label
from parsers.inside import Chart
from parsers.span_chart import best_splits


class Consensus:
    """Search for the tree whose brackets have the largest sum of their probabilities, each less ``threshold``.

    The most probable tree is often a compromise of many labels that must all fit each other. Here each bracket counts
    by itself, with the sum of the probabilities of all trees that have it and of all symbols that stand for its label;
    phrases have any number of children. Labels of the same words are ordered as the unary rules of the grammar mostly
    are. The root is the most probable label.

    Args:
        grammar: an induced grammar.
        threshold: a bracket is in the tree only if its probability is larger. Larger values give higher precision,
            smaller ones higher recall.

    Source: J. Goodman, "Parsing algorithms and metrics", ACL 1996, with ``threshold`` as the price of a bracket.
    """

    def __init__(self, grammar: BinaryGrammar, threshold: float) -> None:
        self.grammar, self.threshold = grammar, threshold
        tags = {int(symbol) for symbols, _ in grammar.lexicon.values() for symbol in symbols}
        kinds = [(treebank_label(grammar.label(symbol)), symbol in tags) for symbol in range(len(grammar))]
        known = sorted(set(kinds))
        self._labels = [label for label, _ in known]
        number = {kind: index for index, kind in enumerate(known)}
        self._label_of = np.array([number[kind] for kind in kinds], np.intp)
        self._order = np.argsort(self._label_of, kind="stable")
        self._first = np.searchsorted(self._label_of[self._order], np.arange(len(known)))
        self._is_tag = np.array([is_tag for _, is_tag in known])
        self._is_phrase = ~self._is_tag & np.array([label != "" for label in self._labels])
        self._is_phrase[self._label_of[grammar.start]] = False

    def tree(self, chart: Chart) -> Tree:
        """Return the tree of a chart, which has the reduction "sum" and a tree."""
        marginals = np.add.reduceat(chart.marginals()[:, self._order], self._first, axis=1)
        chosen = (marginals > self.threshold) & self._is_phrase
        n = len(chart.words)
        if n > 1 or not chosen[-1].any():
            phrases = np.where(self._is_phrase, marginals[-1], 0.0)
            chosen[-1, phrases.argmax()] |= phrases.any()
        gains = np.where(chosen, marginals - self.threshold, 0.0).sum(1)
        splits = best_splits(gains[None], n)[0]
        tags = np.where(self._is_tag, marginals[:n], -1.0).argmax(1)
        top = Tree(self._labels[self._label_of[self.grammar.start]], [])
        agenda = [(0, n, top)]
        while agenda:
            start, length, node = agenda.pop()
            cell = chart.cell(start, length)
            for label in self._from_the_top(np.flatnonzero(chosen[cell])):
                below = Tree(self._labels[label], [])
                node.append(below)
                node = below
            if length == 1:
                node.append(Tree(self._labels[tags[start]], [chart.words[start]]))
            else:
                part = int(splits[start, length])
                agenda += [(start + part, length - part, node), (start, part, node)]
        return top

    @cached_property
    def _unary(self) -> Floats:
        """Expected number of unary rules from each label to each other, less that of the opposite ones."""
        rules, counts = self.grammar.unary, np.zeros((len(self._labels),) * 2)
        expected = np.exp(rules.score + self.grammar.expected[rules.parent])
        np.add.at(counts, (self._label_of[rules.parent], self._label_of[rules.child]), expected)
        return counts - counts.T

    def _from_the_top(self, labels: Ints) -> Ints:
        return labels[np.argsort(-self._unary[np.ix_(labels, labels)].sum(1), kind="stable")]
