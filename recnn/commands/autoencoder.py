"""`recnn train autoencoder` and `recnn autoencode`: reconstruct phrases from their vectors."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import corpora
import parsers
import recnn
from corpora.text import lines
from parsers.errors import EmptySentenceError, InputError
from recnn.commands.common import (
    Failures,
    ModelFolder,
    OnDevice,
    PictureFile,
    Sentences,
    Trees,
    either,
    out,
    part_of,
    read_model,
    read_sentences,
    save_pictures,
    with_words,
    words_in,
)
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.parsing import fitting
from recnn.data.sources import AutoencoderData
from recnn.models.config import AutoencoderConfig, AutoencoderNetworkConfig
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.training.objectives.autoencoder import AutoencoderObjective


@trains(
    "autoencoder", data=AutoencoderData, network=AutoencoderNetworkConfig, words=WordTraining, training=TreeTraining
)
def autoencoder(
    data: AutoencoderData, network: AutoencoderNetworkConfig, words: WordTraining, training: TreeTraining
) -> "AutoencoderObjective":
    """Reconstruct phrases from their vectors.

    The model is the recursive autoencoder of Socher et al. 2011. The trees are those of the data, or, with --trees
    greedy, built by the model. With --alpha below 1 the labels of the data are learnt as well: those of each node, or,
    on greedy trees, the label of the sentence.
    """
    from recnn.training.objectives.autoencoder import AutoencoderObjective, labels_of

    if data.form == "text" and network.trees == "given":
        raise typer.BadParameter("text has no trees: use --trees greedy", param_hint="--form")
    train, dev = (_read(data, part, network.arity) for part in ("train", "dev"))
    labels = labels_of(train) if network.alpha < 1 else ()
    try:
        config = AutoencoderConfig(labels=labels, **asdict(network))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--alpha") from None
    return AutoencoderObjective(config, training, train, dev, words)


def _read(data: AutoencoderData, part: Literal["train", "dev"], arity: int) -> "list[Tree]":
    if data.data is None:
        return list(corpora.bundled_sentiment(part))
    path = part_of(data.data, part)
    if data.form == "trees":
        return [fitting(tree, arity) for tree in corpora.read_labelled_trees(path)]
    return [parsers.shaped(parsers.tokenize(line)) for _, line in lines(path) if line.strip()]


def autoencode(
    model: ModelFolder,
    sentences: Sentences = None,
    trees: Trees = None,
    device: OnDevice = "cpu",
    picture: PictureFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per tree and line.")] = False,
) -> None:
    """Show how well an autoencoder reconstructs phrases.

    Each phrase of a tree is shown with its reconstruction error and its reconstructed words. Trees over sentences are
    built greedily: the two neighbours with the smallest error are joined, repeatedly.
    """
    either(sentences, trees)
    if picture is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--picture")
    found = read_model(model, recnn.TreeAutoencoder, device)
    with Failures() as failures:
        read = _trees(found, sentences, trees, failures)
        if picture is not None:
            save_pictures((recnn.draw.picture(found.annotated(tree)) for tree in read), picture)
            return
        for tree in read:
            if as_json:
                words, phrases = parsers.words_of(tree), [phrase._asdict() for phrase in found.phrases(tree)]
                for phrase in phrases:
                    del phrase["sentence"]
                print_json({"sentence": " ".join(words), "words": words, "phrases": with_words(phrases, words)})
            else:
                try:
                    out.print(recnn.tree_to_text(found.annotated(tree)), "")
                except InputError as error:  # too deep to be drawn
                    failures.add(error)


def _trees(
    model: "recnn.TreeAutoencoder", sentences: list[str] | None, trees: Path | None, failures: Failures
) -> "Iterator[Tree]":
    """Yield the trees of a file, or greedy trees over sentences."""
    if trees is not None:
        yield from (fitting(tree, model.config.arity) for tree in corpora.read_trees(trees))
        return
    for place, sentence in read_sentences(sentences, failures):
        try:
            yield model.greedy([words_in(sentence)])[0]
        except EmptySentenceError as error:
            failures.add(EmptySentenceError(f"{place}{error}"))
