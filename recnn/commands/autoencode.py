"""`recnn train autoencoder`, and `recnn autoencode`: trees with the reconstruction of their phrases."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from nltk import Tree
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.labelled_trees import read_labelled_trees
from corpora.sentiment import bundled_sentiment
from corpora.text import lines, replacing
from corpora.treebanks import read_trees
from parsers.errors import EmptySentenceError, InputError
from parsers.tokens import tokenize
from parsers.trees import shaped, words_of
from recnn.commands.common import Failures, Sentences, fitting, out, part_of, read_model, read_sentences, words_in
from recnn.config import STRICT, Location
from recnn.draw import tree_to_svg, tree_to_text
from recnn.models.autoencoder import AutoencoderConfig, AutoencoderOptions, TreeAutoencoder
from recnn.objectives.options import TreeOptions, WordOptions

if TYPE_CHECKING:
    from recnn.objectives.autoencoder import TreeAutoencoding


@dataclass(frozen=True, config=STRICT)
class AutoencoderData:
    """Trees, or sentences without trees."""

    data: Annotated[
        Location | None, Field(description="A folder with train.txt and dev.txt. [default: the sentiment treebank]")
    ] = None
    form: Annotated[
        Literal["trees", "text"], Field(description="Penn Treebank brackets, or a sentence a line, for greedy trees.")
    ] = "trees"


def autoencoder(
    network: AutoencoderOptions, words: WordOptions, data: AutoencoderData, options: TreeOptions
) -> "TreeAutoencoding":
    """Train vectors of phrases from which the vectors of their parts are reconstructed (Socher et al. 2011).

    The trees are those of the data, or, with --trees greedy, those that the model puts together from the words. With
    --alpha below 1 the labels of the data are learnt as well: those of each node, or, on greedy trees, the sentence's.
    """
    from recnn.objectives.autoencoder import TreeAutoencoding, labels_of

    if data.form == "text" and network.trees == "given":
        raise typer.BadParameter("text has no trees: take --trees greedy", param_hint="--form")
    train, dev = (_read(data, part, network.arity) for part in ("train", "dev"))
    labels = labels_of(train) if network.alpha < 1 else ()
    try:
        config = AutoencoderConfig(labels=labels, **asdict(network))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--alpha") from None
    return TreeAutoencoding(config, options, train, dev, words)


def _read(data: AutoencoderData, part: Literal["train", "dev"], arity: int) -> list[Tree]:
    if data.data is None:
        return list(bundled_sentiment(part))
    path = part_of(data.data, part)
    if data.form == "trees":
        return [fitting(tree, arity) for tree in read_labelled_trees(path)]
    return [shaped(tokenize(line)) for _, line in lines(path) if line.strip()]


def autoencode(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model, or of a run.")],
    sentences: Sentences = None,
    trees: Annotated[Path | None, typer.Option(help="A file of bracketed trees instead of sentences.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the tree there; takes one tree.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one per tree.")] = False,
) -> None:
    """Draw trees with the reconstruction error of each phrase, and the words that it is reconstructed as.

    A sentence gets the greedy tree: again and again the two neighbours join that have the least error.
    """
    if (trees is None) == (not sentences):
        raise typer.BadParameter("give either sentences or --trees FILE", param_hint="SENTENCE...")
    if svg is not None and as_json:
        raise typer.BadParameter("it does not go with --json", param_hint="--svg")
    found = read_model(model, TreeAutoencoder)
    with Failures() as failures:
        read = _trees(found, sentences, trees, failures)
        if svg is not None:
            several = list(read)
            if len(several) > 1:
                raise InputError(f"{svg}: one picture shows one tree, and there are {len(several)}")
            for tree in several:
                with replacing(svg) as part:
                    part.write_text(tree_to_svg(found.annotated(tree)), "utf-8")
            return
        for tree in read:
            if as_json:
                phrases = [phrase._asdict() for phrase in found.phrases(tree)]
                print(json.dumps({"sentence": " ".join(words_of(tree)), "phrases": phrases}, ensure_ascii=False))
            else:
                try:
                    out.print(tree_to_text(found.annotated(tree)), "")
                except InputError as error:  # too deep to be drawn
                    failures.add(error)


def _trees(
    model: TreeAutoencoder, sentences: list[str] | None, trees: Path | None, failures: Failures
) -> Iterator[Tree]:
    """Those of a file, or the greedy ones of sentences."""
    if trees is not None:
        yield from (fitting(tree, model.config.arity) for tree in read_trees(trees))
        return
    for place, sentence in read_sentences(sentences):
        try:
            yield model.greedy([words_in(sentence)])[0]
        except EmptySentenceError as error:
            failures.add(EmptySentenceError(f"{place}{error}"))
