"""The tasks of `recnn train`, by name."""

import typer

from recnn.commands import autoencode, sequences, translate, trees
from recnn.commands.train import trainer
from recnn.models.autoencoder import AutoencoderOptions
from recnn.models.config import PhraseConfig
from recnn.models.pairs import PairConfig
from recnn.models.sequence import RecurrentConfig
from recnn.models.translator import TranslatorConfig
from recnn.objectives.options import WordOptions

_TREES = {"network": PhraseConfig, "words": WordOptions}

app = typer.Typer(help="Train a model.", no_args_is_help=True)
app.command("sentiment")(trainer("sentiment", trees.sentiment, **_TREES, data=trees.SentimentData))
app.command("treebank")(trainer("treebank", trees.treebank, **_TREES, data=trees.TreebankData))
app.command("sentences")(trainer("sentences", trees.sentences, **_TREES, data=trees.FolderData))
app.command("listops")(trainer("listops", trees.listops, **_TREES, data=trees.ListOpsData))
app.command("pairs")(trainer("pairs", trees.pairs, network=PairConfig, words=WordOptions, data=trees.FolderData))
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
        words=translate.TranslationWords,
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
