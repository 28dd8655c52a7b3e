"""Tests that import dgl before recnn must not make it write into the home folder either."""

import os

os.environ.setdefault("DGLBACKEND", "pytorch")

from hypothesis import settings  # nothing before this imports dgl

# How long an example takes says something about the machine.
settings.register_profile("recnn", deadline=None)
settings.load_profile("recnn")
