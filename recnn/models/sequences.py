"""Recurrent networks over sequences of numbers, with one or many inputs and one or many predictions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recnn.layers.heads import Head
from recnn.layers.recurrent import Recurrent
from recnn.models.config import SequenceConfig
from recnn.models.folder import Model


class SequenceModel(Model, kind="sequences"):
    """Recurrent network of any cell (`recnn.Recurrent`) with a `recnn.Head` at every step or at the last.

    | steps        | x          | scores     |
    |--------------|------------|------------|
    | one-to-one   | (B, D)     | (B, C)     |
    | one-to-many  | (B, D)     | (B, T, C)  |
    | many-to-one  | (B, T, D)  | (B, C)     |
    | many-to-many | (B, T, D)  | (B, T, C)  |

    A single input is that of the first step; later steps have inputs of 0. Inputs are standardised before, and
    predicted numbers are brought back to their units, with means and deviations that are saved with the model
    (`standardise`).

    Here the weights are random; those of a training run are read by ``recnn.load("echo")``.

    >>> import recnn, torch
    >>> config = recnn.SequenceConfig(inputs=1, outputs=5, task="classes", steps="many-to-one")
    >>> recnn.SequenceModel(config).predict(torch.randn(3, 40, 1)).shape
    torch.Size([3])

    Args:
        config: settings of the model, see `recnn.SequenceConfig`.
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
        """Set the means and standard deviations of the data.

        Args:
            inputs: mean and deviation of the inputs, each (D,) or a number; None leaves them unchanged.
            outputs: the same for the outputs, (C,).
        """
        for name, pair in (("input", inputs), ("output", outputs)):
            if pair is not None:
                for part, value in zip(("mean", "deviation"), pair, strict=True):
                    buffer = getattr(self, f"{name}_{part}")
                    buffer.copy_(torch.as_tensor(value, dtype=buffer.dtype).expand_as(buffer))

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        """Compute the scores; for a regression, the predicted numbers in standard units.

        Args:
            x: inputs, see the table.
            steps: number T of steps for one-to-many; otherwise not used.

        Raises:
            ValueError: x has a wrong number of dimensions.
        """
        many = self.config.steps.startswith("many")
        if x.dim() != 2 + many:
            raise ValueError(
                f"expected x with {2 + many} dimensions for {self.config.steps}, got shape {tuple(x.shape)}"
            )
        x = (x.to(self.input_mean) - self.input_mean) / self.input_deviation
        if not many:
            later = steps - 1 if self.config.steps == "one-to-many" else 0
            x = F.pad(x.unsqueeze(1), (0, 0, 0, later))  # (B, T, D)
        scores: Tensor = self.head(self.network(x)[0])
        return scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the mean loss over all predictions, at all steps if there are many; see `Head.loss`.

        Args:
            scores: result of `forward`.
            target: (B,) or (B, T): class indices, 0 or 1 for "binary", or numbers in their units; (B, C) or (B, T, C)
                for several numbers.
        """
        if self.config.task == "regression":
            target = (target.view_as(scores).to(scores) - self.output_mean) / self.output_deviation
            return self.head.loss(scores.flatten(0, -2), target.flatten(0, -2))
        return self.head.loss(scores.flatten(0, -2), target.flatten().to(scores.device))

    @torch.no_grad()
    def predict(self, x: Tensor, steps: int = 1) -> Tensor:
        """Predict class indices, 0 or 1 for "binary", or numbers in their units.

        Args:
            x: inputs, see the table.
            steps: number T of steps for one-to-many.

        Returns:
            (B,) or (B, T); (B, C) or (B, T, C) for several numbers.
        """
        scores: Tensor = self(x, steps)
        if self.config.task == "classes":
            return scores.argmax(-1)
        if self.config.task == "binary":
            return (scores.squeeze(-1) > 0).long()
        return (scores * self.output_deviation + self.output_mean).squeeze(-1)
