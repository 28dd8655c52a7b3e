"""Lexical heads of phrases by the head rules of Collins, and the dependencies that follow from them."""

from collections.abc import Sequence

from nltk import Tree

from parsers.trees import constituents, plain_label

# Collins 1999, appendix A: the side from which the search begins, and the labels in the order of their priority.
_RULES: dict[str, tuple[str, str]] = {
    "ADJP": ("left", "NNS QP NN $ ADVP JJ VBN VBG ADJP JJR NP JJS DT FW RBR RBS SBAR RB"),
    "ADVP": ("right", "RB RBR RBS FW ADVP TO CD JJR JJ IN NP JJS NN"),
    "CONJP": ("right", "CC RB IN"),
    "FRAG": ("right", ""),
    "INTJ": ("left", ""),
    "LST": ("right", "LS :"),
    "NAC": ("left", "NN NNS NNP NNPS NP NAC EX $ CD QP PRP VBG JJ JJS JJR ADJP FW"),
    "PP": ("right", "IN TO VBG VBN RP FW"),
    "PRN": ("left", ""),
    "PRT": ("right", "RP"),
    "QP": ("left", "$ IN NNS NN JJ RB DT CD NCD QP JJR JJS"),
    "RRC": ("right", "VP NP ADVP ADJP PP"),
    "S": ("left", "TO IN VP S SBAR ADJP UCP NP"),
    "SBAR": ("left", "WHNP WHPP WHADVP WHADJP IN DT S SQ SINV SBAR FRAG"),
    "SBARQ": ("left", "SQ S SINV SBARQ FRAG"),
    "SINV": ("left", "VBZ VBD VBP VB MD VP S SINV ADJP NP"),
    "SQ": ("left", "VBZ VBD VBP VB MD VP SQ"),
    "UCP": ("right", ""),
    "VP": ("left", "TO VBD VBN MD VBZ VB VBG VBP VP ADJP NN NNS NP"),
    "WHADJP": ("left", "CC WRB JJ ADJP"),
    "WHADVP": ("right", "CC WRB"),
    "WHNP": ("left", "WDT WP WP$ WHADJP WHPP WHNP"),
    "WHPP": ("right", "IN TO FW"),
}
# Noun phrases: sets of labels, each with the side from which the first child with any of them is searched.
_NOUN_PHRASES = ("NP", "NX", "NML")
_NOUN_RULES = (
    ("right", {"NN", "NNP", "NNPS", "NNS", "NX", "NML", "POS", "JJR"}),
    ("left", {"NP"}),
    ("right", {"$", "ADJP", "PRN"}),
    ("right", {"CD"}),
    ("right", {"JJ", "JJS", "RB", "QP"}),
)
PUNCTUATION = frozenset(["''", "``", ",", ".", ":", "-LRB-", "-RRB-", "-NONE-", "HYPH", "NFP"])


def head_child(label: str, children: Sequence[str]) -> int:
    """Return the index of the head among the children of a phrase.

    The rules are those of Collins 1999, appendix A. As there, punctuation is a head only where there is nothing else,
    and in a coordination the head is the first of the two phrases. NML and NX have the rules of NP; any other phrase
    has its first child as the head.

    Args:
        label: label of the phrase, without function tags.
        children: labels of its children, without function tags; at least one.

    >>> head_child("NP", ["DT", "JJ", "NN", "PP"]), head_child("VP", ["VP", "CC", "VP"])
    (2, 0)

    Source: M. Collins, "Head-Driven Statistical Models for Natural Language Parsing", dissertation, University of
    Pennsylvania, 1999.
    """
    found = [index for index, child in enumerate(children) if child not in PUNCTUATION] or list(range(len(children)))
    head = _noun_head(children, found) if label in _NOUN_PHRASES else _rule_head(label, children, found)
    place = found.index(head)
    return found[place - 2] if place >= 2 and children[found[place - 1]] == "CC" else head


def _rule_head(label: str, children: Sequence[str], found: list[int]) -> int:
    side, priorities = _RULES.get(label, ("left", ""))
    order = found if side == "left" else found[::-1]
    for wanted in priorities.split():
        for index in order:
            if children[index] == wanted:
                return index
    return order[0]


def _noun_head(children: Sequence[str], found: list[int]) -> int:
    if children[found[-1]] == "POS":
        return found[-1]
    for side, labels in _NOUN_RULES:
        for index in found if side == "left" else found[::-1]:
            if children[index] in labels:
                return index
    return found[-1]


def dependencies(tree: Tree) -> list[int]:
    """Return the head of each word of a tree: the position of another word, from 1, or 0 for the root, as in CoNLL-U.

    The heads are those of `head_child`; function tags and indices of labels are ignored. Traces are words: remove them
    with `without_traces` first.

    >>> dependencies(Tree.fromstring("(S (NP (DT the) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (NN duck))))"))
    [2, 3, 0, 5, 3]

    Raises:
        TreeError: the tree is invalid, see `constituents`.
    """
    found = constituents(tree)
    labels = [plain_label(c.node.label()) if isinstance(c.node, Tree) else "" for c in found]
    children: list[list[int]] = [[] for _ in found]
    for index in range(1, len(found)):
        children[found[index].parent].append(index)
    words = [c.start for c in found]  # of each node, the word that is its head
    heads = [0] * found[0].end
    for index in range(len(found) - 1, -1, -1):
        if below := children[index]:
            head = below[head_child(labels[index], [labels[child] for child in below])]
            words[index] = words[head]
            for child in below:
                if child != head:
                    heads[words[child] - 1] = words[head]
    return heads
