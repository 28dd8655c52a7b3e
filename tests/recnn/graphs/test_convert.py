import dgl
import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

import recnn
from corpora import Vocabulary
from parsers import (
    DependencyTree,
    InputError,
    TreeError,
    productions,
    tree_from_dependencies,
    trees_from_spacy,
)
from recnn.graphs.structure import children_of
from tests.strategies import LABELS, WORDS, deep_tree, forests, sentences, trees


def edges(graph):
    return list(zip(*(ends.tolist() for ends in graph.edges()), graph.edata["slot"].tolist(), strict=True))


def test_the_graph_of_a_tree():
    tree = Tree.fromstring("(S (NP (Det her) (Noun duck)) (VP slept))")
    graph = recnn.tree_to_graph(tree, Vocabulary(["duck", "her"]), Vocabulary(["S", "NP", "VP", "Det", "Noun"], None))
    assert edges(graph) == [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1)]
    assert graph.ndata["word"].tolist() == [-1, -1, 0, 2, 1]  # slept is unknown
    assert graph.ndata["label"].tolist() == [0, 1, 2, 3, 4]
    assert graph.ndata["span"].tolist() == [[1, 3], [1, 2], [3, 3], [1, 1], [2, 2]]


HEADS, RELATIONS = [2, 3, 0, 6, 6, 3], ["det", "nsubj", "root", "nmod", "amod", "obj"]


def test_the_graph_of_a_dependency_tree():
    graph = recnn.dependencies_to_graph(["the", "boy", "saw", "her", "big", "duck"], HEADS, RELATIONS)
    assert edges(graph) == [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 2, 0), (5, 2, 1)]
    assert [graph.vocabulary[i] for i in graph.ndata["word"]] == ["saw", "boy", "duck", "the", "her", "big"]
    assert [graph.labels[i] for i in graph.ndata["label"]] == ["root", "nsubj", "obj", "det", "nmod", "amod"]
    assert graph.ndata["span"].tolist() == [[1, 6], [1, 2], [4, 6], [1, 1], [4, 4], [5, 5]]
    assert graph.ndata["position"].tolist() == [3, 2, 6, 1, 4, 5]


@given(sentences, st.data())
def test_dependency_trees_survive(words, data):
    heads = [0, *(data.draw(st.integers(1, i)) for i in range(1, len(words)))]  # each before its dependents
    tree = tree_from_dependencies(
        words, heads, data.draw(st.lists(st.sampled_from(LABELS), min_size=(n := len(words)), max_size=n))
    )
    graph = recnn.tree_to_graph(tree)
    assert recnn.graph_to_tree(graph) == tree
    assert torch.equal(recnn.tree_to_graph(recnn.graph_to_tree(graph)).ndata["position"], graph.ndata["position"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a (b c) d e)", "a phrase of a dependency tree has two words: 'd' and 'e'"),
        ("(a b (c (d e)))", "a phrase of a dependency tree has no word of its own (at word 2)"),
    ],
)
def test_dependency_trees_have_one_word_at_each_node(text, message):
    with pytest.raises(TreeError) as caught:
        recnn.tree_to_graph(DependencyTree.fromstring(text))
    assert str(caught.value) == message


def test_a_document_of_spacy_and_its_heads_are_one_graph():
    spacy = pytest.importorskip("spacy")
    words = ["the", "boy", "saw", "her", "big", "duck"]
    heads = [head - 1 if head else i for i, head in enumerate(HEADS)]
    (tree,) = trees_from_spacy(spacy.tokens.Doc(spacy.vocab.Vocab(), words=words, heads=heads, deps=RELATIONS))
    found, expected = recnn.tree_to_graph(tree), recnn.dependencies_to_graph(words, HEADS, RELATIONS)
    assert edges(found) == edges(expected)
    assert (found.vocabulary, found.labels) == (expected.vocabulary, expected.labels)
    for key, value in expected.ndata.items():
        assert torch.equal(found.ndata[key], value)


def test_the_graph_of_a_sequence():
    graph = recnn.sequence_to_graph(["a", "b", "a"])
    assert edges(graph) == [(0, 1, 0), (1, 2, 0)]
    assert graph.ndata["word"].tolist() == [0, 1, 0]
    assert graph.ndata["span"].tolist() == [[1, 1], [1, 2], [1, 3]]


@given(trees())
def test_trees_survive(tree):
    graph = recnn.tree_to_graph(tree)
    assert recnn.graph_to_tree(graph) == tree
    words, rules = recnn.graph_to_productions(graph)
    assert (words, rules) == (tree.leaves(), productions(tree))
    assert recnn.graph_to_tree(recnn.productions_to_graph(words, rules)) == tree


@given(trees())
def test_nodes_are_numbered_breadth_first_with_the_spans_of_the_rules(tree):
    graph = recnn.tree_to_graph(tree)
    parents = [parent for _, parent, _ in edges(graph)]
    assert [child for child, _, _ in edges(graph)] == list(range(1, graph.num_nodes()))
    assert parents == sorted(parents)
    spans = sorted(tuple(span) for span in graph.ndata["span"].tolist())
    bare = [(i, i) for i in range(1, len(tree.leaves()) + 1)]
    for rule in productions(tree):
        if rule.positions == (rule.positions[0],) * 3:
            bare.remove(rule.positions[:2])  # the word is one node with its part of speech
    assert spans == sorted([(rule.positions[0], rule.positions[-1]) for rule in productions(tree)] + bare)


@given(sentences)
def test_sequences_survive(tokens):
    assert recnn.graph_to_sequence(recnn.sequence_to_graph(tokens)) == tokens


@given(trees(), st.randoms())
def test_renumbering_the_nodes_changes_nothing(tree, random):
    graph = recnn.tree_to_graph(tree)
    order = random.sample(range(graph.num_nodes()), graph.num_nodes())
    shuffled = dgl.reorder_graph(graph, node_permute_algo="custom", permute_config={"nodes_perm": torch.tensor(order)})
    assert recnn.graph_to_tree(shuffled, graph.vocabulary, graph.labels) == tree


@given(forests)
def test_batches_survive(forest):
    graphs = [recnn.tree_to_graph(tree) for tree in forest]  # each with a vocabulary of its own
    assert [recnn.graph_to_tree(graph) for graph in recnn.unbatch(recnn.batch(graphs))] == forest
    words, labels = Vocabulary(WORDS), Vocabulary(LABELS, unknown=None)
    graphs = [recnn.tree_to_graph(tree, words, labels) for tree in forest]
    batch = recnn.batch(graphs)
    assert batch.vocabulary is words
    assert torch.equal(batch.ndata["word"], torch.cat([graph.ndata["word"] for graph in graphs]))
    plain = dgl.unbatch(dgl.batch(graphs))
    assert [recnn.graph_to_tree(graph, words, labels) for graph in plain] == forest


@given(trees())
def test_networkx_trees_survive(tree):
    graph = recnn.tree_to_graph(tree)
    there = recnn.graph_to_networkx(graph)
    assert nx.is_arborescence(there)
    assert recnn.graph_to_tree(recnn.networkx_to_graph(there)) == tree
    again = recnn.graph_to_networkx(recnn.networkx_to_graph(there))
    assert nx.utils.graphs_equal(there, again)


def test_networkx_children_stand_in_the_order_of_their_slots():
    tree = nx.DiGraph([("+", "x"), ("+", "y")])
    nx.set_node_attributes(tree, {"x": "x", "y": "y"}, "word")
    assert recnn.graph_to_tree(recnn.networkx_to_graph(tree)) == Tree("", ["x", "y"])
    tree["+"]["x"]["slot"], tree["+"]["y"]["slot"] = 1, 0
    assert recnn.graph_to_tree(recnn.networkx_to_graph(tree)) == Tree("", ["y", "x"])


def test_depth_is_no_limit():
    deep = deep_tree(20_000)
    graph = recnn.tree_to_graph(deep)
    assert graph.num_nodes() == 20_000
    assert productions(recnn.graph_to_tree(graph)) == productions(deep)
    assert recnn.networkx_to_graph(recnn.graph_to_networkx(graph)).num_nodes() == 20_000


def from_edges(*pairs, slots=None, nodes=None):
    sources, targets = zip(*pairs, strict=True) if pairs else ((), ())
    graph = dgl.graph(
        (torch.tensor(sources, dtype=torch.int64), torch.tensor(targets, dtype=torch.int64)), num_nodes=nodes
    )
    graph.edata["slot"] = torch.tensor(range(len(pairs)) if slots is None else slots)
    return graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lambda: from_edges((0, 1), (0, 2)), "node 0 has two parents: 1 and 2"),
        (lambda: from_edges((0, 1), nodes=3), "the graph has 2 roots: nodes 1, 2"),
        (lambda: from_edges((0, 1), (2, 3), (3, 4), (4, 2)), r"nodes 2 -> 3 -> 4 -> 2 form a cycle"),
        (lambda: from_edges((0, 0)), "nodes 0 -> 0 form a cycle"),
        (
            lambda: from_edges((1, 0), (2, 0), slots=[1, 1]),
            r"two children of node 0 share a slot: .*\(1, 1\), \(1, 2\)",
        ),
        (lambda: dgl.graph(([1], [0])), "the edges have no 'slot'"),
        (lambda: from_edges(nodes=0), "the graph has no nodes"),
        (lambda: recnn.batch([from_edges((1, 0))] * 2), "batch of 2"),
    ],
)
def test_graphs_that_are_no_tree_name_the_node(graph, message):
    with pytest.raises(recnn.GraphError, match=message):
        children_of(graph())


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (nx.DiGraph([(0, 1), (1, 2), (2, 1)]), r"node 1 has several parents: \[0, 2\]"),
        (nx.DiGraph([("a", "b"), ("c", "b")]), r"node 'b' has several parents: \['a', 'c'\]"),
        (nx.DiGraph([("a", "b"), ("c", "d")]), "2 roots: 'a', 'c'"),
        (nx.DiGraph([("a", "b"), ("c", "d"), ("d", "c")]), "nodes 'c', 'd' form a cycle"),
        (nx.DiGraph(), "has no nodes"),
        (nx.Graph([("a", "b")]), "undirected"),
    ],
)
def test_networkx_graphs_that_are_no_tree_name_the_node(tree, message):
    with pytest.raises(recnn.GraphError, match=message):
        recnn.networkx_to_graph(tree)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recnn.sequence_to_graph([]), "no tokens"),
        (lambda: recnn.sequence_to_graph("a b"), "split it with parsers.tokenize"),
        (lambda: recnn.tree_to_graph(Tree("S", [])), r"the phrase \(S\) has no words"),
        (lambda: recnn.batch([]), "no graphs"),
        (lambda: recnn.graph_to_sequence(recnn.tree_to_graph(Tree.fromstring("(S a b)"))), "node 0 has no word"),
        (lambda: recnn.graph_to_tree(recnn.sequence_to_graph(["a", "b"])), "node 1 has both children and the word 'b'"),
        (lambda: recnn.graph_to_tree(recnn.networkx_to_graph(nx.DiGraph([(0, 1)]))), "node 1 is a leaf without a word"),
        (
            lambda: recnn.graph_to_tree(dgl.batch([recnn.tree_to_graph(Tree.fromstring("(S a b)"))])),
            "the graph has no attribute 'vocabulary' for its word indices: pass vocabulary=",
        ),
        (
            lambda: recnn.graph_to_tree(recnn.sequence_to_graph(["a", "b"][:1]), vocabulary=[]),
            "word 0, but the vocabulary",
        ),
        (lambda: recnn.tree_to_graph(Tree("S", ["a"]), labels=Vocabulary(["NP"], None)), "'S' is not among"),
        (
            lambda: recnn.batch([recnn.sequence_to_graph(["a"]), dgl.batch([recnn.sequence_to_graph(["b"])])]),
            "graph 1 has no vocabulary, others have",
        ),
    ],
)
def test_errors_of_conversion(call, message):
    with pytest.raises(InputError, match=message):
        call()
