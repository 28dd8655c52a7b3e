"""How models are trained: the settings of optimisation, batches, hardware and initial word vectors."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from recnn.settings import STRICT, Count, Device, Location, NotNegative, Positive, Probability, Seed

_Choice = bool | int | float | str
Optimizer = Literal["adagrad", "adam", "adamw", "sgd"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Training:
    """How any model is trained."""

    epochs: Annotated[Count, Field(description="Number of passes over the training data.")] = 10
    batch: Annotated[Count, Field(description="Batch size, in examples.")] = 25
    optimizer: Annotated[Optimizer, Field(description="Optimizer.")] = "adam"
    learning_rate: Annotated[Positive, Field(description="Learning rate.")] = 2e-3
    embedding_rate: Annotated[
        NotNegative | None,
        Field(description="Learning rate of the word vectors; 0 freezes them. [default: the learning rate]"),
    ] = None
    weight_decay: Annotated[NotNegative, Field(description="Weight decay (L2) of all but the word vectors.")] = 0.0
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Field(description="Learning rate schedule; linear and cosine decay to 0."),
    ] = "constant"
    warmup: Annotated[int, Field(ge=0, description="Steps of linear warm-up of the learning rate.")] = 0
    clip: Annotated[Positive | None, Field(description="Maximum norm of the gradients.")] = 1.0
    average: Annotated[
        Probability,
        Field(description="Decay per step of a moving average of the weights, which is what is saved; 0 for none."),
    ] = 0.0
    patience: Annotated[
        Count | None, Field(description="Stop after so many epochs without improvement. [default: never]")
    ] = None
    monitor: Annotated[
        str | None, Field(description="Metric that selects the best epoch. [default: the first of the task]")
    ] = None
    seed: Annotated[Seed, Field(description="Random seed.")] = 0
    threads: Annotated[
        int, Field(ge=1, le=1 << 10, description="Number of CPU threads; results may differ in the last digits.")
    ] = 1
    workers: Annotated[int, Field(ge=0, description="Processes that load data; 0 loads in the main process.")] = 0
    device: Annotated[Device, Field(description="Device to run on.")] = "cpu"
    devices: Annotated[
        int,
        Field(
            ge=1,
            le=1 << 10,
            description="Number of processes on this machine that divide each batch, each with --threads; "
            "torchrun sets it.",
        ),
    ] = 1
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed"], Field(description="Numerical precision, as in Lightning.")
    ] = "32-true"
    tensorboard: Annotated[bool, Field(description="Also log to TensorBoard.")] = False


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TreeTraining(Training):
    """How models of trees are trained: with AdaGrad, as in the papers, and batches of trees of similar size."""

    nodes: Annotated[Count | None, Field(description="Maximum number of nodes in a batch, in place of --batch.")] = None
    pool: Annotated[
        Count, Field(description="Number of batches whose trees are sorted by size together; 1 for none.")
    ] = 1
    optimizer: Annotated[Optimizer, Field(description="Optimizer.")] = "adagrad"
    learning_rate: Annotated[Positive, Field(description="Learning rate.")] = 0.05
    clip: Annotated[Positive | None, Field(description="Maximum norm of the gradients. [default: none]")] = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslationTraining(TreeTraining):
    """How translators are trained."""

    epochs: Annotated[Count, Field(description="Number of passes over the training data.")] = 20
    batch: Annotated[Count, Field(description="Batch size, in pairs of sentences.")] = 64
    pool: Annotated[
        Count, Field(description="Number of batches whose pairs are sorted by size together; 1 for none.")
    ] = 20
    optimizer: Annotated[Optimizer, Field(description="Optimizer.")] = "adam"
    learning_rate: Annotated[Positive, Field(description="Learning rate.")] = 2e-3
    clip: Annotated[Positive | None, Field(description="Maximum norm of the gradients.")] = 5.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LanguageModelTraining(Training):
    """How language models are trained."""

    batch: Annotated[Count, Field(description="Batch size: parts of the text that are read in parallel.")] = 32


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Tuning:
    """How settings are searched for."""

    search: Annotated[
        dict[str, _Choice | list[_Choice]],
        Field(
            default_factory=dict,
            description="Option to vary, NAME=VALUES: choices as in cell=lstm,gru, a range as in hidden-size=50..200, "
            "or one on a logarithmic scale as in learning-rate=0.001..0.1:log. Repeatable.",
        ),
    ]
    trials: Annotated[Count, Field(description="Number of trials, those of earlier calls included.")] = 20


@dataclass(frozen=True, config=STRICT)
class WordTraining:
    """The vocabulary and the initial word vectors."""

    min_count: Annotated[Count, Field(description="Frequency below which a word is unknown.")] = 1
    embedding_scale: Annotated[Positive, Field(description="Standard deviation of the initial word vectors.")] = 0.1
    subword_scale: Annotated[Positive, Field(description="Standard deviation of the initial n-gram vectors.")] = 0.02
    vectors: Annotated[
        Location | None, Field(description="File of pretrained word vectors, in GloVe's or word2vec's text format.")
    ] = None


@dataclass(frozen=True, config=STRICT)
class TranslationWordTraining(WordTraining):
    """The same for translators, which are slow to start with small vectors."""

    embedding_scale: Annotated[Positive, Field(description="Standard deviation of the initial word vectors.")] = 1.0
