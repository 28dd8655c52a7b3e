"""One to many: a sentence from one vector, the state that a RecNN gives the root of a tree.

    python examples/describe.py

A Tree-LSTM encodes sentences of the bundled treebank, and a decoder without attention is to say each of them again: all
that it is told is the state of the root. So a caption is written from the vector of a picture (Vinyals et al., "Show
and tell", CVPR 2015). It prints how many sentences come back whole, of those it has learnt from and of others, and some
examples.
"""

import argparse
from itertools import islice

import torch

from corpora.sentiment import bundled_sentiment, generate_sentiment
from parsers.trees import words_of
from recnn.models import TranslationConfig
from recnn.training.objectives.translation import TextDataset, TextPair, TranslationObjective
from recnn.training.options import TreeTraining

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--longest", type=int, default=8, help="most words of a sentence")
arguments.add_argument("--count", type=int, default=4000, help="how many sentences to learn from")
arguments.add_argument("--epochs", type=int, default=4)
asked = arguments.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)

# 1. Trees, and what they are to become: their own words. The labels, which are sentiments, are not looked at.
drawn = (tree for part, tree in generate_sentiment(seed=2) if part == "train" and len(words_of(tree)) <= asked.longest)
train = [TextPair(tree, words_of(tree)) for tree in islice(drawn, asked.count)]
others = [TextPair(tree, words_of(tree)) for tree in bundled_sentiment("dev") if len(words_of(tree)) <= asked.longest]
print(f"{len(train)} sentences to learn from, {len(others)} others")

# 2. The network: up the tree to the root, one vector, and down into words.
config = TranslationConfig(
    model="tree", direction="up", attention="none", input_size=64, hidden_size=128, dropout=0.0, cell="gru"
)
options = TreeTraining(epochs=asked.epochs, batch=16, learning_rate=5e-3)
objective = TranslationObjective(config, options, train, others)
model = objective.model

# 3. Learn.
optimizer = torch.optim.Adam(model.parameters(), options.learning_rate)
for epoch in range(options.epochs):
    losses = []
    for batch in objective.batches(epoch):
        optimizer.zero_grad()
        loss = objective.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.detach())
    print(f"epoch {epoch + 1}: loss {torch.stack(losses).mean():.3f}")
model.eval()

# 4. Say each sentence from the state of its root.
for name, pairs in (("learnt from", train), ("others", others)):
    forest = TextDataset(pairs, model)[list(range(len(pairs)))].forest
    said = model.translate(forest)
    right = [words == list(pair.target) for words, pair in zip(said, pairs, strict=True)]
    print(f"\n{name}: {sum(right)} of {len(pairs)} come back whole")
    for place in range(0, len(pairs), len(pairs) // 4):
        print(f"  {' '.join(pairs[place].target)}\n  {' ' * 4}{' '.join(said[place])}")
