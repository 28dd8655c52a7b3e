"""Trees from the analyses of other parsers: spaCy, with benepar, and stanza. Neither is imported here."""

from collections.abc import Iterator, Sequence
from typing import Any

from nltk import Tree

from parsers.bracketed import tree_from_brackets
from parsers.dependency_trees import DependencyTree, tree_from_dependencies
from parsers.errors import InputError, TreeError


def trees_from_spacy(doc: Any, constituency: bool = False) -> Iterator[Tree]:
    """Yield the tree of each sentence of a document of spaCy. Tokens of white space are left out.

    Args:
        doc: a ``spacy.tokens.Doc`` whose pipeline has a parser, or a ``Span`` of one.
        constituency: yield the phrase structure that benepar adds to each sentence, instead of the dependency tree.

    Raises:
        InputError: the document has no dependencies or sentences, or with ``constituency`` no analysis of benepar.
        TreeError: the heads of a sentence are not a tree in it; the message has its number and the word.
    """
    whole = getattr(doc, "doc", doc)  # of a Span
    if not whole.has_annotation("SENT_START"):
        raise InputError("the document of spaCy has no sentences: use a pipeline with a parser")
    if not (constituency or whole.has_annotation("DEP")):
        raise InputError("the document of spaCy has no dependencies: use a pipeline with a parser")
    for number, sentence in enumerate(doc.sents, 1):
        if constituency:
            yield _phrases(number, sentence)
            continue
        tokens = [token for token in sentence if not token.text.isspace()]
        place = {token.i: position for position, token in enumerate(tokens, 1)}
        if not tokens:
            continue
        yield _numbered(
            number,
            [token.text for token in tokens],
            # A head in another sentence, or white space, is beyond the last word.
            [0 if token.head.i == token.i else place.get(token.head.i, len(tokens) + 1) for token in tokens],
            [token.dep_ for token in tokens],
        )


def trees_from_stanza(document: Any, constituency: bool = False) -> Iterator[Tree]:
    """Yield the tree of each sentence of a document of stanza.

    Args:
        document: a ``stanza.Document``, with the processor "depparse"; its syntactic words are the words of the tree.
        constituency: yield the phrase structure of the processor "constituency" instead of the dependency tree.

    Raises:
        InputError: a sentence has no dependencies, or with ``constituency`` no phrase structure.
        TreeError: the heads of a sentence are not a tree; the message has its number and the word.
    """
    for number, sentence in enumerate(document.sentences, 1):
        if constituency:
            tree = getattr(sentence, "constituency", None)
            if tree is None:
                raise InputError(
                    f"sentence {number} of stanza has no phrase structure: use the processor 'constituency'"
                )
            yield _copied(tree)
            continue
        words, heads, relations = zip(*((word.text, word.head, word.deprel) for word in sentence.words), strict=True)
        if None in heads:
            raise InputError(f"sentence {number} of stanza has no dependencies: use the processor 'depparse'")
        yield _numbered(number, words, heads, relations)


def _phrases(number: int, sentence: Any) -> Tree:
    """Read what benepar adds to a sentence; it raises a bare Exception in a document that it has not parsed."""
    try:
        text = sentence._.parse_string
    except Exception as error:
        problem = f"has no phrase structure: add the pipe 'benepar' ({error})"
        raise InputError(f"sentence {number} of spaCy {problem}") from None
    try:
        return tree_from_brackets(text)
    except TreeError as error:
        raise TreeError(f"sentence {number}, {error}") from None


def _numbered(number: int, words: Sequence[str], heads: Sequence[int], relations: Sequence[str]) -> DependencyTree:
    try:
        return tree_from_dependencies(words, heads, relations)
    except TreeError as error:
        raise TreeError(f"sentence {number}, {error}") from None


def _copied(tree: Any) -> Tree:
    """Copy a tree of objects with ``label`` and ``children``, of which words have no children."""
    root = Tree("", [])
    agenda = [(tree, root)]
    while agenda:
        node, parent = agenda.pop()
        if not node.children:
            parent.append(node.label)
            continue
        parent.append(phrase := Tree(node.label, []))
        agenda.extend((child, phrase) for child in reversed(node.children))
    return root[0]
