"""A small bundled sentiment treebank, generated from a grammar, with a label at every node.

The sentences are simple film reviews: "the plot is not very funny , but the cast captivates the crowd .". A word has a
strength from -2 to 2; `compose` computes the strength of a phrase from its two parts: intensifiers and diminishers
change that of adjectives, negation reverses the sign, the second part of a contrast prevails, and other parts are
combined. The label of a node is its strength plus 2, so the files are in SST's format, see `read_sst`.

Every sentence of the development and the test part has a pair of a modifier and an adjective, such as "hardly dull",
that occurs in no other part, although every word does: composition is tested, not vocabulary. `write_sentiment`
generates the files.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file, files
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from nltk import PCFG, Nonterminal, Tree
from nltk.grammar import ProbabilisticProduction

from corpora.sst import read_sst
from corpora.text import write_lines
from parsers.bracketed import brackets
from parsers.trees import constituents, words_of

SENTIMENT_SIZES = {"train": 800, "dev": 200, "test": 200}

# Weight of each rule. All rules are binary, so the trees are too.
_RULES = {
    "ROOT": {"S Stop": 1},
    "S": {"NP VP": 55, "Clause Contrast": 18, "Concession Main": 15, "Clause Addition": 12},
    "Clause": {"NP VP": 1},
    "Contrast": {"Comma Turn": 1},  # "A , but B"
    "Turn": {"But S": 1},
    "Concession": {"Although Clause": 1},  # "although A , B"
    "Main": {"Comma S": 1},
    "Addition": {"And S": 1},
    "NP": {"Det Noun": 6, "Det Nominal": 4},
    "Nominal": {"Adj Noun": 5, "AP Noun": 5},
    "VP": {"Is Adj": 4, "Is AP": 8, "Verb People": 4, "Has Object": 2, "Lacks Lacking": 2, "Does Denied": 3},
    "AP": {"More Adj": 4, "Less Adj": 3, "Not Adj": 4, "Not Degree": 3, "Adj Also": 2},
    "Degree": {"More Adj": 1},
    "Also": {"And Adj": 1},
    "Denied": {"No Bare": 1},  # "does not bore the crowd"
    "Bare": {"Plain People": 1},
    "People": {"Det Person": 1},
    "Object": {"One Items": 1},
    "Lacking": {"Any Items": 1},
    "Items": {"Adj Item": 1},
}

# Words of each part of speech, by strength.
_WORDS = {
    "Adj": {
        2: "brilliant superb wonderful outstanding",
        1: "good funny clever charming warm",
        0: "long short quiet familiar",
        -1: "bad dull weak bland messy",
        -2: "awful terrible dreadful horrible",
    },
    "Verb": {2: "thrills captivates", 1: "amuses pleases", 0: "surprises", -1: "bores confuses", -2: "disgusts appals"},
    "Plain": {2: "thrill captivate", 1: "amuse please", 0: "surprise", -1: "bore confuse", -2: "disgust appal"},
    "More": {0: "very really truly extremely"},
    "Less": {0: "slightly somewhat fairly"},
    "Not": {0: "not never hardly"},
    "No": {0: "not"},
    "Does": {0: "does"},
    "Is": {0: "is was"},
    "Has": {0: "has offers"},
    "Lacks": {0: "lacks"},
    "But": {0: "but yet"},
    "Although": {0: "although though"},
    "And": {0: "and"},
    "Comma": {0: ","},
    "Stop": {0: ". !"},
    "Det": {0: "the this its"},
    "One": {0: "one another"},
    "Any": {0: "any"},
    "Noun": {0: "film story plot script cast music ending"},
    "Person": {0: "crowd audience viewer critic"},
    "Item": {0: "scene moment idea joke song"},
}

_STRENGTH = {word: strength for words in _WORDS.values() for strength, some in words.items() for word in some.split()}
_ADJECTIVES = [word for some in _WORDS["Adj"].values() for word in some.split()]
_MODIFIERS = [word for name in ("More", "Less", "Not") for word in _WORDS[name][0].split()]
_LONGEST = 24  # words


@cache
def sentiment_grammar() -> PCFG:
    """Return the probabilistic grammar of the sentences."""
    productions = []
    for left, rules in _RULES.items():
        for right, weight in rules.items():
            symbols = [Nonterminal(name) for name in right.split()]
            share = weight / sum(rules.values())
            productions.append(ProbabilisticProduction(Nonterminal(left), symbols, prob=share))
    for left, strengths in _WORDS.items():
        words = [word for some in strengths.values() for word in some.split()]
        productions += [ProbabilisticProduction(Nonterminal(left), [word], prob=1 / len(words)) for word in words]
    return PCFG(Nonterminal("ROOT"), productions)


def compose(left: str, left_strength: int, right: str, right_strength: int) -> int:
    """Compute the strength of a phrase, -2 to 2, from the labels and strengths of its two parts.

    By the label of the first part: More adds 1 to the absolute value, up to 2; Less sets it to 1; Not, No and Lacks set
    it to 1 and reverse the sign; 0 stays 0. A contrast has the strength of its second part, or of the first if that
    is 0. Of other parts, the stronger one counts if both have the same sign, otherwise their sum.

    >>> compose("More", 0, "Adj", 1), compose("Less", 0, "Adj", -2), compose("Not", 0, "AP", 2)  # very, somewhat, not
    (2, -1, -1)
    >>> compose("Clause", 2, "Contrast", -1), compose("Adj", 1, "Also", 2), compose("NP", 1, "VP", -2)
    (-1, 2, -1)
    """
    sign = (right_strength > 0) - (right_strength < 0)
    if left == "More":
        return max(-2, min(2, right_strength + sign))
    if left == "Less":
        return sign
    if left in ("Not", "No", "Lacks"):
        return -sign
    if right in ("Contrast", "Main"):
        return right_strength or left_strength
    if left_strength * right_strength > 0:
        return max(left_strength, right_strength, key=abs)
    return left_strength + right_strength


def with_sentiments(tree: Tree) -> Tree:
    """Replace the labels of a tree of the grammar by sentiments, ``0`` to ``4``.

    >>> print(with_sentiments(Tree.fromstring("(AP (Not not) (Degree (More very) (Adj good)))")))
    (1 (2 not) (4 (2 very) (3 good)))
    """
    found = constituents(tree)
    strengths: list[list[int]] = [[] for _ in found]  # of the children of each node, from right to left
    made: list[Any] = [c.node if isinstance(c.node, str) else Tree("", []) for c in found]
    for index in range(len(found) - 1, -1, -1):
        node, below = found[index].node, strengths[index]
        if isinstance(node, str):
            strength = _STRENGTH[node]
        elif len(node) == 1:
            (strength,) = below
        else:
            strength = compose(node[0].label(), below[1], node[1].label(), below[0])
        if isinstance(node, Tree):
            made[index].set_label(str(strength + 2))
        if index:
            strengths[found[index].parent].append(strength)
    for index, constituent in enumerate(found[1:], 1):
        made[constituent.parent].append(made[index])
    return made[0]


def part_of(tree: Tree) -> str | None:
    """Return the part of the treebank to which a tree of the grammar belongs: "train", "dev" or "test".

    This follows from its pairs of a modifier and an adjective: "train" if none is held out, the part for which some are
    held out, or None if some are held out for "dev" and some for "test".
    """
    parts = set()
    for constituent in constituents(tree):
        node = constituent.node
        if (
            isinstance(node, Tree)
            and len(node) == 2
            and node[0].label() in ("More", "Less", "Not")
            and node[1].label() == "Adj"
        ):
            place = (3 * _MODIFIERS.index(node[0][0]) + _ADJECTIVES.index(node[1][0])) % 10
            parts.add({0: "dev", 5: "test"}.get(place, "train"))
    held_out = parts - {"train"} or {"train"}
    return held_out.pop() if len(held_out) == 1 else None


def generate_sentiment(seed: int) -> Iterator[tuple[str, Tree]]:
    """Generate distinct sentences endlessly, as pairs of a part (see `part_of`) and a tree with sentiments."""
    random = Random(seed)
    seen: set[tuple[str, ...]] = set()
    while True:
        tree = _draw(random, sentiment_grammar())
        words = tuple(words_of(tree))
        part = part_of(tree)
        if part is not None and len(words) <= _LONGEST and words not in seen:
            seen.add(words)
            yield part, with_sentiments(tree)


def _draw(random: Random, grammar: PCFG) -> Tree:
    root: list[Tree] = []
    agenda: list[tuple[Tree | list[Tree], Nonterminal | str]] = [(root, grammar.start())]
    while agenda:
        siblings, symbol = agenda.pop()
        if isinstance(symbol, str):
            siblings.append(symbol)
            continue
        siblings.append(tree := Tree(symbol.symbol(), []))
        rules = grammar.productions(lhs=symbol)
        # Of `Random`, Python guarantees only the seeding and `random()` to be the same in every version.
        place = random.random()
        ends = list(accumulate(rule.prob() for rule in rules))
        rule = next((rule for rule, end in zip(rules, ends, strict=True) if place < end), rules[-1])
        agenda.extend((tree, child) for child in reversed(rule.rhs()))
    return root[0]


def write_sentiment(folder: str | Path, seed: int = 1) -> None:
    """Write a generated treebank to ``train.txt``, ``dev.txt`` and ``test.txt``; seed 1 gives the bundled files."""
    parts: dict[str, list[str]] = {part: [] for part in SENTIMENT_SIZES}
    for part, tree in generate_sentiment(seed):
        if len(parts[part]) < SENTIMENT_SIZES[part]:
            parts[part].append(brackets(tree))
        if all(len(parts[part]) == size for part, size in SENTIMENT_SIZES.items()):
            break
    for part, trees in parts.items():
        write_lines(Path(folder) / f"{part}.txt", trees)


def bundled_sentiment(part: str) -> Iterator[Tree]:
    """Read the trees of a part of the bundled treebank, "train", "dev" or "test".

    >>> tree = next(bundled_sentiment("train"))
    >>> tree.label() in "01234", len(tree)
    (True, 2)

    Raises:
        ValueError: there is no such part.
    """
    if part not in SENTIMENT_SIZES:
        raise ValueError(f"the bundled treebank has no part {part!r}, expected one of {', '.join(SENTIMENT_SIZES)}")
    with as_file(files("corpora") / "data" / "sentiment" / f"{part}.txt") as path:
        yield from read_sst(path)
