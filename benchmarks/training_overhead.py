"""An epoch of training on a treebank, and what part of it is not the model's own work.

    python benchmarks/training_overhead.py --trees SST/train.txt [--repeats 3]

Tree-LSTM 300 -> 150, batches of 25 trees, AdaGrad, one thread. In turns: an epoch as `recnn train` does it (batches and
their levels made, Lightning's loop, the loss kept), and the bare work of the same batches, made beforehand: forward,
loss, backward, step. What the first takes longer is loading, batching and logging.
"""

import logging
import statistics
import time
import warnings
from pathlib import Path
from typing import Annotated

import lightning.pytorch as pl
import torch
import typer

from corpora.sst import SENTIMENTS, read_sst
from recnn import TreeConfig
from recnn.training.module import Training
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining


def trained(module: Training, trainer: pl.Trainer) -> float:
    """The seconds of an epoch with Lightning, with all that it does before and after."""
    began = time.perf_counter()
    trainer.fit(module)
    return time.perf_counter() - began


def bare(module: Training) -> float:
    """The seconds of the model's work on batches that are there."""
    module.objective.order.set_epoch(0)
    forests = list(module.objective.batches(0))
    optimizer = module.configure_optimizers()
    module.train()
    began = time.perf_counter()
    for forest in forests:
        optimizer.zero_grad()
        module.objective.loss(forest).backward()
        optimizer.step()
    return time.perf_counter() - began


def main(
    trees: Annotated[Path, typer.Option(help="A file in the format of the Stanford Sentiment Treebank.")],
    repeats: Annotated[int, typer.Option(help="How often each is timed.")] = 3,
) -> None:
    """Time both in turns and print the medians."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    examples = list(read_sst(trees))
    options = TreeTraining()
    objective = TreeObjective(TreeConfig(tuple(SENTIMENTS)), options, examples, examples[:1])
    module = Training(objective, options)
    both = []
    with torch.sparse.check_sparse_tensor_invariants(False):
        for _ in range(repeats + 1):
            trainer = pl.Trainer(
                accelerator="cpu",
                max_epochs=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0,
            )
            both.append((trained(module, trainer), bare(module)))
    epochs, works = zip(*both[1:], strict=True)  # the first warms up
    epoch, work = statistics.median(epochs), statistics.median(works)
    print(f"{len(examples):,} trees: an epoch {epoch:.1f} s, the model's own work {work:.1f} s")
    print(f"not the model's: {100 * (1 - work / epoch):.0f} percent")


if __name__ == "__main__":
    typer.run(main)
