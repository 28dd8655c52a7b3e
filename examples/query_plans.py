"""What a query will cost, from the plan that SQLite makes for it, on databases that were not learnt.

    python examples/query_plans.py [--count 4000] [--epochs 30] [--seeds 3] [--out query_plans.png]

Each database is a shop with other numbers of rows and other indexes. Random queries are run on it: joins, subqueries,
unions, sorting. Their cost is the number of steps of SQLite's virtual machine; the plan is that of EXPLAIN QUERY PLAN,
with the statistics that a planner has. A network over the tree of the plan, an LSTM over its lines and gradient
boosting over the counts and sums of its nodes learn the cost of plans with up to four loops over tables, and are asked
about up to eight.
"""

import re
import sqlite3
from collections.abc import Iterator
from itertools import chain
from math import log10
from pathlib import Path
from random import Random
from statistics import mean, median, stdev
from time import process_time
from typing import Annotated, Any, NamedTuple

import typer
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction import DictVectorizer
from threadpoolctl import threadpool_limits

from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.training.memory import fit
from recnn.training.objectives.typed_trees import TypedTreeObjective
from recnn.training.options import TreeTraining
from recnn.trees import TreeExample, TypedTree, from_nested

TABLES = {  # a column with the name of a table refers to its rows, the others have the values 0 to 99
    "maker": ("city", "size"),
    "product": ("maker", "price", "kind"),
    "customer": ("city", "age"),
    "orders": ("customer", "day", "state"),
    "item": ("orders", "product", "amount"),
}
LEARNT, LOOPS, LIMIT = 4, range(1, 9), 1_000_000  # loops of a plan; steps after which a query is given up
NETWORKS = {
    "tree": TypedNetworkConfig(binarise=True, arity=2, input_size=64, hidden_size=64, dropout=0.0),
    "sequence": TypedNetworkConfig(arity=1, input_size=64, hidden_size=64, dropout=0.0),
}


# 1. Databases.
class Database(NamedTuple):
    """A shop with its statistics."""

    connection: sqlite3.Connection
    rows: dict[str, int]
    """Number of rows of each table."""
    keys: dict[tuple[str, str], float]
    """Mean number of rows with the same value, of each column of a table."""


def database(random: Random) -> Database:
    """A database with random numbers of rows and random indexes."""
    connection = sqlite3.connect(":memory:")
    rows = {table: round(10 ** random.uniform(1, 3.3)) for table in TABLES}
    keys = {(table, "rowid"): 1.0 for table in TABLES}
    for table, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {', '.join(columns)})")
        below = [rows.get(column, 100) for column in columns]
        values = [[number, *map(random.randrange, below)] for number in range(rows[table])]
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
        for place, column in enumerate(columns, 1):
            keys[table, column] = rows[table] / len({row[place] for row in values})
            if random.random() < 0.5:
                connection.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")
    connection.execute("ANALYZE")
    return Database(connection, rows, keys)


# 2. Queries. Each loop has an alias, such as orders_3; `shares` has the share of its rows that its conditions keep.
def links(table: str) -> list[tuple[str, str, str]]:
    """A column of the table, and the table and the column that it can be joined with."""
    up = [(column, column, "id") for column in TABLES[table] if column in TABLES]
    return up + [("id", other, table) for other, columns in TABLES.items() if table in columns]


def select(
    random: Random, loops: int, shares: dict[str, float], table: str, column: str = "id", outer: str | None = None
) -> str:
    """A query of so many loops over tables, some of them in a subquery; `outer` is a value that `column` must have."""
    own = random.randint(1, loops)
    aliases = [_alias(table, shares)]
    source, conditions = f"{table} AS {aliases[0]}", []
    for _ in range(own - 1):
        old = random.choice(aliases)
        mine, other, theirs = random.choice(links(old.split("_")[0]))
        aliases.append(_alias(other, shares))
        source += f" JOIN {other} AS {aliases[-1]} ON {aliases[-1]}.{theirs} = {old}.{mine}"
    for alias in aliases:
        plain = [name for name in TABLES[alias.split("_")[0]] if name not in TABLES]
        if random.random() < 0.4:
            sign, value = random.choice([("=", 1), ("<", random.randrange(5, 95)), ("<", random.randrange(5, 95))])
            conditions.append(f"{alias}.{random.choice(plain)} {sign} {value}")
            shares[alias] = value / 100
    if own < loops:
        conditions.append(subquery(random, loops - own, shares, random.choice(aliases)))
    if outer is not None:
        conditions.append(f"{aliases[0]}.{column} = {outer}")
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    return f"SELECT {aliases[0]}.{column} FROM {source}{where}"


def _alias(table: str, shares: dict[str, float]) -> str:
    alias = f"{table}_{len(shares)}"
    shares[alias] = 1.0
    return alias


def subquery(random: Random, loops: int, shares: dict[str, float], alias: str) -> str:
    """A condition on an alias: by a subquery that is run once, or for each of its rows."""
    mine, other, theirs = random.choice(links(alias.split("_")[0]))
    if random.random() < 0.5:
        return f"{alias}.{mine} IN ({select(random, loops, shares, other, theirs)})"
    inner = select(random, loops, shares, other, theirs, outer=f"{alias}.{mine}")
    return f"EXISTS ({inner})" if random.random() < 0.5 else f"(SELECT count(*) FROM ({inner})) > 1"


def query(random: Random, loops: int, shares: dict[str, float]) -> str:
    """A query, or a union of two."""
    parts = [loops]
    if loops > 1 and random.random() < 0.25:
        first = random.randint(1, loops - 1)
        parts = [first, loops - first]
    union = random.choice([" UNION ", " UNION ALL "])
    text = union.join(select(random, part, shares, random.choice(list(TABLES))) for part in parts)
    return text + " ORDER BY 1" if random.random() < 0.3 else text


# 3. The tree of a plan.
class Step(NamedTuple):
    """A line of a plan."""

    label: str
    word: str | None
    numbers: tuple[float, ...]
    below: list["Step"]


def plan(shop: Database, sql: str, shares: dict[str, float]) -> TypedTree:
    """The plan of a query. The loops of a join, which SQLite lists one below another, are nested, as they are run."""
    steps = {0: Step("query", None, (), [])}
    loop: dict[int, Step] = {}  # the innermost loop so far, of each line that has loops
    for number, parent, _, detail in shop.connection.execute(f"EXPLAIN QUERY PLAN {sql}"):
        steps[number] = step(shop, detail, shares)
        if steps[number].label in ("SCAN", "SEARCH"):
            loop.get(parent, steps[parent]).below.append(steps[number])
            loop[parent] = steps[number]
        else:
            steps[parent].below.append(steps[number])
    return from_nested(steps[0], lambda s: s.below, lambda s: s.label, lambda s: s.word, lambda s: s.numbers)


def step(shop: Database, detail: str, shares: dict[str, float]) -> Step:
    """A line of a plan; a loop has the logarithms of the rows of its table, of those of a key, and of its share."""
    found = re.fullmatch(r"(SCAN|SEARCH) (\w+_\d+)(?: USING ([A-Z ]+)(?: \w+)?)?(?: \((\w+)(\W+)\?.*\))?", detail)
    if not found:
        return Step(re.sub(r" \d+| TABLE \w+| \w+_\d+.*", "", detail), None, (), [])
    label, alias, how, column, sign = found.groups()
    table = alias.split("_")[0]
    rows = shop.rows[table]
    visited = rows if column is None else rows / 2 if sign != "=" else shop.keys[table, column]
    word = " ".join(part for part in (how, sign) if part) or "table"
    return Step(label, word, (log10(rows), log10(visited), log10(shares[alias])), [])


def cost(shop: Database, sql: str) -> int | None:
    """The number of steps of the virtual machine that runs a query, to ten; None beyond the limit."""
    tens = 0

    def count() -> bool:
        nonlocal tens
        tens += 1
        return tens > LIMIT // 10

    shop.connection.set_progress_handler(count, 10)
    try:
        for _ in shop.connection.execute(sql):
            pass
    except sqlite3.OperationalError:
        return None
    finally:
        shop.connection.set_progress_handler(None, 0)
    return 10 * max(1, tens)


def plans(random: Random, databases: int, count: int, loops: range) -> Iterator[TreeExample]:
    """Yield plans with the logarithms of their costs, each once, of queries of the given numbers of loops in turn."""
    shops, seen = [database(random) for _ in range(databases)], set()
    while len(seen) < count:
        shop, shares = shops[len(seen) % databases], {}
        sql = query(random, loops[len(seen) % len(loops)], shares)
        tree = plan(shop, sql, shares)
        steps = cost(shop, sql)
        if steps is not None and tree not in seen:
            seen.add(tree)
            yield TreeExample(tree, log10(steps))


# 4. The same plan as a chain: its lines in their order, with brackets around those below a line.
def in_order(example: TreeExample) -> TreeExample:
    """The plan as a network over a sequence takes it; the root is the last symbol."""
    tree, path = example.tree, []
    rows: list[tuple[str, str | None, tuple[float, ...]]] = []
    for node, parent in enumerate(tree.parents):
        while path and path[-1] != parent:
            path.pop()
            rows.append((")", None, ()))
        rows.append((tree.labels[node], tree.words[node], tree.numbers[node]))
        if node + 1 < len(tree) and tree.parents[node + 1] == node:
            rows.append(("(", None, ()))
        path.append(node)
    labels, words, numbers = zip(*reversed(rows), strict=True)
    return example._replace(tree=TypedTree(tuple(range(-1, len(rows) - 1)), labels, words, numbers))


# 5. Training, and how far the answers are off.
def network(name: str, parts: list[list[TreeExample]], epochs: int, seed: int) -> tuple[list[float], int]:
    """The answers of a network to the last part, and the number of its parameters."""
    learnt, held_out, asked = ([in_order(each) for each in part] if name == "sequence" else part for part in parts)
    options = TreeTraining(
        epochs=epochs, batch=32, optimizer="adam", learning_rate=7e-3, schedule="cosine", clip=1.0, seed=seed
    )
    model = fit(lambda: TypedTreeObjective(NETWORKS[name], options, learnt, held_out), options).model
    return model.predict((each.tree for each in asked), 128), sum(each.numel() for each in model.parameters())


@threadpool_limits.wrap(1)  # as the networks
def boosting(parts: list[list[TreeExample]], seed: int) -> list[float]:
    """The answers of gradient boosting over the counts of the nodes, and the sums and maxima of their numbers."""
    columns = DictVectorizer(sparse=False)
    x = columns.fit_transform([_bag(each.tree) for each in parts[0]])
    model = HistGradientBoostingRegressor(random_state=seed, early_stopping=False)
    model.fit(x, [each.target for each in parts[0]])
    return list(model.predict(columns.transform([_bag(each.tree) for each in parts[2]])))


def _bag(tree: TypedTree) -> dict[str, float]:
    found = {"nodes": float(len(tree))}
    for label, word, numbers in zip(tree.labels, tree.words, tree.numbers, strict=True):
        for name in (label, f"{label} {word}"):
            found[name] = found.get(name, 0.0) + 1
        for name, value in zip(("rows", "visited", "share"), numbers, strict=False):
            for kind in (name, f"{label} {name}"):
                found[f"{kind}, sum"] = found.get(f"{kind}, sum", 0.0) + value
                found[f"{kind}, largest"] = max(found.get(f"{kind}, largest", -9.0), value)
    return found


def loops(tree: TypedTree) -> int:
    """The number of loops of a plan."""
    return max(1, sum(label in ("SCAN", "SEARCH") for label in tree.labels))


def factors(answers: list[float], asked: list[TreeExample]) -> dict[int, list[float]]:
    """The factors by which the answers are too large or too small, by the number of loops."""
    found = {number: [] for number in LOOPS}
    for answer, example in zip(answers, asked, strict=True):
        found[loops(example.tree)].append(10 ** abs(answer - example.target))
    return found


def main(
    count: Annotated[int, typer.Option(help="Plans to learn from.")] = 4_000,
    epochs: Annotated[int, typer.Option(help="How often each plan is seen.")] = 30,
    seeds: Annotated[int, typer.Option(help="How often each model is trained.")] = 3,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("query_plans.png"),
) -> None:
    """Train, print the table and draw the plot."""
    random = Random(0)
    parts = [
        list(plans(random, 40, count, range(1, LEARNT + 1))),
        list(plans(random, 10, max(20, count // 10), range(1, LEARNT + 1))),
        list(plans(random, 20, max(80, count // 2), LOOPS)),
    ]
    print(f"{len(parts[0]):,} plans of 40 databases to learn from, {len(parts[2]):,} of 20 others to ask about")
    middle = median(each.target for each in parts[0])
    answers: dict[str, list[list[float]]] = {"always the median": [[middle] * len(parts[2])]}
    sizes, seconds = {}, {}
    for name in ("counts", *NETWORKS):
        began, answers[name] = process_time(), []
        for seed in range(seeds):
            found, sizes[name] = (boosting(parts, seed), 0) if name == "counts" else network(name, parts, epochs, seed)
            answers[name].append(found)
            print(f"{name}, seed {seed}: {process_time() - began:.0f} s so far", flush=True)
        seconds[name] = (process_time() - began) / seeds
    off = {name: [factors(one, parts[2]) for one in found] for name, found in answers.items()}
    table = Table("", "parameters", "CPU s", *map(str, LOOPS), "all", box=box.SIMPLE, pad_edge=False)
    for name, found in off.items():
        columns = [[median(one[number] or [1.0]) for one in found] for number in LOOPS]
        columns.append([median(chain.from_iterable(one.values())) for one in found])
        row = [f"{mean(c):.2f}" + (f" ± {stdev(c):.2f}" if len(c) > 1 else "") for c in columns]
        table.add_row(name, f"{sizes[name]:,}" if sizes.get(name) else "", f"{seconds.get(name, 0):.0f}", *row)
    Console(width=150).print(table)
    print(f"Median factor by which the cost is over- or underestimated, by loops; learnt: up to {LEARNT}.")
    draw(off, answers, parts[2], out)
    print(f"The plot is in {out}")


def draw(off: dict[str, Any], answers: dict[str, list[list[float]]], asked: list[TreeExample], path: Path) -> None:
    """The errors by the number of loops, and the answers of the tree network against the costs."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.axvspan(0.5, LEARNT + 0.5, color="0.93")
    for (name, found), marker, colour in zip(off.items(), "x^so", ["0.5", "C2", "C1", "C0"], strict=True):
        lines = [[median(one[number] or [1.0]) for number in LOOPS] for one in found]
        columns = list(zip(*lines, strict=True))
        left.fill_between(LOOPS, [min(c) for c in columns], [max(c) for c in columns], color=colour, alpha=0.2)
        left.plot(LOOPS, [mean(c) for c in columns], marker=marker, color=colour, label=name)
    left.set(xlabel="loops of the plan (grey: learnt)", ylabel="median factor of the error", yscale="log")
    left.set(xlim=(0.5, LOOPS[-1] + 0.5), title="Cost of queries on databases that were not learnt")
    left.grid(axis="y", which="both", color="0.9")
    left.legend(frameon=False)
    costs = [10**each.target for each in asked]
    right.plot([10, LIMIT], [10, LIMIT], color="0.6", linewidth=1)
    right.scatter(costs, [10**answer for answer in answers["tree"][0]], s=5, alpha=0.4, linewidths=0)
    right.set(xscale="log", yscale="log", xlabel="steps of the query", ylabel="predicted", title="tree, seed 0")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
