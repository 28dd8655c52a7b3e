"""Translations of sentences, learnt word by word, measured by their perplexity and by sacrebleu."""

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
from recnn.data.datasets import batch_of, without_tables
from recnn.models.config import TranslationConfig
from recnn.models.translation import END, START, Translator
from recnn.training.objectives.base import IGNORED, Measure, Objective, digest_of, fill_vectors, tree_batches
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
    """A source sentence, perhaps with a tree over it, and what it becomes."""

    source: Sequence[str] | Tree
    target: Sequence[str]
    """Its words."""
    references: Sequence[str] = ()
    """The texts that a translation is compared with; none for a source that is compared elsewhere, or not at all."""


def text_pairs(
    translations: Iterable[Translation], lower: bool = True, trees: Mapping[str, Tree] | None = None
) -> list[TextPair]:
    """The pairs in words, English to French.

    The first of several translations of one English sentence has all of them as references.

    Args:
        translations: read once.
        lower: whether to put all in lower case.
        trees: over the English sentences, see `by_text`.

    Raises:
        InputError: there are trees, and a sentence has none.
    """
    references: dict[str, list[str]] = defaultdict(list)
    found: list[TextPair] = []
    for english, french, _ in translations:
        source: Sequence[str] | Tree = split_words(english, "english", lower)
        if trees is not None:
            tree = trees.get(_key(source))
            if tree is None:
                raise InputError(f"there is no tree over {english!r}")
            source = tree
        own = references[english.lower() if lower else english]
        own.append(french)
        found.append(TextPair(source, split_words(french, "french", lower), own if len(own) == 1 else ()))
    return found


def by_text(trees: Iterable[Tree]) -> dict[str, Tree]:
    """Trees by what they are over: their words without spaces, for a parser may divide words as others do not."""
    return {_key(words_of(tree)): tree for tree in trees}


def _key(words: Sequence[str]) -> str:
    return "".join('"' if word in ("``", "''") else word for word in words).lower()


class Texts(NamedTuple):
    """A batch of B pairs."""

    forest: DGLGraph
    read: Tensor
    """(T, B) `START` and the words of the targets."""
    write: Tensor
    """(T, B) the words and `END`, -100 after it."""
    references: list[Sequence[str]]
    """B."""


class TextDataset(Dataset[Texts]):
    """Pairs in the numbers of a translator; the items of a list of indices are one batch."""

    def __init__(self, pairs: Sequence[TextPair], model: Translator) -> None:
        self._graphs = [without_tables(model.graph(pair.source)) for pair in pairs]
        start, end = model.target.index(START), model.target.index(END)
        self._targets = [torch.tensor([start, *model.indices(pair.target), end]) for pair in pairs]
        self._references = [pair.references for pair in pairs]
        self.sizes = [graph.num_nodes() for graph in self._graphs]

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: list[int]) -> Texts:
        forest = batch_of([self._graphs[one] for one in index])
        targets = [self._targets[one] for one in index]
        read = pad_sequence([target[:-1] for target in targets])
        write = pad_sequence([target[1:] for target in targets], padding_value=IGNORED)
        return Texts(forest, read, write, [self._references[one] for one in index])

    def digest(self) -> str:
        """What tells these pairs from others."""
        sources = [part for graph in self._graphs for part in (graph.ndata["word"], graph.ndata["span"])]
        return digest_of(*sources, *self._targets)


class TranslationObjective(Objective):
    """The next word of the target, given those before it, by the cross entropy.

    The best epoch is that of the lowest perplexity unless told otherwise: it is taken over all held-out words, where
    BLEU is taken over some hundred sentences and differs by a point or two between epochs that are equally good.

    Args:
        config: of the translator.
        training: of the training.
        pairs: to learn from.
        held_out: to choose the best epoch on.
        words: the first word vectors; a file of pretrained ones is of the source.
        measured: how many held-out sentences are translated for BLEU after each epoch, the first that have references.
        closing: see `Objective`.

    Raises:
        InputError: no pairs.
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
            raise InputError(f"there are no pairs to {'choose on' if pairs else 'train on'}")
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
        self.measures = {"perplexity": Measure(Perplexity("words"), "min", share=False)}
        if compared:
            self.measures["bleu"] = Measure(_Bleu(config.lower), share=False)

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, 128, shuffle=False))

    def loss(self, batch: Texts) -> Tensor:
        """The mean over the words of the targets, ends included."""
        return self._surprise(batch, "mean")

    @torch.no_grad()
    def measure(self, batch: Texts) -> None:
        total = self._surprise(batch, "sum").double().cpu()
        self.measures["perplexity"].metric.update(total, int((batch.write != IGNORED).sum()))
        if any(batch.references):
            found = self.model.translate(batch.forest)
            self.measures["bleu"].metric.update(found, batch.references)

    def digest(self) -> dict[str, str]:
        return {"train": self.data.digest(), "dev": self.dev.digest()}

    def _surprise(self, batch: Texts, reduction: str) -> Tensor:
        states, _ = self.model.readout(batch.forest, batch.read)
        write = batch.write.flatten().to(states.device)
        rows = (write != IGNORED).nonzero().squeeze(1)  # the output layer is the dearest part: spare it the padding
        scores = self.model.output(states.flatten(0, 1).index_select(0, rows))
        return F.cross_entropy(scores, write[rows], reduction=reduction)


def _words(source: Sequence[str] | Tree) -> Sequence[str]:
    return words_of(source) if isinstance(source, Tree) else source


class _Bleu(Metric):
    """BLEU of translations in words, of all that have references."""

    def __init__(self, lower: bool) -> None:
        super().__init__()
        self.lower = lower
        self.texts: list[str] = []
        self.references: list[Sequence[str]] = []

    def update(self, found: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> None:
        for words, own in zip(found, references, strict=True):
            if own:
                self.texts.append(join_words(words, "french"))
                self.references.append(own)

    def compute(self) -> Tensor:
        return torch.tensor(scored(self.texts, self.references, self.lower)["BLEU"].score)

    def reset(self) -> None:
        self.texts, self.references = [], []
        super().reset()


class Score(NamedTuple):
    """What sacrebleu says of some translations, from 0 to 100."""

    score: float
    signature: str
    """How it was reckoned, as sacrebleu writes it."""


def scored(texts: Sequence[str], references: Sequence[Sequence[str]], lower: bool = False) -> dict[str, Score]:
    """BLEU and chrF of translations, each with all references of its sentence.

    Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002; Popović, "chrF:
    character n-gram F-score for automatic MT evaluation", WMT 2015; both as sacrebleu reckons them, Post, "A call for
    clarity in reporting BLEU scores", WMT 2018.

    Args:
        texts: the translations.
        references: of each, at least one.
        lower: whether capitals make no difference.
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
    """The translations of all sources that have references, and their scores.

    Raises:
        InputError: there are none.
    """
    compared = [pair for pair in pairs if pair.references]
    if not compared:
        raise InputError("there are no sentences to translate")
    data = TextDataset(compared, model)
    texts: list[str] = []
    for index in TreeBatches(data.sizes, batch, shuffle=False):
        texts += [join_words(words, "french") for words in model.translate(data[index].forest, beam)]
    return texts, scored(texts, [pair.references for pair in compared], model.config.lower)
