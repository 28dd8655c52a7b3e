"""`recnn encode`: the state vectors of the nodes of parse trees."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader
import typer
from rich import box
from rich.table import Table

import corpora
import parsers
import recnn
from corpora.text import replacing
from parsers.errors import InputError
from parsers.printing import shown_words
from recnn.commands.common import (
    Binarise,
    CollapseUnaries,
    Failures,
    OnDevice,
    ParserName,
    PictureFile,
    Sentences,
    TreeFile,
    WithoutFunctions,
    WithoutTraces,
    counted,
    either,
    in_chunks,
    load_parser,
    out,
    prepared,
    read_sentences,
    save_pictures,
    with_words,
)
from recnn.commands.options import typed
from recnn.commands.parse import Json, Limit, MaxEdges, Parse, Timeout, Tokens, best_parses, parse_each
from recnn.commands.streams import cell, print_json
from recnn.data.parsing import fitting
from recnn.data.sources import Preparation
from recnn.settings import Device

if TYPE_CHECKING:
    from nltk import Tree

nltk = lazy_loader.load("nltk")
np = lazy_loader.load("numpy")
torch = lazy_loader.load("torch")


def encode(
    context: typer.Context,
    sentences: Sentences = None,
    parser: ParserName = "english",
    trees: TreeFile = None,
    without_traces: WithoutTraces = False,
    without_functions: WithoutFunctions = False,
    collapse_unaries: CollapseUnaries = False,
    binarise: Binarise = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of a trained model, or of a training run; it has a --parser of its own. "
            "\\[default: a random network]",
        ),
    ] = None,
    hidden_size: Annotated[
        int, typer.Option(min=1, max=1 << 20, help="Size of the state vectors, if the network is random.")
    ] = 8,
    seed: Annotated[
        int, typer.Option(min=0, max=(1 << 63) - 1, help="Random seed of the word vectors and weights.")
    ] = 0,
    limit: Limit = 100,
    tokens: Tokens = False,
    max_edges: MaxEdges = None,
    timeout: Timeout = None,
    device: OnDevice = "cpu",
    to: Annotated[Path | None, typer.Option("--out", metavar="FILE.npz", help="Write all states to this file.")] = None,
    picture: PictureFile = None,
    as_json: Json = False,
) -> None:
    """Print the state vectors of the nodes of parse trees.

    The states are computed by a trained model, see `recnn.SentenceEncoder`; or, without --model, bottom-up by the plain
    recursive network of Socher et al. 2011 with random word vectors and weights. Nodes with more children than a model
    takes are binarised. With a probabilistic grammar, the expected state of the root is printed as well: the mean over
    the parses, weighted by their probabilities.

    In trees of more than 100 words, nodes are printed with their first 100 words, and in JSON with their spans only. A
    picture shows the norms of the states as colours.
    """
    either(sentences, trees)
    if trees is not None and typed(context, "parser"):
        raise typer.BadParameter("a parser is for sentences, not for --trees FILE", param_hint="--parser")
    preparation = Preparation(without_traces, without_functions, collapse_unaries, binarise)
    if trees is None and preparation != Preparation():
        raise typer.BadParameter("trees are transformed with --trees FILE only", param_hint="SENTENCE...")
    if model is not None and (given := [name for name in ("hidden_size", "seed") if typed(context, name)]):
        raise typer.BadParameter("of random networks, not with --model", param_hint=f"--{given[0].replace('_', '-')}")
    if to is not None and to.suffix != ".npz":
        raise typer.BadParameter(f"{to} does not end in .npz", param_hint="--out")
    arrays: dict[str, Any] = {}
    with Failures() as failures:
        if to is not None and not to.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(to))  # before the work
        trained = None if model is None else recnn.SentenceEncoder(model)
        groups: Iterable[list[Parse]]
        loaded = None
        if trees is not None:
            read = prepared(corpora.read_labelled_trees(trees), preparation, trees)
            groups = ([Parse(" ".join(parsers.words_of(tree)), 0, tree)] for tree in read)
        else:
            own = parser if trained is None or typed(context, "parser") else trained.model.own_parser()
            loaded = load_parser(own, max_edges, timeout)
            groups = _parsed(loaded, own, read_sentences(sentences, failures), limit, failures, tokens)
        encoder: _Encoder | _Trained
        if trained is not None:
            encoder = _Trained(trained, device)
            groups = encoder.fitted(groups, failures)
        elif isinstance(loaded, parsers.GrammarParser):
            longest = max(len(rule) for rule in loaded.grammar.productions())
            encoder = _Encoder(sorted(loaded.lexicon), longest, hidden_size, seed, device)
        else:  # the words and the largest number of children are known at the end only
            groups = list(groups)
            found = [one.tree for parses in groups for one in parses]
            words = (word for tree in found for word in parsers.words_of(tree))
            encoder = _Encoder(words, _max_children(found), hidden_size, seed, device)
        every: list[_Encoded] = []
        for index, encoded in enumerate(_encoded(groups, encoder)):
            encoded.print(as_json)
            arrays |= encoded.arrays(f"sentence{index}")
            if picture is not None:
                every.append(encoded)
        if to is not None:
            with replacing(to) as part, open(part, "wb") as file:
                np.savez(file, **arrays)
        if picture is not None:
            captions = [found.caption() for encoded in every for found in encoded.parses]
            drawings = (state.drawing() for encoded in every for state in encoded.states)
            save_pictures(map(recnn.draw.picture, drawings), picture, captions)


def _parsed(
    parser: parsers.Parser,
    own: str | parsers.Parser,
    sentences: Iterable[tuple[str, str]],
    limit: int,
    failures: Failures,
    tokens: bool,
) -> Iterator[list[Parse]]:
    """Yield all parses of each sentence by a grammar, or the one of another parser."""
    name = own if isinstance(own, str) else None
    if isinstance(parser, parsers.GrammarParser):
        return parse_each(parser, name, sentences, limit, failures, tokens)
    return best_parses(parser, name, sentences, failures, tokens)


class _Encoder:
    """Plain recursive network with word vectors; all weights are random, from ``seed``, the same on any device."""

    def __init__(self, words: Iterable[str], arity: int, hidden_size: int, seed: int, device: Device) -> None:
        from recnn.graphs.devices import chosen_device

        self.device = chosen_device(device)
        torch.manual_seed(seed)
        self.vocabulary = corpora.Vocabulary(words)
        self.vectors = torch.nn.Embedding(len(self.vocabulary), hidden_size).to(self.device)
        self.cell = recnn.RecursiveCell(hidden_size, hidden_size, arity, leaf="input").to(self.device)

    def __call__(self, trees: Sequence[Tree]) -> Iterator[recnn.NodeStates]:
        for tree in trees:
            graph = recnn.tree_to_graph(tree, self.vocabulary)
            with torch.no_grad():
                x = self.vectors(graph.ndata["word"].clamp(min=0).to(self.device))
                hidden = recnn.propagate(self.cell, graph, x).hidden.cpu()
            yield recnn.NodeStates(graph, recnn.HiddenState(hidden))


class _Trained:
    """The encoder of a trained model."""

    def __init__(self, encoder: recnn.SentenceEncoder, device: Device) -> None:
        from recnn.graphs.devices import chosen_device

        self.encoder = encoder
        encoder.model.to(chosen_device(device))

    def fitted(self, groups: Iterable[list[Parse]], failures: Failures) -> Iterator[list[Parse]]:
        """Binarise trees for the model; the sentences of those that cannot be are added to ``failures``."""
        arity = self.encoder.model.config.max_children
        for parses in groups:
            try:
                yield [one._replace(tree=_like(one.tree, fitting(one.tree, arity))) for one in parses]
            except InputError as error:
                failures.add(InputError(f"{parses[0].sentence!r}: {error}"))

    def __call__(self, trees: Sequence[Tree]) -> Iterator[recnn.NodeStates]:
        found = self.encoder.encode(trees, show_progress_bar=False, convert_to_numpy=False, output="nodes")
        model = self.encoder.model
        chains = isinstance(model, recnn.Translator) and model.config.model == "sequence"
        for tree, hidden in zip(trees, found, strict=True):
            graph = recnn.sequence_to_graph(parsers.words_of(tree)) if chains else recnn.tree_to_graph(tree)
            yield recnn.NodeStates(graph, recnn.HiddenState(hidden.cpu()))


def _like(tree: Tree, fitted: Tree) -> Tree:
    """Give a binarised tree the probability of the tree."""
    if fitted is tree or not hasattr(tree, "prob"):
        return fitted
    return nltk.ProbabilisticTree(fitted.label(), list(fitted), prob=tree.prob())


def _encoded(groups: Iterable[list[Parse]], encoder: _Encoder | _Trained) -> Iterator[_Encoded]:
    for some in in_chunks(groups):
        states = iter(encoder([found.tree for parses in some for found in parses]))
        yield from (_Encoded(parses, list(islice(states, len(parses)))) for parses in some)


class _Encoded(NamedTuple):
    """The parses of a sentence and the states of their nodes."""

    parses: list[Parse]
    states: list[recnn.NodeStates]

    def expected_root(self) -> list[float] | None:
        """Average the states of the roots by the probabilities of the parses; None without probabilities."""
        weights = [found.probability for found in self.parses if found.probability is not None]
        if len(weights) < len(self.parses) or not sum(weights):
            return None
        roots = torch.cat([state.roots for state in self.states])
        return list((torch.tensor(weights) / sum(weights) @ roots).tolist())

    def print(self, as_json: bool) -> None:
        """Print each parse with its graph and states, and the expected state of the root."""
        expected = self.expected_root()
        for found, state in zip(self.parses, self.states, strict=True):
            words, nodes = parsers.words_of(found.tree), _nodes(state)
            if as_json:
                record = {**found.record(), "words": words, "nodes": with_words(nodes, words)}
                record["expected_root_state"] = expected
                print_json(record)
            else:
                out.print(found.described())
                out.print(_edges(state), _table(nodes, words), "")
        if expected is not None and not as_json:
            out.print(f"expected root state over {counted(len(self.parses), 'parse')}: {_components(expected)}\n")

    def arrays(self, prefix: str) -> dict[str, Any]:
        """Return trees, labels, spans and states as arrays, with names that begin with ``prefix``."""
        arrays = {}
        for found, state in zip(self.parses, self.states, strict=True):
            nodes = _nodes(state)
            name = f"{prefix}_parse{found.number}"
            arrays[f"{name}_tree"] = np.array(parsers.brackets(found.tree))
            arrays[f"{name}_labels"] = np.array([node["label"] or "" for node in nodes])
            arrays[f"{name}_spans"] = np.array([node["span"] for node in nodes])
            arrays[f"{name}_states"] = np.array([node["state"] for node in nodes], dtype=np.float32)
        expected = self.expected_root()
        return arrays if expected is None else {**arrays, f"{prefix}_expected_root_state": np.float32(expected)}


def _max_children(trees: Iterable[Tree]) -> int:
    return max(len(rule.children) for tree in trees for rule in parsers.productions(tree))


def _nodes(states: recnn.NodeStates) -> list[dict[str, Any]]:
    graph = states.graph
    return [
        {"label": graph.labels[label] if label >= 0 else None, "span": span, "state": state}
        for label, span, state in zip(
            graph.ndata["label"].tolist(), graph.ndata["span"].tolist(), states.h.tolist(), strict=True
        )
    ]


def _edges(states: recnn.NodeStates) -> str:
    graph = states.graph
    edges = ", ".join(
        f"{child}->{parent}" for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True)
    )
    return f"DGLGraph of {counted(graph.num_nodes(), 'node')}, edges child -> parent: {edges or 'none'}"


def _table(nodes: list[dict[str, Any]], words: list[str]) -> Table:
    table = Table("node", "label", "span", "words", "norm", "state", box=box.SIMPLE, pad_edge=False)
    for number, node in enumerate(nodes):
        start, end = node["span"]
        cells = (
            str(number),
            node["label"] or "",
            f"{start}..{end}",
            shown_words(words, start, end),
            f"{np.linalg.norm(node['state']):.3f}",
            _components(node["state"]),
        )
        table.add_row(*map(cell, cells))
    return table


def _components(state: list[float]) -> str:
    return " ".join(f"{value:6.3f}" for value in state[:3]) + (" ..." if len(state) > 3 else "")
