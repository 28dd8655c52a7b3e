"""Settings of networks over trees of typed nodes."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from recnn.models.config import NetworkConfig, distinct_labels, without_weights
from recnn.settings import STRICT, DirectionMerge, Probability, Size, TreeTask

if TYPE_CHECKING:
    from recnn.cells.base import Cell


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TypedNetworkConfig(NetworkConfig):
    """Vectors of types and words, and a network over the tree."""

    inputs: Annotated[
        Literal["label", "word", "sum", "concat"],
        Field(
            description="Input of a node: the vector of its type (label), of its word, or both, added or concatenated."
        ),
    ] = "sum"
    input_size: Annotated[Size, Field(description="Size of the vectors of types and of words.")] = 100
    hidden_size: Annotated[Size, Field(description="Size of the hidden states.")] = 100
    arity: Annotated[
        Annotated[int, Field(ge=1, le=64)] | Literal["sum"],
        Field(description="Number of children with weights of their own, or sum for any number of children as a set."),
    ] = "sum"
    binarise: Annotated[
        bool, Field(description="Left-child right-sibling binarisation: trees of any arity fit --arity 2.")
    ] = False
    direction: Annotated[
        Literal["up", "down", "both"], Field(description="From the leaves up to the root, down, or both.")
    ] = "up"
    merge: Annotated[DirectionMerge, Field(description="How the states of both directions are combined.")] = "concat"
    input_dropout: Annotated[Probability, Field(description="Dropout of the inputs.")] = 0.0
    word_dropout: Annotated[
        Probability, Field(description="Probability of replacing a word by the unknown word in training.")
    ] = 0.0
    dropout: Annotated[Probability, Field(description="Dropout before the output layer.")] = 0.2

    @model_validator(mode="after")
    def _fits(self) -> "TypedNetworkConfig":
        if self.binarise and self.arity not in (2, "sum"):
            raise ValueError(f"binarise: a binarised tree fits --arity 2 or sum, got {self.arity}")
        cell = without_weights(self.first_cell)
        if cell.input_size != self.width and self.num_layers > 1:
            raise ValueError(f"the cell {self.cell!r} has an input size of its own: it takes one layer")
        return self

    @property
    def width(self) -> int:
        """Size D of the inputs."""
        return self.input_size * (2 if self.inputs == "concat" else 1)

    def first_cell(self) -> "Cell":
        """The cell of the first layer."""
        return self.make_cell(self.width, self.arity)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TypedTreeConfig(TypedNetworkConfig):
    """Settings of a `TypedTreeModel`, beside its vocabularies."""

    task: Annotated[TreeTask, Field(description="What is predicted.")]
    at: Annotated[Literal["root", "nodes"], Field(description="Predict of the whole tree, or of every node.")] = "root"
    labels: Annotated[tuple[str, ...], Field(description="Names of the classes or labels; none for a regression.")] = ()
    outputs: Annotated[Size, Field(description="Number of classes, labels or predicted numbers.")] = 1
    numbers: Annotated[int, Field(ge=0, le=1 << 20, description="Number F of numeric features of a node.")] = 0

    @model_validator(mode="after")
    def _names(self) -> "TypedTreeConfig":
        if self.task == "regression" and self.labels:
            raise ValueError(f"labels: a regression has none, got {str(self.labels)[:80]}")
        if self.task != "regression" and len(distinct_labels(self.labels)) != self.outputs:
            raise ValueError(f"outputs: expected the number of labels, {len(self.labels)}, got {self.outputs}")
        return self
