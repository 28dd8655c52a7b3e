"""Probabilistic context-free grammars estimated from treebanks, and their text."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from unicodedata import normalize

from nltk import PCFG, Nonterminal, ProbabilisticProduction, Tree
from nltk.grammar import is_terminal

from parsers.errors import GrammarError, TreeError
from parsers.heads import head_child
from parsers.loading import LazyPCFG
from parsers.transform import Branching, binarise, copied, restore, without_functions, without_root, without_traces
from parsers.trees import constituents, plain_label
from parsers.word_classes import ANY, class_of, is_class, word_classes

TOP = "TOP"
_FINITE = ("VBD", "VBP", "VBZ", "MD")
_AUXILIARIES = {
    **dict.fromkeys(["be", "is", "are", "was", "were", "been", "being", "am", "'s", "'re", "'m"], "-BE"),
    **dict.fromkeys(["have", "has", "had", "having", "'ve"], "-HAVE"),
}
# What not every version of NLTK reads in a symbol is written as /xx, the hexadecimal bytes of UTF-8.
_SPECIAL = re.compile(r"[^\w<>^-]|^[<>^-]", re.ASCII)
_WRITABLE = re.compile("[^'\r\n]+|[^\"\r\n]+")
_EMPTY = "/"
_WRITTEN = re.compile(r"(?:/[0-9a-f]{2})+")


def induce_grammar(
    trees: Iterable[Tree],
    vertical: int = 2,
    horizontal: int | None = 1,
    direction: Branching = "head",
    splits: bool = True,
    max_rare: int = 2,
    min_class: int = 4,
) -> PCFG:
    """Estimate a grammar from the trees of a treebank, by the relative frequencies of their rules.

    Traces, function tags, root labels and repeated labels of unary chains (NP -> NP) are removed, labels are split, see
    `split_labels`, and trees are binarised, see `binarise`. The start symbol is TOP. In symbols, characters that NLTK
    does not read are written as ``/xx``; `original_tree` undoes all this.

    A word that occurs up to ``max_rare`` times is also counted as its class, see `word_classes`; words that are not in
    the grammar have the tags of their class. Words that cannot be written, see `grammar_text`, are their class alone.

    Args:
        trees: the trees. Those with a word beside a phrase, or with nothing but traces, are left out.
        vertical: see `binarise`.
        horizontal: see `binarise`.
        direction: see `binarise`.
        splits: split labels.
        max_rare: largest frequency of a word that is counted as its class too.
        min_class: smallest frequency of a class; rarer ones are counted as the next, less specific class.

    Raises:
        TreeError: there is no tree, or a label contains what marks binarised trees.

    Source: D. Klein and C. D. Manning, "Accurate unlexicalized parsing", ACL 2003.
    """
    rules: Counter[tuple[str, tuple[str, ...]]] = Counter()
    words: Counter[tuple[str, str, bool]] = Counter()  # tag, word, whether it is the first word
    for tree in trees:
        prepared = _prepared(tree)
        if prepared is None:
            continue
        prepared = binarise(split_labels(prepared) if splits else prepared, direction, horizontal, vertical)
        for node, start, _, _ in constituents(prepared):
            if isinstance(node, str):
                continue
            if isinstance(node[0], str):
                words[_symbol(node.label()), normalize("NFC", node[0]), start == 1] += 1
            else:
                rules[_symbol(node.label()), tuple(_symbol(child.label()) for child in node)] += 1
    if not words:
        raise TreeError("no tree to estimate a grammar from")
    return _grammar(rules, _lexical_counts(words, max_rare, min_class))


def split_labels(tree: Tree) -> Tree:
    """Return a copy of ``tree`` with labels that say more: a part of those of Klein and Manning 2003.

    Tags have the label of the phrase, and forms of *be* and *have* that of the verb. Verb phrases have the form of
    their head: FIN for finite ones, or the tag. Noun phrases of words alone are BASE.

    >>> print(split_labels(Tree.fromstring("(S (NP (PRP it)) (VP (VBZ is) (VP (VBG raining))))")))
    (S
      (NP-BASE (PRP-NP it))
      (VP-FIN (VBZ-VP-BE is) (VP-VBG (VBG-VP raining))))
    """
    found = constituents(tree)
    children: list[list[int]] = [[] for _ in found]
    names = [c.node.label() if isinstance(c.node, Tree) else "" for c in found]
    forms: dict[int, str] = {}  # of the heads of verb phrases
    marks = [""] * len(found)
    for index in range(len(found) - 1, -1, -1):
        node, parent = found[index].node, found[index].parent
        if parent >= 0:
            children[parent].append(index)
        if isinstance(node, str):
            continue
        below, label = children[index][::-1], names[index]
        if isinstance(node[0], str):
            auxiliary = _AUXILIARIES.get(node[0].lower(), "") if label.startswith("VB") else ""
            marks[index] = "" if label.startswith("-") or parent < 0 else f"-{names[parent]}{auxiliary}"
        elif label == "VP":
            head = below[head_child(label, [names[child] for child in below])]
            form = forms.get(head, names[head])
            forms[index] = form
            other = form if form in ("VB", "VBG", "VBN", "TO") else "OTHER"
            marks[index] = f"-{'FIN' if form in _FINITE else other}"
        elif label == "NP" and all(len(children[child]) == 1 and not names[children[child][0]] for child in below):
            marks[index] = "-BASE"
    labels = iter([name + mark for name, mark, c in zip(names, marks, found, strict=True) if isinstance(c.node, Tree)])
    return copied(tree, label=lambda label: next(labels))


def original_tree(tree: Tree, words: Sequence[str]) -> Tree:
    """Return a tree of an induced grammar with the labels of the treebank, and with ``words``, without TOP."""
    tree = restore(copied(tree, label=_label))
    leaves = iter(words)
    return without_root(copied(tree, label=plain_label, word=lambda word: next(leaves)))


def treebank_label(symbol: str | None) -> str:
    """Return the label of the treebank that a symbol of an induced grammar stands for; empty for new nodes."""
    label = "" if symbol is None else _label(symbol)
    return "" if "|<" in label else plain_label(label.split("^<")[0])


def grammar_text(grammar: PCFG, comment: str = "") -> str:
    """Write a grammar in NLTK's notation, with a line for each symbol; `load_grammar` reads it.

    Probabilities have five significant digits.

    Args:
        grammar: the grammar.
        comment: lines to put on top.

    Raises:
        GrammarError: NLTK cannot read a word: it is empty, or has both kinds of quotes or a line break.
    """
    by_parent: dict[Nonterminal, list[str]] = defaultdict(list, {grammar.start(): []})
    for rule in grammar.productions():
        wrong = [word for word in rule.rhs() if is_terminal(word) and not _WRITABLE.fullmatch(word)]
        if wrong:
            raise GrammarError(f"rule ({rule}): the word {wrong[0]!r} cannot be written in NLTK's notation")
        side = " ".join(_quoted(child) if is_terminal(child) else str(child) for child in rule.rhs())
        by_parent[rule.lhs()].append(f"{side} [{rule.prob():.5g}]")
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    return "\n".join(
        [*lines, *(f"{parent} -> {' | '.join(sides)}" for parent, sides in by_parent.items() if sides), ""]
    )


def _prepared(tree: Tree) -> Tree | None:
    """Return a copy below TOP without all that the grammar does not have; None if that is nothing, or no clean tree."""
    try:
        tree = without_root(without_functions(without_traces(tree)))
    except TreeError:
        return None
    found = constituents(tree)
    top = Tree(TOP, [])
    made: list[Any] = []
    for node, _, _, parent in found:
        above: Any = made[parent] if parent >= 0 else top
        if isinstance(node, str):
            made.append(node)
        elif len(node) > 1 and any(isinstance(child, str) for child in node):
            return None
        elif parent >= 0 and above.label() == node.label() and len(found[parent].node) == 1:
            made.append(above)
            continue
        else:
            made.append(Tree(node.label(), []))
        above.append(made[-1])
    return top


def _lexical_counts(words: Counter[tuple[str, str, bool]], max_rare: int, min_class: int) -> Counter[tuple[str, str]]:
    """Count the words below each tag, and the classes of rare words."""
    frequency: Counter[str] = Counter()
    for (_, word, _), number in words.items():
        frequency[word] += number
    own = {word for word in frequency if _WRITABLE.fullmatch(word) and not is_class(word)}
    rare = {key: n for key, n in words.items() if frequency[key[1]] <= max_rare or key[1] not in own}
    classes: Counter[str] = Counter()
    for (_, word, first), number in rare.items():
        for name in word_classes(word, first):
            classes[name] += number
    known = {name for name, number in classes.items() if number >= min_class}
    counts: Counter[tuple[str, str]] = Counter()
    for (tag, word, first), number in words.items():
        if word in own:
            counts[tag, word] += number
        if (tag, word, first) in rare:
            counts[tag, class_of(word, first, known)] += number
    if not any(word == ANY for _, word in counts):
        # All rare words have a better class: a word that has none is as any of them.
        for (tag, _, _), number in rare.items():
            counts[tag, ANY] += number
    return counts


def _grammar(rules: Counter[tuple[str, tuple[str, ...]]], words: Counter[tuple[str, str]]) -> PCFG:
    totals: Counter[str] = Counter()
    for (parent, _), number in [*rules.items(), *words.items()]:
        totals[parent] += number

    def made() -> Iterator[ProbabilisticProduction]:
        for (parent, children), number in rules.items():
            yield ProbabilisticProduction(Nonterminal(parent), map(Nonterminal, children), prob=number / totals[parent])
        for (tag, word), number in words.items():
            yield ProbabilisticProduction(Nonterminal(tag), [word], prob=number / totals[tag])

    return LazyPCFG(Nonterminal(TOP), list(made()))


def _symbol(label: str) -> str:
    label = normalize("NFC", label)
    return (
        _SPECIAL.sub(lambda found: "".join(f"/{byte:02x}" for byte in found[0].encode("utf-8", "surrogatepass")), label)
        or _EMPTY
    )


def _label(symbol: str) -> str:
    if symbol == _EMPTY:
        return ""
    return _WRITTEN.sub(lambda found: bytes.fromhex(found[0].replace("/", "")).decode("utf-8", "surrogatepass"), symbol)


def _quoted(word: str) -> str:
    return f'"{word}"' if "'" in word else f"'{word}'"
