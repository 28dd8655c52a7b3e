"""Left-child right-sibling binarisation."""

from __future__ import annotations

from parsers.errors import TreeError
from recnn.trees.typed_tree import TypedTree


def left_child_right_sibling(tree: TypedTree) -> TypedTree:
    """Binarise a tree: in slot 0 a node has its first child, in slot 1 its next sibling.

    The nodes and their order stay the same. A network of arity 2 then takes nodes of any arity.

    Knuth, "The Art of Computer Programming", volume 1, section 2.3.2.

    >>> from recnn.trees import from_sexpr
    >>> binary = left_child_right_sibling(from_sexpr("(f a b (g c))"))
    >>> binary.parents, binary.slots
    ((-1, 0, 1, 2, 3), (0, 0, 1, 1, 0))

    Raises:
        TreeError: the tree has slots already.
    """
    if tree.slots:
        raise TreeError("the tree is binarised already: it has slots")
    parents, slots = [-1], [0]
    last = [-1] * len(tree)  # the last child of each node so far
    for node, parent in enumerate(tree.parents[1:], 1):
        before = last[parent]
        parents.append(parent if before < 0 else before)
        slots.append(int(before >= 0))
        last[parent] = node
    return TypedTree(tuple(parents), tree.labels, tree.words, tree.numbers, tuple(slots))


def undo_left_child_right_sibling(tree: TypedTree) -> TypedTree:
    """Restore a tree, the inverse of `left_child_right_sibling`.

    Raises:
        TreeError: the tree is not of this kind.
    """
    if len(tree.slots) != len(tree) or any(slot not in (0, 1) for slot in tree.slots):
        raise TreeError("expected a binarised tree, with the slots 0 and 1")
    parents = [-1]
    for node, (parent, slot) in enumerate(zip(tree.parents[1:], tree.slots[1:], strict=True), 1):
        if slot and not parent:
            raise TreeError(f"node {node} is a sibling of the root: not a binarised tree")
        parents.append(parents[parent] if slot else parent)
    return TypedTree(tuple(parents), tree.labels, tree.words, tree.numbers)
