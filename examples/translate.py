"""Sequence to sequence and tree to sequence: English to French, with and without attention.

    python examples/translate.py                                        # the bundled sample, about a minute
    python examples/translate.py --data fra-eng.zip --pairs 30000 --minutes 20 --size 256 --rate 0.002 --minimum 2

trains one small model after the other, as long as it is told, and prints BLEU and chrF on sentences that none has seen,
some translations, and where the decoder looked. The file is that of manythings.org/anki. The trees are
those of --parser: balanced ones by default, which know where a sentence has its middle, and nothing of its grammar.
"""

import argparse
import time

import torch

from corpora import bundled_translations, read_translations
from corpora.translation import split_pairs, split_words
from recnn.models.config import TranslationConfig
from recnn.models.sentences import node_names
from recnn.training.objectives.translation import TranslationObjective, evaluated, text_pairs
from recnn.training.options import TreeTraining

MODELS = {  # what reads the source, what the leaves of a tree read, and how the decoder looks back
    "chain, no attention": ("sequence", "words", "none"),
    "chain, Luong": ("sequence", "words", "luong"),
    "chain, Bahdanau": ("sequence", "words", "bahdanau"),
    "tree, no attention": ("tree", "words", "none"),
    "tree, Luong": ("tree", "words", "luong"),
    "tree, Bahdanau": ("tree", "words", "bahdanau"),
    "tree over a chain, Luong": ("tree", "sequence", "luong"),  # after Eriguchi et al. 2016
}


def parts(data, count, longest):
    """The pairs in words, by part; of a file at most so many, of sentences of at most so many words."""
    if data is None:
        return {part: text_pairs(bundled_translations(part)) for part in ("train", "dev", "test")}
    pairs = [
        pair
        for pair in read_translations(data)
        if len(split_words(pair.english, "english")) <= longest and len(split_words(pair.french, "french")) <= longest
    ]
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
    return {name: text_pairs(some) for name, some in split_pairs(pairs[at] for at in order[:count]).items()}


def trained(config, options, data, minutes):
    """A model, trained for all epochs, or for some minutes of one processor."""
    torch.manual_seed(0)
    objective = TranslationObjective(config, options, data["train"], data["dev"])
    optimizer = torch.optim.Adam(objective.model.parameters(), options.learning_rate)
    began = time.process_time()
    for epoch in range(options.epochs):
        for batch in objective.batches(epoch):
            optimizer.zero_grad()
            objective.loss(batch).backward()
            torch.nn.utils.clip_grad_norm_(objective.model.parameters(), options.clip)
            optimizer.step()
            if minutes is not None and time.process_time() - began > 60 * minutes:
                return objective.model.eval()
    return objective.model.eval()


def show_attention(model, pair):
    """A row for each word of the translation, in tenths what it looked at: the nodes of the source are the columns."""
    graph = model.graph(pair.source)
    words = model.translate(graph)[0]
    nodes = node_names(graph, pair.source)
    for place, node in enumerate(nodes):
        print(f"  {'':14}{'  | ' * place}  {node}")
    for word, row in zip([*words, "</s>"], model.attended(graph, words), strict=True):
        print(f"  {word:14}" + "".join(f"{round(10 * weight) or '.':>3} " for weight in row.tolist()))


arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--model", action="append", choices=MODELS, help="one of those it trains; may be repeated")
arguments.add_argument("--parser", default="balanced", help="of the trees: english, right, left, balanced, ...")
arguments.add_argument("--data", help="a file of pairs, instead of the bundled sample")
arguments.add_argument("--pairs", type=int, default=30_000, help="how many of its pairs")
arguments.add_argument("--longest", type=int, default=8, help="most words of a sentence, punctuation included")
arguments.add_argument("--minutes", type=float, help="of training, each model; by default 6 epochs")
arguments.add_argument("--size", type=int, default=64, help="of word vectors and states")
arguments.add_argument("--rate", type=float, default=0.01, help="the learning rate, of Adam")
arguments.add_argument("--minimum", type=int, default=1, help="how often a word must occur to be known")
asked = arguments.parse_args()

torch.set_num_threads(1)
data = parts(asked.data, asked.pairs, asked.longest)
chosen = asked.model or list(MODELS)
test = [pair for pair in data["test"] if pair.references]
print(f"{len(data['train']):,} pairs to learn from, {len(test):,} English sentences to translate\n")
epochs = 6 if asked.minutes is None else 1000
options = TreeTraining(epochs=epochs, batch=64, pool=20, learning_rate=asked.rate, clip=5.0)
print(f"{'':26}  BLEU  chrF  seconds")
models, texts = {}, {}
for name in chosen:
    model, leaves, attention = MODELS[name]
    began = time.process_time()
    config = TranslationConfig(
        model=model,
        leaves=leaves,
        attention=attention,
        parser=asked.parser,
        input_size=asked.size,
        hidden_size=asked.size,
    )
    models[name] = trained(config, options, data, asked.minutes)
    seconds = time.process_time() - began
    texts[name], scores = evaluated(models[name], test)
    print(f"{name:26}  {scores['BLEU'].score:4.1f}  {scores['chrF'].score:4.1f}  {seconds:7.1f}", flush=True)
print("\n".join(f"{name}: {score.signature}" for name, score in scores.items()))

for place in range(0, len(test), len(test) // 4):
    print(f"\n{' '.join(test[place].source)}\n  {test[place].references[0]}")
    for name in chosen:
        print(f"  {texts[name][place]:50} {name}")
for name in chosen:
    if models[name].attention is not None and name.endswith("Luong"):
        print(f"\nWhere it looks, in tenths: {name}")
        show_attention(models[name], test[len(test) // 2])
