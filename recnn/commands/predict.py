"""`recnn predict`: a label for each node of a tree, with its probability."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader
import typer
from rich.text import Text
from rich.tree import Tree as Picture

import corpora
import parsers
import recnn
from parsers.errors import EmptySentenceError, InputError, SentenceError, TreeError
from recnn.commands.common import (
    Failures,
    ModelFolder,
    Sentences,
    Svg,
    Trees,
    draw_one,
    either,
    fail,
    fitting,
    read_model,
    read_sentences,
    wide,
    words_in,
)

if TYPE_CHECKING:
    from nltk import Tree

nltk = lazy_loader.load("nltk")

# From red through grey to green: terminal colours that are legible on black and on white.
_COLOURS = {"0": "color(160)", "1": "color(167)", "2": "color(244)", "3": "color(71)", "4": "color(34)"}


def predict(
    model: ModelFolder,
    sentences: Sentences = None,
    trees: Trees = None,
    grammar: Annotated[
        str | None,
        typer.Option(
            help="Grammar to parse sentences with. \\[default: for sentiment the bundled treebank's, else none]"
        ),
    ] = None,
    svg: Svg = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per tree and line.")] = False,
) -> None:
    """Predict a label for each node of a tree.

    Each node is printed with its label, the probability of the label and its words.

    For a model of sentiment, sentences are parsed with the grammar of the bundled treebank; a sentence without a parse
    gets a tree of the model's --shape, with a message on standard error. With --grammar, a sentence without a parse is
    an error. For a model of ListOps, a sentence is an expression such as "[MAX 2 [MIN 4 7 ] 0 ]".
    """
    either(sentences, trees)
    if svg is not None and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--svg")
    found = read_model(model, recnn.TreeClassifier)
    with Failures() as failures:
        read = corpora.read_trees(trees) if trees is not None else _parsed(found, sentences, grammar, failures)
        fitted = (fitting(tree, found.config.max_children) for tree in read)
        if svg is not None:
            draw_one((_labelled(_nodes(found, tree)) for tree in fitted), svg)
            return
        for tree in fitted:
            nodes = _nodes(found, tree)
            if as_json:
                for node in nodes:
                    del node["parent"]
                record = {"sentence": " ".join(parsers.words_of(tree)), "nodes": nodes}
                print(json.dumps(record, ensure_ascii=False))
            else:
                wide.print(_picture(nodes), "")


def _parsed(
    model: recnn.TreeClassifier, sentences: Iterable[str] | None, grammar: str | None, failures: Failures
) -> Iterator[Tree]:
    """Yield a tree over each sentence: its best parse, if there is a grammar."""
    parser = None
    if grammar is not None or model.config.form == "sst":
        from corpora.sentiment import sentiment_grammar

        loaded = sentiment_grammar() if grammar is None else parsers.load_grammar(grammar)
        parser = parsers.GrammarParser(loaded)
    for place, sentence in read_sentences(list(sentences or ())):
        try:
            if model.config.form == "listops":
                yield corpora.listops_tree(corpora.parse_listops(sentence))
            elif parser is None:
                yield parsers.shaped(words_in(sentence), model.config.shape)
            else:
                yield parser.parse(sentence)
        except (EmptySentenceError, TreeError) as error:
            failures.add(InputError(f"{place}{error}"))
        except SentenceError as error:
            if grammar is not None:
                failures.add(SentenceError(f"{place}{error}"))
                continue
            shape = model.config.shape
            how = "a balanced tree" if shape == "balanced" else f"a {shape}-branching tree"
            fail(f"{place}{sentence!r} has no parse in the grammar of the bundled treebank: using {how}")
            yield parsers.shaped(parsers.tokenize(sentence), shape)


def _nodes(model: recnn.TreeClassifier, tree: Tree) -> list[dict[str, Any]]:
    """Predict the labels of the nodes of a tree, breadth first from the root."""
    (probabilities,) = model.probabilities([tree])
    graph, words = model.graph(tree), parsers.words_of(tree)
    parents = [-1] * graph.num_nodes()
    for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True):
        parents[child] = parent
    labels = model.config.labels
    return [
        {
            "label": labels[int(row.argmax())],
            "probabilities": dict(zip(labels, row.tolist(), strict=True)),
            "span": [start, end],
            "words": words[start - 1 : end],
            "parent": parent,
        }
        for row, (start, end), parent in zip(probabilities, graph.ndata["span"].tolist(), parents, strict=True)
    ]


def _labelled(nodes: list[dict[str, Any]]) -> Tree:
    """Make a tree with the predictions as labels."""
    made = [nltk.Tree(f"{node['label']} {_percent(node)}", []) for node in nodes]
    for node, own in zip(nodes[1:], made[1:], strict=True):
        made[node["parent"]].append(own)
    for node, own in zip(nodes, made, strict=True):
        own.extend([] if own else node["words"])
    return made[0]


def _picture(nodes: list[dict[str, Any]]) -> Picture:
    """Draw the tree with one indented line per node, each label in its colour."""
    polar = set(nodes[0]["probabilities"]) == set(corpora.SENTIMENTS)
    made: list[Picture] = []
    for node in nodes:
        style = _COLOURS[node["label"]] if polar else "bold"
        text = Text.assemble((f"{node['label']} {_percent(node)}", style), f"  {' '.join(node['words'])}")
        made.append(made[node["parent"]].add(text) if made else Picture(text, guide_style="dim"))
    return made[0]


def _percent(node: dict[str, Any]) -> str:
    return f"{100 * node['probabilities'][node['label']]:.0f}%"
