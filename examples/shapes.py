"""The shapes of recurrent networks, each on a task that needs it, in a plain PyTorch loop.

    python examples/shapes.py

One network does all of them: `recnn.SequenceModel` is a cell over time, read out at every step or at the last. Here
it learns a wave from one number (one to many), the mean of a sequence (many to one), whether there have been more ones
than zeros so far (many to many), and a function of one number, for which it is a common network (one to one).
"""

import torch

import recnn

torch.manual_seed(0)
torch.set_num_threads(1)


def wave(count):
    """A frequency, and 20 steps of the wave that has it."""
    frequency = torch.rand(count, 1) + 0.5
    return frequency, torch.sin(frequency * torch.linspace(0, 5, 20))


def mean(count):
    """30 numbers, and their mean."""
    numbers = torch.randn(count, 30, 1) + torch.randn(count, 1, 1)
    return numbers, numbers.mean((1, 2))


def majority(count):
    """30 bits, and at each whether most so far are ones."""
    bits = torch.randint(0, 2, (count, 30, 1)).float()
    return bits, ((2 * bits - 1).cumsum(1).squeeze(2) > 0).long()


def sine(count):
    """A number and its sine."""
    number = torch.rand(count, 1) * 4 - 2
    return number, torch.sin(number.squeeze(1))


TASKS = [
    ("one-to-one", "regression", sine),
    ("one-to-many", "regression", wave),
    ("many-to-one", "regression", mean),
    ("many-to-many", "binary", majority),
]

print(f"{'shape':14} {'answer':12} {'cell':10} {'held out'}")
for steps, task, make in TASKS:
    for cell in ("recursive", "gru"):
        config = recnn.SequenceConfig(inputs=1, outputs=1, task=task, steps=steps, cell=cell, hidden_size=24)
        network = recnn.SequenceModel(config)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(300):
            x, target = make(32)
            optimizer.zero_grad()
            network.loss(network(x, steps=20), target).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        x, target = make(500)
        answers = network.predict(x, steps=20)
        if task == "binary":
            result = f"{100 * (answers == target).float().mean():.1f} percent right"
        else:
            result = f"mean error {(answers - target).abs().mean():.3f}, of {(target - target.mean()).abs().mean():.3f}"
        print(f"{steps:14} {task:12} {cell:10} {result}")
