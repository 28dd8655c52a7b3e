"""`recnn predict`: a label and its probability for every node, on the tree."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from nltk import Tree
from rich.text import Text

from corpora.listops import listops_tree, parse_listops
from corpora.sentiment import sentiment_grammar
from corpora.sst import SENTIMENTS
from corpora.text import replacing
from corpora.treebanks import read_trees
from parsers.errors import EmptySentenceError, InputError, SentenceError, TreeError
from parsers.grammar import GrammarParser, load_grammar
from parsers.tokens import tokenize
from parsers.trees import shaped, words_of
from recnn.commands.common import Failures, Sentences, fail, fitting, out, read_model, read_sentences, words_in
from recnn.draw import tree_to_svg
from recnn.models.classifier import TreeClassifier

# From red to green, by way of grey; colours of 256 that can be read on black and on white.
_COLOURS = {"0": "color(160)", "1": "color(167)", "2": "color(244)", "3": "color(71)", "4": "color(34)"}


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model, or of a run.")],
    sentences: Sentences = None,
    trees: Annotated[Path | None, typer.Option(help="A file of bracketed trees instead of sentences.")] = None,
    grammar: Annotated[
        str | None,
        typer.Option(help="Parse with this one. \\[default: for sentiment the bundled treebank's, else no grammar]"),
    ] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the tree there; takes one tree.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one per tree.")] = False,
) -> None:
    """Print the label that a model gives every node of a tree, and how probable it is.

    For a model of sentiment, a sentence is parsed with the grammar of the bundled treebank; if that has no parse of it,
    its words are joined in a tree of the model's --shape, which is said. With --grammar, a sentence without a parse is
    an error. For a model of ListOps, a sentence is an expression such as "[MAX 2 [MIN 4 7 ] 0 ]".
    """
    if (trees is None) == (not sentences):
        raise typer.BadParameter("give either sentences or --trees FILE", param_hint="SENTENCE...")
    if svg is not None and as_json:
        raise typer.BadParameter("it does not go with --json", param_hint="--svg")
    found = read_model(model, TreeClassifier)
    with Failures() as failures:
        read = read_trees(trees) if trees is not None else _parsed(found, sentences, grammar, failures)
        if svg is not None:
            several = list(read)
            if len(several) > 1:
                raise InputError(f"{svg}: one picture shows one tree, and there are {len(several)}")
            read = iter(several)
        for tree in read:
            nodes = _nodes(found, fitting(tree, found.config.widest))
            if svg is not None:
                with replacing(svg) as part:
                    part.write_text(tree_to_svg(_labelled(nodes)), "utf-8")
            elif as_json:
                for node in nodes:
                    del node["parent"]
                print(json.dumps({"sentence": " ".join(words_of(tree)), "nodes": nodes}, ensure_ascii=False))
            else:
                out.print(_picture(nodes))


def _parsed(
    model: TreeClassifier, sentences: Iterable[str] | None, grammar: str | None, failures: Failures
) -> Iterator[Tree]:
    """The tree of each sentence: its best parse, if there is a grammar."""
    parser = None
    if grammar is not None or model.config.form == "sst":
        parser = GrammarParser(sentiment_grammar() if grammar is None else load_grammar(grammar))
    for place, sentence in read_sentences(list(sentences or ())):
        try:
            if model.config.form == "listops":
                yield listops_tree(parse_listops(sentence))
            elif parser is None:
                yield shaped(words_in(sentence), model.config.shape)
            else:
                yield parser.parse(sentence)
        except (EmptySentenceError, TreeError) as error:
            failures.add(InputError(f"{place}{error}"))
        except SentenceError as error:
            if grammar is not None:
                failures.add(SentenceError(f"{place}{error}"))
                continue
            shape = model.config.shape
            how = "in a balanced tree" if shape == "balanced" else f"from the {shape}"
            fail(f"{place}{sentence!r} is not in the bundled treebank's grammar: its words are joined {how}")
            yield shaped(tokenize(sentence), shape)


def _nodes(model: TreeClassifier, tree: Tree) -> list[dict[str, Any]]:
    """What the model says of each node, breadth first."""
    (probabilities,) = model.probabilities([tree])
    graph, words = model.graph(tree), words_of(tree)
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


def _below(nodes: list[dict[str, Any]]) -> list[list[int]]:
    below: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes[1:], 1):
        below[node["parent"]].append(index)
    return below


def _labelled(nodes: list[dict[str, Any]]) -> Tree:
    """The tree with the answers as labels."""
    made = [Tree(f"{node['label']} {_percent(node)}", []) for node in nodes]
    for index, below in enumerate(_below(nodes)):
        made[index].extend([made[child] for child in below] or nodes[index]["words"])
    return made[0]


def _picture(nodes: list[dict[str, Any]]) -> Text:
    """The tree, a node a line, indented, each label in its colour."""
    text = Text()
    below = _below(nodes)
    agenda = [(0, "", "")]
    polar = set(nodes[0]["probabilities"]) == set(SENTIMENTS)
    while agenda:
        index, before, after = agenda.pop()
        node = nodes[index]
        style = _COLOURS[node["label"]] if polar else "bold"
        text.append(before, "dim")
        text.append(f"{node['label']} {_percent(node)}", style)
        text.append(f"  {' '.join(node['words'])}\n")
        for place, child in enumerate(reversed(below[index])):
            agenda.append((child, after + ("└─ " if not place else "├─ "), after + ("   " if not place else "│  ")))
    return text


def _percent(node: dict[str, Any]) -> str:
    return f"{100 * node['probabilities'][node['label']]:.0f}%"
