"""The general recurrent network over sequences of numbers: one or many steps in, one or many answers out."""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from recnn.config import STRICT, Probability, Size
from recnn.heads import Head, Task
from recnn.models.config import NetworkConfig
from recnn.models.folder import Model
from recnn.recurrent import Recurrent

Steps = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RecurrentConfig(NetworkConfig):
    """Layers of a cell over a sequence."""

    hidden_size: Annotated[Size, Field(description="H, the length of the state vectors.")] = 64
    dropout: Annotated[Probability, Field(description="Of the states that the output reads.")] = 0.0
    bidirectional: Annotated[bool, Field(description="Whether a second cell reads from the end.")] = False
    merge: Annotated[Literal["concat", "sum", "mul", "ave"], Field(description="How both ways become one.")] = "concat"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SequenceConfig(RecurrentConfig):
    """What a `SequenceNetwork` is made of."""

    inputs: Annotated[Size, Field(description="D, the numbers of a step.")]
    outputs: Annotated[Size, Field(description="C, the classes or the numbers of an answer; 1 if it is yes or no.")]
    task: Annotated[Task, Field(description="What an answer is.")]
    steps: Annotated[Steps, Field(description="Whether there are one or many inputs, and one or many answers.")]

    @model_validator(mode="after")
    def _fits(self) -> "SequenceConfig":
        if self.bidirectional and self.steps == "one-to-many":
            raise ValueError("bidirectional: a network that goes on from one input has nothing to read from the end")
        with torch.device("meta"):
            self.make_cell(self.inputs)
        return self


class SequenceNetwork(Model, kind="sequence"):
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
