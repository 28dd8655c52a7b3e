"""`recnn predict`: a label for each node of a tree, with its probability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader
import typer
from rich.text import Text

import corpora
import parsers
import recnn
from parsers.errors import InputError, SentenceError, TreeError
from parsers.printing import printable, shown_words
from recnn.commands.common import (
    Failures,
    ModelFolder,
    OnDevice,
    Sentences,
    Svg,
    TreeFile,
    draw_one,
    either,
    read_model,
    read_sentences,
    wide,
    with_words,
)
from recnn.commands.parse import MaxEdges, Timeout, Tokens, parse_one
from recnn.commands.streams import cell, print_json
from recnn.data.parsing import fitting

if TYPE_CHECKING:
    from nltk import Tree

nltk = lazy_loader.load("nltk")

# From red through grey to green: terminal colours that are legible on black and on white.
_COLOURS = {"0": "color(160)", "1": "color(167)", "2": "color(244)", "3": "color(71)", "4": "color(34)"}
_DEEPEST = 100  # levels: with more, the guides of a deep tree would be quadratic in its size
ModelParser = Annotated[
    str | None,
    typer.Option(
        "--parser",
        metavar="PARSER",
        help="Parser of sentences, see `recnn parse`. \\[default: the model's --parser]",
    ),
]


def predict(
    model: ModelFolder,
    sentences: Sentences = None,
    trees: TreeFile = None,
    parser: ModelParser = None,
    tokens: Tokens = False,
    max_edges: MaxEdges = None,
    timeout: Timeout = None,
    device: OnDevice = "cpu",
    svg: Svg = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per tree and line.")] = False,
) -> None:
    """Predict a label for each node of a tree.

    Each node is printed with its label, the probability of the label and its words. In trees of more than 100 words,
    nodes are printed with their first 100 words, and in JSON with their spans only.

    Sentences are parsed with the parser that the model was trained with, or that of --parser; one without a parse is an
    error. For a model of ListOps, a sentence is an expression such as "[MAX 2 [MIN 4 7 ] 0 ]".

    A node of a dependency tree is printed with its own word, and in JSON with the position of this.
    """
    either(sentences, trees)
    if svg is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--svg")
    found = read_model(model, recnn.TreeClassifier, device)
    with Failures() as failures:
        fitted = fitted_trees(found, failures, sentences, trees, parser, tokens, max_edges, timeout)
        if svg is not None:
            draw_one((_labelled(_nodes(found, tree), parsers.words_of(tree)) for tree in fitted), svg)
            return
        for tree in fitted:
            nodes, words = _nodes(found, tree), parsers.words_of(tree)
            if as_json:
                for node in nodes:
                    del node["parent"]
                print_json({"sentence": " ".join(words), "words": words, "nodes": with_words(nodes, words)})
            else:
                for line in drawn(nodes, words, _shown(nodes[0])):
                    wide.print(line)
                wide.print("")


def fitted_trees(
    model: recnn.TreeClassifier,
    failures: Failures,
    sentences: list[str] | None,
    trees: Path | None,
    parser: str | None,
    tokens: bool,
    max_edges: int | None,
    timeout: float | None,
) -> Iterator[Tree]:
    """Yield the trees of a file, or over sentences, binarised for the model; see the options of `predict`."""
    if trees is not None:
        read = corpora.read_labelled_trees(trees)
    else:
        listops = model.config.form == "listops" and parser is None
        used = None if listops else parsers.load(parser or model.config.parser, max_edges, timeout)
        read = _parsed(read_sentences(sentences, failures), used, tokens, failures)
    return _fitted(model, read, failures)


def _parsed(
    sentences: Iterable[tuple[str, str]],
    parser: parsers.Parser | None,
    tokens: bool,
    failures: Failures,
) -> Iterator[Tree]:
    """Yield a tree over each sentence: its best parse, or for a model of ListOps its expression."""
    for place, sentence in sentences:
        try:
            if parser is None:
                yield corpora.listops_tree(corpora.parse_listops(sentence))
            else:
                yield next(parse_one(parser, place, sentence, tokens))
        except SentenceError as error:
            failures.add(SentenceError(f"{place}{error}"))
        except TreeError as error:
            failures.add(InputError(f"{place}{error}"))


def _fitted(model: recnn.TreeClassifier, trees: Iterable[Tree], failures: Failures) -> Iterator[Tree]:
    """Binarise trees for the model; those that cannot be are added to ``failures``."""
    for tree in trees:
        try:
            yield fitting(tree, model.config.max_children)
        except InputError as error:
            words = parsers.words_of(tree)
            failures.add(InputError(f"{shown_words(words, 1, len(words))!r}: {error}"))


def _nodes(model: recnn.TreeClassifier, tree: Tree) -> list[dict[str, Any]]:
    """Predict the labels of the nodes of a tree, breadth first from the root."""
    (probabilities,) = model.probabilities([tree])
    labels = model.config.labels
    return [
        {"label": labels[int(row.argmax())], "probabilities": dict(zip(labels, row.tolist(), strict=True)), **place}
        for row, place in zip(probabilities.cpu(), places(tree), strict=True)
    ]


def places(tree: Tree) -> list[dict[str, Any]]:
    """Return the span and the parent of each node of a tree, and in a dependency tree the position of its word."""
    graph = recnn.tree_to_graph(tree)
    parents = [-1] * graph.num_nodes()
    for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True):
        parents[child] = parent
    found = [{"span": span, "parent": above} for span, above in zip(graph.ndata["span"].tolist(), parents, strict=True)]
    if isinstance(tree, parsers.DependencyTree):
        for node, position in zip(found, graph.ndata["position"].tolist(), strict=True):
            node["position"] = position
    return found


def _own_span(node: dict[str, Any]) -> tuple[int, int]:
    """The span of a phrase, or of a word without its dependents."""
    position = node.get("position")
    return (position, position) if position else node["span"]


def _labelled(nodes: list[dict[str, Any]], words: list[str]) -> Tree:
    """Make a tree with the predictions as labels."""
    made = [nltk.Tree(f"{node['label']} {_percent(node)}", []) for node in nodes]
    before = [0] * len(nodes)  # number of dependents before the word of a node
    for node, own in zip(nodes[1:], made[1:], strict=True):
        above = node["parent"]
        made[above].append(own)
        before[above] += node["span"][1] < nodes[above].get("position", 0)
    for node, own, place in zip(nodes, made, before, strict=True):
        if "position" in node or not own:
            start, end = _own_span(node)
            own[place:place] = words[start - 1 : end]
    return made[0]


def _shown(root: dict[str, Any]) -> Callable[[dict[str, Any]], Text]:
    """Make a function that returns the label and probability of a node, in its colour."""
    polar = set(root["probabilities"]) == set(corpora.SENTIMENTS)
    return lambda node: cell(f"{node['label']} {_percent(node)}", _COLOURS[node["label"]] if polar else "bold")


def drawn(nodes: list[dict[str, Any]], words: list[str], shown: Callable[[dict[str, Any]], Text]) -> Iterator[Text]:
    """Draw a tree with one indented line per node.

    Nodes below `_DEEPEST` levels are not indented further, and have the number of their level instead.

    Args:
        nodes: the nodes, see `places`, breadth first from the root.
        words: the words of the sentence.
        shown: function that returns what is shown of a node, before its words.
    """
    below: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes[1:], 1):
        below[node["parent"]].append(index)
    agenda = [(0, 0, "", "")]  # node, level, guides before it and before the nodes below it
    while agenda:
        index, level, guide, rest = agenda.pop()
        node = nodes[index]
        deep = f"level {level}: " if level > _DEEPEST else ""
        phrase = shown_words(words, *_own_span(node))
        yield Text.assemble((guide, "dim"), deep, shown(node), f"  {printable(phrase)}")
        for place, child in enumerate(reversed(below[index])):
            own, more = ("├── ", "│   ") if place else ("└── ", "    ")
            if level >= _DEEPEST:
                own = more = ""
            agenda.append((child, level + 1, rest + own, rest + more))


def _percent(node: dict[str, Any]) -> str:
    return f"{100 * node['probabilities'][node['label']]:.0f}%"
