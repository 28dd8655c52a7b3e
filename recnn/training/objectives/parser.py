"""Training of constituency parsers on treebanks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from nltk import Tree
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MeanMetric, Metric

from corpora.treebanks import remove_traces, strip_functions, unescape
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError, TreeError
from parsers.spans import JOINER, Span, TaggedSpans, spans_of, tree_of
from recnn.data.batches import TreeBatches, loader, mixed
from recnn.models.config import ParserConfig, ParserNetworkConfig
from recnn.models.span_chart import best_trees, layout
from recnn.models.span_parser import Sentences, SpanParser
from recnn.settings import settings_of, values_of
from recnn.training.objectives.base import IGNORED, Measure, Objective, digest_of
from recnn.training.options import Training

_MOST_WORDS = 200  # of a training sentence; the memory of its chart grows with the square
_FINAL = frozenset(".")


class ParserTraining(NamedTuple):
    """Settings of the vocabulary and the examples.

    Attributes:
        min_count: frequency below which a word is unknown.
        share: share of the further trees that is used in an epoch, drawn anew in each.
        noise: share of the sentences that are put in lower case, half as many in upper case, and as many without their
            final punctuation, drawn anew in each epoch.
    """

    min_count: int = 2
    share: float = 0.25
    noise: float = 0.1


class ParserBatch(NamedTuple):
    """Sentences with their gold spans and tags."""

    sentences: Sentences
    gold: list[tuple[int, int, int]]
    """(sentence, span, label) of the phrases, see `recnn.models.span_chart.layout`."""
    tags: Tensor
    """(B, n) gold tags, -100 after the end of a sentence."""
    trees: list[TaggedSpans]


def prepared(tree: Tree) -> TaggedSpans | None:
    """Return the spans of a treebank's tree without traces, function tags and escapes; None if nothing is left."""
    try:
        return spans_of(unescape(strip_functions(remove_traces(tree))))
    except TreeError:
        return None


class ParserObjective(Objective):
    """Structured hinge loss of the trees, and cross entropy of the tags.

        loss = max(0, max over trees t of s(t) + Δ(t, gold) - s(gold))

    where Δ is the number of spans of t whose label is not that of the gold tree (Stern et al. 2017, equation 6). As the
    scores of spans that are in both trees cancel, only the spans of one of them are computed with gradients.

    Metrics: the ``f1`` of labelled phrases, and the accuracy of the ``tags``.

    Args:
        network: settings of the network.
        training: settings of the training; the batch size is in sentences.
        trees: training data.
        held_out: validation data.
        further: more training trees, of which a share is used in each epoch.
        settings: settings of the vocabulary and the examples.

    Raises:
        InputError: there are no trees.
    """

    model: SpanParser

    def __init__(
        self,
        network: ParserNetworkConfig,
        training: Training,
        trees: Sequence[Tree],
        held_out: Sequence[Tree],
        further: Sequence[Tree] = (),
        settings: ParserTraining | None = None,
    ) -> None:
        self.training, self.settings = training, settings or ParserTraining()
        self.data, self.dev, self.further = (
            [one for tree in some if (one := prepared(tree))] for some in (trees, held_out, further)
        )
        if not self.data or not self.dev:
            raise InputError(f"there are no trees with phrases to {'validate' if self.data else 'train'} on")
        everything = [*self.data, *self.further]
        words = Vocabulary.of((word for one in everything for word in one.words), self.settings.min_count)
        characters = Vocabulary.of((c for one in everything for word in one.words for c in word), 3)
        labels = Counter(span.label for one in everything for span in one.spans)
        # A rare chain of phrases is learnt as its outermost phrase.
        frequent = [label for label, count in labels.most_common() if count >= 5 or JOINER not in label]
        single = [label.split(JOINER)[0] for label in labels]
        tags = Counter(tag for one in everything for tag in one.tags)
        own = {"labels": list(dict.fromkeys([*frequent, *single])), "tags": list(tags)}
        config = settings_of(ParserConfig, values_of(network) | own)
        self.model = SpanParser(config, words, characters)
        self._labels = {label: index for index, label in enumerate(config.labels)}
        self._tags = {tag: index for index, tag in enumerate(config.tags)}
        self.measures = {"f1": Measure(LabelledF1()), "tags": Measure(MeanMetric())}

    def batches(self, epoch: int) -> DataLoader[Any]:
        random = torch.Generator().manual_seed(mixed(self.training.seed, epoch, 1))
        count = round(self.settings.share * len(self.further))
        drawn = torch.randperm(len(self.further), generator=random)[:count].tolist()
        examples = [*self.data, *(self.further[index] for index in drawn)]
        examples = [one for one in examples if len(one.words) <= _MOST_WORDS]
        chance = torch.rand(len(examples), 2, generator=random).tolist()
        examples = [_altered(one, self.settings.noise, *two) for one, two in zip(examples, chance, strict=True)]
        sizes = [len(one.words) for one in examples]
        order = TreeBatches(sizes, self.training.batch, pool=20, seed=self.training.seed)
        order.set_epoch(epoch)
        return loader(_Batches(self, examples), order)

    def held_out(self) -> DataLoader[Any]:
        sizes = [len(one.words) for one in self.dev]
        return loader(_Batches(self, self.dev), TreeBatches(sizes, nodes=1024, shuffle=False))

    def batch(self, examples: list[TaggedSpans]) -> ParserBatch:
        """Make a batch of examples."""
        sentences = self.model.batch([one.words for one in examples])
        n = sentences.word.shape[1]
        offset = layout(n).offset
        gold = []
        for row, one in enumerate(examples):
            for start, end, label in one.spans:
                known = self._labels.get(label, self._labels.get(label.split(JOINER)[0], -1))
                if known >= 0:
                    gold.append((row, int(offset[end - start]) + start, known))
        tags = torch.full(sentences.word.shape, IGNORED)
        for row, one in enumerate(examples):
            tags[row, : len(one.tags)] = torch.tensor([self._tags.get(tag, IGNORED) for tag in one.tags])
        return ParserBatch(sentences, gold, tags, examples)

    def loss(self, batch: ParserBatch) -> Tensor:
        """Compute the hinge loss per sentence and the cross entropy of the tags, in nats per word, times 10."""
        between, tags = self.model(batch.sentences)
        tagging = F.cross_entropy(tags.flatten(0, 1), batch.tags.flatten().to(tags.device))
        values, labels = self.model.best_labels(between, batch.gold)
        found = best_trees(values, batch.sentences.lengths.numpy())
        label = labels[found.sentence, found.span]
        predicted = {
            (b, s, which)
            for b, s, which in zip(found.sentence.tolist(), found.span.tolist(), label.tolist(), strict=True)
            if which >= 0
        }
        gold = set(batch.gold)
        missed, wrong = sorted(gold - predicted), sorted(predicted - gold)
        # Δ counts spans of the found tree with another label, or with none where the gold tree has one.
        of_gold = {(b, s) for b, s, _ in gold}
        unlabelled = label < 0
        lost = zip(found.sentence[unlabelled].tolist(), found.span[unlabelled].tolist(), strict=True)
        cost = between.new_zeros(len(batch.trees))
        places = torch.tensor([b for b, *_ in wrong] + [b for b, s in lost if (b, s) in of_gold], dtype=torch.long)
        cost.index_add_(0, places.to(cost.device), cost.new_ones(len(places)))
        rows = torch.tensor([*wrong, *missed], dtype=torch.long).reshape(-1, 3)
        sign = torch.cat([torch.ones(len(wrong)), -torch.ones(len(missed))]).to(cost.device)
        spans = layout(between.shape[1] - 1)
        sentence, start, end = rows[:, 0], torch.from_numpy(spans.start)[rows[:, 1]], torch.from_numpy(spans.end)[rows[:, 1]]
        scores = self.model.span_scores(between[sentence, start], between[sentence, end])
        scores = scores.gather(1, rows[:, 2:].to(scores.device)).squeeze(1) * sign
        total = cost.index_add(0, sentence.to(cost.device), scores)
        return total.clamp(min=0).mean() + 10 * tagging

    @torch.no_grad()
    def measure(self, batch: ParserBatch) -> None:
        found = list(self.model.parse([one.words for one in batch.trees]))
        for tree, one in zip(found, batch.trees, strict=True):
            mine = spans_of(tree)
            self.measures["f1"].metric.update(mine.spans, one.spans)
            right = sum(a == b for a, b in zip(mine.tags, one.tags, strict=True))
            self.measures["tags"].metric.update(right / len(one.tags), len(one.tags))

    def digest(self) -> dict[str, str]:
        return {}


class _Batches(Dataset[ParserBatch]):
    def __init__(self, objective: ParserObjective, examples: list[TaggedSpans]) -> None:
        self.objective, self.examples = objective, examples

    def __getitem__(self, rows: list[int]) -> ParserBatch:
        return self.objective.batch([self.examples[row] for row in rows])


def _altered(one: TaggedSpans, noise: float, case: float, end: float) -> TaggedSpans:
    """Return an example in lower or upper case, or without its final punctuation, by two random numbers below 1."""
    if end < noise and len(one.words) > 1 and one.tags[-1] in _FINAL:
        last = len(one.words) - 1
        spans = (Span(start, min(stop, last), label) for start, stop, label in one.spans if start < last)
        # A phrase may now have the words of the one above it.
        one = spans_of(tree_of(one.words[:-1], one.tags[:-1], _merged(spans)))
    if case < noise:
        return one._replace(words=tuple(word.lower() for word in one.words))
    if case < 1.5 * noise:
        return one._replace(words=tuple(word.upper() for word in one.words))
    return one


def _merged(spans: Any) -> list[Span]:
    found: list[Span] = []
    for span in spans:  # in preorder, so that phrases with the same words follow each other
        if found and found[-1][:2] == span[:2]:
            span = Span(span.start, span.end, f"{found.pop().label}{JOINER}{span.label}")
        found.append(span)
    return found


class LabelledF1(Metric):
    """F1 of labelled phrases, 2 m / (g + p), of m phrases in both, g in the gold tree, p in the predicted tree."""

    matched: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("matched", "total"):
            self.add_state(name, torch.tensor(0), "sum")

    def update(self, predicted: Sequence[Span], gold: Sequence[Span]) -> None:
        """Add the phrases of a sentence."""
        mine, theirs = (
            Counter((start, end, part) for start, end, label in some for part in label.split(JOINER))
            for some in (predicted, gold)
        )
        self.matched += (mine & theirs).total()
        self.total += mine.total() + theirs.total()

    def compute(self) -> Tensor:
        """Compute the F1 over all sentences so far."""
        return 2 * self.matched / self.total
