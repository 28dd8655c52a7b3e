"""Dependency trees, from the head of each word."""

from collections.abc import Sequence

from nltk import Tree

from parsers.errors import TreeError


class DependencyTree(Tree):
    """Dependency tree as an nltk.Tree: a phrase for each word, labelled by the word's relation to its head.

    The phrase contains the word itself, as a leaf, and the phrases of its dependents. `recnn.tree_to_graph` makes one
    node of each phrase, with its word; in all else this is a tree like any other. If dependencies cross, the leaves are
    not in the order of the sentence.
    """


def tree_from_dependencies(
    words: Sequence[str], heads: Sequence[int], relations: Sequence[str] | None = None
) -> DependencyTree:
    """Make the dependency tree of a sentence.

    Args:
        words: the n words.
        heads: position of the head of each word, 1 to n, or 0 for the root, as in CoNLL-U.
        relations: relation of each word to its head; by default empty labels.

    >>> print(tree_from_dependencies(["the", "boy", "slept"], [2, 3, 0], ["det", "nsubj", "root"]))
    (root (nsubj (det the) boy) slept)

    Raises:
        TreeError: there are no words, the three do not have the same length, a head is not in the sentence, or the
            heads have two roots or a cycle; the message names the word.
    """
    relations = [""] * len(words) if relations is None else relations
    if not len(words) == len(heads) == len(relations):
        raise TreeError(
            f"words: {len(words)}, heads: {len(heads)}, relations: {len(relations)}; expected as many of each"
        )
    if not words:
        raise TreeError("a sentence without words")
    if problem := head_problem(words, heads):
        raise TreeError(f"word {problem[0] + 1}: {problem[1]}")
    phrases = [DependencyTree(relation, []) for relation in relations]
    for phrase, word, head in zip(phrases, words, heads, strict=True):
        phrase.append(word)
        if head:
            phrases[head - 1].append(phrase)
    return phrases[list(heads).index(0)]


def head_problem(words: Sequence[str], heads: Sequence[int]) -> tuple[int, str] | None:
    """Find why heads do not form a tree: the index of a word, from 0, and the problem; None if they do."""
    roots = 0
    for index, (word, head) in enumerate(zip(words, heads, strict=True)):
        roots += head == 0
        if head < 0:
            return index, f"the head {head} of {_quoted(word)} is negative"
        if head > len(words):
            return index, f"the head {head} is beyond the last word, {len(words)}"
        if head == 0 and roots > 1:
            return index, f"{_quoted(word)} is a second root"
    state = [0] * (len(words) + 1)  # the word whose path to the root first visited this one
    state[0] = -1
    for start in range(1, len(words) + 1):
        node = start
        while not state[node]:
            state[node] = start
            node = heads[node - 1]
        if state[node] == start:
            return node - 1, f"the heads form a cycle through {_quoted(words[node - 1])}"
    return None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
