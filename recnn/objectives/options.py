"""How a model is trained, and with what word vectors it begins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from corpora.vectors import read_vectors
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.config import STRICT, Count, Location, NotNegative, Positive, Probability, Seed
from recnn.data import TreeBatches
from recnn.models.phrases import WordVectors

Optimizer = Literal["adagrad", "adam", "adamw", "sgd"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingOptions:
    """How any model is trained: batches, optimizer, when to stop, and on what machine."""

    epochs: Annotated[Count, Field(description="How often each example is seen.")] = 10
    batch: Annotated[Count, Field(description="Examples in a batch.")] = 25
    optimizer: Annotated[Optimizer, Field(description="What takes the steps.")] = "adam"
    learning_rate: Annotated[Positive, Field(description="Of the optimizer.")] = 2e-3
    embedding_rate: Annotated[
        NotNegative | None, Field(description="Of the word vectors, where it differs; 0 keeps them.")
    ] = None
    weight_decay: Annotated[NotNegative, Field(description="Of all but the word vectors.")] = 0.0
    schedule: Annotated[
        Literal["constant", "linear", "cosine"], Field(description="Of the rate: linear and cosine end at 0.")
    ] = "constant"
    warmup: Annotated[int, Field(ge=0, description="Steps in which the rate rises from 0.")] = 0
    clip: Annotated[Positive | None, Field(description="Largest norm of all gradients together.")] = 1.0
    average: Annotated[
        Probability, Field(description="Decay a step of the moving average of the weights, which is kept; 0 for none.")
    ] = 0.0
    patience: Annotated[Count | None, Field(description="Epochs without a better one before it stops.")] = None
    monitor: Annotated[
        str | None, Field(description="The measure that is to be best. [default: the first of the task]")
    ] = None
    seed: Annotated[Seed, Field(description="Of all random numbers.")] = 0
    threads: Annotated[Count, Field(description="Of the processor; another number may change the last digits.")] = 1
    workers: Annotated[int, Field(ge=0, description="Processes that make batches; 0 makes them in this one.")] = 0
    device: Annotated[Literal["cpu", "cuda", "auto"], Field(description="Where the model is.")] = "cpu"
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed"], Field(description="Of the numbers, as Lightning names it.")
    ] = "32-true"
    tensorboard: Annotated[bool, Field(description="Log for TensorBoard as well.")] = False


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TreeOptions(TrainingOptions):
    """How models of trees are trained: with AdaGrad, as in the papers, and batches by the size of trees."""

    nodes: Annotated[Count | None, Field(description="Most nodes in a batch of trees, in place of --batch.")] = None
    pool: Annotated[Count, Field(description="How many batches' trees are sorted by size together; 1 for none.")] = 1
    optimizer: Annotated[Optimizer, Field(description="What takes the steps.")] = "adagrad"
    learning_rate: Annotated[Positive, Field(description="Of the optimizer.")] = 0.05
    clip: Annotated[Positive | None, Field(description="Largest norm of all gradients together.")] = None

    def tree_batches(self, sizes: Sequence[int]) -> TreeBatches:
        """The order of trees of these sizes."""
        return TreeBatches(sizes, None if self.nodes else self.batch, self.nodes, pool=self.pool, seed=self.seed)


@dataclass(frozen=True, config=STRICT)
class WordOptions:
    """The first word vectors."""

    minimum: Annotated[Count, Field(description="How often a word must occur to be known.")] = 1
    embedding_scale: Annotated[Positive, Field(description="Standard deviation of the first word vectors.")] = 0.1
    subword_scale: Annotated[Positive, Field(description="Standard deviation of the first vectors of pieces.")] = 0.02
    vectors: Annotated[
        Location | None, Field(description="A file of pretrained vectors, in the text format of GloVe or word2vec.")
    ] = None

    def fill(self, words: WordVectors, vocabulary: Vocabulary) -> None:
        """Draw the first vectors of all words, or take those that a file has.

        Raises:
            CorpusError: the file is malformed.
            InputError: its vectors are not of the model's size.
            OSError: it cannot be read.
        """
        nn.init.normal_(words.embedding.weight, std=self.embedding_scale)
        nn.init.zeros_(words.embedding.weight[0])  # the unknown word, which may not occur in training
        if words.pieces is not None:
            nn.init.normal_(words.pieces.weight, std=self.subword_scale)
        if self.vectors is None:
            return
        found = read_vectors(Path(self.vectors), vocabulary)
        size = words.embedding.embedding_dim
        if found.rows.shape[1] != size:
            raise InputError(f"{self.vectors}: vectors of {found.rows.shape[1]} numbers, but input_size is {size}")
        with torch.no_grad():
            known = torch.from_numpy(found.found)
            words.embedding.weight[known] = torch.from_numpy(found.rows)[known]
