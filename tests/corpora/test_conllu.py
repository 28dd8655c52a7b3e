import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nltk import DependencyGraph

import recnn
from corpora import Dependencies, read_conllu
from parsers import DependencyTree, words_of

# A sentence in the style of the format's own examples: a contraction, an empty node, a form with a space.
TEXT = """# sent_id = 1
# text = vámonos al mar 20 000
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\tMood=Imp|Number=Plur\t0\troot\t0:root\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc,Dat\t1\tobj\t1:obj\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\tda0ms0\tGender[psor]=Masc\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_
5.1\tir\tir\tVERB\t_\t_\t_\t_\t1:conj\tCopyOf=1
6\t20 000\t20000\tNUM\tZ\t_\t5\tnummod\t_\t_

1\t_\t_\tSYM\t_\t_\t0\troot\t_\t_
"""
SEA = Dependencies(
    ("vamos", "nos", "a", "el", "mar", "20 000"),
    (0, 1, 5, 5, 1, 5),
    ("root", "obj", "case", "det", "obl", "nummod"),
    ("ir", "nosotros", "a", "el", "mar", "20000"),
    ("VERB", "PRON", "ADP", "DET", "NOUN", "NUM"),
    (None, None, None, "da0ms0", None, "Z"),
    ({"Mood": "Imp", "Number": "Plur"}, {"Case": "Acc,Dat"}, {}, {"Gender[psor]": "Masc"}, {}, {}),
    ((1, 2, "vámonos"), (3, 4, "al")),
)


@st.composite
def sentences(draw, max_size=9):
    """Random dependency trees, possibly crossing: the head of each word comes before it in a random order."""
    order = draw(st.permutations(range(1, draw(st.integers(1, max_size)) + 1)))
    heads = {word: draw(st.sampled_from(order[:i])) if i else 0 for i, word in enumerate(order)}
    n = len(order)
    words = tuple(draw(st.sampled_from(["a", "é", "b c"])) + str(i) for i in range(n))
    relations = tuple("root" if heads[i] == 0 else draw(st.sampled_from(["nsubj", "det"])) for i in sorted(heads))
    lemmas, upos, xpos = (tuple(draw(st.sampled_from([None, "x", "y|z"])) for _ in range(n)) for _ in range(3))
    pairs = st.dictionaries(st.sampled_from(["Case", "Number[psor]"]), st.sampled_from(["Nom", "Acc,Dat", "a=b"]))
    features = tuple(draw(pairs) for _ in range(n))
    ends = sorted(draw(st.sets(st.integers(1, n))))
    spans = tuple((first, last, f"{first}+{last}") for first, last in zip(ends[::2], ends[1::2], strict=False))
    return Dependencies(words, tuple(heads[i] for i in sorted(heads)), relations, lemmas, upos, xpos, features, spans)


def conllu(sentence):
    starts = {first: f"{first}-{last}\t{form}" + "\t_" * 8 + "\n" for first, last, form in sentence.multiword}
    text = ""
    for i, (word, head, relation, *tags, features) in enumerate(zip(*sentence[:7], strict=True), 1):
        lemma, upos, xpos = (tag or "_" for tag in tags)
        pairs = "|".join(f"{name}={value}" for name, value in features.items()) or "_"
        row = (i, word, lemma, upos, xpos, pairs, head, relation, "_", "_")
        text += starts.get(i, "") + "\t".join(map(str, row)) + "\n"
    return text + "\n"


def test_everything_but_empty_nodes_is_kept(write):
    underscore = Dependencies(("_",), (0,), ("root",), ("_",), ("SYM",), (None,), ({},))
    assert list(read_conllu(write(TEXT))) == [SEA, underscore]
    assert SEA.tokens() == ["vámonos", "al", "mar", "20 000"]


@given(st.lists(sentences(), min_size=1, max_size=3))
def test_sentences_survive_a_file_and_nltk_reads_the_same(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("conllu") / "file.conllu"
    path.write_text("".join(map(conllu, texts)), "utf-8")
    assert list(read_conllu(path)) == texts
    for sentence in texts:
        nodes = DependencyGraph(conllu(sentence), cell_separator="\t", top_relation_label="root").nodes
        read = [nodes[i] for i in range(1, len(sentence.words) + 1)]
        assert tuple(node["word"] for node in read) == sentence.words
        assert tuple(node["head"] for node in read) == sentence.heads
        assert tuple(node["rel"] for node in read) == sentence.relations


def test_the_tree_keeps_the_order_of_the_words():
    tree = SEA.tree()
    assert str(tree) == "(root vamos (obj nos) (obl (case a) (det el) mar (nummod 20 000)))"
    assert all(isinstance(phrase, DependencyTree) for phrase in tree.subtrees())
    assert words_of(tree) == list(SEA.words)


@given(sentences())
def test_the_graph_has_a_node_for_each_word_with_its_head(sentence):
    tree = nx.DiGraph()
    tree.add_nodes_from(sentence.nodes())
    tree.add_edges_from(sentence.arcs())
    graph = recnn.networkx_to_graph(tree)
    words = [graph.vocabulary[i] for i in graph.ndata["word"].tolist()]
    assert sorted(words) == sorted(sentence.words)
    pairs = {(words[child], words[parent]) for child, parent in zip(*(e.tolist() for e in graph.edges()), strict=True)}
    heads = enumerate(sentence.heads)
    assert pairs == {(sentence.words[i], sentence.words[head - 1]) for i, head in heads if head}


@given(sentences())
def test_the_tree_and_its_arcs_are_one_graph(sentence):
    tree = nx.DiGraph()
    tree.add_nodes_from(sentence.nodes())
    tree.add_edges_from(sentence.arcs())
    expected, found = recnn.networkx_to_graph(tree), recnn.tree_to_graph(sentence.tree())
    assert (found.vocabulary, found.labels) == (expected.vocabulary, expected.labels)
    for key in ("word", "label"):
        assert torch.equal(found.ndata[key], expected.ndata[key])
    assert torch.equal(found.edata["slot"], expected.edata["slot"])
    assert all(map(torch.equal, found.edges(), expected.edges()))
    assert sorted(words_of(sentence.tree())) == sorted(sentence.words)


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_needs_no_recursion(write, step):
    n = 50_000
    heads = range(n) if step == 1 else [*range(2, n + 1), 0]
    none = (None,) * n
    sentence = Dependencies(("w",) * n, tuple(heads), ("dep",) * n, none, none, none, ({},) * n)
    (read,) = read_conllu(write(conllu(sentence)))
    assert read == sentence
    assert len(words_of(read.tree())) == n
