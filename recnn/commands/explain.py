"""`recnn explain`: what each phrase of a sentence contributes to the prediction of a class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

import parsers
import recnn
from parsers.errors import InputError
from parsers.printing import printable, shown_words
from recnn.commands.common import (
    Failures,
    ModelFolder,
    OnDevice,
    PictureFile,
    Sentences,
    TreeFile,
    either,
    out,
    read_model,
    save_pictures,
    wide,
    with_words,
)
from recnn.commands.parse import MaxEdges, Timeout, Tokens
from recnn.commands.predict import ModelParser, fitted_trees
from recnn.commands.streams import print_json
from recnn.settings import Explained

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.explanation import Explanation


def explain(
    model: ModelFolder,
    sentences: Sentences = None,
    trees: TreeFile = None,
    target: Annotated[
        str | None, typer.Option("--class", metavar="LABEL", help="Class to explain. \\[default: the predicted one]")
    ] = None,
    method: Annotated[
        Explained, typer.Option(help="Occlusion of phrases, gradient times state, or integrated gradients.")
    ] = "occlusion",
    words: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="I J", help="Explain the prediction for the phrase of the words I to J, from 1."),
    ] = None,
    parser: ModelParser = None,
    tokens: Tokens = False,
    max_edges: MaxEdges = None,
    timeout: Timeout = None,
    device: OnDevice = "cpu",
    picture: PictureFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per tree and line.")] = False,
) -> None:
    """Show what each phrase contributes to a prediction.

    The score of a class is its log-odds. Occlusion: the score, less the score if the words of the phrase are replaced
    by the unknown word. Gradient: the state of the phrase times the gradient of the score. Integrated gradients: sums
    over the words of the phrase; all words together give the difference between the score and that over unknown words.

    Sentences and trees are read as by `recnn predict`.
    """
    either(sentences, trees)
    if picture is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--picture")
    found = read_model(model, recnn.TreeClassifier, device)
    with Failures() as failures:
        fitted = fitted_trees(found, failures, sentences, trees, parser, tokens, max_edges, timeout)
        explained = _each(found, fitted, target, method, words or 0, failures)
        if picture is not None:
            save_pictures((recnn.draw.picture(one.drawing()) for one in explained), picture)
            return
        for one in explained:
            print_json(_record(one)) if as_json else _print(one)


def _each(
    model: recnn.TreeClassifier,
    trees: Iterable[Tree],
    target: str | None,
    method: Explained,
    node: int | tuple[int, int],
    failures: Failures,
) -> Iterator[Explanation]:
    for tree in trees:
        try:
            yield recnn.explain(model, tree, target, method, node)
        except InputError as error:
            words = parsers.words_of(tree)
            failures.add(InputError(f"{shown_words(words, 1, len(words))!r}: {error}"))


def _record(one: Explanation) -> dict[str, Any]:
    nodes = [
        {"span": list(span), "contribution": value} for span, value in zip(one.spans, one.contributions, strict=True)
    ]
    found = {"sentence": " ".join(one.words), "words": one.words, "class": one.target, "method": one.method}
    return {**found, "score": one.score, "baseline": one.baseline, "nodes": with_words(nodes, one.words)}


def _print(one: Explanation) -> None:
    out.print(f"log-odds of {one.target}: {one.score:+.3f}; over unknown words {one.baseline:+.3f}")
    most = max(map(abs, one.contributions))
    rows = zip(one.contributions, one.phrases, strict=True)
    texts = [Text.assemble(_coloured(value, most), f"  {printable(phrase)}") for value, phrase in rows]
    for line in recnn.draw.tree_to_lines(one.drawing().children, texts):
        wide.print(line)
    wide.print("")


def _coloured(value: float, most: float) -> Text:
    """A contribution: green if it is for the class, red if it is against it, grey if it is small beside the largest."""
    style = "color(244)" if abs(value) < most / 10 else "color(34)" if value > 0 else "color(160)"
    return Text(f"{value:+.2f}", style)
