"""Training of constituency parsers on treebanks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from nltk import Tree
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MeanMetric, Metric

from corpora.treebanks import unescape
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError, TreeError
from parsers.parseval import score
from parsers.span_chart import best_trees, span_order
from parsers.spans import JOINER, Span, TaggedSpans, spans_of, tree_of
from parsers.transform import without_functions, without_root, without_traces
from recnn.data.batches import TreeBatches, loader, mixed
from recnn.models.config import ParserConfig, ParserNetworkConfig
from recnn.models.span_parser import Sentences, SpanParser
from recnn.settings import as_json, settings_of
from recnn.training.objectives.base import IGNORED, Measure, Objective
from recnn.training.options import Training

_MOST_WORDS = 200  # of a training sentence; the memory of its chart grows with the square
_FINAL = frozenset(".")


class ParserBatch(NamedTuple):
    """Sentences with their gold spans and tags."""

    sentences: Sentences
    gold: list[tuple[int, int, int]]
    """(sentence, span, label) of the phrases, see `parsers.span_chart.span_order`."""
    tags: Tensor
    """(B, n) gold tags, -100 after the end of a sentence."""
    trees: list[TaggedSpans]


def prepared(tree: Tree) -> TaggedSpans | None:
    """Return the spans of a tree without its outer ROOT, traces, function tags and escapes; None if nothing is left."""
    try:
        return spans_of(unescape(without_functions(without_traces(without_root(tree)))))
    except TreeError:
        return None


class ParserObjective(Objective, kind="parser"):
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
        further: more training trees.
        further_share: share of them that is used in an epoch, drawn anew in each.
        min_count: frequency below which a word is unknown, and a chain of phrases is learnt as its outermost phrase.
        noise: share of the sentences that are put in lower case, half as many in upper case, and as many without their
            full stop, drawn anew in each epoch.

    Raises:
        InputError: there are no trees with phrases, or all have the same label or tag.
    """

    model: SpanParser

    def __init__(
        self,
        network: ParserNetworkConfig,
        training: Training,
        trees: Sequence[Tree],
        held_out: Sequence[Tree],
        further: Sequence[Tree] = (),
        further_share: float = 1.0,
        min_count: int = 2,
        noise: float = 0.1,
    ) -> None:
        self.training, self.further_share, self.noise = training, further_share, noise
        self.data, self.dev, self.further = (
            [one for tree in some if (one := prepared(tree))] for some in (trees, held_out, further)
        )
        if not self.data or not self.dev:
            raise InputError(f"there are no trees with phrases to {'validate' if self.data else 'train'} on")
        everything = [*self.data, *self.further]
        words = Vocabulary.of((word for one in everything for word in one.words), min_count)
        characters = Vocabulary.of((c for one in everything for word in one.words for c in word), 3)
        labels = Counter(span.label for one in everything for span in one.spans)
        frequent = [label for label, count in labels.most_common() if count >= min_count or JOINER not in label]
        single = [label.split(JOINER)[0] for label in labels]
        tags = Counter(tag for one in everything for tag in one.tags)
        own = {"labels": list(dict.fromkeys([*frequent, *single])), "tags": list(tags)}
        for name, found in own.items():
            if len(found) == 1:
                raise InputError(f"all {name} of the trees to train on are {found[0]!r}, expected at least two")
        config = settings_of(ParserConfig, as_json(network) | own)
        self.model = SpanParser(config, words, characters)
        self._labels = {label: index for index, label in enumerate(config.labels)}
        self._tags = {tag: index for index, tag in enumerate(config.tags)}
        self.measures = self.measures_of(config)

    @staticmethod
    def measures_of(config: ParserConfig) -> dict[str, Measure]:
        return {"f1": Measure(LabelledF1()), "tags": Measure(MeanMetric())}

    def batches(self, epoch: int) -> DataLoader[Any]:
        random = torch.Generator().manual_seed(mixed(self.training.seed, epoch, 1))
        count = round(self.further_share * len(self.further))
        drawn = torch.randperm(len(self.further), generator=random)[:count].tolist()
        examples = [*self.data, *(self.further[index] for index in drawn)]
        examples = [one for one in examples if len(one.words) <= _MOST_WORDS]
        chance = torch.rand(len(examples), 2, generator=random).tolist()
        examples = [_altered(one, self.noise, *two) for one, two in zip(examples, chance, strict=True)]
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
        offset = span_order(n).offset
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
        """Compute the mean hinge loss of the sentences, and 10 times the cross entropy of the tags, in nats per word.

        The tags are learnt from one term per word, the tree from one per span: without the factor they come last.
        """
        return torch.stack([mean for mean, _ in self.means(batch)]).sum()

    def means(self, batch: ParserBatch) -> list[tuple[Tensor, float]]:
        between, tags = self.model(batch.sentences)
        tagging = F.cross_entropy(tags.flatten(0, 1), batch.tags.flatten().to(tags.device))
        hinge: Tensor = self.hinge(between, batch).mean()
        return [(hinge, len(batch.trees)), (10 * tagging, int((batch.tags != IGNORED).sum()))]

    def hinge(self, between: Tensor, batch: ParserBatch) -> Tensor:
        """Compute the structured hinge loss (B,) of each sentence, from the projected states (B, n + 1, M)."""
        values, labels = self.model.best_labels(between, batch.gold)
        found = best_trees(values, batch.sentences.lengths.numpy())
        label = labels[found.sentence, found.span]
        predicted = set(zip(found.sentence.tolist(), found.span.tolist(), label.tolist(), strict=True))
        gold = set(batch.gold)
        labelled = {(sentence, span) for sentence, span, _ in gold}
        wrong = sorted(one for one in predicted - gold if one[2] >= 0)
        missed = sorted(gold - predicted)
        # Spans without a label in the found tree, but with one in the gold tree; their own score is 0.
        lost = [sentence for sentence, span, which in predicted if which < 0 and (sentence, span) in labelled]
        loss = between.new_zeros(len(between))
        cost = torch.tensor([sentence for sentence, *_ in wrong] + lost, dtype=torch.long, device=loss.device)
        loss.index_add_(0, cost, loss.new_ones(len(cost)))
        for rows, sign in ((wrong, 1), (missed, -1)):
            if rows:
                sentence, span, which = torch.tensor(rows, device=loss.device).unbind(1)
                loss = loss.index_add(0, sentence, sign * self._scores(between, sentence, span, which))
        return loss.clamp(min=0)

    def _scores(self, between: Tensor, sentence: Tensor, span: Tensor, label: Tensor) -> Tensor:
        """Compute the scores (R,) of labels of spans."""
        spans = span_order(between.shape[1] - 1)
        start, end = (torch.from_numpy(place).to(span.device)[span] for place in (spans.start, spans.end))
        scores = self.model.span_scores(between[sentence, start], between[sentence, end])
        return scores.gather(1, label.unsqueeze(1)).squeeze(1)

    @torch.no_grad()
    def measure(self, batch: ParserBatch) -> None:
        found = self.model.parse([one.words for one in batch.trees])
        counts = [score([tree_of(*one)], [tree]) for one, tree in zip(batch.trees, found, strict=True)]
        self.measures["f1"].update(*torch.tensor([(one.matched, one.predicted, one.gold) for one in counts]).unbind(1))
        tags, words = torch.tensor([(one.tags, one.words) for one in counts]).unbind(1)
        self.measures["tags"].update(tags / words.clamp(min=1), words)

    def digest(self) -> dict[str, str]:
        parts = {"train": self.data, "dev": self.dev, "further": self.further}
        return {name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in parts.items()}


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
        one = TaggedSpans(one.words[:-1], one.tags[:-1], tuple(_merged(spans)))
    if case < noise:
        return one._replace(words=tuple(word.lower() for word in one.words))
    if case < 1.5 * noise:
        return one._replace(words=tuple(word.upper() for word in one.words))
    return one


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for span in spans:  # in preorder, so that phrases with the same words follow each other
        if found and found[-1][:2] == span[:2]:
            span = Span(span.start, span.end, f"{found.pop().label}{JOINER}{span.label}")
        found.append(span)
    return found


class LabelledF1(Metric):
    """F1 of labelled phrases by the conventions of `parsers.score`."""

    matched: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("matched", "total"):
            self.add_state(name, torch.tensor(0), "sum")

    def update(self, matched: Tensor, predicted: Tensor, gold: Tensor) -> None:
        """Add the numbers (E,) of phrases of E sentences."""
        self.matched += 2 * matched.sum()
        self.total += gold.sum() + predicted.sum()

    def compute(self) -> Tensor:
        """Compute the F1 over all sentences so far."""
        return self.matched / self.total
