"""The sentiment of every phrase: train a small Tree-LSTM, measure it, and see what it makes of three sentences.

    python examples/tree_sentiment.py                 # on the bundled treebank, under a minute
    python examples/tree_sentiment.py --data sst      # on a folder with train.txt and dev.txt, as SST has them

prints what it finds and writes output/predicted.svg. `recnn train sentiment` does the same from the command line; this
is how to do it from Python.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import recnn
from corpora import SENTIMENTS, bundled_sentiment, read_sst
from corpora.sentiment import sentiment_grammar
from parsers import GrammarParser
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining
from recnn.training.run import train

# "funny" is positive, "very funny" more so, "not very funny" negative, and after "but" all is different.
SENTENCES = [
    "the plot is not very funny , but the cast is superb .",
    "although its music is wonderful , the film does not please the crowd .",
    "this story lacks any clever idea and the ending was hardly good !",
]
COLOURS = ["bold red", "red", "grey50", "green", "bold green"]  # of the sentiments 0 to 4


def main(
    data: Annotated[Path | None, typer.Option(help="A folder with train.txt and dev.txt, in SST's format.")] = None,
    epochs: Annotated[int, typer.Option(help="How often each tree is seen.")] = 12,
) -> None:
    """Train, measure, draw."""
    # 1. Trees with a sentiment at every node.
    parts = ("train", "dev")
    if data is None:
        learnt, held_out = (list(bundled_sentiment(part)) for part in parts)
    else:
        learnt, held_out = (list(read_sst(data / f"{part}.txt")) for part in parts)
    print(f"{len(learnt):,} trees to learn from, {len(held_out):,} held out")

    # 2. A Tree-LSTM and how it is trained. A run keeps its models and curves in a folder; this one is thrown away.
    config = recnn.TreeConfig(
        labels=tuple(SENTIMENTS), form="sst", cell="lstm", input_size=32, hidden_size=64, dropout=0.2
    )
    options = TreeTraining(epochs=epochs, optimizer="adam", learning_rate=0.005, schedule="cosine", clip=5.0)
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(lambda: TreeObjective(config, options, learnt, held_out), options, run, report=print)
        model = recnn.TreeClassifier.load(run / "best")  # of the epoch with the best accuracy on held-out trees

    # 3. How good it is, at all phrases and at whole sentences; the binary question leaves neutral ones out.
    scores = recnn.evaluate(model, recnn.TreeDataset(held_out, model.vocabulary, model.labels))
    for place, name in (("all", "phrases"), ("roots", "sentences")):
        found = scores[place]
        fine, binary = found.right / found.count, found.binary["binary"] / found.polar
        print(f"Held-out {name}: {100 * fine:.1f} % of five sentiments right, {100 * binary:.1f} % of two")

    # 4. What it says of each phrase of sentences of our own, on the trees of the bundled grammar.
    parser, console = GrammarParser(sentiment_grammar()), Console(highlight=False)
    answers = [model.node_predictions(parser.parse(sentence)) for sentence in SENTENCES]
    for answer in answers:
        for line in lines(answer.drawing()):
            console.print(line)

    # 5. The first as a picture.
    output = Path("output")
    output.mkdir(exist_ok=True)
    recnn.draw.picture(answers[0].drawing()).save(output / "predicted.svg")
    print("The first is drawn in output/predicted.svg")


def lines(drawing: recnn.draw.Drawing) -> Iterator[Text]:
    """The tree for a terminal, a phrase a line: its sentiment, in its colour, and its words."""
    texts = [
        Text.assemble((label, COLOURS[int(label)]), f"  {phrase}")
        for label, phrase in zip(drawing.labels, drawing.phrases(), strict=True)
    ]
    return recnn.draw.tree_to_lines(drawing.children, texts)


if __name__ == "__main__":
    typer.run(main)
