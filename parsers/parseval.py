"""PARSEVAL: precision and recall of the brackets of predicted trees, counted as evalb does with COLLINS.prm."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from nltk import Tree

from parsers.errors import TreeError
from parsers.trees import constituents, plain_label

_ROOTS = frozenset(["TOP", "S1", "ROOT"])  # the brackets of these are not counted
_PUNCTUATION = frozenset([",", ":", "``", "''", "."])  # words with these tags are not counted
_TRACE = "-NONE-"
_EQUAL = {"PRT": "ADVP"}

Bracket = tuple[str, int, int]


class LabelCounts(NamedTuple):
    """Numbers of brackets with a label."""

    gold: int
    predicted: int
    matched: int


@dataclass(frozen=True)
class Parseval:
    """Counts over sentences; sums of them are the counts of all sentences. Shares of nothing are 0.

    Attributes:
        sentences: number of sentences.
        unparsed: those of them without a predicted tree: all brackets and tags are missed.
        exact: sentences with all brackets right and no others.
        gold: brackets of the gold trees.
        predicted: brackets of the predicted trees.
        matched: predicted brackets with the span and the label of a gold one.
        matched_spans: predicted brackets with the span of a gold one.
        words: words, without punctuation.
        tags: words with the right part-of-speech tag.
        crossing: predicted brackets that overlap a gold one without one of them containing the other.
        no_crossing: sentences with a tree without such brackets.
        few_crossing: sentences with a tree with at most two of them.
        labels: brackets by label.
    """

    sentences: int = 0
    unparsed: int = 0
    exact: int = 0
    gold: int = 0
    predicted: int = 0
    matched: int = 0
    matched_spans: int = 0
    words: int = 0
    tags: int = 0
    crossing: int = 0
    no_crossing: int = 0
    few_crossing: int = 0
    labels: Mapping[str, LabelCounts] = field(default_factory=dict)

    def __add__(self, other: "Parseval") -> "Parseval":
        names = [each.name for each in fields(self) if each.name != "labels"]
        none = LabelCounts(0, 0, 0)
        labels = {
            label: LabelCounts(*map(sum, zip(self.labels.get(label, none), other.labels.get(label, none), strict=True)))
            for label in {**self.labels, **other.labels}
        }
        return Parseval(**{name: getattr(self, name) + getattr(other, name) for name in names}, labels=labels)

    @property
    def precision(self) -> float:
        """Labelled precision."""
        return _share(self.matched, self.predicted)

    @property
    def recall(self) -> float:
        """Labelled recall."""
        return _share(self.matched, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of labelled precision and recall."""
        return _share(2 * self.matched, self.gold + self.predicted)

    @property
    def unlabelled_precision(self) -> float:
        """Precision of the spans."""
        return _share(self.matched_spans, self.predicted)

    @property
    def unlabelled_recall(self) -> float:
        """Recall of the spans."""
        return _share(self.matched_spans, self.gold)

    @property
    def unlabelled_f1(self) -> float:
        """Harmonic mean of the precision and the recall of the spans."""
        return _share(2 * self.matched_spans, self.gold + self.predicted)

    @property
    def exact_match(self) -> float:
        """Share of the sentences with all brackets right."""
        return _share(self.exact, self.sentences)

    @property
    def tag_accuracy(self) -> float:
        """Share of the words with the right part-of-speech tag."""
        return _share(self.tags, self.words)

    @property
    def average_crossing(self) -> float:
        """Number of crossing brackets per sentence that has a tree."""
        return _share(self.crossing, self.sentences - self.unparsed)

    @property
    def without_crossing(self) -> float:
        """Share of the sentences that have a tree whose brackets do not cross gold ones."""
        return _share(self.no_crossing, self.sentences - self.unparsed)

    @property
    def two_or_less_crossing(self) -> float:
        """Share of the sentences that have a tree with at most two crossing brackets."""
        return _share(self.few_crossing, self.sentences - self.unparsed)

    def record(self) -> dict[str, Any]:
        """Return the shares and the counts as JSON values."""
        shares = {name: getattr(self, name) for name, kind in vars(type(self)).items() if isinstance(kind, property)}
        counts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "labels"}
        labels = {label: self.labels[label]._asdict() for label in sorted(self.labels)}
        return {**shares, "counts": counts, "labels": labels}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def score(gold: Iterable[Tree], predicted: Iterable[Tree | None], max_length: int | None = None) -> Parseval:
    """Count the right brackets and part-of-speech tags of predicted trees.

    As evalb does with its parameters COLLINS.prm: traces are removed; words tagged ``,`` ``:`` ``.`` or as quotes are
    not counted, nor are the brackets TOP, S1, ROOT; function tags are ignored; PRT is ADVP; several brackets with one
    label and span count several times; a node above a single word is a tag and no bracket.

    Differences from evalb: a sentence without a tree counts as one without brackets, which evalb skips. The tags of the
    gold tree decide what is punctuation; the predicted tree may have other tags there, or lack these words.

    Args:
        gold: right trees.
        predicted: a tree of each sentence, or None where there is none.
        max_length: leave out sentences of more words, punctuation included, traces not; often 40.

    Raises:
        TreeError: the words of a sentence differ.
        ValueError: there are more trees of one kind than of the other.

    >>> right = Tree.fromstring("(S (NP (PRP we)) (VP (VBD saw) (NP (PRP$ her) (NN duck))))")
    >>> found = Tree.fromstring("(S (NP (PRP we)) (VP (VBD saw) (S (NP (PRP her)) (VP (VB duck)))))")
    >>> result = score([right], [found])
    >>> result.matched, result.gold, result.predicted, result.tags
    (3, 4, 6, 2)

    Source: E. Black et al., "A procedure for quantitatively comparing the syntactic coverage of English grammars",
    1991; S. Sekine and M. J. Collins, evalb, 1997.
    """
    total = Parseval()
    for number, (right, found) in enumerate(zip(gold, predicted, strict=True), 1):
        words = tagged_words(right)
        if max_length is None or len(words) <= max_length:
            total += _scored(words, right, found, number)
    return total


class Word(NamedTuple):
    """A word of a tree."""

    node: int  # index in `constituents`
    word: str
    tag: str  # empty, for a word beside others


def is_punctuation(tag: str) -> bool:
    """Return True for the tags whose words are not counted."""
    return tag in _PUNCTUATION


def tagged_words(tree: Tree) -> list[Word]:
    """Return the words of a tree with their tags, without traces."""
    found = constituents(tree)
    words = []
    for index, (node, _, _, parent) in enumerate(found):
        if isinstance(node, str):
            above = found[parent].node
            assert isinstance(above, Tree)
            tag = above.label() if len(above) == 1 else ""
            if tag != _TRACE:
                words.append(Word(index, node, plain_label(tag)))
    return words


def _aligned(gold: list[Word], predicted: list[Word], number: int) -> list[tuple[Word, Word | None]]:
    """Pair the words of two trees; the second one may lack punctuation."""
    pairs: list[tuple[Word, Word | None]] = []
    rest = iter(predicted)
    other = next(rest, None)
    for word in gold:
        if other is not None and word.word == other.word:
            pairs.append((word, other))
            other = next(rest, None)
        elif is_punctuation(word.tag):
            pairs.append((word, None))
        else:
            got = "none" if other is None else repr(other.word)
            place = f"sentence {number}, word {len(pairs) + 1}"
            raise TreeError(f"{place}: expected {word.word!r}, as in the gold tree, got {got}")
    if other is not None:
        raise TreeError(f"sentence {number}: expected {len(gold)} words, as in the gold tree, then got {other.word!r}")
    return pairs


def _brackets(tree: Tree, counted: list[int]) -> Counter[Bracket]:
    """Count the brackets of a tree over the words with the indices ``counted``; spans are from 0, without the end."""
    found = constituents(tree)
    before = [0] * (len(found) + 1)  # number of counted words before each node
    for index in counted:
        before[index + 1] = 1
    for index in range(len(found)):
        before[index + 1] += before[index]
    last = list(range(len(found)))  # of each node, the last node below it
    for index in range(len(found) - 1, 0, -1):
        parent = found[index].parent
        last[parent] = max(last[parent], last[index])
    brackets: Counter[Bracket] = Counter()
    for index, (node, _, _, _) in enumerate(found):
        if isinstance(node, str) or (len(node) == 1 and isinstance(node[0], str)):
            continue
        start, end, label = before[index], before[last[index] + 1], plain_label(node.label())
        if start < end and label not in _ROOTS:
            brackets[_EQUAL.get(label, label), start, end] += 1
    return brackets


def _scored(words: list[Word], gold: Tree, predicted: Tree | None, number: int) -> Parseval:
    """Score one sentence."""
    counted = [word for word in words if not is_punctuation(word.tag)]
    right = _brackets(gold, [word.node for word in counted])
    by_label = [Counter[str](), Counter[str](), Counter[str]()]
    if predicted is None:
        kept, found = [], Counter[Bracket]()
    else:
        pairs = _aligned(words, tagged_words(predicted), number)
        kept = [(a, b) for a, b in pairs if b is not None and not is_punctuation(a.tag)]
        found = _brackets(predicted, [b.node for _, b in kept])
    matched = right & found
    for counts, brackets in zip(by_label, (right, found, matched), strict=True):
        for (label, _, _), count in brackets.items():
            counts[label] += count
    crossing = _crossing(right, found)
    return Parseval(
        sentences=1,
        unparsed=int(predicted is None),
        exact=int(predicted is not None and right == found),
        gold=right.total(),
        predicted=found.total(),
        matched=matched.total(),
        matched_spans=(_spans(right) & _spans(found)).total(),
        words=len(counted),
        tags=sum(a.tag == b.tag for a, b in kept),
        crossing=crossing,
        no_crossing=int(predicted is not None and not crossing),
        few_crossing=int(predicted is not None and crossing <= 2),
        labels={label: LabelCounts(*(c[label] for c in by_label)) for label in {**by_label[0], **by_label[1]}},
    )


def _spans(brackets: Counter[Bracket]) -> Counter[tuple[int, int]]:
    spans: Counter[tuple[int, int]] = Counter()
    for (_, start, end), count in brackets.items():
        spans[start, end] += count
    return spans


def _crossing(gold: Counter[Bracket], predicted: Counter[Bracket]) -> int:
    """Count the predicted brackets that cross at least one of the gold brackets."""
    right = _spans(gold)
    return sum(
        count for (i, j), count in _spans(predicted).items() if any(a < i < b < j or i < a < j < b for a, b in right)
    )
