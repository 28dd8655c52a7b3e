"""Trees from other parsers: the same sentence gives the same tree, or a clear error."""

from types import SimpleNamespace

import pytest
from nltk import Tree

from parsers import DependencyTree, InputError, TreeError, brackets, trees_from_spacy, trees_from_stanza, words_of

WORDS, HEADS = ["the", "boy", "saw", "her", "big", "duck"], [2, 3, 0, 6, 6, 3]
RELATIONS = ["det", "nsubj", "root", "nmod:poss", "amod", "obj"]
EXPECTED = "(root (nsubj (det the) boy) saw (obj (nmod:poss her) (amod big) duck))"
PHRASES = "(S (NP (DT the) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (JJ big) (NN duck))))"


def sentence(words, heads, relations, constituency=None):
    made = [SimpleNamespace(text=t, head=h, deprel=r) for t, h, r in zip(words, heads, relations, strict=True)]
    return SimpleNamespace(words=made, constituency=constituency)


def nested(tree):
    """A tree as stanza has it: labels and children, words without children."""
    if isinstance(tree, str):
        return SimpleNamespace(label=tree, children=())
    return SimpleNamespace(label=tree.label(), children=tuple(map(nested, tree)))


def test_stanza():
    document = SimpleNamespace(sentences=[sentence(WORDS, HEADS, RELATIONS, nested(Tree.fromstring(PHRASES)))] * 2)
    assert [brackets(tree) for tree in trees_from_stanza(document)] == [EXPECTED] * 2
    assert [brackets(tree) for tree in trees_from_stanza(document, constituency=True)] == [PHRASES] * 2
    bad = SimpleNamespace(sentences=[sentence(["a"], [0], ["root"]), sentence(["a", "b"], [2, 1], ["x", "y"])])
    trees = trees_from_stanza(bad)
    assert next(trees) == DependencyTree("root", ["a"])
    with pytest.raises(TreeError, match="sentence 2, word 1: the heads form a cycle through 'a'"):
        next(trees)
    none = SimpleNamespace(sentences=[sentence(["a"], [None], [None])])
    with pytest.raises(InputError, match="sentence 1 of stanza has no dependencies"):
        next(trees_from_stanza(none))
    with pytest.raises(InputError, match="sentence 1 of stanza has no phrase structure"):
        next(trees_from_stanza(none, constituency=True))


def test_the_phrases_of_stanza_may_be_deep():
    tree = SimpleNamespace(label="word", children=())
    for _ in range(20_000):
        tree = SimpleNamespace(label="X", children=(tree,))
    (found,) = trees_from_stanza(SimpleNamespace(sentences=[SimpleNamespace(constituency=tree)]), constituency=True)
    assert words_of(found) == ["word"]


@pytest.fixture
def doc():
    """A document of two sentences, with a line break after the first."""
    spacy = pytest.importorskip("spacy")
    words = [*WORDS, "\n", "ducks", "swam"]
    heads = [1, 2, 2, 5, 5, 2, 5, 8, 8]
    relations = [*RELATIONS, "dep", "nsubj", "root"]
    return spacy.tokens.Doc(spacy.vocab.Vocab(), words=words, heads=heads, deps=relations)


def test_spacy(doc):
    assert [brackets(tree) for tree in trees_from_spacy(doc)] == [EXPECTED, "(root (nsubj ducks) swam)"]
    assert [brackets(tree) for tree in trees_from_spacy(doc[7:9])] == ["(root (nsubj ducks) swam)"]


def test_benepar(doc):
    def parse_string(sentence):
        if sentence.doc is not doc:
            raise Exception("No parse.")  # as benepar does
        return PHRASES if sentence.start == 0 else "(S (N ducks) (V swam))"

    span = type(doc[0:1])
    with pytest.raises(InputError, match="sentence 1 of spaCy has no phrase structure: add the pipe 'benepar'"):
        next(trees_from_spacy(doc, constituency=True))
    span.set_extension("parse_string", getter=parse_string)
    try:
        found = [brackets(tree) for tree in trees_from_spacy(doc, constituency=True)]
        with pytest.raises(InputError, match=r"add the pipe 'benepar' \(No parse\.\)"):
            next(trees_from_spacy(doc.copy(), constituency=True))
    finally:
        span.remove_extension("parse_string")
    assert found == [PHRASES, "(S (N ducks) (V swam))"]


def test_documents_of_spacy_without_a_parse(doc):
    bare = type(doc)(doc.vocab, words=["a", "b"])
    with pytest.raises(InputError, match="has no sentences"):
        next(trees_from_spacy(bare))
    with pytest.raises(InputError, match="has no dependencies"):
        next(trees_from_spacy(type(doc)(doc.vocab, words=["a", "b"], sent_starts=[True, False])))
