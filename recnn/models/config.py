"""What a model is made of: the settings that are saved with it.

A `...NetworkConfig` holds what a user can choose; the `...Config` made of it adds what the data decide, such as labels.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, replace
from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from corpora.labelled_trees import Form
from recnn.settings import STRICT, DirectionMerge, Layers, NotNegative, Positive, Probability, Size, Task

if TYPE_CHECKING:
    from recnn.cells.base import Arity, Cell

Steps = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many"]
Unit = Literal["characters", "words"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkConfig:
    """Layers of a cell."""

    cell: Annotated[
        str,
        Field(description="Cell: lstm, gru, recursive, tensor, matrix-vector, or one that an installed package adds."),
    ] = "lstm"
    cell_options: Annotated[
        dict[str, bool | int | float | str],
        Field(default_factory=dict, description="Option of the cell, NAME=VALUE, such as peepholes=true. Repeatable."),
    ]
    hidden_size: Annotated[Size, Field(description="Size of the hidden states.")] = 150
    num_layers: Annotated[Layers, Field(description="Number of layers.")] = 1
    dropout: Annotated[Probability, Field(description="Dropout before the output layer.")] = 0.5
    layer_dropout: Annotated[Probability, Field(description="Dropout between layers.")] = 0.0
    recurrent_dropout: Annotated[
        Probability, Field(description="Dropout of the hidden states that nodes receive from their children.")
    ] = 0.0

    def make_cell(self, input_size: int, arity: "Arity" = 1) -> "Cell":
        """The cell of the first layer.

        Raises:
            ValueError: no cell has that name, or it does not take its options or the arity.
        """
        from recnn.cells import Cell, DropoutCell, cell_class

        try:
            kind = cell_class(self.cell)
        except ValueError as error:
            raise ValueError(f"cell: {error}") from None
        sizes: dict[str, Any] = {"input_size": input_size, "hidden_size": self.hidden_size, "arity": arity}
        taken = kind.constructor_parameters()
        if unknown := set(self.cell_options) - (set(taken) - set(sizes)):
            raise ValueError(f"cell_options: the cell {self.cell!r} has no option {min(unknown)!r}")
        options: dict[str, Any] = self.cell_options
        for name, value in options.items():
            if taken[name].annotation in (bool, "bool") and not isinstance(value, bool):
                raise ValueError(f"cell_options: {name} is true or false, got {value!r}")
        try:
            cell: Cell = kind(**{name: value for name, value in sizes.items() if name in taken}, **options)
        except TypeError as error:
            raise ValueError(f"cell_options: {error}") from None
        if cell.arity != arity and not (arity == 1 and cell.slots == 1):
            raise ValueError(f"the cell {self.cell!r} takes an arity of {cell.arity}, not {arity}")
        return DropoutCell(cell, self.recurrent_dropout) if self.recurrent_dropout else cell


def _located(parser: str) -> str:
    """Make the path of a parser absolute, so that a model has its parser in any working directory."""
    if not exists(parser):
        return parser
    import parsers

    return parser if parser in parsers.available() else str(Path(parser).resolve())


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhraseNetworkConfig(NetworkConfig):
    """Word vectors, and a network that computes a state of each phrase from its tree or from its words in order."""

    model: Annotated[
        Literal["tree", "sequence"],
        Field(description="Network over the parse tree, or over the sequence of words without structure."),
    ] = "tree"
    input_size: Annotated[Size, Field(description="Size of the word vectors.")] = 300
    arity: Annotated[
        Annotated[int, Field(ge=1, le=64)] | Literal["sum"],
        Field(description="Number of children with weights of their own, or sum for any number of children as a set."),
    ] = 2
    direction: Annotated[
        Literal["up", "down", "both"],
        Field(description="From the leaves up to the root, down, or both. A sequence with both is bidirectional."),
    ] = "up"
    merge: Annotated[DirectionMerge, Field(description="How the states of both directions are combined.")] = "concat"
    input_dropout: Annotated[Probability, Field(description="Dropout of the word vectors.")] = 0.0
    word_dropout: Annotated[
        Probability, Field(description="Probability of replacing a word by the unknown word in training.")
    ] = 0.0
    subwords: Annotated[
        int,
        Field(
            ge=0,
            le=1 << 24,
            description="Hash buckets for character n-grams, from which unknown words get vectors too; 0 for none.",
        ),
    ] = 0
    parser: Annotated[
        str,
        Field(
            description="Parser of sentences that have no tree: english; right, left or balanced for trees of that "
            "shape; a bundled grammar, the path of one, or the folder of a trained parser."
        ),
        AfterValidator(_located),
    ] = "english"

    @model_validator(mode="after")
    def _fits(self) -> "PhraseNetworkConfig":
        if self.model == "sequence" and self.direction == "down":
            raise ValueError("a sequence has no direction 'down': take 'up' or 'both'")
        cell = without_weights(self.phrase_cell)
        if cell.input_size != self.input_size and self.num_layers > 1:
            raise ValueError(f"the cell {self.cell!r} has an input size of its own: it takes one layer")
        return self

    @property
    def max_children(self) -> "Arity":
        """Largest number of children of a node; "sum" for any number, as a sequence looks at the words alone."""
        return "sum" if self.model == "sequence" else self.arity

    @property
    def root_parser(self) -> str:
        """Parser for tasks that need the states of roots only, where a sequence needs no trees: any will do."""
        return "balanced" if self.model == "sequence" else self.parser

    def phrase_cell(self) -> "Cell":
        """The cell of the first layer; in a sequence a node has one child."""
        return self.make_cell(self.input_size, 1 if self.model == "sequence" else self.arity)


def distinct_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Check that there are at least two labels, all different."""
    if len(labels) < 2 or not all(labels) or len(set(labels)) < len(labels):
        raise ValueError(f"labels: expected at least two different strings, got {str(labels)[:80]}")
    return labels


@dataclass(frozen=True, config=STRICT)
class TreeConfig(PhraseNetworkConfig):
    """Settings of a `TreeClassifier`, beside its vocabulary."""

    labels: Annotated[tuple[str, ...], AfterValidator(distinct_labels), Field(description="Labels of the classes.")]
    _: KW_ONLY
    ordinal: Annotated[NotNegative, Field(description="Width of targets on an ordered scale, see `recnn.Head`.")] = 0.0
    form: Annotated[
        Form, Field(description="Format of the files of its examples, see `corpora.read_labelled_trees`.")
    ] = "trees"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RegressionConfig(PhraseNetworkConfig):
    """Settings of a `TreeRegressor`, beside its vocabulary."""

    means: Annotated[
        tuple[float, ...], Field(min_length=1, description="Mean of each of the numbers that are predicted.")
    ] = (0.0,)
    deviations: Annotated[
        tuple[Positive, ...], Field(min_length=1, description="Standard deviation of each of them.")
    ] = (1.0,)

    @model_validator(mode="after")
    def _same(self) -> "RegressionConfig":
        if len(self.means) != len(self.deviations):
            raise ValueError(f"deviations: expected {len(self.means)} numbers, got {len(self.deviations)}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PairNetworkConfig(PhraseNetworkConfig):
    """Word vectors, a network over each sentence, and a layer that compares two sentences."""

    pair_size: Annotated[Size, Field(description="Size of the layer that compares two sentences.")] = 50


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PairConfig(PairNetworkConfig):
    """Settings of a `PairModel`, beside its vocabulary."""

    answer: Annotated[
        Literal["relatedness", "entailment"],
        Field(description="Predict how related two sentences are, 1 to 5, or whether the second follows."),
    ] = "relatedness"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SequenceNetworkConfig(NetworkConfig):
    """Layers of a cell over a sequence of numbers."""

    hidden_size: Annotated[Size, Field(description="Size of the hidden states.")] = 64
    dropout: Annotated[Probability, Field(description="Dropout before the output layer.")] = 0.0
    bidirectional: Annotated[bool, Field(description="Also read the sequence from its end.")] = False
    merge: Annotated[DirectionMerge, Field(description="How the states of both directions are combined.")] = "concat"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SequenceConfig(SequenceNetworkConfig):
    """Settings of a `SequenceModel`."""

    inputs: Annotated[Size, Field(description="Numbers per step.")]
    outputs: Annotated[Size, Field(description="Classes, or numbers of a prediction; 1 for a binary one.")]
    task: Annotated[Task, Field(description="What is predicted.")]
    steps: Annotated[Steps, Field(description="One or many inputs, one or many predictions.")]

    @model_validator(mode="after")
    def _fits(self) -> "SequenceConfig":
        if self.bidirectional and self.steps == "one-to-many":
            raise ValueError("bidirectional: a network that continues from one input has nothing to read from the end")
        without_weights(lambda: self.make_cell(self.inputs))
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LanguageModelConfig(NetworkConfig):
    """Settings of a `LanguageModel`, beside its vocabulary."""

    unit: Annotated[Unit, Field(description="Tokens of the model: characters, or words as separated by spaces.")] = (
        "characters"
    )
    input_size: Annotated[Size, Field(description="Size of the vectors of characters or words.")] = 128
    tied: Annotated[bool, Field(description="Use the input vectors as weights of the output layer.")] = True
    input_dropout: Annotated[Probability, Field(description="Dropout of the input vectors.")] = 0.0
    hidden_size: Annotated[Size, Field(description="Size of the hidden states.")] = 256
    dropout: Annotated[Probability, Field(description="Dropout before the output layer.")] = 0.2

    @model_validator(mode="after")
    def _fits(self) -> "LanguageModelConfig":
        without_weights(lambda: self.make_cell(self.input_size))
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AutoencoderNetworkConfig:
    """Vectors of words and phrases, and a decoder."""

    hidden_size: Annotated[Size, Field(description="Size of the vectors of words and phrases.")] = 50
    arity: Annotated[int, Field(ge=2, le=64, description="Largest number of children of a node.")] = 2
    normalise: Annotated[bool, Field(description="Scale the vectors of phrases to length 1.")] = True
    trees: Annotated[
        Literal["given", "greedy"], Field(description="Use the trees of the data, or build trees greedily.")
    ] = "given"
    learn_words: Annotated[bool, Field(description="Train the word vectors as well; without labels they collapse.")] = (
        False
    )
    alpha: Annotated[
        float, Field(ge=0, le=1, description="Weight of the reconstruction in the loss; the rest is for the labels.")
    ] = 1.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AutoencoderConfig(AutoencoderNetworkConfig):
    """Settings of a `TreeAutoencoder`, beside its vocabulary."""

    labels: Annotated[tuple[str, ...], Field(description="Labels of the classes; none if alpha is 1.")]

    @model_validator(mode="after")
    def _fits(self) -> "AutoencoderConfig":
        wanted = self.alpha < 1
        if len(set(self.labels)) < len(self.labels) or len(self.labels) == 1 or bool(self.labels) != wanted:
            expected = "at least two different labels" if wanted else "no labels"
            raise ValueError(f"alpha={self.alpha} takes {expected}, got {str(self.labels)[:80]}")
        return self

    @property
    def max_children(self) -> int:
        """Largest number of children of a node."""
        return self.arity


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslationConfig(PhraseNetworkConfig):
    """Settings of a `Translator`, beside its vocabularies."""

    model: Annotated[
        Literal["tree", "sequence"],
        Field(description="Encoder over a tree of the source sentence, or over the sequence of its words."),
    ] = "sequence"
    attention: Annotated[
        Literal["none", "luong", "bahdanau"], Field(description="Attention of the decoder to the encoder's states.")
    ] = "luong"
    leaves: Annotated[
        Literal["words", "sequence"],
        Field(description="Inputs of the leaves of a tree: word vectors, or the states of a sequence encoder."),
    ] = "words"
    lower: Annotated[bool, Field(description="Put all words in lower case.")] = True
    input_size: Annotated[Size, Field(description="Size of the word vectors of both languages.")] = 256
    hidden_size: Annotated[Size, Field(description="Size of the hidden states.")] = 256
    direction: Annotated[
        Literal["up", "both"], Field(description="Direction of the encoder; a sequence with both is bidirectional.")
    ] = "both"
    dropout: Annotated[Probability, Field(description="Dropout before the output layer.")] = 0.2

    @model_validator(mode="after")
    def _decodes(self) -> "TranslationConfig":
        if self.leaves == "sequence" and self.model == "sequence":
            raise ValueError("leaves='sequence' is of trees: take the model 'tree'")
        without_weights(lambda: self.make_cell(self.input_size))
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ParserNetworkConfig(NetworkConfig):
    """Vectors of words and characters, a bidirectional network over a sentence, and a layer that scores spans."""

    input_size: Annotated[Size, Field(description="Size of the word vectors.")] = 100
    character_size: Annotated[Size, Field(description="Size of the vectors of characters.")] = 32
    spelling_size: Annotated[
        Size, Field(description="Size of the hidden states over the characters of a word, in each direction.")
    ] = 50
    hidden_size: Annotated[Size, Field(description="Size of the hidden states, in each direction.")] = 200
    num_layers: Annotated[Layers, Field(description="Number of layers.")] = 2
    span_size: Annotated[Size, Field(description="Size of the layer that scores spans.")] = 200
    input_dropout: Annotated[Probability, Field(description="Dropout of the inputs of both networks.")] = 0.2
    word_dropout: Annotated[
        Probability, Field(description="Probability of replacing a word by the unknown word in training.")
    ] = 0.2
    layer_dropout: Annotated[Probability, Field(description="Dropout between layers.")] = 0.3
    dropout: Annotated[Probability, Field(description="Dropout before the layer that predicts the tags.")] = 0.3

    def resized(self, hidden_size: int) -> "ParserNetworkConfig":
        """Return the same settings with another size of the hidden states."""
        return replace(self, hidden_size=hidden_size)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ParserConfig(ParserNetworkConfig):
    """Settings of a `SpanParser`, beside its vocabularies."""

    labels: Annotated[
        tuple[str, ...],
        AfterValidator(distinct_labels),
        Field(description="Labels of the phrases, chains joined by +."),
    ]
    tags: Annotated[tuple[str, ...], AfterValidator(distinct_labels), Field(description="Part-of-speech tags.")]

    @model_validator(mode="after")
    def _fits(self) -> "ParserConfig":
        without_weights(lambda: self.make_cell(self.input_size))
        return self


def without_weights(make: "Callable[[], Cell]") -> "Cell":
    """Make a cell to check its settings, without allocating memory.

    Raises:
        ValueError: a setting is wrong, or so large that torch cannot count the weights.
    """
    import torch

    from recnn.models.bounds import countable

    with countable(), torch.device("meta"):
        return make()
