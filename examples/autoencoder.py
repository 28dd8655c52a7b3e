"""Vectors of phrases from which their words are reconstructed, on given trees and on those that the model makes.

    python examples/autoencoder.py

trains the recursive autoencoder of Socher et al. 2011 on the bundled treebank for some seconds, prints what it finds
and writes output/given.svg and output/greedy.svg.
"""

from pathlib import Path

import torch

import recnn
from corpora import bundled_sentiment
from parsers.trees import words_of
from recnn.models import AutoencoderConfig, TreeAutoencoder

torch.manual_seed(0)
torch.set_num_threads(1)

# 1. Trees, and a model: W1 encodes two children in their parent, W2 decodes them. No labels are learnt here.
train, dev = list(bundled_sentiment("train"))[:400], list(bundled_sentiment("dev"))[:50]
vocabulary = recnn.Vocabulary.of(word for tree in train for word in words_of(tree))
model = TreeAutoencoder(AutoencoderConfig(hidden_size=50, labels=()), vocabulary)
torch.nn.init.normal_(model.words.embedding.weight, std=0.1)  # they stay as they are: learnt, they would draw together


def mean_error(graphs):
    """The reconstruction error, its mean over the phrases; one batch is encoded level by level."""
    forest = recnn.batch(graphs)
    return model(forest).error[forest.in_degrees() > 0].mean()


# 2. Training: what is wanted back is what was put in, so there is no target but the children themselves.
graphs, held_out = ([model.graph(tree) for tree in trees] for trees in (train, dev))
before = mean_error(held_out).item()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
order = recnn.TreeBatches([1] * len(train), trees=25)
for epoch in range(6):
    order.set_epoch(epoch)
    for indices in order:
        optimizer.zero_grad()
        mean_error([graphs[index] for index in indices]).backward()
        optimizer.step()
after = mean_error(held_out).item()
print(f"Error of a phrase, held out: {before:.2f} before, {after:.2f} after")
print("Less than a quarter is left:", after < before / 4)

# 3. The error of each phrase, and below it the words nearest to the reconstructions; "…" is a part of several words.
tree = next(tree for tree in dev if len(words_of(tree)) < 9)
print(recnn.tree_to_text(model.annotated(tree)))
pairs = [phrase for tree in train[:100] for phrase in model.phrases(tree) if len(phrase.words) == 2]
print("Pairs of words, both reconstructed:", sum(pair.words == pair.parts for pair in pairs) > 0.9 * len(pairs))

# 4. Without a tree: the two neighbours with the least error join, again and again.
sentence = words_of(tree)
(greedy,) = model.greedy([sentence])
print(recnn.tree_to_text(model.annotated(greedy)))
errors = {name: sum(p.error for p in model.phrases(one)) for name, one in (("given", tree), ("greedy", greedy))}
print(f"Errors in all: {errors['given']:.2f} on the tree given, {errors['greedy']:.2f} on the greedy one")

output = Path("output")
output.mkdir(exist_ok=True)
recnn.draw.picture(model.annotated(tree)).save(output / "given.svg")
recnn.draw.picture(model.annotated(greedy)).save(output / "greedy.svg")
