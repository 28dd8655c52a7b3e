"""Training of language models by truncated backpropagation through time."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from corpora.plain_text import LINE_END
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.data.batches import mixed
from recnn.layers.recurrent import detached
from recnn.models.config import LanguageModelConfig
from recnn.models.language_model import LanguageModel
from recnn.training.objectives.base import IGNORED, Measure, Objective, digest_of
from recnn.training.options import Training

_HELD_OUT = 32, 4096  # largest number of streams of the validation text, and fewest tokens of a stream


class LanguageModelObjective(Objective, kind="language_model"):
    """Cross entropy of the next token of a text, in segments of B streams.

    The text is cut into B streams of equal length, which are read in parallel, segment by segment. The state is passed
    from a segment to the next, the gradient is not: truncated backpropagation through time (Mikolov et al. 2010;
    Williams and Peng 1990). The state is zero at the start of an epoch. The first stream starts at a position that
    depends on the seed and the epoch, so that the text is cut at different positions in each epoch.

    The metric is the number of ``bits`` per character, or the ``perplexity`` of words.

    Args:
        config: settings of the model.
        training: settings of the training; the batch size is the number B of streams.
        text: training data, a sequence of characters or words.
        held_out: validation data, likewise.
        truncate: largest number of steps in a segment.
        min_count: frequency below which a token of ``text`` is unknown.

    Raises:
        InputError: the text is too short, or ``training.workers`` is not 0.
    """

    model: LanguageModel
    sparse_words = False

    def __init__(
        self,
        config: LanguageModelConfig,
        training: Training,
        text: Sequence[str],
        held_out: Sequence[str],
        truncate: int = 64,
        min_count: int = 1,
    ) -> None:
        if len(text) < training.batch or not held_out:
            what = f"train on in {training.batch} streams" if held_out else "validate on"
            raise InputError(f"batch: the text has {len(text):,} {config.unit}, too few to {what}")
        if training.workers:
            raise InputError(f"workers: expected 0 for a language model, got {training.workers}")
        self.training, self.truncate = training, truncate
        self.model = LanguageModel(config, Vocabulary.of(text, min_count, specials=[LINE_END]))
        end = torch.tensor([self.model.end])
        self.text = torch.cat([end, self.model.indices(text)])
        self.dev = torch.cat([self.text[-1:], self.model.indices(held_out)])
        self.measures = self.measures_of(config)
        self._state: Any = None

    @staticmethod
    def measures_of(config: LanguageModelConfig) -> dict[str, Measure]:
        name = "bits" if config.unit == "characters" else "perplexity"
        return {name: Measure(Perplexity(config.unit), "min", share=False)}

    def batches(self, epoch: int) -> "Segments":
        streams = self.training.batch
        offsets = min(self.truncate, len(self.text) - streams)
        offset = mixed(self.training.seed, epoch) % offsets
        length = (len(self.text) - 1 - offset) // streams
        return Segments(self.text[offset : offset + streams * length + 1], streams, self.truncate)

    def held_out(self) -> "Segments":
        """Return the whole text, in streams so long that their initial state of zero has little effect."""
        most, fewest = _HELD_OUT
        return Segments(self.dev, max(1, min(most, len(self.dev) // fewest)), 256)

    def begin(self, training: bool) -> None:
        """Reset the state to zero."""
        self._state = None

    def loss(self, batch: "Segment") -> Tensor:
        """Compute the mean cross entropy of the tokens, in nats, and keep the state for the next segment."""
        scores, self._state = self._read(batch)
        return F.cross_entropy(scores.flatten(0, 1), batch.targets.flatten().to(scores.device))

    @torch.no_grad()
    def measure(self, batch: "Segment") -> None:
        """Update the metric; an example is a segment of a stream."""
        scores, self._state = self._read(batch)
        targets = batch.targets.flatten().to(scores.device)
        surprise = F.cross_entropy(scores.flatten(0, 1), targets, ignore_index=IGNORED, reduction="none")
        for measure in self.measures.values():
            measure.update(surprise.double().view(batch.targets.shape).sum(0).cpu(), (batch.targets != IGNORED).sum(0))

    def digest(self) -> dict[str, str]:
        return {"text": digest_of(self.text), "held_out": digest_of(self.dev)}

    def examples(self) -> str:
        return self.digest()["held_out"]

    def _read(self, batch: "Segment") -> tuple[Tensor, Any]:
        scores, state = self.model(batch.inputs, self._state)
        return scores, detached(state)


class Segment(NamedTuple):
    """Up to T steps of B streams: tokens, and for each the next token as its target."""

    inputs: Tensor
    """(T, B) token indices."""
    targets: Tensor
    """(T, B) indices of the next tokens, -100 after the end of a stream."""


class Segments:
    """A text as B parallel streams of equal length, in segments of at most T steps; the last stream may be shorter.

    Args:
        text: (N,) token indices; the first token is an input only, not a target.
        streams: number B of streams.
        steps: number T of steps.
    """

    def __init__(self, text: Tensor, streams: int, steps: int) -> None:
        self.steps = steps
        self.length = math.ceil((len(text) - 1) / streams)
        rest = streams * self.length - (len(text) - 1)
        self.inputs = F.pad(text[:-1], (0, rest)).view(streams, -1).t().contiguous()
        self.targets = F.pad(text[1:], (0, rest), value=IGNORED).view(streams, -1).t().contiguous()

    def __len__(self) -> int:
        return math.ceil(self.length / self.steps)

    def __iter__(self) -> Iterator[Segment]:
        yield from map(Segment, self.inputs.split(self.steps), self.targets.split(self.steps))


class Perplexity(Metric):
    """Bits per character, -Σ log2 P / n, or perplexity of words, exp(-Σ log P / n), over n tokens.

    Args:
        unit: "characters" for bits, "words" for the perplexity.
    """

    total: Tensor
    count: Tensor

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit
        self.add_state("total", torch.zeros((), dtype=torch.float64), "sum")
        self.add_state("count", torch.tensor(0), "sum")

    def update(self, nats: Tensor, count: Tensor) -> None:
        """Add E texts: the sum (E,) of the negative log-probabilities of their tokens, and the number (E,) of these."""
        self.total += nats.sum()
        self.count += count.sum()

    def compute(self) -> Tensor:
        """Compute the metric over all tokens so far."""
        mean = self.total / self.count
        return mean / math.log(2) if self.unit == "characters" else mean.exp()
