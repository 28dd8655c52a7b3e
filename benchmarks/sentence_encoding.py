"""Sentences a second of `SentenceEncoder.encode`, in one call and in a loop over single sentences.

    python benchmarks/sentence_encoding.py --trees SST/train.txt

The trees are those of the file, or of the bundled treebank, repeated to --count. They are encoded as they are, and then
their words, which are parsed first. A loop takes the first --singles of them. The seconds are those of the processor,
on one thread, so that other work of the machine does not count. The weights are random.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import process_time
from typing import Annotated

import torch
import typer
from _common import AsJson, Report
from nltk import Tree

import corpora
import parsers
import recnn


def encoder_of(trees: Sequence[Tree], sizes: str, parser: str) -> recnn.SentenceEncoder:
    """A binary Tree-LSTM with random weights."""
    inputs, hidden = map(int, sizes.split("x"))
    words = corpora.Vocabulary.of(word for tree in trees for word in parsers.words_of(tree))
    config = recnn.TreeConfig(tuple(corpora.SENTIMENTS), input_size=inputs, hidden_size=hidden, parser=parser)
    return recnn.SentenceEncoder(recnn.TreeClassifier(config, words))


def rate(count: int, compute: Callable[[], object]) -> float:
    """Of so many sentences, those a second."""
    start = process_time()
    compute()
    return count / (process_time() - start)


def main(
    trees: Annotated[Path | None, typer.Option(help="Trees as SST has them.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Sentences in one call.")] = 10_000,
    singles: Annotated[int, typer.Option(min=1, help="Sentences of a loop.")] = 500,
    sizes: Annotated[str, typer.Option(help="Input x hidden size.")] = "300x150",
    parser: Annotated[str, typer.Option(help="Of sentences without trees.")] = "english",
    as_json: AsJson = False,
) -> None:
    """Sentences a second; see the top of the file."""
    torch.set_num_threads(1)
    read = list(corpora.read_sst(trees) if trees else corpora.bundled_sentiment("train"))
    encoder = encoder_of(read, sizes, parser)
    many = list(islice(cycle(read), count))
    texts = [" ".join(parsers.words_of(tree)) for tree in many]
    columns = "", "sentences/s in one call", "in a loop", "ratio"
    report = Report(as_json, *columns, title=f"{count:,} sentences, {sizes}")
    for name, sentences in (("given trees", many), (f"parsed by {parser}", texts)):
        some = sentences[:singles]
        encoder.encode(some[:64])  # warm-up
        once = rate(count, lambda given=sentences: encoder.encode(given, show_progress_bar=sys.stderr.isatty()))
        loop = rate(len(some), lambda given=some: [encoder.encode(one) for one in given])
        row = {"what": name, "once": once, "loop": loop, "ratio": once / loop}
        report.add(row, name, f"{once:.0f}", f"{loop:.0f}", f"{once / loop:.1f}")
    report.show()


if __name__ == "__main__":
    typer.run(main)
