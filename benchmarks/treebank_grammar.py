"""Estimate a grammar from the trees of a treebank, write it, and score it on other trees.

python benchmarks/treebank_grammar.py MASC/train MASC/dev --out english-pcfg.cfg.gz
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from nltk import Tree

import corpora
import parsers

Folder = Annotated[Path, typer.Argument(help="Folder of files of trees in brackets.")]


def read(folder: Path) -> Iterator[Tree]:
    """Read the trees of all files of a folder."""
    for path in sorted(folder.iterdir()):
        yield from corpora.read_trees(path)


def cleaned(tree: Tree) -> Tree | None:
    """Return a tree without traces, function tags and root label; None if it has traces only."""
    try:
        return parsers.without_root(parsers.without_functions(parsers.without_traces(tree)))
    except parsers.TreeError:
        return None


def main(
    train: Folder,
    dev: Folder,
    out: Annotated[Path | None, typer.Option(help="File for the grammar, gzipped.")] = None,
    comment: Annotated[str, typer.Option(help="First lines of the file.")] = "",
    vertical: int = 2,
    horizontal: int = 1,
    splits: bool = True,
    beam: Annotated[float, typer.Option(help="0 for none.")] = 10.0,
    threshold: Annotated[float, typer.Option(help="0 for the most probable trees.")] = 0.4,
    max_length: Annotated[int, typer.Option(help="Longest sentence that is scored.")] = 10_000,
) -> None:
    """Print labelled precision, recall and F1, and the speed."""
    grammar = parsers.induce_grammar(read(train), vertical=vertical, horizontal=horizontal, splits=splits)
    text = parsers.grammar_text(grammar, comment)
    if out:
        out.write_bytes(gzip.compress(text.encode(), mtime=0))
    parser = parsers.TreebankParser(parsers.load_grammar(text), beam or None, threshold=threshold or None)
    gold = [tree for tree in map(cleaned, read(dev)) if tree and len(parsers.words_of(tree)) <= max_length]
    parser.parse("Tables are made at first use .")
    start = perf_counter()
    found = [parser.parse(parsers.words_of(tree)) for tree in gold]
    seconds = perf_counter() - start
    scores = parsers.score(gold, found)
    precision, recall = scores.matched / scores.predicted, scores.matched / scores.gold
    print(
        f"rules {len(grammar.productions()):,}; sentences {len(gold)}; precision {precision:.2%}, recall {recall:.2%}, "
        f"F1 {2 * precision * recall / (precision + recall):.2%}; tags {scores.tags / scores.words:.2%}; "
        f"{len(gold) / seconds:.1f} sentences/s"
    )


if __name__ == "__main__":
    typer.run(main)
