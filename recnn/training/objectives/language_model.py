"""A language model of a text, by backpropagation through time that is truncated to segments."""

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

_HELD_OUT = 32, 4096  # most streams of held-out text, and fewest tokens of one


class LanguageModelObjective(Objective):
    """What comes next in a text, by the cross entropy, in segments of B streams.

    The text is cut into B streams of one length, which are read side by side, segment by segment. The state goes from
    a segment to the next, the gradient does not (Mikolov et al. 2010; Williams and Peng 1990). It is zero at the start
    of an epoch, in which the first stream begins at a place that the epoch and the seed decide, so that the text is
    not cut at the same places each time.

    Args:
        config: of the model.
        training: of the training; its batch is B.
        text: to learn from, its characters or words.
        held_out: to choose the best epoch on.
        truncate: steps in a segment.
        min_count: frequency below which a token of ``text`` is unknown.

    Raises:
        InputError: too little text.
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
            what = f"learn from in {training.batch} streams" if held_out else "choose on"
            raise InputError(f"batch: the text has {len(text):,} {config.unit}, too few to {what}")
        if training.workers:
            raise InputError("workers: a text is cut as it is read, which takes no other process: leave it at 0")
        self.training, self.truncate = training, truncate
        self.model = LanguageModel(config, Vocabulary.of(text, min_count, specials=[LINE_END]))
        end = torch.tensor([self.model.end])
        self.text = torch.cat([end, self.model.indices(text)])
        self.dev = torch.cat([self.text[-1:], self.model.indices(held_out)])
        self.measures = {
            "bits" if config.unit == "characters" else "perplexity": Measure(
                Perplexity(config.unit), "min", share=False
            )
        }
        self._state: Any = None

    def batches(self, epoch: int) -> "Segments":
        streams = self.training.batch
        offsets = min(self.truncate, len(self.text) - streams)
        offset = mixed(self.training.seed, epoch) % offsets
        length = (len(self.text) - 1 - offset) // streams
        return Segments(self.text[offset : offset + streams * length + 1], streams, self.truncate)

    def held_out(self) -> "Segments":
        """All of the text, in streams that are so long that it matters little that they begin without a state."""
        most, fewest = _HELD_OUT
        return Segments(self.dev, max(1, min(most, len(self.dev) // fewest)), 256)

    def begin(self, training: bool) -> None:
        """Forget the state."""
        self._state = None

    def loss(self, batch: "Segment") -> Tensor:
        """The mean over the tokens, in nats."""
        scores, self._state = self._read(batch)
        return F.cross_entropy(scores.flatten(0, 1), batch.targets.flatten().to(scores.device))

    @torch.no_grad()
    def measure(self, batch: "Segment") -> None:
        scores, self._state = self._read(batch)
        targets = batch.targets.flatten().to(scores.device)
        surprise = F.cross_entropy(scores.flatten(0, 1), targets, ignore_index=IGNORED, reduction="none")
        for measure in self.measures.values():
            measure.metric.update(surprise.double().sum().cpu(), int((targets != IGNORED).sum()))

    def digest(self) -> dict[str, str]:
        return {"text": digest_of(self.text), "held_out": digest_of(self.dev)}

    def _read(self, batch: "Segment") -> tuple[Tensor, Any]:
        scores, state = self.model(batch.inputs, self._state)
        return scores, detached(state)


class Segment(NamedTuple):
    """Steps of B streams, each token with the one that comes after it."""

    inputs: Tensor
    """(T, B)."""
    targets: Tensor
    """(T, B), -100 where a stream has ended."""


class Segments:
    """A text in streams of one length, and these in segments of at most ``steps``; the last stream may be shorter.

    Args:
        text: (N,) the first token is only read, not predicted.
        streams: B.
        steps: T.
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
    """What a token costs on average: bits, or, of words, the perplexity exp(-Σ log P / n)."""

    total: Tensor
    count: Tensor

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit
        self.add_state("total", torch.zeros((), dtype=torch.float64), "sum")
        self.add_state("count", torch.tensor(0), "sum")

    def update(self, nats: Tensor, count: int) -> None:
        """Add the negative log-probability of ``count`` tokens."""
        self.total += nats
        self.count += count

    def compute(self) -> Tensor:
        """Of all tokens so far."""
        mean = self.total / self.count
        return mean / math.log(2) if self.unit == "characters" else mean.exp()
