"""How often `recnn.explain` finds a planted cause: a strong adjective in a neutral sentence of the bundled treebank.

    recnn train sentiment --out runs/lstm
    python benchmarks/planted_causes.py runs/lstm

A cause is found if it contributes more to the predicted class than any phrase that does not contain it.
"""

import argparse
from itertools import cycle, islice
from pathlib import Path
from typing import get_args

from nltk import Tree

import recnn
from corpora import bundled_sentiment
from parsers import constituents, words_of
from recnn.models.folder import model_in
from recnn.settings import Explained

STRONG = ("superb", "awful", "brilliant", "horrible", "wonderful", "terrible", "outstanding", "dreadful")


def planted(count: int = 10) -> list[tuple[Tree, int]]:
    """Return neutral sentences with a strong adjective before the first noun, and the position of it, from 1."""
    found = (tree for tree in bundled_sentiment("test") if set(_labels(tree)) == {"2"})
    made = []
    for tree, word in zip(islice(found, count), cycle(STRONG), strict=False):
        subject = tree[0][0]  # determiner, and a noun that may have an adjective already
        subject[1] = Tree("", [Tree("", [word]), subject[1]])
        made.append((tree, 2))
        assert words_of(tree)[1] == word
    return made


def _labels(tree: Tree) -> list[str]:
    return [one.node.label() for one in constituents(tree) if isinstance(one.node, Tree)]


def is_found(explanation: recnn.Explanation, position: int) -> bool:
    """Return True if the word at a position contributes more than any phrase that does not contain it."""
    rows = list(zip(explanation.spans, explanation.contributions, strict=True))
    (cause,) = (value for span, value in rows if span == (position, position))
    return all(value < cause for (start, end), value in rows if not start <= position <= end)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a training run on sentiment")
    model = recnn.TreeClassifier.load(model_in(parser.parse_args().run))
    for method in get_args(Explained):
        right = [is_found(recnn.explain(model, tree, method=method), position) for tree, position in planted()]
        print(f"{method:22} {sum(right):2} of {len(right)}")


if __name__ == "__main__":
    main()
