"""The general recurrent network over sequences of numbers: one or many steps in, one or many answers out."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recnn.layers.heads import Head
from recnn.layers.recurrent import Recurrent
from recnn.models.config import SequenceConfig
from recnn.models.folder import Model


class SequenceModel(Model, kind="sequences"):
    """A recurrent network of any cell, and a `recnn.Head` over its states: at every step, or at the last.

    | steps        | x          | scores     |
    |--------------|------------|------------|
    | one-to-one   | (B, D)     | (B, C)     |
    | one-to-many  | (B, D)     | (B, T, C)  |
    | many-to-one  | (B, T, D)  | (B, C)     |
    | many-to-many | (B, T, D)  | (B, T, C)  |

    With one input it is that of the first step; the later ones have none. Inputs are standardised, and numbers that are
    answered brought back to their units, by constants that are part of the model (`standardise`).
    """

    Config = SequenceConfig
    vocabulary_names = ()

    input_mean: Tensor
    input_deviation: Tensor
    output_mean: Tensor
    output_deviation: Tensor

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.config = config
        self.network = Recurrent(
            config.make_cell(config.inputs),
            config.num_layers,
            batch_first=True,
            dropout=config.layer_dropout,
            bidirectional=config.bidirectional,
            merge_mode=config.merge,
            return_sequences=config.steps.endswith("many"),
        )
        wide = 2 if config.bidirectional and config.merge == "concat" else 1
        size = wide * self.network.encoder.cells[-1].output_size
        self.head = Head(size, config.outputs, config.dropout, config.task)
        for name, length in (("input", config.inputs), ("output", config.outputs)):
            self.register_buffer(f"{name}_mean", torch.zeros(length))
            self.register_buffer(f"{name}_deviation", torch.ones(length))

    def standardise(self, inputs: tuple[Any, Any] | None = None, outputs: tuple[Any, Any] | None = None) -> None:
        """Set mean and deviation, (D,) of the inputs and (C,) of the outputs."""
        for name, pair in (("input", inputs), ("output", outputs)):
            if pair is not None:
                for part, value in zip(("mean", "deviation"), pair, strict=True):
                    buffer = getattr(self, f"{name}_{part}")
                    buffer.copy_(torch.as_tensor(value, dtype=buffer.dtype).expand_as(buffer))

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        """The scores; of numbers, in standard units.

        Args:
            x: see the table.
            steps: T, for one-to-many; no other shape looks at it.

        Raises:
            ValueError: x has another number of dimensions.
        """
        many = self.config.steps.startswith("many")
        if x.dim() != 2 + many:
            raise ValueError(f"{self.config.steps} expects x of {2 + many} dimensions, got {tuple(x.shape)}")
        x = (x.to(self.input_mean) - self.input_mean) / self.input_deviation
        if not many:
            later = steps - 1 if self.config.steps == "one-to-many" else 0
            x = F.pad(x.unsqueeze(1), (0, 0, 0, later))  # (B, T, D)
        scores: Tensor = self.head(self.network(x)[0])
        return scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """The mean over all answers, those of all steps if there are many; see `Head.loss`.

        Args:
            scores: from `forward`.
            target: (B,) or (B, T) classes, 0 or 1, or numbers; or numbers (B, C) or (B, T, C).
        """
        if self.config.task == "regression":
            target = (target.view_as(scores).to(scores) - self.output_mean) / self.output_deviation
            return self.head.loss(scores.flatten(0, -2), target.flatten(0, -2))
        return self.head.loss(scores.flatten(0, -2), target.flatten().to(scores.device))

    @torch.no_grad()
    def answers(self, x: Tensor, steps: int = 1) -> Tensor:
        """Classes, 0 or 1, or numbers in their units: (B,) or (B, T), or with several numbers (B, C) or (B, T, C)."""
        scores: Tensor = self(x, steps)
        if self.config.task == "classes":
            return scores.argmax(-1)
        if self.config.task == "binary":
            return (scores.squeeze(-1) > 0).long()
        return (scores * self.output_deviation + self.output_mean).squeeze(-1)
