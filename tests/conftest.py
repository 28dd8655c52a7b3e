"""Tests that import dgl before recnn must not make it write into the home folder either."""

import os

os.environ.setdefault("DGLBACKEND", "pytorch")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # `pytest -n` has a process for each core

import pytest
import torch
from hypothesis import settings  # nothing before this imports dgl

import recnn

# How long an example takes says something about the machine.
# Half of the usual number, for the time of a run; `--hypothesis-profile=default` has all.
settings.register_profile("recnn", deadline=None, max_examples=50)
settings.load_profile("recnn")


@pytest.fixture
def this_process(monkeypatch, tmp_path):
    """Leave this process as it was: arguments, folder, threads, random numbers and registered cells."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        yield monkeypatch
    torch.set_num_threads(threads)
    for name in [name for name, cell in recnn.Cell.registry.items() if cell.__module__ == "__main__"]:
        del recnn.Cell.registry[name]
