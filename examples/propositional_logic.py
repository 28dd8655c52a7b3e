"""Relations between formulas of propositional logic, tested on longer formulas than those that were learnt.

    python examples/propositional_logic.py [--count 12000] [--epochs 20] [--seeds 3] [--out propositional_logic.png]

After Bowman, Manning and Potts, "Tree-structured composition in neural networks without tree-structured architectures",
2015, section 4: of two formulas over the same few variables, do both always have the same value, does one follow from
the other, does one exclude the other, ...: one of seven relations, found here by a table of truth. A network over the
tree of both formulas, an LSTM over their symbols in order, and gradient boosting over the counts of the symbols learn
it of formulas with up to four operators.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from statistics import mean, stdev
from time import process_time
from typing import Annotated

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
from recnn.training.options import TreeTraining
from recnn.trees import TreeExample, TypedTree, from_nested, to_sexpr

VARIABLES = "pqrs"
LEARNT, LENGTHS = 4, range(1, 9)  # operators of the longer formula
ROWS = list(product([False, True], repeat=len(VARIABLES)))
NETWORKS = {
    "tree": TypedNetworkConfig(arity=2, input_size=32, hidden_size=64, dropout=0.0),
    "sequence": TypedNetworkConfig(arity=1, inputs="word", input_size=32, hidden_size=80, dropout=0.0),
}


# 1. Formulas: a variable, or an operator with its operands; and a pair of them with its relation.
def formula(random: Random, operators: int):
    """A formula with so many operators."""
    if not operators:
        return random.choice(VARIABLES)
    operator = random.choice(["not", "and", "or"])
    if operator == "not":
        return operator, formula(random, operators - 1)
    left = random.randrange(operators)
    return operator, formula(random, left), formula(random, operators - 1 - left)


def truth(part) -> list[bool]:
    """The values of a formula for each assignment of the variables."""
    if isinstance(part, str):
        return [row[VARIABLES.index(part)] for row in ROWS]
    values = [truth(operand) for operand in part[1:]]
    if part[0] == "not":
        return [not value for value in values[0]]
    return [(any if part[0] == "or" else all)(pair) for pair in zip(*values, strict=True)]


def relation(left, right) -> str:
    """One of the seven relations of natural logic, from the pairs of values that occur."""
    found = set(zip(truth(left), truth(right), strict=True))
    both, one, other, none = ((a, b) in found for a, b in ((True, True), (True, False), (False, True), (False, False)))
    if not one and not other:
        return "equivalent"
    if not both and not none:
        return "contradiction"
    if not one:
        return "forward entailment"
    if not other:
        return "backward entailment"
    return "alternation" if not both else "cover" if not none else "independent"


def pairs(random: Random, count: int, longest: int, shortest: int = 0) -> Iterator[TreeExample]:
    """Pairs without repetitions, with a third of those that are independent, which nearly all pairs are."""
    seen = set()
    while len(seen) < count:
        sizes = random.randint(shortest, longest), random.randint(0, longest)
        pair = tuple(formula(random, size) for size in random.sample(sizes, 2))
        answer = relation(*pair)
        if pair not in seen and (answer != "independent" or random.random() < 1 / 3):
            seen.add(pair)
            yield TreeExample(from_nested(("relation", *pair), _operands, _label, _word), answer)


def _operands(part):
    return part[1:] if isinstance(part, tuple) else ()


def _label(part) -> str:
    return part[0] if isinstance(part, tuple) else "symbol"


def _word(part) -> str | None:
    return None if isinstance(part, tuple) else part


def operators(tree: TypedTree) -> int:
    """The number of operators of the longer formula of a pair."""
    second = tree.children()[0][1]
    own = [label in ("not", "and", "or") for label in tree.labels]
    return max(sum(own[:second]), sum(own[second:]))


# 2. The same pairs for a network over the symbols in order: a chain, whose root is the last symbol.
def symbols(tree: TypedTree) -> list[str]:
    """The formulas as text, with brackets."""
    return to_sexpr(tree).replace("(", " ( ").replace(")", " ) ").split()


def chain(example: TreeExample) -> TreeExample:
    """The pair as the chain of its symbols."""
    words = symbols(example.tree)[::-1]
    return example._replace(tree=TypedTree(tuple(range(-1, len(words) - 1)), ("",) * len(words), tuple(words)))


# 3. Training, and the share of right answers by the length of the formulas.
def network(name: str, parts: list[list[TreeExample]], epochs: int, seed: int) -> tuple[list[str], int]:
    """The answers of a network to the last part, and the number of its parameters."""
    learnt, held_out, asked = ([chain(each) for each in part] if name == "sequence" else part for part in parts)
    options = TreeTraining(
        epochs=epochs, batch=64, optimizer="adam", learning_rate=4e-3, schedule="cosine", clip=1.0, seed=seed
    )
    model = fit(lambda: TypedTreeObjective(NETWORKS[name], options, learnt, held_out), options).model
    return model.predict((each.tree for each in asked), 128), sum(each.numel() for each in model.parameters())


@threadpool_limits.wrap(1)  # as the networks
def boosting(parts: list[list[TreeExample]], seed: int) -> list[str]:
    """The answers of gradient boosting over the counts of the symbols on each side."""
    counts = CountVectorizer(analyzer=_sided)
    x = counts.fit_transform([each.tree for each in parts[0]]).toarray()
    model = HistGradientBoostingClassifier(max_iter=60, random_state=seed).fit(x, [each.target for each in parts[0]])
    return list(model.predict(counts.transform([each.tree for each in parts[2]]).toarray()))


def _sided(tree: TypedTree) -> list[str]:
    second = tree.children()[0][1]
    return [f"{node >= second} {tree.words[node] or tree.labels[node]}" for node in range(1, len(tree))]


def shares(answers: list[str], asked: list[TreeExample]) -> list[float]:
    """Percent of right answers by the number of operators."""
    right = {length: [] for length in LENGTHS}
    for answer, example in zip(answers, asked, strict=True):
        right[max(1, operators(example.tree))].append(answer == example.target)
    return [100 * mean(found) for found in right.values()]


def main(
    count: Annotated[int, typer.Option(help="Pairs to learn from.")] = 12_000,
    epochs: Annotated[int, typer.Option(help="How often each pair is seen.")] = 20,
    seeds: Annotated[int, typer.Option(help="How often each network is trained.")] = 3,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("propositional_logic.png"),
) -> None:
    """Train, print the table and draw the plot."""
    random = Random(0)
    some = list(pairs(random, count + count // 10, LEARNT))
    asked = [pair for length in LENGTHS for pair in pairs(random, max(20, count // 24), length, length)]
    known = {each.tree for each in some}
    parts = [some[:count], some[count:], [each for each in asked if each.tree not in known]]
    most = max({each.target for each in parts[0]}, key=[each.target for each in parts[0]].count)
    curves = {f"always {most!r}": [shares([most] * len(parts[2]), parts[2])]}
    sizes, seconds = {}, {}
    for name in ("counts", *NETWORKS):
        began = process_time()
        curves[name] = []
        for seed in range(seeds):
            answers, sizes[name] = (
                (boosting(parts, seed), 0) if name == "counts" else network(name, parts, epochs, seed)
            )
            curves[name].append(shares(answers, parts[2]))
            print(f"{name}, seed {seed}: {process_time() - began:.0f} s so far", flush=True)
        seconds[name] = (process_time() - began) / seeds
    table = Table("", "parameters", "CPU s", *map(str, LENGTHS), box=box.SIMPLE, pad_edge=False)
    for name, found in curves.items():
        row = [f"{mean(c):.0f}" + (f" ± {stdev(c):.0f}" if len(c) > 1 else "") for c in zip(*found, strict=True)]
        table.add_row(name, f"{sizes[name]:,}" if sizes.get(name) else "", f"{seconds.get(name, 0):.0f}", *row)
    Console(width=120).print(table)
    print(f"Percent right of {len(parts[2]):,} pairs by operators of the longer formula; learnt: up to {LEARNT}.")
    draw(curves, out)
    print(f"The plot is in {out}")


def draw(curves: dict[str, list[list[float]]], path: Path) -> None:
    """Accuracy by length: the mean and the range over the seeds."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(0.5, LEARNT + 0.5, color="0.93")
    axes.text(0.6, 2, "lengths that were learnt", color="0.4")
    for name, marker, colour in zip(curves, "x^so", ["0.5", "C2", "C1", "C0"], strict=True):
        found = list(zip(*curves[name], strict=True))
        middle = [mean(one) for one in found]
        axes.fill_between(LENGTHS, [min(one) for one in found], [max(one) for one in found], color=colour, alpha=0.2)
        axes.plot(LENGTHS, middle, marker=marker, color=colour, label=name)
    axes.set(xlabel="operators of the longer formula", ylabel="relations right, percent", ylim=(0, 102))
    axes.set(
        xlim=(0.5, LENGTHS[-1] + 0.5), xticks=list(LENGTHS), title="Relations between formulas of propositional logic"
    )
    axes.grid(axis="y", color="0.88")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
