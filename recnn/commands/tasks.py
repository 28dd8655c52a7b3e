"""The tasks of `recnn train`: what makes the objective of each, with which options and settings."""

from collections.abc import Callable
from typing import Any

import typer

from recnn.commands import autoencode, sequences, translate, trees
from recnn.commands.train import trainer
from recnn.models.autoencoder import AutoencoderOptions
from recnn.models.config import PhraseConfig
from recnn.models.pairs import PairOptions
from recnn.models.sequence import RecurrentConfig
from recnn.models.translator import TranslatorConfig
from recnn.objectives.options import TrainingOptions, TreeOptions, WordOptions

app = typer.Typer(help="Train a model.", no_args_is_help=True)


def _task(
    name: str, build: Callable[..., Any], training: type[TrainingOptions] = TreeOptions, **settings: type[Any]
) -> None:
    app.command(name)(trainer(name, build, training, **settings))


_task("sentiment", trees.sentiment, network=PhraseConfig, words=WordOptions, data=trees.SentimentData)
_task("treebank", trees.treebank, network=PhraseConfig, words=WordOptions, data=trees.TreebankData)
_task("sentences", trees.sentences, network=PhraseConfig, words=WordOptions, data=trees.FolderData)
_task("listops", trees.listops, network=PhraseConfig, words=WordOptions, data=trees.ListOpsData)
_task("relatedness", trees.relatedness, network=PairOptions, words=WordOptions, data=trees.FolderData)
_task("entailment", trees.entailment, network=PairOptions, words=WordOptions, data=trees.FolderData)
_task(
    "autoencoder",
    autoencode.autoencoder,
    network=AutoencoderOptions,
    words=WordOptions,
    data=autoencode.AutoencoderData,
)
_task(
    "translation",
    translate.translation,
    translate.TranslationOptions,
    network=TranslatorConfig,
    words=translate.TranslationWords,
    data=translate.TranslationData,
)
_task("echo", sequences.echo, TrainingOptions, network=RecurrentConfig, data=sequences.EchoData)
_task("subtraction", sequences.subtraction, TrainingOptions, network=RecurrentConfig, data=sequences.SubtractionData)
_task("air-quality", sequences.air_quality, TrainingOptions, network=RecurrentConfig, data=sequences.AirData)
