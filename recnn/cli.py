"""The command line: `recnn parse`, `recnn encode`, and the commands of models."""

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from nltk import ProbabilisticTree, Tree
from rich import box
from rich.table import Table
from rich.text import Text

from corpora.text import replacing
from corpora.treebanks import read_trees
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError, SentenceError
from parsers.grammar import GrammarParser, load_grammar
from parsers.productions import productions
from parsers.trees import brackets, words_of
from recnn.cells.recursive import RecursiveCell
from recnn.commands.autoencode import autoencode
from recnn.commands.common import Failures, Sentences, fail, out, read_sentences
from recnn.commands.data import data
from recnn.commands.evaluate import evaluate
from recnn.commands.lm import lm
from recnn.commands.predict import predict
from recnn.commands.tasks import app as tasks
from recnn.commands.translate import translate
from recnn.draw import tree_to_text
from recnn.graph import tree_to_graph
from recnn.propagate import propagate
from recnn.states import NodeStates

app = typer.Typer(
    help="Parse sentences, encode their trees with recursive neural networks, and train such networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(tasks, name="train")
app.add_typer(lm, name="lm")
app.command()(data)
app.command()(evaluate)
app.command()(predict)
app.command()(autoencode)
app.command()(translate)
Grammar = Annotated[str, typer.Option(help="A bundled grammar (duck, telescope), or the path or text of one.")]
Limit = Annotated[int, typer.Option(min=1, help="Most parses of one sentence.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, one per parse.")]


class Parse(NamedTuple):
    """One parse of one sentence."""

    sentence: str
    number: int
    tree: Tree

    @property
    def probability(self) -> float | None:
        """Under a PCFG."""
        return self.tree.prob() if isinstance(self.tree, ProbabilisticTree) else None

    def record(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "sentence": self.sentence,
            "parse": self.number,
            "tree": brackets(self.tree),
            "probability": self.probability,
            "productions": productions(self.tree),
        }

    def described(self) -> str:
        """What people see of it: the tree, drawn unless it is too deep for that, and its rules."""
        probability = "" if self.probability is None else f", probability {self.probability:.3g}"
        try:
            drawn = tree_to_text(self.tree)
        except InputError:
            drawn = brackets(self.tree)
        rules = "\n".join(str(rule) for rule in productions(self.tree))
        return f"{self.sentence}\nparse {self.number}{probability}\n\n{drawn}\n\n{rules}\n"


@app.command()
def parse(
    sentences: Sentences = None,
    grammar: Grammar = "duck",
    every: Annotated[bool, typer.Option("--all", help="Every parse, not only the best.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Print the parse trees of sentences, their production rules and probabilities."""
    parser = GrammarParser(load_grammar(grammar))
    with Failures() as failures:
        for parses in _parse_each(parser, read_sentences(sentences), limit if every else 1, failures, warn=every):
            for found in parses:
                if as_json:
                    print(json.dumps(found.record(), ensure_ascii=False))
                    continue
                out.print(found.described())


@app.command()
def encode(
    sentences: Sentences = None,
    grammar: Grammar = "duck",
    trees: Annotated[
        Path | None, typer.Option(help="A file of bracketed trees to encode instead of sentences.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Of the random word vectors and weights.")] = 0,
    hidden_size: Annotated[int, typer.Option(min=1, help="Length of the state vectors.")] = 8,
    limit: Limit = 100,
    to: Annotated[Path | None, typer.Option("--out", metavar="FILE.npz", help="Write all states there.")] = None,
    as_json: Json = False,
) -> None:
    """Print the inside state vectors of every parse: one per node, composed bottom-up by a recursive network.

    The network is the plain one of Socher et al. 2011 with random word vectors and weights. With a probabilistic
    grammar comes the expected root state: the mean over the parses, weighted by their probabilities.
    """
    if (trees is None) == (not sentences):
        raise typer.BadParameter("give either sentences or --trees FILE", param_hint="SENTENCE...")
    if trees is not None and grammar != "duck":
        raise typer.BadParameter("a grammar is for sentences, not for --trees FILE", param_hint="--grammar")
    if to is not None and to.suffix != ".npz":
        raise typer.BadParameter(f"{to} does not end in .npz", param_hint="--out")
    arrays: dict[str, np.ndarray] = {}
    with Failures() as failures:
        if to is not None and not to.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(to))  # before the work, not after it
        if trees is not None:
            read = list(read_trees(trees))
            encoder = _Encoder((word for tree in read for word in words_of(tree)), _arity(read), hidden_size, seed)
            groups: Iterable[list[Parse]] = ([Parse(" ".join(words_of(tree)), 0, tree)] for tree in read)
        else:
            parser = GrammarParser(load_grammar(grammar))
            widest = max(len(rule) for rule in parser.grammar.productions())
            encoder = _Encoder(sorted(parser.lexicon), widest, hidden_size, seed)
            groups = _parse_each(parser, read_sentences(sentences), limit, failures)
        for index, parses in enumerate(groups):
            states = [encoder(found.tree) for found in parses]
            expected = _expected_root(parses, states)
            for found, state in zip(parses, states, strict=True):
                nodes = _nodes(found.tree, state)
                name = f"sentence{index}_parse{found.number}"
                arrays |= {f"{name}_{key}": values for key, values in _arrays(found, nodes).items()}
                if as_json:
                    print(
                        json.dumps(
                            {**found.record(), "nodes": nodes, "expected_root_state": expected}, ensure_ascii=False
                        )
                    )
                else:
                    out.print(found.described())
                    out.print(_edges(state), _table(nodes), "")
            if expected is not None:
                arrays[f"sentence{index}_expected_root_state"] = np.array(expected, dtype=np.float32)
                if not as_json:
                    out.print(f"expected root state over {_count(len(parses), 'parse')}: {_components(expected)}\n")
        if to is not None:
            _save(to, arrays)


def main() -> None:
    """Run the command line; what the input is to blame for becomes one line on standard error and exit status 1."""
    try:
        app()
    except InputError as error:
        fail(str(error))
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "alloc" not in str(error):  # torch has no class for it on a CPU
            raise
        fail("there is not enough memory for that: take smaller sizes")
        sys.exit(1)


class _Encoder:
    """A plain RecNN with random word vectors, both drawn from ``seed``."""

    def __init__(self, words: Iterable[str], arity: int, hidden_size: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.vocabulary = Vocabulary(words)
        self.vectors = torch.nn.Embedding(len(self.vocabulary), hidden_size)
        self.cell = RecursiveCell(hidden_size, hidden_size, arity, leaf="input")

    @torch.no_grad()
    def __call__(self, tree: Tree) -> NodeStates:
        graph = tree_to_graph(tree, self.vocabulary)
        x = self.vectors(graph.ndata["word"].clamp(min=0))
        return NodeStates(graph, propagate(self.cell, graph, x))


def _parse_each(
    parser: GrammarParser, sentences: Iterable[tuple[str, str]], limit: int, failures: Failures, warn: bool = True
) -> Iterator[list[Parse]]:
    for place, sentence in sentences:
        try:
            parses = parser.parses(sentence)
        except SentenceError as error:
            failures.add(SentenceError(f"{place}{error}"))
            continue
        yield [Parse(sentence, number, tree) for number, tree in enumerate(islice(parses, limit))]
        if warn and next(parses, None) is not None:
            fail(f"{place}{sentence!r} has more than {_count(limit, 'parse')}: raise --limit to see them")


def _arity(trees: Iterable[Tree]) -> int:
    return max(len(rule.children) for tree in trees for rule in productions(tree))


def _expected_root(parses: list[Parse], states: list[NodeStates]) -> list[float] | None:
    """The mean root state, weighted by the parses' probabilities; None if they have none."""
    weights = [found.probability for found in parses if found.probability is not None]
    if len(weights) < len(parses) or not sum(weights):
        return None
    roots = torch.cat([state.roots for state in states])
    return list((torch.tensor(weights) / sum(weights) @ roots).tolist())


def _nodes(tree: Tree, states: NodeStates) -> list[dict[str, Any]]:
    words, graph = words_of(tree), states.graph
    return [
        {
            "label": graph.labels[label] if label >= 0 else None,
            "span": [start, end],
            "words": words[start - 1 : end],
            "state": state,
        }
        for label, (start, end), state in zip(
            graph.ndata["label"].tolist(), graph.ndata["span"].tolist(), states.h.tolist(), strict=True
        )
    ]


def _arrays(found: Parse, nodes: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {
        "tree": np.array(brackets(found.tree)),
        "labels": np.array([node["label"] or "" for node in nodes]),
        "spans": np.array([node["span"] for node in nodes]),
        "states": np.array([node["state"] for node in nodes], dtype=np.float32),
    }


def _edges(states: NodeStates) -> str:
    graph = states.graph
    edges = ", ".join(
        f"{child}->{parent}" for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True)
    )
    return f"DGLGraph of {_count(graph.num_nodes(), 'node')}, edges child -> parent: {edges or 'none'}"


def _table(nodes: list[dict[str, Any]]) -> Table:
    table = Table("node", "label", "span", "words", "norm", "state", box=box.SIMPLE, pad_edge=False)
    for number, node in enumerate(nodes):
        start, end = node["span"]
        norm = np.linalg.norm(node["state"])
        cells = (
            str(number),
            node["label"] or "",
            f"{start}..{end}",
            " ".join(node["words"]),
            f"{norm:.3f}",
            _components(node["state"]),
        )
        table.add_row(*map(Text, cells))
    return table


def _components(state: list[float]) -> str:
    return " ".join(f"{value:6.3f}" for value in state[:3]) + (" ..." if len(state) > 3 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its allow_pickle keyword
