"""A cell on its own: an LSTM that writes, word by word, each time reading what it has just written.

    python examples/step_by_step.py

prints what it shows. The weights are random, so what it writes means nothing; see how it is called.
"""

import torch
from torch import nn

import recnn

torch.manual_seed(302)
words = ["<end>", "the", "boy", "saw", "her", "duck"]
D, H, LONGEST = 8, 16, 12

cell = recnn.LSTMCell(D, H, arity=1)  # one child: the step before
vectors = nn.Embedding(len(words), D)
scores = nn.Linear(H, len(words))
for weight in cell.parameters():
    nn.init.normal_(weight)  # larger than it is made with, or it would say the same word all the time

# 1. Decode. Which word comes next is known only after the step, so nothing but single steps can do it.
h, c = torch.randn(H), torch.zeros(H)  # where a decoder begins, say, an encoded sentence
start = h, c
read, states = [words.index("the")], []
while read[-1] != words.index("<end>") and len(states) < LONGEST:
    h, c = cell(vectors.weight[read[-1]], (h, c))  # called as torch.nn.LSTMCell is; a batch would be (B, D)
    states.append(h)
    read.append(int(scores(h).argmax()))  # greedy: the best word, and no way back
print("Written:", " ".join(words[word] for word in read))

# 2. Once the words are known, as in training, all steps are one call, and quicker. The weights have torch's names.
network = recnn.LSTM(D, H)
network.load_state_dict({f"{name}_l0": weight for name, weight in cell.state_dict().items()})
x = vectors(torch.tensor(read[:-1]))
before = tuple(part.unsqueeze(0) for part in start)  # (layers, H), as of torch.nn.LSTM
output, (last_h, last_c) = network(x, before)
print(f"Steps: {len(states)}, largest difference of the states: {(output - torch.stack(states)).abs().max():.5f}")

# 3. The same without a copy: the very cell in a network.
same = recnn.Recurrent(cell)
print(f"recnn.Recurrent(cell): largest difference {(same(x, before)[0] - output).abs().max():.5f}")

# 4. A long text in two segments. The state goes on; recnn.detached keeps gradients from going back into the first.
half = len(x) // 2
first, state = same(x[:half], before)
second, state = same(x[half:], recnn.detached(state))
print(f"Two segments: largest difference {(torch.cat([first, second]) - output).abs().max():.5f}")
(gradient,) = torch.autograd.grad(second.sum(), x)
print(f"Steps with a gradient from the second segment: {gradient.any(1).nonzero().flatten().tolist()}")
