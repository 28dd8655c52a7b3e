"""Memory of a data set of ListOps trees, in three ways, each in a process of its own.

    python benchmarks/dataset_memory.py --count 20000

lists: nltk.Tree and DGL graphs, as they are made. arrays: `TreeStore` and `TreeDataset`, as `recnn train` has them.
on disk: the same with `--on-disk`. The memory is what the system cannot take back (RssAnon, Linux only) after the data
set has been made, less what there was before; seconds are those of the processor.
"""

import multiprocessing
import re
from pathlib import Path
from time import process_time
from typing import Annotated

import typer
from _common import AsJson, Report

import corpora
import recnn
from parsers import words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import TreeDataset
from recnn.data.tree_store import TreeStore


def resident() -> float:
    """Memory of this process in MB, without the pages of files."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def measured(way: str, count: int) -> tuple[float, float, float]:
    """Megabytes, seconds to make the data set and seconds to make its batches once, in one of the ways."""
    labels = corpora.Vocabulary("0123456789", unknown=None)
    TreeDataset([corpora.listops_tree(next(corpora.generate_listops(1, 0)).tree)], corpora.Vocabulary([]), labels)
    before, began = resident(), process_time()
    made = (corpora.listops_tree(one.tree) for one in corpora.generate_listops(count, 0, max_length=50))
    trees = list(made) if way == "lists" else TreeStore(made, on_disk=way == "on disk")
    words = corpora.Vocabulary.of(word for tree in trees for word in words_of(tree))
    if way == "lists":
        graphs = [recnn.tree_to_graph(tree, words, corpora.Vocabulary([*labels, ""], unknown=None)) for tree in trees]
        assert len(graphs) == count
        return resident() - before, process_time() - began, float("nan")
    data = TreeDataset(trees, words, labels, on_disk=way == "on disk")
    memory, seconds, began = resident() - before, process_time() - began, process_time()
    nodes = sum(batch.num_nodes() for batch in loader(data, TreeBatches(data.sizes, trees=256, seed=1)))
    assert nodes == sum(data.sizes)
    return memory, seconds, process_time() - began


def main(
    count: Annotated[int, typer.Option(min=1, help="Trees.")] = 20_000,
    as_json: AsJson = False,
) -> None:
    """Memory and seconds; see the top of the file."""
    columns = "", "MB", "kB per tree", "s to make it", "s of the batches of an epoch"
    report = Report(as_json, *columns, title=f"{count:,} trees of ListOps")
    for way in ("lists", "arrays", "on disk"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory, seconds, batches = pool.apply(measured, (way, count))
        row = {"way": way, "megabytes": memory, "seconds": seconds, "batches": batches}
        report.add(row, way, f"{memory:,.0f}", f"{1000 * memory / count:.2f}", f"{seconds:.1f}", f"{batches:.1f}")
    report.show()


if __name__ == "__main__":
    typer.run(main)
