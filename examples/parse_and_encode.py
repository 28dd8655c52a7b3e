"""The main job, step by step: a sentence, its parses, their rules, their graphs, and a state for every node.

    python examples/parse_and_encode.py

prints what it finds and writes output/duck.svg, the readings side by side; colours are the norms of the states.
"""

from pathlib import Path

import torch

import recnn
from parsers import GrammarParser, load_grammar, productions

sentence = "The boy saw her duck"
hidden_size = 8
torch.manual_seed(0)

# 1. A grammar says how sentences are built. This one has probabilities, and two readings of our sentence.
grammar = load_grammar("duck")
parser = GrammarParser(grammar)
trees = list(parser.parses(sentence))

# 2. A network: a vector for each word, and one matrix that makes the vector of a phrase from those of its two parts.
vocabulary = recnn.Vocabulary(sorted(parser.lexicon))
vectors = torch.nn.Embedding(len(vocabulary), hidden_size)
cell = recnn.RecursiveCell(hidden_size, hidden_size, arity=2, leaf="input")

roots, pictures = [], []
for number, tree in enumerate(trees):
    print(f"\nParse {number}, probability {tree.prob():.5f}\n")
    print(recnn.tree_to_text(tree))

    # 3. A tree is the set of its production rules: (A -> B, C, i, k, j) over the words i..k and k+1..j.
    print("\nRules:", "; ".join(str(rule) for rule in productions(tree)))

    # 4. The same tree as a graph, with an edge from each child to its parent.
    graph = recnn.tree_to_graph(tree, vocabulary)
    print(f"Graph: {graph.num_nodes()} nodes, {graph.num_edges()} edges")

    # 5. States flow from the leaves to the root. Nodes without a word get no input.
    x = vectors(graph.ndata["word"].clamp(min=0))
    states = recnn.NodeStates(graph, recnn.propagate(cell, graph, x))
    print("State of the root:    ", states.roots[0].tolist()[:4], "...")
    print("State of 'her duck':  ", states.span(4, 5).tolist()[:4], "...")
    roots.append(states.roots[0])

    pictures.append(recnn.draw.picture(states.drawing()))

# 6. Both readings matter: what the sentence means on average.
weights = torch.tensor([tree.prob() for tree in trees])
expected = (weights / weights.sum()) @ torch.stack(roots)
print("\nExpected state of the root:", expected.tolist()[:4], "...")

# 7. Both readings as a picture.
output = Path("output")
output.mkdir(exist_ok=True)
recnn.draw.side_by_side(pictures, [f"probability {tree.prob():.5f}" for tree in trees]).save(output / "duck.svg")
