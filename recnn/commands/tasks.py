"""The tasks of `recnn train`, by name."""

import typer

from recnn.commands import autoencode, sequences, train, translate
from recnn.commands.train import trainer
from recnn.models.autoencoder import AutoencoderOptions
from recnn.models.config import PhraseConfig
from recnn.models.pairs import PairConfig
from recnn.models.sequence import RecurrentConfig
from recnn.models.translator import TranslatorConfig
from recnn.objectives.options import WordOptions

_TREES = {"network": PhraseConfig, "words": WordOptions}

app = typer.Typer(help="Train a model.", no_args_is_help=True)
app.command("sentiment")(trainer("sentiment", train.sentiment, **_TREES, data=train.SentimentData))
app.command("treebank")(trainer("treebank", train.treebank, **_TREES, data=train.TreebankData))
app.command("sentences")(trainer("sentences", train.sentences, **_TREES, data=train.FolderData))
app.command("listops")(trainer("listops", train.listops, **_TREES, data=train.ListOpsData))
app.command("pairs")(trainer("pairs", train.pairs, network=PairConfig, words=WordOptions, data=train.FolderData))
app.command("echo")(trainer("echo", sequences.echo, network=RecurrentConfig, data=sequences.EchoData))
app.command("subtraction")(
    trainer("subtraction", sequences.subtraction, network=RecurrentConfig, data=sequences.SubtractionData)
)
app.command("air-quality")(
    trainer("air-quality", sequences.air_quality, network=RecurrentConfig, data=sequences.AirData)
)
app.command("translation")(
    trainer(
        "translation",
        translate.translation,
        translate.TranslationOptions,
        network=TranslatorConfig,
        words=WordOptions,
        data=translate.TranslationData,
    )
)
app.command("autoencoder")(
    trainer(
        "autoencoder",
        autoencode.autoencoder,
        network=AutoencoderOptions,
        words=WordOptions,
        data=autoencode.AutoencoderData,
    )
)
