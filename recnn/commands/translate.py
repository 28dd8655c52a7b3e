"""`recnn train translation` and `recnn translate`: English sentences into French."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from nltk import Tree
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.translation import (
    TRANSLATION_SHARES,
    Translation,
    bundled_translations,
    join_words,
    normalise,
    read_translations,
    split_pairs,
    split_words,
)
from corpora.treebanks import read_trees, unescape
from parsers.errors import EmptySentenceError
from parsers.trees import words_of
from recnn._dgl import DGLGraph
from recnn.commands.common import Failures, Sentences, fail, out, read_model, read_sentences
from recnn.config import STRICT, Count, Location, Positive, settings_of
from recnn.models.translator import Translator, TranslatorConfig, node_names
from recnn.objectives.options import Optimizer, TreeOptions, WordOptions
from recnn.training.record import RunError, settings_of_data

if TYPE_CHECKING:
    from recnn.objectives.base import Objective
    from recnn.objectives.translation import Score, TextPair


@dataclass(frozen=True, config=STRICT)
class TranslationData:
    """Pairs of sentences, and which of them."""

    data: Annotated[
        Location | None,
        Field(
            description="English, a tab and French a line, or fra-eng.zip of manythings.org. [default: what is bundled]"
        ),
    ] = None
    trees: Annotated[
        Location | None,
        Field(description="A file of bracketed trees over the English sentences. [default: trees of --shape]"),
    ] = None
    longest: Annotated[Count, Field(description="Most words of a sentence, punctuation included.")] = 10
    pairs: Annotated[Count | None, Field(description="How many pairs, drawn by sentences. [default: all]")] = None
    measured: Annotated[Count, Field(description="Held-out sentences that are translated after each epoch.")] = 500


@dataclass(frozen=True, config=STRICT)
class TranslationWords(WordOptions):
    """The first word vectors, of both languages; larger ones, for with small ones it is slow to leave the beginning."""

    embedding_scale: Annotated[Positive, Field(description="Standard deviation of the first word vectors.")] = 1.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslationOptions(TreeOptions):
    """As other models are trained, but for the optimizer and the batches."""

    epochs: Annotated[Count, Field(description="How often each pair is seen.")] = 20
    batch: Annotated[Count, Field(description="Pairs in a batch.")] = 64
    pool: Annotated[Count, Field(description="How many batches' pairs are sorted by size together; 1 for none.")] = 20
    optimizer: Annotated[Optimizer, Field(description="What takes the steps.")] = "adam"
    learning_rate: Annotated[Positive, Field(description="Of the optimizer.")] = 2e-3
    clip: Annotated[Positive | None, Field(description="Largest norm of all gradients together.")] = 5.0


def translation(
    network: TranslatorConfig, words: TranslationWords, data: TranslationData, options: TranslationOptions
) -> "Objective":
    """Train to translate English sentences into French, from their words or from trees over them.

    Of the pairs, 80 percent are learnt from, 10 are chosen on and 10 are for the test at the end; all translations of
    one English sentence are in one part. With --model tree and no --trees, each sentence has a tree of the form
    --shape, which knows nothing of its grammar. It is measured by the perplexity and by BLEU, see `recnn evaluate`.
    """
    from recnn.objectives.translation import TranslationLearning, evaluated

    parts = _parts(data, network.lower)

    def closing(model: Translator) -> list[str]:
        if not parts["test"]:
            return []
        texts, scores = evaluated(model, parts["test"])
        return [f"test part, {line}" for line in _shown(len(texts), scores)]

    return TranslationLearning(network, options, parts["train"], parts["dev"], words, data.measured, closing)


def translate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model, or of a run.")],
    sentences: Sentences = None,
    trees: Annotated[Path | None, typer.Option(help="A file of bracketed trees instead of sentences.")] = None,
    beam: Annotated[int, typer.Option(min=1, help="Translations that are pursued together.")] = 5,
    length_penalty: Annotated[
        float, typer.Option(min=0, max=10, help="Of Wu et al. 2016: more makes longer translations.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the attention.")] = False,
) -> None:
    """Print the French of English sentences.

    A model of trees puts a tree of its --shape over a sentence. Words that it does not know are named.
    """
    if (trees is None) == (not sentences):
        raise typer.BadParameter("give either sentences or --trees FILE", param_hint="SENTENCE...")
    found = read_model(model, Translator)
    with Failures() as failures:
        for place, source in _sources(found, sentences, trees, failures):
            words = words_of(source) if isinstance(source, Tree) else source
            if unknown := [word for word in words if not found.source.index(word)]:
                fail(f"{place}the model does not know {', '.join(map(repr, dict.fromkeys(unknown)))}")
            graph = found.graph(source)
            candidates = found.search(graph, beam, length_penalty=length_penalty)[0]
            if not as_json:
                out.print(join_words(found.spelt(candidates[0].tokens), "french"))
                continue
            print(json.dumps(_record(found, graph, words, candidates), ensure_ascii=False))


def evaluate_translator(model: Translator, folder: Path, data: str, as_json: bool) -> None:
    """Print BLEU and chrF of the translations of a file's sentences, or of a part of what a run has learnt from."""
    from recnn.objectives.translation import evaluated

    pairs = _compared(model, folder, data)
    texts, scores = evaluated(model, pairs)
    if as_json:
        values: dict[str, Any] = {name: score._asdict() for name, score in scores.items()}
        print(json.dumps({**values, "count": len(texts)}))
        return
    for line in _shown(len(texts), scores):
        out.print(line)


def _shown(count: int, scores: "dict[str, Score]") -> list[str]:
    return [f"{count:,} sentences: {name} {score.score:.1f} ({score.signature})" for name, score in scores.items()]


def _parts(data: TranslationData, lower: bool) -> "dict[str, list[TextPair]]":
    """The pairs by part."""
    if data.data is None:
        every = [pair for part in TRANSLATION_SHARES for pair in bundled_translations(part)]
    else:
        every = list(read_translations(data.data))
    kept = [
        pair
        for pair in every
        if len(split_words(pair.english, "english")) <= data.longest
        and len(split_words(pair.french, "french")) <= data.longest
    ]
    if data.pairs is not None:
        # Those of one sentence stay together, and their number does not decide which they are.
        kept.sort(key=lambda pair: blake2b(pair.english.lower().encode(), digest_size=8, salt=b"drawn").digest())
        del kept[data.pairs :]
    return {part: _pairs(pairs, data, lower) for part, pairs in split_pairs(kept).items()}


def _pairs(translations: list[Translation], data: TranslationData, lower: bool) -> "list[TextPair]":
    from recnn.objectives.translation import by_text, text_pairs

    trees = None if data.trees is None else by_text(map(unescape, read_trees(data.trees)))
    return text_pairs(translations, lower, trees)


def _compared(model: Translator, folder: Path, data: str) -> "list[TextPair]":
    """What is to be translated, with the trees that the run had."""
    try:
        settings = settings_of(TranslationData, settings_of_data(folder) or {})
    except ValueError as error:
        raise RunError(f"{folder}: no run of a translator ({error})") from None
    if data in TRANSLATION_SHARES and not Path(data).exists():
        return _parts(settings, model.config.lower)[data]
    return _pairs(list(read_translations(data)), settings, model.config.lower)


def _sources(
    model: Translator, sentences: list[str] | None, trees: Path | None, failures: Failures
) -> Iterator[tuple[str, list[str] | Tree]]:
    """Each source with its place, if it is a line of standard input."""
    if trees is not None:
        yield from (("", unescape(tree)) for tree in read_trees(trees))
        return
    for place, sentence in read_sentences(sentences):
        words = split_words(normalise(sentence), "english", model.config.lower)
        if words:
            yield place, words
        else:
            failures.add(EmptySentenceError(f"{place}{sentence!r} has no words"))


def _record(model: Translator, graph: DGLGraph, words: list[str], candidates: list[Any]) -> dict[str, Any]:
    """What ``--json`` prints: the candidates, and which nodes of the source the best one looks at."""
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
        "nodes": node_names(graph, words),
        "attention": None if weights is None else weights.tolist(),
    }
