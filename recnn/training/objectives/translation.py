"""Training of translators with the cross entropy of the next word; perplexity, BLEU and chrF."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from nltk import Tree
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
from torchmetrics import Metric

from corpora.translation import Translation, join_words, split_words
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import without_tables
from recnn.data.graph_store import GraphStore
from recnn.models.config import TranslationConfig
from recnn.models.translation import END, START, Translator
from recnn.training.objectives.base import (
    IGNORED,
    Measure,
    Objective,
    digest_of,
    digest_of_text,
    fill_vectors,
    tree_batches,
)
from recnn.training.objectives.language_model import Perplexity
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

try:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
except ModuleNotFoundError:
    raise InputError("this needs sacrebleu, which is not installed: pip install 'recnn[translate]'") from None


class TextPair(NamedTuple):
    """A source sentence and its translation."""

    source: Sequence[str] | Tree
    """Words of the source sentence, or a tree over them."""
    target: Sequence[str]
    """Words of the translation."""
    references: Sequence[str] = ()
    """Reference translations for BLEU, as texts; empty for a source that is not translated in evaluation."""


def text_pairs(
    translations: Iterable[Translation],
    lower: bool = True,
    trees: Mapping[str, Tree] | None = None,
    place: Callable[[int], str] = lambda index: "",
) -> list[TextPair]:
    """Split pairs of texts, English to French, into words.

    If an English sentence has several translations, its first pair has all of them as references, the others have none.

    Args:
        translations: pairs of texts.
        lower: put all words in lower case; references are kept as they are.
        trees: trees over the English sentences, from `by_text`; None for sequences of words.
        place: beginning of the error message about the pair with this index.

    Raises:
        InputError: a sentence has no tree in ``trees``.
    """
    references: dict[str, list[str]] = defaultdict(list)
    found: list[TextPair] = []
    for index, (english, french, _) in enumerate(translations):
        source: Sequence[str] | Tree = split_words(english, "english", lower)
        if trees is not None:
            tree = trees.get(_key(source))
            if tree is None:
                raise InputError(f"{place(index)}there is no tree over {english!r}")
            source = tree
        own = references[english.lower() if lower else english]
        own.append(french)
        found.append(TextPair(source, split_words(french, "french", lower), own if len(own) == 1 else ()))
    return found


def by_text(trees: Iterable[Tree]) -> dict[str, Tree]:
    """Index trees by the text of their words, without spaces, as parsers may divide words differently."""
    return {_key(words_of(tree)): tree for tree in trees}


def _key(words: Sequence[str]) -> str:
    return "".join('"' if word in ("``", "''") else word for word in words).lower()


class Texts(NamedTuple):
    """A batch of B pairs."""

    forest: DGLGraph
    """Graphs of the B sources."""
    read: Tensor
    """(T, B) inputs of the decoder: `START` and the words of the targets."""
    write: Tensor
    """(T, B) targets of the decoder: the words and `END`, then -100."""
    references: list[Sequence[str]]
    """References of each of the B pairs."""


class TextDataset(Dataset[Texts]):
    """Pairs as graphs and word indices of a translator; the items of a list of indices are one batch.

    Args:
        pairs: source sentences and translations.
        model: translator whose vocabularies and parser are used.
    """

    def __init__(self, pairs: Sequence[TextPair], model: Translator) -> None:
        self._graphs = GraphStore(map(without_tables, model.graphs([pair.source for pair in pairs])))
        start, end = model.target.index(START), model.target.index(END)
        self._targets = [torch.tensor([start, *model.indices(pair.target), end]) for pair in pairs]
        self._references = [pair.references for pair in pairs]
        self.sizes = self._graphs.sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: list[int]) -> Texts:
        forest = self._graphs.batch(index)
        targets = [self._targets[one] for one in index]
        read = pad_sequence([target[:-1] for target in targets])
        write = pad_sequence([target[1:] for target in targets], padding_value=IGNORED)
        return Texts(forest, read, write, [self._references[one] for one in index])

    def digest(self) -> str:
        """Return a hash of the sources and targets."""
        sources = [part for graph in self._graphs for part in (graph.ndata["word"], graph.ndata["span"])]
        return digest_of(*sources, *self._targets)


class TranslationObjective(Objective, kind="translation"):
    """Cross entropy of the next word of the target, given the words before it.

    Metrics: ``perplexity``, and ``bleu`` if there are references. By default the perplexity selects the best epoch: it
    is computed over all words of the validation data, whereas BLEU, over some hundred sentences, varies by a point or
    two between equally good epochs.

    Args:
        config: settings of the translator.
        training: settings of the training.
        pairs: training data.
        held_out: validation data.
        words: settings of the vocabularies and the initial word vectors; pretrained vectors are for the source words.
        measured: number of validation sentences to translate for BLEU after each epoch: the first with references.
        closing: see `Objective`.

    Raises:
        InputError: there are no pairs, or the file of vectors does not fit.
    """

    model: Translator

    def __init__(
        self,
        config: TranslationConfig,
        training: TreeTraining,
        pairs: Sequence[TextPair],
        held_out: Sequence[TextPair],
        words: WordTraining | None = None,
        measured: int = 500,
        closing: Callable[[Translator], list[str]] | None = None,
    ) -> None:
        if not pairs or not held_out:
            raise InputError(f"there are no pairs to {'validate on' if pairs else 'train on'}")
        words = words or WordTraining(embedding_scale=1.0)
        self.training, self.closing = training, closing
        read = (word.lower() if config.lower else word for pair in pairs for word in _words(pair.source))
        source = Vocabulary.of(read, words.min_count)
        target = Vocabulary.of((word for pair in pairs for word in pair.target), words.min_count, specials=(START, END))
        self.model = Translator(config, source, target)
        fill_vectors(self.model.encoder.words, source, words)
        torch.nn.init.normal_(self.model.words.embedding.weight, std=words.embedding_scale)
        self.data = TextDataset(pairs, self.model)
        compared = [pair for pair in held_out if pair.references][:measured]
        rest = [pair._replace(references=()) for pair in held_out if not any(pair is one for one in compared)]
        self.dev = TextDataset(compared + rest, self.model)
        self.order = tree_batches(training, self.data.sizes)
        self._examples = digest_of_texts(held_out)
        self.measures = self.measures_of(config)
        if not compared:
            del self.measures["bleu"]

    @staticmethod
    def measures_of(config: TranslationConfig) -> dict[str, Measure]:
        return {
            "perplexity": Measure(Perplexity("words"), "min", share=False),
            "bleu": Measure(Bleu(), share=False),
        }

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, 128, shuffle=False))

    def loss(self, batch: Texts) -> Tensor:
        """Compute the mean cross entropy over the words of the targets and their ends."""
        return _surprise(self.model, batch, "mean")

    def items(self, batch: Texts) -> float:
        return int((batch.write != IGNORED).sum())

    def measure(self, batch: Texts) -> None:
        update_texts(self.measures, self.model, batch)

    def digest(self) -> dict[str, str]:
        return {"train": self.data.digest(), "dev": self.dev.digest()}

    def examples(self) -> str:
        return self._examples


def _surprise(model: Translator, batch: Texts, reduction: str) -> Tensor:
    states, _ = model.readout(batch.forest, batch.read)
    write = batch.write.flatten().to(states.device)
    rows = (write != IGNORED).nonzero().squeeze(1)  # no padding in the output layer, the most expensive part
    scores = model.output(states.flatten(0, 1).index_select(0, rows))
    return F.cross_entropy(scores, write[rows], reduction=reduction)


@torch.no_grad()
def update_texts(measures: dict[str, Measure], model: Translator, batch: Texts) -> None:
    """Update the metrics of `TranslationObjective` with a batch of pairs."""
    written = batch.write != IGNORED
    sentence = written.nonzero()[:, 1]
    nats = torch.zeros(written.shape[1], dtype=torch.float64)
    nats = nats.index_add(0, sentence, _surprise(model, batch, "none").double().cpu())
    measures["perplexity"].update(nats, written.sum(0))
    if any(batch.references):
        texts = [join_words(words, "french") for words in model.translate(batch.forest)]
        pairs = zip(texts, batch.references, strict=True)
        counts = [sentence_counts(text, own, model.config.lower) for text, own in pairs if own]
        measures["bleu"].update(torch.tensor(counts))


def measured_texts(model: Translator, pairs: Sequence[TextPair]) -> dict[str, Measure]:
    """Compute the metrics of a translator on pairs of sentences."""
    measures, data = TranslationObjective.measures_of(model.config), TextDataset(pairs, model)
    for indices in TreeBatches(data.sizes, 128, shuffle=False):
        update_texts(measures, model, data[indices])
    return measures


def digest_of_texts(pairs: Sequence[TextPair]) -> str:
    """Return a hash of the words and references of pairs of sentences."""
    return digest_of_text((_words(source), target, references) for source, target, references in pairs)


def _words(source: Sequence[str] | Tree) -> Sequence[str]:
    return words_of(source) if isinstance(source, Tree) else source


class Bleu(Metric):
    """BLEU of E translations, from their counts, see `sentence_counts`."""

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(10, dtype=torch.int64), "sum")

    def update(self, counts: Tensor) -> None:
        """Add the counts (E, 10) of E translations."""
        self.counts += counts.sum(0)

    def compute(self) -> Tensor:
        """Compute BLEU, from 0 to 100, as `scored` does."""
        *ngrams, length, reference = self.counts.tolist()
        return torch.tensor(BLEU.compute_bleu(ngrams[:4], ngrams[4:], length, reference, smooth_method="exp").score)


def sentence_counts(text: str, references: Sequence[str], lower: bool) -> list[int]:
    """Count what BLEU is computed from: n-grams of n = 1 to 4, first those in a reference, then all; and the lengths.

    Args:
        text: a translation.
        references: its reference translations.
        lower: ignore case.
    """
    found = BLEU(lowercase=lower, effective_order=True).sentence_score(text, list(references))
    return [*found.counts, *found.totals, found.sys_len, found.ref_len]


class Score(NamedTuple):
    """Score of a metric of sacrebleu."""

    score: float
    """From 0 to 100."""
    signature: str
    """Settings of the metric, as sacrebleu writes them."""


def scored(texts: Sequence[str], references: Sequence[Sequence[str]], lower: bool = False) -> dict[str, Score]:
    """Compute BLEU and chrF of translations, each against all references of its sentence.

    Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002; Popović, "chrF:
    character n-gram F-score for automatic MT evaluation", WMT 2015; both as implemented in sacrebleu, Post, "A call for
    clarity in reporting BLEU scores", WMT 2018.

    Args:
        texts: translations.
        references: references of each translation, at least one.
        lower: ignore case in BLEU; chrF always distinguishes it.
    """
    most = max(map(len, references))
    streams: list[Any] = [[own[at] if at < len(own) else None for own in references] for at in range(most)]
    found = {}
    for name, metric in (("BLEU", BLEU(lowercase=lower)), ("chrF", CHRF(lowercase=lower))):
        score = metric.corpus_score(list(texts), streams).score
        found[name] = Score(score, str(metric.get_signature()))
    return found


def evaluated(
    model: Translator, pairs: Sequence[TextPair], beam: int = 1, batch: int = 128
) -> tuple[list[str], dict[str, Score]]:
    """Translate all sources that have references, and compute the scores.

    Args:
        model: translator.
        pairs: sources with references.
        beam: beam width; 1 for greedy search.
        batch: batch size, in sentences.

    Returns:
        The translations as texts, and the scores by name.

    Raises:
        InputError: no pair has references.
    """
    compared = [pair for pair in pairs if pair.references]
    if not compared:
        raise InputError("there are no sentences to translate")
    data = TextDataset(compared, model)
    texts: list[str] = []
    for index in TreeBatches(data.sizes, batch, shuffle=False):
        texts += [join_words(words, "french") for words in model.translate(data[index].forest, beam)]
    return texts, scored(texts, [pair.references for pair in compared], model.config.lower)
