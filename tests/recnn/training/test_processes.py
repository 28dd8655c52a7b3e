"""Training in two processes: the same as in one, resumable in any number, and ended together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st

from parsers import InputError
from recnn.commands.processes import LOST, run_in_processes
from recnn.data.batches import TreeBatches
from recnn.data.shares import EveryNth, Share, divided
from recnn.models.config import AutoencoderConfig, ParserNetworkConfig
from recnn.training.memory import fit
from recnn.training.objectives.autoencoder import AutoencoderObjective
from recnn.training.objectives.parser import ParserObjective
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import Training
from recnn.training.run import train
from tests.runs import CONFIG, DEV, TREES, metrics, options_of, trained, weights

ROOT = Path(__file__).parents[3]
TOLERANCE = 2e-6  # of weights and losses, which are below 2 in absolute value; in float32


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 5))
def test_divided_has_each_example_once_and_is_balanced(sizes, parts):
    found = divided(sizes, parts)
    assert sorted(index for part in found for index in part) == list(range(len(sizes)))
    assert len(found) == parts
    assert all(found[: len(sizes)])
    loads = [sum(sizes[index] for index in part) for part in found]
    assert max(loads) - min(loads) <= max(sizes, default=0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 8), st.integers(0, 3))
def test_shares_are_the_batches_of_one_process(sizes, processes, trees, epoch):
    whole = TreeBatches(sizes, trees=trees, seed=1)
    whole.set_epoch(epoch)
    shares = [Share(whole, rank, processes) for rank in range(processes)]
    for number, parts in enumerate(zip(*shares, strict=True)):
        own = [part for part, share in zip(parts, shares, strict=True) if not share.spare(number)]
        assert sorted(index for part in own for index in part) == sorted(whole.batches()[number])
        assert all(parts)
    nth = [EveryNth(whole, rank, processes) for rank in range(processes)]
    found = {place: batch for one in nth for place, batch in zip(one.places, one, strict=True)}
    assert [found[place] for place in sorted(found)] == whole.batches()
    assert all(map(len, nth))


def tree_objective():
    return TreeObjective(CONFIG, options_of(batch=7), TREES, DEV, None)


def autoencoder_objective():
    config = AutoencoderConfig(hidden_size=5, alpha=0.5, labels=CONFIG.labels)
    return AutoencoderObjective(config, options_of(batch=7), TREES, DEV)


def parser_objective():
    return ParserObjective(ParserNetworkConfig(), Training(batch=7), TREES[:20], DEV)


@pytest.mark.parametrize("make", [tree_objective, autoencoder_objective, parser_objective])
def test_the_loss_is_the_weighted_sum_of_its_shares(make):
    objective = make()
    objective.model.eval()
    data = objective.batches(0)
    batch = data.sampler.batches()[0]
    means = [objective.means(data.dataset[part]) for part in (batch, batch[:2], batch[2:])]
    for (whole, items), (first, some), (second, others) in zip(*means, strict=True):
        assert items == some + others
        torch.testing.assert_close(whole, (some * first.nan_to_num() + others * second.nan_to_num()) / items)


# One process with all imports forks the processes of each training.
RUNS = """
import os, signal, sys, warnings
from dataclasses import replace
from pathlib import Path
warnings.simplefilter("error")
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.commands.processes import _free_port
from recnn.training.objectives.trees import TreeObjective
from tests.runs import CONFIG, trained
CONFIG = replace(CONFIG, word_dropout=0.0, input_dropout=0.0, dropout=0.0)
OPTIONS = {"optimizer": "adam", "learning_rate": 0.01, "clip": 0.5, "batch": 59, "average": 0.5}  # 59 and 1 examples

def processes(name, count, fault=None, **options):
    port, children = _free_port(), []
    for rank in range(count):
        if child := os.fork():
            children.append(child)
            continue
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), LOCAL_WORLD_SIZE=str(count))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCH_CPP_LOG_LEVEL="ERROR")
        if fault and rank == 1:
            TreeObjective.means = fault
        try:
            trained(Path(name), CONFIG, **OPTIONS, **options)
            os._exit(0)
        except InputError as error:
            print(f"{name} {rank}: {error}", flush=True)
            os._exit(1)
    status = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(name, *status, flush=True)

def kill(self, batch):
    os.kill(os.getpid(), signal.SIGKILL)

def fail(self, batch):
    raise InputError("bad batch")

processes("one", 1, epochs=3)
processes("two", 2, epochs=3)
processes("more", 1, epochs=1)
processes("more", 2, epochs=3, resume=True)
processes("fewer", 2, epochs=1)
processes("fewer", 1, epochs=3, resume=True)
processes("failed", 2, fail, epochs=3)
processes("killed", 2, kill, epochs=3)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    result = subprocess.run(
        [sys.executable, "-c", RUNS], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return folder, result.stdout.splitlines()


@pytest.mark.parametrize("name", ["two", "more", "fewer"])
def test_two_processes_equal_one(runs, name):
    folder, lines = runs
    assert "two 0 0" in lines
    assert "more 0 0" in lines
    assert "fewer 0" in lines
    for one, other in zip(metrics(folder / "one"), metrics(folder / name), strict=True):
        assert one == pytest.approx(other, abs=TOLERANCE)
    for model in ("initial", "best", "last"):
        found, expected = weights(folder / name / model), weights(folder / "one" / model)
        for part in expected:
            torch.testing.assert_close(found[part], expected[part], rtol=0, atol=TOLERANCE)
    assert sorted(os.listdir(folder / name)) == sorted(os.listdir(folder / "one"))


def test_a_process_that_ends_ends_the_others(runs):
    _, lines = runs
    lost = "another process of the training has ended: resume the run to continue after the last complete epoch"
    assert [line for line in lines if line.startswith("failed")] == [
        "failed 1: bad batch",
        f"failed 0: failed: {lost}",
        "failed 1 1",
    ]
    assert [line for line in lines if line.startswith("killed")] == [f"killed 0: killed: {lost}", "killed 1 -9"]


@pytest.mark.parametrize(
    ("first", "second", "status", "line"),
    [
        ("pass", "pass", 0, ""),
        (f"sys.exit({LOST})", "sys.exit('recnn: no memory')", 1, "recnn: no memory\n"),
        ("sys.exit('recnn: no data')", "sys.exit('recnn: no data')", 1, "recnn: no data\n"),
        (
            "time.sleep(60)",
            "os.kill(os.getpid(), 9)",
            1,
            "recnn: process 1 of the training was ended by signal 9: resume",
        ),
        ("time.sleep(60)", "os.kill(os.getppid(), 15); time.sleep(60)", 143, "recnn: terminated: resume the run"),
    ],
)
def test_processes_end_together_with_one_line(capfd, monkeypatch, first, second, status, line):
    monkeypatch.setattr("recnn.commands.processes._GRACE", 0.3)
    script = f"import os, sys, time\nif os.environ['RANK'] == '0':\n    {first}\nelse:\n    {second}"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as end:
        raise typer.Exit(run_in_processes(2, [sys.executable, "-S", "-c", script]))
    assert end.value.exit_code == status
    err = capfd.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == bool(line)
    assert signal.getsignal(signal.SIGTERM) == before


def test_python_needs_torchrun_for_several_processes(tmp_path):
    with pytest.raises(InputError, match="expected 2 processes, but one process was started: use torchrun"):
        train(lambda: None, Training(devices=2), tmp_path / "run")
    with pytest.raises(InputError, match="a training in memory has one process"):
        fit(lambda: None, Training(devices=2))
    assert not (tmp_path / "run").exists()
    assert trained(tmp_path / "run", epochs=1)
