"""`recnn train translation` and `recnn translate`: English sentences into French."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import corpora
import parsers
import recnn
from corpora.translation import join_words, placed_translations, split_pairs, split_words
from parsers.errors import EmptySentenceError
from recnn.commands.common import (
    Failures,
    ModelFolder,
    OnDevice,
    Sentences,
    Trees,
    either,
    fail,
    out,
    read_model,
    read_sentences,
)
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.parsing import trees_over
from recnn.data.sources import TranslationData
from recnn.errors import RunError
from recnn.models.config import TranslationConfig
from recnn.settings import settings_of
from recnn.training.options import TranslationTraining, TranslationWordTraining

if TYPE_CHECKING:
    from nltk import Tree

    from corpora.translation import Translation
    from recnn.graphs._dgl import DGLGraph
    from recnn.training.objectives.base import Objective
    from recnn.training.objectives.translation import Score, TextPair


@trains(
    "translation",
    data=TranslationData,
    network=TranslationConfig,
    words=TranslationWordTraining,
    training=TranslationTraining,
)
def translation(
    data: TranslationData, network: TranslationConfig, words: TranslationWordTraining, training: TranslationTraining
) -> Objective:
    """Translate English sentences into French.

    Of the pairs, 80 percent are for training, 10 for validation and 10 for the test at the end; all translations of one
    English sentence are in one part. With --model tree and no --trees, each sentence gets the tree of --parser.
    The metrics are the perplexity and BLEU.
    """
    from recnn.training.objectives.translation import TranslationObjective, evaluated

    parts = _parts(data, network)

    def closing(model: recnn.Translator) -> list[str]:
        if not parts["test"]:
            return []
        texts, scores = evaluated(model, parts["test"])
        return [f"test part, {line}" for line in _shown(len(texts), scores)]

    return TranslationObjective(network, training, parts["train"], parts["dev"], words, data.measured, closing)


def translate(
    model: ModelFolder,
    sentences: Sentences = None,
    trees: Trees = None,
    beam: Annotated[int, typer.Option(min=1, help="Beam width.")] = 5,
    length_penalty: Annotated[
        float, typer.Option(min=0, max=10, help="Length penalty of Wu et al. 2016; larger values favour long outputs.")
    ] = 1.0,
    device: OnDevice = "cpu",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object per sentence and line, with the attention.")
    ] = False,
) -> None:
    """Translate English sentences into French.

    A model over trees parses each sentence with its --parser. Unknown words are listed on standard error.
    """
    either(sentences, trees)
    found = read_model(model, recnn.Translator, device)
    with Failures() as failures:
        for place, words, source in _sources(found, sentences, trees, failures):
            if unknown := [word for word in words if not found.source.index(word)]:
                fail(f"{place}unknown words: {', '.join(map(repr, dict.fromkeys(unknown)))}")
            graph = found.graph(source)
            candidates = found.search(graph, beam, length_penalty=length_penalty)[0]
            if not as_json:
                out.print(join_words(found.spelt(candidates[0].tokens), "french"))
                continue
            print_json(_record(found, graph, words, candidates))


def evaluate_translator(model: recnn.Translator, folder: Path, data: str, as_json: bool) -> None:
    """Print BLEU and chrF on the pairs of a file, or of a part of the data of a run."""
    from recnn.training.objectives.translation import evaluated

    pairs = translated_pairs(model, folder, data)
    texts, scores = evaluated(model, pairs)
    if as_json:
        values: dict[str, Any] = {name: score._asdict() for name, score in scores.items()}
        print_json({**values, "count": len(texts)})
        return
    for line in _shown(len(texts), scores):
        out.print(line)


def _shown(count: int, scores: dict[str, Score]) -> list[str]:
    return [f"{count:,} sentences: {name} {score.score:.1f} ({score.signature})" for name, score in scores.items()]


def _parts(data: TranslationData, network: TranslationConfig) -> dict[str, list[TextPair]]:
    """Read the pairs, by part."""
    places: dict[Translation, str] = {}
    if data.data is None:
        every = [pair for part in corpora.TRANSLATION_SHARES for pair in corpora.bundled_translations(part)]
    else:
        every, places = _in_file(data.data)
    kept = [
        pair
        for pair in every
        if len(split_words(pair.english, "english")) <= data.max_length
        and len(split_words(pair.french, "french")) <= data.max_length
    ]
    if data.pairs is not None:
        # In the order of a hash of the sentence: its pairs stay together, and fewer pairs are a subset of more.
        kept.sort(key=lambda pair: blake2b(pair.english.lower().encode(), digest_size=8, salt=b"drawn").digest())
        del kept[data.pairs :]
    return {part: _pairs(pairs, places, data, network) for part, pairs in split_pairs(kept).items()}


def _in_file(path: str) -> tuple[list[Translation], dict[Translation, str]]:
    """Read the pairs of a file, and the beginning of the error messages about each."""
    read = list(placed_translations(path))
    return [pair for _, pair in read], {pair: f"{path}, line {line}: " for line, pair in reversed(read)}


def _pairs(
    translations: list[Translation],
    places: Mapping[Translation, str],
    data: TranslationData,
    network: TranslationConfig,
) -> list[TextPair]:
    """Split pairs into words, and parse the sources if the network needs trees and there are none.

    Raises:
        InputError: a sentence has no tree, with the place of its pair.
    """
    from recnn.training.objectives.translation import by_text, text_pairs

    def place(index: int) -> str:
        return places.get(translations[index], "")

    trees = None if data.trees is None else by_text(map(corpora.unescape, corpora.read_trees(data.trees)))
    pairs = text_pairs(translations, network.lower, trees, place)
    if network.model == "sequence":
        return pairs
    sources = trees_over((pair.source for pair in pairs), network.parser, network.max_children, place)
    return [pair._replace(source=source) for pair, source in zip(pairs, sources, strict=True)]


def translated_pairs(model: recnn.Translator, folder: Path, data: str) -> list[TextPair]:
    """Read the pairs to evaluate on, with the trees of the run."""
    from recnn.training.record import settings_of_data

    try:
        settings = settings_of(TranslationData, settings_of_data(folder) or {})
    except ValueError as error:
        raise RunError(f"{folder}: not the run of a translator ({error})") from None
    if data in corpora.TRANSLATION_SHARES and not Path(data).exists():
        return _parts(settings, model.config)[data]
    return _pairs(*_in_file(data), settings, model.config)


def _sources(
    model: recnn.Translator, sentences: list[str] | None, trees: Path | None, failures: Failures
) -> Iterator[tuple[str, list[str], list[str] | Tree]]:
    """Yield each source with the beginning of its error messages and its words."""
    if trees is not None:
        for tree in map(corpora.unescape, corpora.read_trees(trees)):
            yield "", parsers.words_of(tree), tree
        return
    for place, sentence in read_sentences(sentences, failures):
        if words := model.split(sentence):
            yield place, words, words
        else:
            failures.add(EmptySentenceError(f"{place}{sentence!r} has no words"))


def _record(model: recnn.Translator, graph: DGLGraph, words: list[str], candidates: list[Any]) -> dict[str, Any]:
    """Return the candidates, and the attention of the best one to the nodes of the source, as JSON values."""
    said = [model.spelt(candidate.tokens) for candidate in candidates]
    weights = model.attended(graph, said[0])
    return {
        "sentence": join_words(words, "english"),
        "translation": join_words(said[0], "french"),
        "words": said[0],
        "log_probability": candidates[0].log_probability,
        "candidates": [
            {"translation": join_words(one, "french"), "log_probability": candidate.log_probability}
            for one, candidate in zip(said, candidates, strict=True)
        ],
        "nodes": recnn.models.sentences.node_names(graph, words),
        "attention": None if weights is None else weights.cpu().tolist(),
    }
