"""What networks have in common: a cell, by name, and how many layers of it."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from parsers.trees import Shape
from recnn.cells.base import Arity, Cell
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.matrix_vector import MatrixVectorCell
from recnn.cells.recursive import RecursiveCell
from recnn.cells.regularised import DropoutCell
from recnn.cells.tensor import TensorCell
from recnn.config import STRICT, Probability, Size

CELLS: dict[str, Callable[..., Cell]] = {
    "lstm": LSTMCell,
    "gru": GRUCell,
    "recursive": RecursiveCell,
    "tensor": TensorCell,
    "matrix-vector": MatrixVectorCell,
}
"""The cells that a configuration can name. A cell of your own is one more entry: its class, or a function that makes
it, called with those of ``input_size``, ``hidden_size`` and ``arity`` that it has, and the options of the cell."""

Children = Annotated[int, Field(ge=1, le=64)] | Literal["sum"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkConfig:
    """Layers of a cell."""

    cell: Annotated[str, Field(description="The cell: lstm, gru, recursive, tensor, matrix-vector, or your own.")] = (
        "lstm"
    )
    cell_options: Annotated[
        dict[str, bool | int | float | str],
        Field(default_factory=dict, description="An option of the cell, NAME=VALUE, such as peepholes=true."),
    ]
    hidden_size: Annotated[Size, Field(description="H, the length of the state vectors.")] = 150
    num_layers: Annotated[Size, Field(description="L, how many layers.")] = 1
    dropout: Annotated[Probability, Field(description="Of the states that the output reads.")] = 0.5
    layer_dropout: Annotated[Probability, Field(description="Of what one layer reads from another.")] = 0.0
    recurrent_dropout: Annotated[Probability, Field(description="Of the states that pass from node to node.")] = 0.0

    def make_cell(self, input_size: int, arity: Arity = 1) -> Cell:
        """The cell of the first layer.

        Raises:
            ValueError: no cell has that name, or it does not take its options or the arity.
        """
        if self.cell not in CELLS:
            raise ValueError(f"cell: {self.cell!r} is none of {', '.join(CELLS)}")
        factory = CELLS[self.cell]
        sizes = {"input_size": input_size, "hidden_size": self.hidden_size, "arity": arity}
        taken = inspect.signature(factory).parameters
        unknown = set(self.cell_options) - (set(taken) - set(sizes))
        if unknown:
            raise ValueError(f"cell_options: the cell {self.cell!r} has no option {min(unknown)!r}")
        own: dict[str, Any] = self.cell_options
        for name, value in own.items():
            if taken[name].annotation is bool and not isinstance(value, bool):
                raise ValueError(f"cell_options: {name} is true or false, got {value!r}")
        try:
            cell = factory(**{name: value for name, value in sizes.items() if name in taken}, **own)
        except TypeError as error:
            raise ValueError(f"cell_options: {error}") from None
        if not isinstance(cell, Cell):
            raise ValueError(f"cell: {self.cell!r} made no recnn.Cell, but {type(cell).__name__}")
        if cell.arity != arity and not (arity == 1 and cell.slots == 1):
            raise ValueError(f"the cell {self.cell!r} takes an arity of {cell.arity}, not {arity}")
        return DropoutCell(cell, self.recurrent_dropout) if self.recurrent_dropout else cell


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhraseConfig(NetworkConfig):
    """Words, and a network that makes a state of each phrase: over the tree, or from its words in their order."""

    model: Annotated[
        Literal["tree", "sequence"],
        Field(description="What reads a phrase: the tree below it, or its words one by one, without structure."),
    ] = "tree"
    input_size: Annotated[Size, Field(description="D, the length of the word vectors.")] = 300
    arity: Annotated[Children, Field(description="Children by position, or sum for any number, as a set.")] = 2
    direction: Annotated[
        Literal["up", "down", "both"], Field(description="The way through a tree; both of a sequence is both ends.")
    ] = "up"
    merge: Annotated[Literal["concat", "sum", "mul", "ave"], Field(description="How both ways become one.")] = "concat"
    input_dropout: Annotated[Probability, Field(description="Of the word vectors.")] = 0.0
    word_dropout: Annotated[Probability, Field(description="How often a word is unknown, in training.")] = 0.0
    subwords: Annotated[
        int,
        Field(ge=0, le=1 << 24, description="Buckets of pieces of words, which unknown words have too; 0: none."),
    ] = 0
    shape: Annotated[Shape, Field(description="The trees that are put over sentences without one.")] = "balanced"

    @model_validator(mode="after")
    def _fits(self) -> "PhraseConfig":
        if self.model == "sequence" and self.direction == "down":
            raise ValueError("a sequence has no direction 'down': take 'up' or 'both'")
        with torch.device("meta"):
            cell = self.phrase_cell()
        if cell.input_size != self.input_size and self.num_layers > 1:
            raise ValueError(f"the cell {self.cell!r} has an input size of its own: it takes one layer")
        return self

    @property
    def widest(self) -> Arity:
        """The most children of a node; "sum" for any number, as a sequence takes, which looks at words alone."""
        return "sum" if self.model == "sequence" else self.arity

    def phrase_cell(self) -> Cell:
        """The cell of the first layer; a sequence has one child."""
        return self.make_cell(self.input_size, 1 if self.model == "sequence" else self.arity)
