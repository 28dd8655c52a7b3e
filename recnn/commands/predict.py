"""`recnn predict`: a label for each node of a tree with its probability, numbers, or the relation of two sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

import corpora
import parsers
import recnn
from parsers.errors import InputError, SentenceError
from parsers.printing import printable, shown_words
from recnn.commands.common import (
    Failures,
    ModelFolder,
    OnDevice,
    PictureFile,
    Sentences,
    TreeFile,
    in_chunks,
    load_parser,
    read_model,
    read_sentences,
    save_pictures,
    wide,
    with_words,
)
from recnn.commands.pairs import predict_pairs, read_pairs
from recnn.commands.parse import MaxEdges, Timeout, Tokens, best_trees
from recnn.commands.streams import print_json
from recnn.commands.typed_trees import predict_typed_trees
from recnn.data.parsing import fitting
from recnn.errors import ModelError

if TYPE_CHECKING:
    from nltk import Tree
    from torch import Tensor

# From red through grey to green: terminal colours that are legible on black and on white.
_COLOURS = {"0": "color(160)", "1": "color(167)", "2": "color(244)", "3": "color(71)", "4": "color(34)"}
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
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of pairs of sentences, two on each line with a tab between them."),
    ] = None,
    parser: ModelParser = None,
    tokens: Tokens = False,
    max_edges: MaxEdges = None,
    timeout: Timeout = None,
    device: OnDevice = "cpu",
    picture: PictureFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per tree and line.")] = False,
) -> None:
    """Predict a label for each node of a tree, or the relation of two sentences.

    Each node is printed with its label, the probability of the label and its words. In trees of more than 100 words,
    nodes are printed with their first 100 words, and in JSON with their spans only.

    Sentences are parsed with the parser that the model was trained with, or that of --parser; one without a parse is an
    error. For a model of ListOps, a sentence is an expression such as "[MAX 2 [MIN 4 7 ] 0 ]".

    A node of a dependency tree is printed with its own word, and in JSON with the position of this.

    A model of pairs takes the sentences two by two, or those of --pairs; - reads pairs from standard input, with a tab
    between the sentences of a line. Their relatedness is printed, or their entailment with its probability.

    A model of numbers, such as a saved regressor of `recnn.sklearn`, prints those of each sentence before it.

    A model of trees of typed nodes takes --trees FILE, as `recnn convert` writes it.
    """
    if (trees is not None) + (pairs is not None) + bool(sentences) != 1:
        raise typer.BadParameter("give either sentences, --trees FILE or --pairs FILE", param_hint="SENTENCE...")
    if picture is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--picture")
    found = read_model(model, recnn.Model, device)
    if not isinstance(found, recnn.TreeClassifier | recnn.TreeRegressor | recnn.PairModel | recnn.TypedTreeModel):
        kinds = "'trees', 'regression', 'typed_trees' or 'pairs'"
        raise ModelError(f"{model}: expected a model of kind {kinds}, got {found.kind!r}")
    if isinstance(found, recnn.TreeRegressor) and picture is not None:
        raise typer.BadParameter("not for a model of numbers", param_hint="--picture")
    if isinstance(found, recnn.PairModel) and (trees is not None or picture is not None):
        raise typer.BadParameter("not for a model of pairs", param_hint="--trees, --picture")
    if not isinstance(found, recnn.PairModel) and pairs is not None:
        raise typer.BadParameter("only for a model of pairs", param_hint="--pairs")
    with Failures() as failures:
        if isinstance(found, recnn.TypedTreeModel):
            if trees is None or picture is not None:
                raise typer.BadParameter("this model takes --trees FILE, as `recnn convert` writes it")
            predict_typed_trees(found, trees, as_json, failures)
            return
        if isinstance(found, recnn.PairModel):
            loaded = load_parser(parser or found.own_parser(roots=True), max_edges, timeout)
            predict_pairs(found, read_pairs(sentences, pairs, failures), loaded, tokens, failures, as_json)
            return
        if isinstance(found, recnn.TreeRegressor):
            parser = parser or found.config.root_parser
        fitted = fitted_trees(found, failures, sentences, trees, parser, tokens, max_edges, timeout)
        if isinstance(found, recnn.TreeRegressor):
            _predict_numbers(found, fitted, as_json)
        else:
            _predict_nodes(found, fitted, picture, as_json)


def _predict_numbers(model: recnn.TreeRegressor, trees: Iterator[Tree], as_json: bool) -> None:
    """Print the numbers of each tree and its words."""
    for some in in_chunks(trees):
        for tree, numbers in zip(some, model.predict(some), strict=True):
            words = parsers.words_of(tree)
            if as_json:
                print_json({"sentence": " ".join(words), "words": words, "prediction": numbers})
            else:
                shown = " ".join(f"{number:.4g}" for number in numbers)
                print(shown, printable(shown_words(words, 1, len(words))), sep="\t")  # as those of pairs


def _predict_nodes(model: recnn.TreeClassifier, trees: Iterator[Tree], picture: Path | None, as_json: bool) -> None:
    """Print or draw trees with the labels of their nodes."""
    if picture is not None:
        drawings = (model.node_predictions(tree).drawing() for tree in trees)
        save_pictures(map(recnn.draw.picture, drawings), picture)
        return
    predicted = (
        (tree, nodes) for some in in_chunks(trees) for tree, nodes in zip(some, _nodes(model, some), strict=True)
    )
    for tree, nodes in predicted:
        words = parsers.words_of(tree)
        if as_json:
            for node in nodes:
                del node["parent"]
            print_json({"sentence": " ".join(words), "words": words, "nodes": with_words(nodes, words)})
        else:
            for line in _drawn(nodes, words):
                wide.print(line)
            wide.print("")


def fitted_trees(
    model: recnn.TreeClassifier | recnn.TreeRegressor,
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
        loaded = load_parser(parser or model.own_parser(), max_edges, timeout)
        read = _parsed(read_sentences(sentences, failures), loaded, tokens, failures)
    return _fitted(model, read, failures)


def _parsed(
    sentences: Iterable[tuple[str, str]], parser: parsers.Parser, tokens: bool, failures: Failures
) -> Iterator[Tree]:
    """Yield the best parse of each sentence."""
    for found in best_trees(parser, sentences, tokens):
        if isinstance(found, SentenceError):
            failures.add(found)
        else:
            yield found


def _fitted(
    model: recnn.TreeClassifier | recnn.TreeRegressor, trees: Iterable[Tree], failures: Failures
) -> Iterator[Tree]:
    """Binarise trees for the model; those that cannot be are added to ``failures``."""
    for tree in trees:
        try:
            yield fitting(tree, model.config.max_children)
        except InputError as error:
            words = parsers.words_of(tree)
            failures.add(InputError(f"{shown_words(words, 1, len(words))!r}: {error}"))


def _nodes(model: recnn.TreeClassifier, trees: list[Tree]) -> Iterator[list[dict[str, Any]]]:
    """Predict the labels of the nodes of each tree, breadth first from the root."""
    for tree, probabilities in zip(trees, model.probabilities(trees), strict=True):
        yield _described(model, tree, probabilities.cpu())


def _described(model: recnn.TreeClassifier, tree: Tree, probabilities: Tensor) -> list[dict[str, Any]]:
    graph = model.graph(tree)
    parents = [-1] * graph.num_nodes()
    for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True):
        parents[child] = parent
    labels = model.config.labels
    nodes = [
        {
            "label": labels[int(row.argmax())],
            "probabilities": dict(zip(labels, row.tolist(), strict=True)),
            "span": span,
            "parent": parent,
        }
        for row, span, parent in zip(probabilities, graph.ndata["span"].tolist(), parents, strict=True)
    ]
    if isinstance(tree, parsers.DependencyTree):
        for node, position in zip(nodes, graph.ndata["position"].tolist(), strict=True):
            node["position"] = position
    return nodes


def _own_span(node: dict[str, Any]) -> tuple[int, int]:
    """The span of a phrase, or of a word without its dependents."""
    position = node.get("position")
    return (position, position) if position else node["span"]


def _drawn(nodes: list[dict[str, Any]], words: list[str]) -> Iterator[Text]:
    """Draw the tree with one indented line per node, each label in its colour, see `recnn.draw.tree_to_lines`."""
    polar = set(nodes[0]["probabilities"]) == set(corpora.SENTIMENTS)
    children: list[list[int]] = [[] for _ in nodes]
    texts = []
    for index, node in enumerate(nodes):
        if index:
            children[node["parent"]].append(index)
        style = _COLOURS[node["label"]] if polar else "bold"
        label, phrase = f"{node['label']} {_percent(node)}", shown_words(words, *_own_span(node))
        texts.append(Text.assemble((printable(label), style), f"  {printable(phrase)}"))
    return recnn.draw.tree_to_lines(children, texts)


def _percent(node: dict[str, Any]) -> str:
    return f"{100 * node['probabilities'][node['label']]:.0f}%"
