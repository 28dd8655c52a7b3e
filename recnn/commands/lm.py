"""`recnn lm`: language models of characters or words: train one, score sentences with it, let it write."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.plain_text import LINE_END, read_text, read_words, split_text
from corpora.sentiment import bundled_sentiment
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.commands.common import Sentences, out, read_model, read_sentences
from recnn.commands.train import trainer
from recnn.config import STRICT, Count, Location
from recnn.models.language_model import LanguageModel, LanguageModelConfig
from recnn.objectives.options import TrainingOptions

if TYPE_CHECKING:
    from recnn.objectives.base import Objective


@dataclass(frozen=True, config=STRICT)
class TextData:
    """A text, what of it is known, and how it is cut."""

    data: Annotated[
        Location | None, Field(description="A text file. [default: the sentences of the bundled treebank]")
    ] = None
    held_out: Annotated[float, Field(gt=0, lt=1, description="The last part of the text, to choose on.")] = 0.1
    minimum: Annotated[Count, Field(description="How often a character or word must occur to be known.")] = 1
    truncate: Annotated[Count, Field(description="Steps that a gradient goes back.")] = 64


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LanguageModelOptions(TrainingOptions):
    """As any model is trained, but for the batch."""

    batch: Annotated[Count, Field(description="Streams of text that are read side by side.")] = 32


def train(network: LanguageModelConfig, data: TextData, options: LanguageModelOptions) -> "Objective":
    """Train a model of what comes next in a text, character by character or word by word.

    It learns from the first part of the text, in --batch streams that are read side by side, and is chosen by the bits
    per character, or the perplexity of words, of the rest. The folder of the run is like that of `recnn train`.
    """
    from recnn.objectives.language_model import LanguageModelling

    units = _units(network, data.data)
    try:
        text, held_out = split_text(units, data.held_out)
    except ValueError as error:
        raise InputError(str(error)) from None
    return LanguageModelling(network, options, text, held_out, data.truncate, data.minimum)


def _units(network: LanguageModelConfig, path: str | None) -> list[str]:
    """The characters or words of a file, or of the bundled treebank, a sentence a line."""
    if path is None:
        sentences = [words_of(tree) for tree in bundled_sentiment("train")]
        if network.unit == "characters":
            return [character for words in sentences for character in " ".join(words) + LINE_END]
        return [word for words in sentences for word in (*words, LINE_END)]
    if network.unit == "characters":
        return list(read_text(path))
    return [word for line in read_words(path) for word in line]


ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model, or of a run.")]


def score(
    model: ModelFolder,
    sentences: Sentences = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Also each character or word.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one per sentence.")] = False,
) -> None:
    """Print how likely a sentence is: log P in nats, its end included, and bits per character or perplexity.

    Of several sentences it says which is the likeliest. What the model does not know counts as its unknown word.
    """
    found = read_model(model, LanguageModel)
    scored = []
    for _, sentence in read_sentences(sentences):
        one = _scored(found, sentence)
        scored.append(one)
        if as_json:
            print(json.dumps(one if tokens else {**one, "tokens": len(one["tokens"])}, ensure_ascii=False))
            continue
        unknown = f", {one['unknown']} unknown" if one["unknown"] else ""
        out.print(f"{one['log_probability']:.4f} nats, {_measured(one)}{unknown}: {sentence}")
        for token in one["tokens"] if tokens else ():
            out.print(f"  {token['log_probability']:9.4f}  {token['token']!r}")
    if len(scored) > 1 and not as_json:
        number, best = max(enumerate(scored, 1), key=lambda pair: pair[1]["log_probability"])
        together = _summary(found, [token["log_probability"] for one in scored for token in one["tokens"]])
        out.print(f"all {len(scored)}: {together['log_probability']:.4f} nats, {_measured(together)}")
        out.print(f"the likeliest is sentence {number}: {best['sentence']}")


def _scored(model: LanguageModel, sentence: str) -> dict[str, Any]:
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


def _summary(model: LanguageModel, log_probabilities: list[float]) -> dict[str, float]:
    total = math.fsum(log_probabilities)
    nats = -total / len(log_probabilities)
    if model.config.unit == "characters":
        return {"log_probability": total, "bits": nats / math.log(2)}
    # As a float's exp overflows where a perplexity is of no use any more.
    return {"log_probability": total, "perplexity": math.exp(nats) if nats < 700 else math.inf}


def _measured(record: dict[str, Any]) -> str:
    if "bits" in record:
        return f"{record['bits']:.4f} bits per character"
    return f"perplexity {record['perplexity']:.2f}"


def generate(
    model: ModelFolder,
    prompt: Annotated[str, typer.Option(help="How the text begins; without one, a line begins.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Most characters or words that are added.")] = 200,
    line: Annotated[bool, typer.Option("--line", help="Stop at the end of the line.")] = False,
    count: Annotated[int, typer.Option(min=1, help="How many texts.")] = 1,
    temperature: Annotated[float, typer.Option(help="Below 1 the probable become more so; above, less.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from the K most probable only.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the most probable, P in all (nucleus).")] = None,
    beam: Annotated[
        int | None, typer.Option(min=1, help="Search for the most probable text with W hypotheses, draw nothing.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Of what is drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one per text.")] = False,
) -> None:
    """Let a model write: go on from a prompt, or begin a line."""
    if not temperature > 0 or not math.isfinite(temperature):
        raise typer.BadParameter(f"{temperature} is not above 0; --beam 1 is its limit", param_hint="--temperature")
    if top_p is not None and not 0 < top_p <= 1:
        raise typer.BadParameter(f"{top_p} is not above 0 and at most 1", param_hint="--top-p")
    if beam is not None and (top_k is not None or top_p is not None or temperature != 1):
        raise typer.BadParameter("a beam search draws nothing: no --temperature, --top-k, --top-p", param_hint="--beam")
    if beam is not None and beam < count:
        raise typer.BadParameter(f"a beam of {beam} has no {count} texts", param_hint="--count")
    texts = read_model(model, LanguageModel).generate(
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
            print(json.dumps(text._asdict(), ensure_ascii=False))
        else:
            out.print(text.text.removesuffix(LINE_END))


lm = typer.Typer(help="Language models of characters or words.", no_args_is_help=True)
lm.command("train")(trainer("lm", train, LanguageModelOptions, network=LanguageModelConfig, data=TextData))
lm.command()(score)
lm.command()(generate)
