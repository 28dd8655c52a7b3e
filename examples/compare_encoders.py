"""What does the tree give? Eleven encoders of one size on one task, and on expressions deeper than those they learnt.

    python examples/compare_encoders.py                     # bundled and generated data, under three minutes
    python examples/compare_encoders.py --data sst          # a folder with train.txt and dev.txt, as SST has them; long

prints a table and draws compare.png. All encoders have word vectors of one length, a `recnn.Head` and, but for the bag
of words, which has only that, about 20,000 parameters of encoder and head together: the hidden size is chosen so.

Two tasks. Sentiment: five classes at every phrase of the bundled treebank, whose held-out sentences have pairs such as
"hardly dull" that were never seen together. ListOps (Nangia and Bowman 2018), here with MIN and MAX alone so that it is
learnt in seconds: the value of "[MAX 2 [MIN 4 7 ] 0 ]", learnt on expressions of one to three levels, asked of up to
eight. The model of the last epoch is measured; the learning rates were chosen by hand, on the same held-out data.
"""

from bisect import bisect
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any, NamedTuple

import torch
import typer
from matplotlib.figure import Figure
from nltk import Tree
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

import recnn
from corpora import SENTIMENTS, bundled_sentiment, generate_listops, listops_tree, read_sst
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining, WordTraining
from recnn.training.run import train

D, BUDGET = 32, 20_000
DEPTHS, LEARNT = range(1, 9), 3  # of ListOps: what is asked, and up to where it is learnt
LEARNT_COUNT, ASKED_COUNT = 1000, 50  # expressions to learn from, and to ask at each depth


# 1. A bag of words is a cell as well: a phrase is the mean of its words, whatever the tree.
class Bag(NamedTuple):
    """The mean of N phrases, (N, D), and how many words each has, (N, 1)."""

    hidden: Tensor
    words: Tensor


class BagOfWords(recnn.Cell, name="bag"):
    """h = the mean of the x of all words below, without any weights."""

    State = Bag

    def __init__(self, input_size: int, arity: recnn.cells.base.Arity = "sum") -> None:
        super().__init__(input_size, input_size, arity)

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Of the fields of the state."""
        return [(self.hidden_size,), (1,)]

    def inputs(self, x: Tensor) -> Tensor:
        """The word vectors as they are."""
        return x

    def leaf(self, nodes: recnn.Nodes, message: tuple[Tensor, ...]) -> Bag:
        """One word."""
        return Bag(nodes.inputs, torch.ones_like(nodes.inputs[:, :1]))

    def message(self, child: Bag, edges: recnn.Edges) -> tuple[Tensor, ...]:
        """The sum of a child's words, and their number."""
        return child.hidden * child.words, child.words

    def reduce(self, messages: tuple[Tensor, ...], children: recnn.Children) -> tuple[Tensor, ...]:
        """Both over all children."""
        return tuple(children.sum(part) for part in messages)

    def apply_node(self, nodes: recnn.Nodes, message: tuple[Tensor, ...]) -> Bag:
        """The mean."""
        total, words = message
        return Bag(total / words, words)


# 2. The encoders: settings of `recnn.TreeConfig`. A linearised tree is a matter of the data, see `with_brackets`.
LINEARISED = "linearised LSTM"
ENCODERS: dict[str, dict[str, Any]] = {
    "bag of words": {"cell": "bag", "arity": "sum"},
    "RNN": {"model": "sequence", "cell": "recursive"},
    "LSTM": {"model": "sequence", "cell": "lstm"},
    "GRU": {"model": "sequence", "cell": "gru"},
    "BiLSTM": {"model": "sequence", "cell": "lstm", "direction": "both"},
    LINEARISED: {"model": "sequence", "cell": "lstm"},
    "tree RecNN": {"cell": "recursive"},
    "RNTN": {"cell": "tensor"},
    "Tree-LSTM": {"cell": "lstm"},
    "Tree-GRU": {"cell": "gru"},
    "up-down Tree-LSTM": {"cell": "lstm", "direction": "both", "num_layers": 2},
}

SLOWER = {"RNTN": 0.005}  # the learning rate of those that do not learn with that of the others


def config_of(name: str, labels: Iterable[str], hidden_size: int) -> recnn.TreeConfig:
    """The settings of an encoder with its head."""
    own = ENCODERS[name]
    return recnn.TreeConfig(labels=tuple(labels), input_size=D, hidden_size=hidden_size, dropout=0.0, **own)


def parameters(name: str, hidden_size: int) -> int:
    """How many an encoder and a head for five classes have, without the word vectors."""
    with torch.device("meta"):  # where nothing is computed
        model = recnn.TreeClassifier(config_of(name, SENTIMENTS, hidden_size), recnn.Vocabulary(["word"]))
    return sum(p.numel() for part, p in model.named_parameters() if not part.startswith("encoder.words"))


def hidden_size_of(name: str) -> int:
    """The one whose number of parameters is closest to the budget."""
    if name == "bag of words":
        return D
    larger = 1 + bisect(range(1, 1000), BUDGET, key=lambda size: parameters(name, size))
    return min(larger - 1, larger, key=lambda size: abs(parameters(name, size) - BUDGET))


# 3. The data.
def with_brackets(tree: Tree) -> Tree:
    """The tree with brackets for words around each phrase, so that a sequence has all that the tree says.

    >>> print(with_brackets(Tree.fromstring("(4 (2 very) (3 good))")))
    (4 ( () (2 very) (3 good) ( )))
    """
    result = Tree(tree.label(), [])
    agenda = deque([(tree, result)])
    while agenda:
        phrase, copy = agenda.popleft()
        if isinstance(phrase[0], str):
            copy[:] = phrase[:]
            continue
        parts = [Tree(part.label(), []) for part in phrase]
        agenda += zip(phrase, parts, strict=True)
        copy[:] = [Tree("", ["("]), *parts, Tree("", [")"])]
    return result


def expressions() -> tuple[list[Tree], dict[int, list[Tree]]]:
    """Expressions of MIN and MAX with their values: some to learn from, and others by depth."""
    learnt: list[Tree] = []
    asked: dict[int, list[Tree]] = defaultdict(list)
    seen = set()
    drawn = generate_listops(10**6, seed=1, max_depth=9, max_args=3, operator_probability=0.4, max_length=60)
    for tree, _ in drawn:
        for phrase in tree.subtrees():
            phrase.set_label({"MED": "MIN", "SM": "MAX"}.get(phrase.label(), phrase.label()))
        if tree.label() == "DIGIT" or (text := str(tree)) in seen:
            continue
        seen.add(text)
        depth = tree.height() - 1
        if len(asked[depth]) < ASKED_COUNT:
            asked[depth].append(listops_tree(tree))
        elif depth <= LEARNT and len(learnt) < LEARNT_COUNT:
            learnt.append(listops_tree(tree))
        if len(learnt) == LEARNT_COUNT and all(len(asked[d]) == ASKED_COUNT for d in DEPTHS):
            break
    return learnt, asked


# 4. One encoder, trained and measured.
class Found(NamedTuple):
    """What is right of the ``target`` of all nodes asked, which of them are roots, and how long it took."""

    right: Tensor
    root: Tensor
    epoch: float
    asking: float


def run(name: str, labels: Iterable[str], learnt: list[Tree], asked: list[Tree], options: TreeTraining) -> Found:
    """Learn from some trees, and answer for others."""
    if name == LINEARISED:
        learnt, asked = ([with_brackets(tree) for tree in trees] for trees in (learnt, asked))
    words = WordTraining(embedding_scale=1.0)
    config = config_of(name, labels, hidden_size_of(name))
    with TemporaryDirectory() as folder:
        to = Path(folder) / "run"
        row = train(lambda: TreeObjective(config, options, learnt, asked[:100], words), options, to)
        model = recnn.TreeClassifier.load(to / "last")
    data = recnn.TreeDataset(asked, model.vocabulary, model.labels)
    began = perf_counter()
    right, root = predictions(model, data)
    return Found(right, root, row["seconds"], perf_counter() - began)


@torch.no_grad()
def predictions(model, data):
    """Tell for all nodes with a target whether it is predicted, and whether the node is a root."""
    model.eval()
    found = []
    for indices in recnn.TreeBatches(data.sizes, nodes=4096, shuffle=False):
        forest = data[indices]
        nodes = (forest.ndata["target"] >= 0).nonzero().squeeze(1)
        right = model.head.probabilities(model(forest, nodes)).argmax(1) == forest.ndata["target"][nodes]
        found.append((right, forest.out_degrees()[nodes] == 0))
    return (torch.cat(parts) for parts in zip(*found, strict=True))


def main(
    data: Annotated[Path | None, typer.Option(help="A folder with train.txt and dev.txt, in SST's format.")] = None,
    seeds: Annotated[int, typer.Option(help="How often each encoder is trained.")] = 2,
    epochs: Annotated[int, typer.Option(help="How often each tree is seen.")] = 5,
    encoder: Annotated[list[str] | None, typer.Option(help="Only these. [default: all]")] = None,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("compare.png"),
) -> None:
    """Train all encoders on both tasks, print the table and draw the plot."""
    began = perf_counter()
    if unknown := set(encoder or ()) - set(ENCODERS):
        raise typer.BadParameter(f"{min(unknown)!r} is not one of {', '.join(ENCODERS)}", param_hint="--encoder")
    if data is None:
        learnt, asked = list(bundled_sentiment("train")), list(bundled_sentiment("test"))
    else:
        learnt, asked = list(read_sst(data / "train.txt")), list(read_sst(data / "dev.txt"))
    simple, by_depth = expressions()
    deeper = [tree for depth in DEPTHS for tree in by_depth[depth]]

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("encoder", no_wrap=True)
    deep = f"depth {LEARNT + 1}-{DEPTHS[-1]}"
    for column in ("H", "parameters", "phrases", "sentences", f"depth 1-{LEARNT}", deep, "s/epoch", "trees/s"):
        table.add_column(column, justify="right", no_wrap=True)
    curves: dict[str, list[list[float]]] = {}
    for name in encoder or ENCODERS:
        sentiment, listops = [], []
        for seed in range(seeds):
            rate = SLOWER.get(name, 0.02)
            options = TreeTraining(
                epochs=epochs, batch=40, optimizer="adam", learning_rate=rate, schedule="cosine", clip=1.0, seed=seed
            )
            sentiment.append(run(name, SENTIMENTS, learnt, asked, options))
            listops.append(run(name, "0123456789", simple, deeper, options))
        curves[name] = [
            [100 * float(part.float().mean()) for part in found.right[found.root].split(ASKED_COUNT)]
            for found in listops
        ]
        table.add_row(
            name,
            str(hidden_size_of(name)),
            f"{parameters(name, hidden_size_of(name)):,}",
            spread(100 * float(found.right.float().mean()) for found in sentiment),
            spread(100 * float(found.right[found.root].float().mean()) for found in sentiment),
            spread(mean(curve[:LEARNT]) for curve in curves[name]),
            spread(mean(curve[LEARNT:]) for curve in curves[name]),
            f"{mean(found.epoch for found in sentiment):.1f}",
            f"{len(asked) / mean(found.asking for found in sentiment):,.0f}",
        )
        print(f"{name}: trained {seeds} times on both tasks, {perf_counter() - began:.0f} s so far", flush=True)
    Console(width=max(115, Console().width)).print(table)
    print(f"Percent right on held-out data, mean and standard deviation, seeds: {seeds}. Sentiment of phrases and")
    print("sentences, and ListOps by depth; the time to learn, measure and keep an epoch of sentiment, and to answer.")
    draw(curves, out)
    print(f"The plot is in {out}")


def spread(values: Iterable[float]) -> str:
    """Mean and standard deviation."""
    found = list(values)
    return f"{mean(found):.1f}" + (f" ± {stdev(found):.1f}" if len(found) > 1 else "")


def draw(curves: dict[str, list[list[float]]], path: Path) -> None:
    """Accuracy against depth, the mean over the seeds with their range: networks over trees, and those over words."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    trees = [name for name in curves if ENCODERS[name].get("model") != "sequence" and name != "bag of words"]
    for axes, title, names in (
        (panels[0], "along the tree", trees),
        (panels[1], "along the words", [name for name in curves if name not in trees]),
    ):
        axes.axvspan(0.5, LEARNT + 0.5, color="0.93")
        axes.text(0.6, 3, "depths it learnt from", color="0.4")
        for name, colour, marker in zip(names, ["C0", "C1", "C2", "C3", "C4", "C5"], "osD^vX", strict=False):
            points = list(zip(*curves[name], strict=True))
            middle = [mean(point) for point in points]
            below = [m - min(point) for m, point in zip(middle, points, strict=True)]
            above = [max(point) - m for m, point in zip(middle, points, strict=True)]
            axes.errorbar(
                DEPTHS, middle, [below, above], color=colour, marker=marker, capsize=2, elinewidth=0.8, label=name
            )
        axes.set(title=title, xlabel="depth of the expression", ylim=(0, 102), xlim=(0.5, DEPTHS[-1] + 0.5))
        axes.set_xticks(DEPTHS)
        axes.grid(axis="y", color="0.88")
        if names:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    panels[0].set_ylabel("values right, percent")
    figure.suptitle(f"ListOps with MIN and MAX: about {BUDGET:,} parameters each, mean and range over the seeds")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
