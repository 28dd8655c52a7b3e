"""Names of functions from their bodies: the first word of the name, such as "get" or "write", from the syntax tree.

    python examples/method_names.py [--count 3000] [--epochs 20] [--seeds 3] [--out method_names.png]

The functions are those of Python's standard library, without their docstrings and with their own name hidden; those to
learn from and those that are asked about are of different files, and no function is there twice. Three answers: a
network over the syntax tree, an LSTM over the tokens of the source, and gradient boosting over the counts of the nodes.
"""

import ast
import io
import re
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import mean, stdev
from time import process_time
from typing import Annotated, NamedTuple

import typer
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from threadpoolctl import threadpool_limits

from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.training.memory import fit
from recnn.training.objectives.typed_trees import TypedTreeObjective
from recnn.training.options import TreeTraining, WordTraining
from recnn.trees import TreeExample, TypedTree, from_python

NAMES, SMALLEST, LARGEST = 12, 10, 250  # first words that are asked about; nodes of a function
OPTIONS = {"input_size": 100, "hidden_size": 100, "input_dropout": 0.3, "dropout": 0.5, "word_dropout": 0.1}
NETWORKS = {
    "tree": TypedNetworkConfig(inputs="concat", **OPTIONS),
    "sequence": TypedNetworkConfig(inputs="word", arity=1, **OPTIONS),
}


class Function(NamedTuple):
    """A function of the library."""

    name: str
    """First word of its name."""
    file: str
    tree: TypedTree
    tokens: tuple[str, ...]


# 1. The functions, and what is hidden of them.
def functions(every: int = 1) -> Iterator[Function]:
    """Yield the functions of every such file of the standard library, without its tests, each function once."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "test", "tests", "idle_test", "turtledemo", "encodings"}  # the last are of one template
    seen = set()
    for path in sorted(root.rglob("*.py"))[::every]:
        if skipped & set(path.relative_to(root).parts):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                module = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        found = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for node in found:
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        for node in found:
            words = re.findall("[A-Z]?[a-z]+|[A-Z]+", node.name)
            if words and not node.name.startswith("__"):
                name, hidden = words[0].lower(), _hidden(node)
                tree = from_python(hidden)
                if SMALLEST <= len(tree) <= LARGEST and (key := (tree.labels, tree.words)) not in seen:
                    seen.add(key)
                    yield Function(name, str(path), tree, tokens(ast.unparse(ast.fix_missing_locations(hidden))))


def _hidden(node: ast.AST) -> ast.AST:
    """Hide the name of a function wherever it occurs in it: a call of itself or of the base class, a message."""
    name = node.name.strip("_")
    whole = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    for part in ast.walk(node):
        for field, value in ast.iter_fields(part):
            if isinstance(value, str):
                text = isinstance(part, ast.Constant)
                setattr(part, field, whole.sub("_", value) if text else "_" if value.strip("_") == name else value)
            elif isinstance(value, list):
                value[:] = ["_" if isinstance(one, str) and one.strip("_") == name else one for one in value]
    return node


def tokens(source: str) -> tuple[str, ...]:
    """The tokens of source, with the names of indents and line ends."""
    read = tokenize.generate_tokens(io.StringIO(source).readline)
    return tuple(token.string if token.string.strip() else tokenize.tok_name[token.type] for token in read)


# 2. A tree for each kind of network: the syntax tree, or a chain, whose root is the last token.
def example(function: Function, name: str) -> TreeExample:
    """The function as a network takes it."""
    if name == "tree":
        return TreeExample(function.tree, function.name)
    words = function.tokens[::-1]
    return TreeExample(TypedTree(tuple(range(-1, len(words) - 1)), ("",) * len(words), words), function.name)


def network(name: str, parts: list[list[Function]], epochs: int, seed: int) -> tuple[list[str], int]:
    """The answers of a network to the last part, and the number of its parameters."""
    learnt, held_out, asked = ([example(each, name) for each in part] for part in parts)
    options = TreeTraining(
        epochs=epochs, batch=25, optimizer="adam", learning_rate=4e-3, schedule="cosine", clip=1.0, pool=20, seed=seed
    )
    words = WordTraining(min_count=3)
    model = fit(lambda: TypedTreeObjective(NETWORKS[name], options, learnt, held_out, words), options).model
    return model.predict(each.tree for each in asked), sum(each.numel() for each in model.parameters())


@threadpool_limits.wrap(1)  # as the networks
def boosting(parts: list[list[Function]], seed: int) -> list[str]:
    """The answers of gradient boosting over the counts of the 400 most frequent nodes, with and without their words."""
    counts = CountVectorizer(analyzer=_nodes, max_features=400)
    x = counts.fit_transform([each.tree for each in parts[0]]).toarray()
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, random_state=seed).fit(
        x, [each.name for each in parts[0]]
    )
    return list(model.predict(counts.transform([each.tree for each in parts[2]]).toarray()))


def _nodes(tree: TypedTree) -> list[str]:
    pairs = zip(tree.labels, tree.words, strict=True)
    return [*tree.labels, *(f"{label} {word}" for label, word in pairs if word is not None)]


def split(found: list[Function], count: int, seed: int) -> list[list[Function]]:
    """Functions to learn from, to choose the epoch by, and to ask about, of different files."""
    random = Random(seed)
    files = sorted({each.file for each in found})
    random.shuffle(files)
    part = {file: (0, 0, 0, 0, 0, 0, 0, 1, 2, 2)[number % 10] for number, file in enumerate(files)}
    random.shuffle(found)
    parts = [[each for each in found if part[each.file] == number] for number in range(3)]
    return [parts[0][:count], parts[1], parts[2]]


def main(
    count: Annotated[int, typer.Option(help="Functions to learn from, at most.")] = 3_000,
    epochs: Annotated[int, typer.Option(help="How often each function is seen.")] = 25,
    seeds: Annotated[int, typer.Option(help="How often the files are split and each model is trained.")] = 3,
    every: Annotated[int, typer.Option(help="Read only every such file of the library.")] = 1,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("method_names.png"),
) -> None:
    """Train, print the table and draw the plot."""
    some = list(functions(every))
    names = [name for name, _ in Counter(each.name for each in some).most_common(NAMES)]
    splits = [split([each for each in some if each.name in names], count, seed) for seed in range(seeds)]
    print(f"{sum(map(len, splits[0])):,} functions, {len(splits[0][0]):,} to learn from: {', '.join(names)}")
    asked = [[each.name for each in parts[2]] for parts in splits]
    answers = {f"always {names[0]!r}": [[names[0]] * len(one) for one in asked]}
    answers |= {name: [] for name in ("counts", *NETWORKS)}
    sizes, seconds = {}, {}
    for name in ("counts", *NETWORKS):
        began = process_time()
        for seed, parts in enumerate(splits):
            if name == "counts":
                found = boosting(parts, seed)
            else:
                found, sizes[name] = network(name, parts, epochs, seed)
            answers[name].append(found)
            print(f"{name}, seed {seed}: {right(found, asked[seed]):.1f} percent right", flush=True)
        seconds[name] = (process_time() - began) / seeds
    table = Table("", "parameters", "CPU s", "right, percent", box=box.SIMPLE, pad_edge=False)
    for name, found in answers.items():
        shares = list(map(right, found, asked))
        spread = f"{mean(shares):.1f}" + (f" ± {stdev(shares):.1f}" if len(shares) > 1 else "")
        table.add_row(name, f"{sizes[name]:,}" if name in sizes else "", f"{seconds.get(name, 0):.0f}", spread)
    Console(width=100).print(table)
    print(f"Mean and standard deviation of {seeds} splits, {sum(map(len, asked)):,} functions asked about in all.")
    draw(answers, asked, names, out)
    print(f"The plot is in {out}")


def right(answers: list[str], asked: list[str], name: str | None = None) -> float:
    """Percent of right answers, of the functions of one name or of all."""
    found = [got == want for got, want in zip(answers, asked, strict=True) if name in (None, want)]
    return 100 * mean(found or [0])


def draw(answers: dict[str, list[list[str]]], asked: list[list[str]], names: list[str], path: Path) -> None:
    """How many functions of each name are found: the mean and the range over the seeds."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    kinds = [("counts", "^", "C2"), ("sequence", "s", "C1"), ("tree", "o", "C0")]
    for shift, (kind, marker, colour) in zip((-0.2, 0.0, 0.2), kinds, strict=True):
        for place, name in enumerate(names):
            found = [right(*one, name) for one in zip(answers[kind], asked, strict=True)]
            label = kind if not place else None
            axes.plot([place + shift] * 2, [min(found), max(found)], color=colour, linewidth=1.2)
            axes.plot(place + shift, mean(found), marker, color=colour, label=label)
    counts = Counter(name for one in asked for name in one)
    axes.set_xticks(range(len(names)), [f"{name}\n{counts[name]}" for name in names])
    axes.set(ylabel="found, percent", ylim=(-3, 103), title="First words of names, from the bodies of functions")
    axes.set_xlabel("first word, and the number of functions asked about")
    axes.grid(axis="y", color="0.88")
    axes.legend(frameon=False, ncols=3)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
