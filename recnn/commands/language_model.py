"""`recnn lm`: train and use language models of characters or words."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader
import typer

import corpora
import parsers
import recnn
from corpora.plain_text import LINE_END, split_text
from parsers.errors import InputError
from parsers.printing import printable
from recnn.commands.common import Failures, ModelFolder, OnDevice, Sentences, out, read_model, read_sentences
from recnn.commands.lazy import Command, lazy_app
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.sources import LanguageModelData
from recnn.models.config import LanguageModelConfig
from recnn.training.options import LanguageModelTraining

if TYPE_CHECKING:
    from recnn.training.objectives.base import Objective

torch = lazy_loader.load("torch")

app = lazy_app(
    "Language models of characters or words.",
    {
        "train": Command("recnn.commands.language_model:train", "Train a language model on a text."),
        "score": Command("recnn.commands.language_model:score", "Print the log-probabilities of sentences."),
        "generate": Command("recnn.commands.language_model:generate", "Generate text."),
    },
)


@trains("lm", data=LanguageModelData, network=LanguageModelConfig, training=LanguageModelTraining)
def train(data: LanguageModelData, network: LanguageModelConfig, training: LanguageModelTraining) -> "Objective":
    """Train a language model on a text.

    The first part of the text is for training, the rest for validation. The metric is the number of bits per character,
    or the perplexity of words. The files of the run are those of `recnn train`.
    """
    from recnn.training.objectives.language_model import LanguageModelObjective

    units = _units(network, data.data)
    try:
        text, held_out = split_text(units, data.held_out)
    except ValueError as error:
        raise InputError(str(error)) from None
    return LanguageModelObjective(network, training, text, held_out, data.truncate, data.min_count)


def _units(network: LanguageModelConfig, path: str | None) -> list[str]:
    """Read the characters or words of a file, or of the bundled treebank with one sentence per line."""
    if path is None:
        sentences = [parsers.words_of(tree) for tree in corpora.bundled_sentiment("train")]
        if network.unit == "characters":
            return [character for words in sentences for character in " ".join(words) + LINE_END]
        return [word for words in sentences for word in (*words, LINE_END)]
    if network.unit == "characters":
        return list(corpora.read_text(path))
    return [word for line in corpora.read_words(path) for word in line]


def score(
    model: ModelFolder,
    sentences: Sentences = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Also print the log-probability of each character or word.")
    ] = False,
    device: OnDevice = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per sentence and line.")] = False,
) -> None:
    """Print the log-probabilities of sentences.

    For each sentence, the log-probability in nats, with the end of the line, and the bits per character or the
    perplexity of words; for several sentences, also the most probable one. Unknown words are scored as the unknown
    word of the model.
    """
    found = read_model(model, recnn.LanguageModel, device)
    scored = []
    with Failures() as failures:
        for _, sentence in read_sentences(sentences, failures):
            one = _scored(found, sentence)
            scored.append(one)
            if as_json:
                print_json(one if tokens else {**one, "tokens": len(one["tokens"])})
                continue
            unknown = f", {one['unknown']} unknown" if one["unknown"] else ""
            out.print(f"{one['log_probability']:.4f} nats, {_measured(one)}{unknown}: {printable(sentence)}")
            for token in one["tokens"] if tokens else ():
                out.print(f"  {token['log_probability']:9.4f}  {token['token']!r}")
        if len(scored) > 1 and not as_json:
            number, best = max(enumerate(scored, 1), key=lambda pair: pair[1]["log_probability"])
            together = _summary(found, [token["log_probability"] for one in scored for token in one["tokens"]])
            out.print(f"all {len(scored)}: {together['log_probability']:.4f} nats, {_measured(together)}")
            out.print(f"the likeliest is sentence {number}: {printable(best['sentence'])}")


def _scored(model: "recnn.LanguageModel", sentence: str) -> dict[str, Any]:
    units = model.split(sentence + LINE_END)
    log_probabilities = model.score(model.indices(units))[0].tolist()
    return {
        "sentence": sentence,
        **_summary(model, log_probabilities),
        "unknown": sum(unit not in model.vocabulary for unit in units),
        "tokens": [
            {"token": unit, "log_probability": value} for unit, value in zip(units, log_probabilities, strict=True)
        ],
    }


def _summary(model: "recnn.LanguageModel", log_probabilities: list[float]) -> dict[str, float]:
    total = math.fsum(log_probabilities)
    nats = -total / len(log_probabilities)
    if model.config.unit == "characters":
        return {"log_probability": total, "bits": nats / math.log(2)}
    # exp overflows above 709.
    return {"log_probability": total, "perplexity": math.exp(nats) if nats < 700 else math.inf}


def _measured(record: dict[str, Any]) -> str:
    if "bits" in record:
        return f"{record['bits']:.4f} bits per character"
    return f"perplexity {record['perplexity']:.2f}"


def generate(
    model: ModelFolder,
    prompt: Annotated[str, typer.Option(help="Text to continue. \\[default: none, to start a new line]")] = "",
    length: Annotated[int, typer.Option(min=1, help="Maximum number of characters or words to generate.")] = 200,
    line: Annotated[bool, typer.Option("--line", help="Stop at the end of the line.")] = False,
    count: Annotated[int, typer.Option(min=1, help="Number of texts to generate.")] = 1,
    temperature: Annotated[
        float, typer.Option(help="Sampling temperature: below 1 favours probable tokens, above 1 improbable ones.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Sample from this number of most probable tokens only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Sample from the smallest set of tokens with this total probability (nucleus sampling)."),
    ] = None,
    beam: Annotated[
        int | None, typer.Option(min=1, help="Beam width: search for the most probable text instead of sampling.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Random seed.")] = 0,
    device: OnDevice = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per text and line.")] = False,
) -> None:
    """Generate text.

    The text continues the prompt, or starts a new line. By default each character or word is sampled; with --beam the
    most probable text is searched for.
    """
    if not temperature > 0 or not math.isfinite(temperature):
        raise typer.BadParameter(
            f"expected a finite number above 0, got {temperature}; --beam 1 is greedy", param_hint="--temperature"
        )
    if top_p is not None and not 0 < top_p <= 1:
        raise typer.BadParameter(f"expected a number above 0 and at most 1, got {top_p}", param_hint="--top-p")
    if beam is not None and (top_k is not None or top_p is not None or temperature != 1):
        raise typer.BadParameter(
            "cannot be combined with the sampling options --temperature, --top-k and --top-p", param_hint="--beam"
        )
    if beam is not None and beam < count:
        raise typer.BadParameter(f"expected at most {beam}, the beam width, got {count}", param_hint="--count")
    texts = read_model(model, recnn.LanguageModel, device).generate(
        prompt,
        length,
        count,
        line=line,
        beam=beam,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        generator=torch.Generator().manual_seed(seed),
    )
    for text in texts:
        if as_json:
            print_json(text._asdict())
        else:
            out.print(text.text.removesuffix(LINE_END))
