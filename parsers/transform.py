"""Transformations of trees: traces, function tags, chains of unary phrases, binarisation, and the inverses.

Each function returns a new tree and leaves the given one as it is, so they compose:
``map(without_traces, corpora.read_trees(path))``. None recurses, so trees may be of any depth.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from nltk import Tree

from parsers.errors import TreeError
from parsers.heads import head_child
from parsers.trees import Constituent, constituents, plain_label

Branching = Literal["left", "right", "head"]
"""Of `binarise`: the side to which new nodes branch, or around the head."""

_NEW, _ABOVE = "|<", "^<"  # in labels, as in NLTK: a node that binarisation added, and the ancestors of a node
_ROOTS = ("", "ROOT", "TOP", "S1")


def copied(
    tree: Tree,
    label: Callable[[str], str] = lambda label: label,
    word: Callable[[str], str] = lambda word: word,
    kept: Sequence[bool] | None = None,
) -> Tree:
    """Copy ``tree`` as plain nltk.Tree, with functions of labels and words, and a mask of the nodes in preorder."""
    made: list[Any] = []
    for index, (node, _, _, parent) in enumerate(constituents(tree)):
        made.append(Tree(label(node.label()), []) if isinstance(node, Tree) else word(node))
        if parent >= 0 and (kept is None or kept[index]):
            made[parent].append(made[index])
    return made[0]


def relabelled(tree: Tree, label: str) -> Tree:
    """Return a copy of ``tree`` with a label at the root, and empty labels elsewhere."""
    root = copied(tree, label=lambda label: "")
    root.set_label(label)
    return root


def without_traces(tree: Tree) -> Tree:
    """Return a copy of ``tree`` without empty elements (``-NONE-``), and without phrases that contain nothing else.

    >>> print(without_traces(Tree.fromstring("(S (NP (NN duck)) (VP (VB go) (NP-1 (-NONE- *T*-1))))")))
    (S (NP (NN duck)) (VP (VB go)))

    Raises:
        TreeError: the tree has empty elements only.
    """
    found = constituents(tree)
    kept = [False] * len(found)
    for index in range(len(found) - 1, -1, -1):
        node, parent = found[index].node, found[index].parent
        if isinstance(node, Tree) and node.label() == "-NONE-":
            kept[index] = False
        elif isinstance(node, str) or kept[index]:
            kept[index] = True
            kept[max(parent, 0)] = True
    if not kept[0]:
        raise TreeError(f"the tree ({tree.label()}) has empty elements only")
    return copied(tree, kept=kept)


def without_functions(tree: Tree) -> Tree:
    """Return a copy of ``tree`` without function tags and indices in the labels.

    >>> print(without_functions(Tree.fromstring("(S (NP-SBJ-1 (-LRB- -LRB-) (PRP$ her) (NN duck)) (VP=2 (VB go)))")))
    (S (NP (-LRB- -LRB-) (PRP$ her) (NN duck)) (VP (VB go)))
    """
    return copied(tree, plain_label)


def without_root(tree: Tree) -> Tree:
    """Return a copy of ``tree`` without the outer nodes that mark a root: ROOT, TOP, S1 or an empty label.

    A node with several children, or with a word as its child, is kept.

    >>> print(without_root(Tree.fromstring("(ROOT (S (NP (NN duck)) (VP (VB go))))")))
    (S (NP (NN duck)) (VP (VB go)))
    """
    while tree.label() in _ROOTS and len(tree) == 1 and isinstance(tree[0], Tree):
        tree = tree[0]
    return copied(tree)


def collapse_unaries(tree: Tree, joiner: str = "+", tags: bool = False, root: bool = True) -> Tree:
    """Return a copy of ``tree`` in which each chain of phrases with one child is one node, with the labels joined.

    `restore_unaries` is the inverse. It is ``Tree.collapse_unary``, which changes the tree itself.

    >>> print(collapse_unaries(Tree.fromstring("(S (VP (VB go) (NP (NP (NN home)))))")))
    (S+VP (VB go) (NP+NP (NN home)))

    Args:
        tree: any tree.
        joiner: text between the labels.
        tags: join part-of-speech tags to the phrases above them too: all nodes whose first child is a word.
        root: join the root to its only child.

    Raises:
        TreeError: the labels could not be told apart again, because one contains the joiner.
    """
    found = constituents(tree)
    made: list[Any] = []  # for each node, the new one, in which it may be joined to its parent
    chains: dict[int, tuple[Tree, list[str]]] = {}  # by the last node of each chain
    for index, (node, _, _, parent) in enumerate(found):
        if isinstance(node, str):
            made.append(node)
            made[parent].append(node)
            continue
        above: Any = found[parent].node if parent >= 0 else ()
        if len(above) == 1 and (tags or isinstance(node[0], Tree)) and (root or parent > 0):
            new, labels = chains.pop(parent)
        else:
            new, labels = Tree("", []), []
            if parent >= 0:
                made[parent].append(new)
        labels.append(node.label())
        made.append(new)
        chains[index] = new, labels
    for new, labels in chains.values():
        joined = joiner.join(labels)
        if not joiner or joined.split(joiner) != labels:
            wrong = next((label for label in labels if joiner in label), joined)
            raise TreeError(f"the label {wrong!r} contains {joiner!r}, which joins labels: choose another joiner")
        new.set_label(joined)
    return made[0]


def restore_unaries(tree: Tree, joiner: str = "+") -> Tree:
    """Return a copy of ``tree`` in which each joined label is a chain of phrases again; see `collapse_unaries`.

    >>> print(restore_unaries(Tree.fromstring("(S+VP (VB go) (NP+NP (NN home)))")))
    (S (VP (VB go) (NP (NP (NN home)))))
    """
    made: list[Any] = []  # for each node, the last of its chain
    top: Tree | None = None
    for node, _, _, parent in constituents(tree):
        if isinstance(node, str):
            made.append(node)
            made[parent].append(node)
            continue
        labels = node.label().split(joiner)
        first = last = Tree(labels[0], [])
        for label in labels[1:]:
            below = Tree(label, [])
            last.append(below)
            last = below
        made.append(last)
        if top is None:
            top = first
        else:
            made[parent].append(first)
    assert top is not None
    return top


def binarise(
    tree: Tree,
    direction: Branching = "right",
    horizontal: int | None = None,
    vertical: int = 1,
    labelled: bool = True,
) -> Tree:
    """Return a copy of ``tree`` in which no node has more than two children; `restore` is the inverse.

    A node with more children is split: one child at a time, a new node takes the others. The label of a new node is
    that of the split one with the labels of the children below: Markovisation limits how many of them, and of the
    ancestors, are remembered. "right" and "left" are ``Tree.chomsky_normal_form``, which changes the tree itself and
    counts ``vertMarkov`` from 0.

    >>> tree = Tree.fromstring("(VP (ADVP often) (VBD saw) (NP ducks) (PP there))")
    >>> print(binarise(tree))
    (VP
      (ADVP often)
      (VP|<VBD-NP-PP> (VBD saw) (VP|<NP-PP> (NP ducks) (PP there))))
    >>> print(binarise(tree, "head", horizontal=1))
    (VP (ADVP often) (VP|<PP> (VP|<NP> (VBD saw) (NP ducks)) (PP there)))

    Args:
        tree: any tree.
        direction: "right" splits off children from the left, so that new nodes branch to the right; "left" is the
            mirror image; "head" splits off those left of the head, then those right of it, see `head_child`.
        horizontal: number of children in the label of a new node, nearest to the side where the next one is split off;
            None for all, whose labels together have a length quadratic in the number of children.
        vertical: number of nodes that a label describes, from the node upwards: with 2, ``NP^<S>`` is a noun phrase
            below a sentence. Part-of-speech tags (nodes whose first child is a word) stay as they are.
        labelled: False for new nodes with an empty label; these cannot be told apart from others, and not be restored.

    Raises:
        ValueError: an unknown direction, ``horizontal`` below 0, or ``vertical`` below 1.
        TreeError: a label contains ``|<`` or ``^<``.

    Source: M. Johnson, "PCFG models of linguistic tree representations", 1998 (vertical); D. Klein and C. D. Manning,
    "Accurate unlexicalized parsing", ACL 2003 (horizontal, heads).
    """
    if direction not in ("left", "right", "head"):
        raise ValueError(f"expected the direction 'left', 'right' or 'head', got {direction!r}")
    if vertical < 1 or (horizontal is not None and horizontal < 0):
        raise ValueError(f"expected horizontal >= 0 and vertical >= 1, got {horizontal} and {vertical}")
    found = constituents(tree)
    names = [c.node.label() if isinstance(c.node, Tree) else c.node for c in found]
    labels = _annotated(found, names, vertical)
    if labelled:
        _check_unmarked(found)
    below: list[list[Any]] = [[] for _ in found]  # children of each node and their names, from right to left
    below_names: list[list[str]] = [[] for _ in found]
    for index in range(len(found) - 1, -1, -1):
        node, parent = found[index].node, found[index].parent
        if isinstance(node, Tree):
            children, of = below[index][::-1], below_names[index][::-1]
            label, above = names[index], labels[index][len(names[index]) :]
            ranges = _ranges(direction, node.label(), of)
            new = [f"{label}{_NEW}{'-'.join(of[i:j])}>{above}" for i, j in _remembered(ranges, horizontal)]
            node = _nested(labels[index], new if labelled else [""] * len(new), children, ranges)
        if parent < 0:
            return node
        below[parent].append(node)
        below_names[parent].append(names[index])
    raise AssertionError("a tree has a root")


def _check_unmarked(found: list[Constituent]) -> None:
    for node, start, _, _ in found:
        if isinstance(node, Tree) and (_NEW in node.label() or _ABOVE in node.label()):
            problem = f"contains {_NEW!r} or {_ABOVE!r}, as those of binarised trees"
            raise TreeError(f"the label {node.label()!r} (at word {start}) {problem}")


def _annotated(found: list[Constituent], names: list[str], vertical: int) -> list[str]:
    """Return the labels of all nodes with those of their ancestors, but for the root, words and tags."""
    if vertical == 1:
        return names
    labels: list[str] = []
    above: list[tuple[str, ...]] = []  # for each node, itself and its ancestors, nearest first
    for (node, _, _, parent), name in zip(found, names, strict=True):
        ancestors = above[parent] if parent >= 0 else ()
        phrase = isinstance(node, Tree) and isinstance(node[0], Tree)
        labels.append(f"{name}{_ABOVE}{'-'.join(ancestors)}>" if phrase and ancestors else name)
        above.append((name, *ancestors)[: vertical - 1])
    return labels


def _ranges(direction: Branching, label: str, children: list[str]) -> list[tuple[int, int, bool]]:
    """Return the children ``start`` to ``end`` that are below the node and each new node, outermost first.

    The third value is whether the next child is split off from the left.
    """
    n = len(children)
    if n <= 2:
        return [(0, n, True)]
    first = {"right": n - 1, "left": 0}.get(direction)  # number of children that are split off from the left
    if first is None:
        first = head_child(plain_label(label), [plain_label(child) for child in children])
    return [(min(k, first), n - max(0, k - first), k < first) for k in range(n - 1)]


def _remembered(ranges: list[tuple[int, int, bool]], horizontal: int | None) -> Iterator[tuple[int, int]]:
    """Yield the range of the children that are in the label of each new node."""
    for start, end, left in ranges[1:]:
        if horizontal is None:
            yield start, end
        elif left:
            yield start, min(start + horizontal, end)
        else:
            yield max(end - horizontal, start), end


def _nested(label: str, new: list[str], children: list[Any], ranges: list[tuple[int, int, bool]]) -> Tree:
    """Make a node, and below it the new nodes with the labels ``new``."""
    start, end, _ = ranges[-1]
    node = Tree(new[-1] if new else label, children[start:end])
    for above, (start, end, left) in zip([label, *new][-2::-1], ranges[-2::-1], strict=True):
        node = Tree(above, [children[start], node] if left else [node, children[end - 1]])
    return node


def restore(tree: Tree) -> Tree:
    """Return a copy of ``tree`` without the nodes and the annotations of `binarise`, which it is the inverse of.

    >>> print(restore(Tree.fromstring("(VP (ADVP often) (VP|<PP> (VP|<NP> (VBD saw) (NP^<VP> ducks)) (PP there)))")))
    (VP (ADVP often) (VBD saw) (NP ducks) (PP there))
    """
    made: list[Any] = []  # for each node, the new one that takes its children
    for node, _, _, parent in constituents(tree):
        if isinstance(node, Tree) and _NEW in node.label() and parent >= 0:
            made.append(made[parent])
            continue
        made.append(Tree(node.label().split(_ABOVE)[0], []) if isinstance(node, Tree) else node)
        if parent >= 0:
            made[parent].append(made[-1])
    return made[0]
