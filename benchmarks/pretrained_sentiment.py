"""Train the two sentiment models that `recnn serve` shows, and measure them: a Tree-LSTM and an LSTM over words.

    python benchmarks/pretrained_sentiment.py recnn/pretrained

About two minutes on one CPU core. A model has three trees of each sentence of the bundled treebank: the treebank's own;
that of the parser `english`; and that of the parser over the sentence as it is usually typed, with a capital letter and
without a full stop. Phrases of the parser's trees that are not in the treebank's have no target.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from nltk import Tree

import parsers
import recnn
from corpora import SENTIMENTS, bundled_sentiment
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining
from recnn.training.run import train

SIZE = 48
NAMES = {"tree": "sentiment-tree", "sequence": "sentiment-sequence"}
OPTIONS = TreeTraining(epochs=20, optimizer="adam", learning_rate=0.005, schedule="cosine", clip=5.0)


def three_trees(gold: Tree, parser: parsers.Parser) -> list[Tree]:
    """Return the trees of a sentence that are learnt from."""
    words = parsers.words_of(gold)
    typed = [words[0].capitalize(), *words[1:-1]]
    return [gold, parsed(gold, words, parser), parsed(gold, typed, parser)]


def parsed(gold: Tree, words: list[str], parser: parsers.Parser) -> Tree:
    """Parse words; a phrase has the label of the phrase of the treebank over the same words, if there is one."""
    labels = {(c.start, c.end): c.node.label() for c in parsers.constituents(gold) if isinstance(c.node, Tree)}
    tree = parsers.binarise(parser.parse(words), labelled=False)
    for node, start, end, _ in parsers.constituents(tree):
        if isinstance(node, Tree):
            node.set_label(labels.get((start, end), ""))
    if len(words) < len(parsers.words_of(gold)):  # without the full stop, which has no sentiment
        tree.set_label(gold.label())
    return tree


def trained(kind: str, folder: Path) -> recnn.TreeClassifier:
    """Train a model and save it in half precision."""
    config = recnn.TreeConfig(
        tuple(SENTIMENTS), model=kind, input_size=SIZE, hidden_size=SIZE, dropout=0.3, word_dropout=0.15
    )
    parser = parsers.load("english")
    both = bundled_sentiment("train"), bundled_sentiment("dev")
    parts = [[tree for gold in part for tree in three_trees(gold, parser)] for part in both]
    with TemporaryDirectory() as run:
        train(lambda: TreeObjective(config, OPTIONS, *parts), OPTIONS, Path(run) / "run", report=print)
        recnn.TreeClassifier.load(Path(run) / "run" / "best").save(folder, torch.half)
    return recnn.TreeClassifier.load(folder)


def measured(model: recnn.TreeClassifier) -> str:
    """Accuracy at roots of the test part, five classes and two, over the trees of the treebank and of the parser."""
    trees, parser = list(bundled_sentiment("test")), parsers.load("english")
    given = {
        "treebank": trees,
        "english": [parser.parse(parsers.words_of(tree)) for tree in trees],
        "as typed": [three_trees(tree, parser)[2] for tree in trees],
    }
    found = []
    for name, some in given.items():
        pairs = [(int(answer), int(tree.label())) for answer, tree in zip(model.predict(some), trees, strict=True)]
        polar = [(one > 2) == (other > 2) for one, other in pairs if other != 2]
        fine = sum(one == other for one, other in pairs) / len(pairs)
        found.append(f"{name} {100 * fine:.1f}, {100 * sum(polar) / len(polar):.1f}")
    return "; ".join(found)


def main() -> None:
    """Train both, and print their accuracies."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("out", type=Path, help="folder in which both models get a folder")
    out = arguments.parse_args().out
    models = {name: trained(kind, out / name) for kind, name in NAMES.items()}
    for name, model in models.items():
        print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters; {measured(model)}")


if __name__ == "__main__":
    main()
