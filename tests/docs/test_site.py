"""The documentation builds without a warning, and its pages load nothing from other hosts."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from math import log
from pathlib import Path
from types import FunctionType

import pytest

import corpora
import parsers
import recnn

pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
    )
    assert (result.returncode, result.stderr) == (0, "")
    return folder


def test_nothing_is_loaded_from_other_hosts(site):
    loaded = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?https?:|<link[^>]*\shref=["']?https?:""")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    assert [page.name for page in pages if loaded.search(page.read_text("utf-8"))] == []
    assert [page.name for page in site.rglob("*.css") if "url(http" in page.read_text("utf-8")] == []


def found(site, query):
    """The pages that have all words of a query, the best first: words in titles count most, then rare ones.

    A simple form of what lunr does in the browser with the same index.
    """
    entries = json.loads((site / "search" / "search_index.json").read_text("utf-8"))["docs"]
    scores = defaultdict(float)
    for word in query.lower().split():
        stem = re.compile(rf"\b{re.escape(word.rstrip('s'))}", re.IGNORECASE)
        hits = [(entry, len(stem.findall(entry["title"])), len(stem.findall(entry["text"]))) for entry in entries]
        rarity = log(len(entries) / max(1, sum(bool(title or text) for _, title, text in hits)))
        for entry, title, text in hits:
            scores[entry["location"]] += rarity * (4 * (title > 0) + text / (text + 1))
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    return list(dict.fromkeys(location.partition("#")[0] for location in ranked))


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("install", "index.html"),
        ("vanishing gradients", "recurrent/backpropagation.html"),
        ("bidirectional LSTM", "recurrent/layers.html"),
        ("peepholes", "recurrent/lstm.html"),
        ("own data labelled sentences", "data.html"),
        ("CoNLL-U", "data.html"),
        ("Tree-LSTM equations", "cells/LSTMCell.html"),
        ("language model", "recurrent/tasks.html"),
        ("GPU", "limits.html"),
        ("resume training", "commands/train.html"),
        ("write a cell", "extend.html"),
        ("two readings", "index.html"),
        ("graphbolt library", "faq.html"),
        ("SentenceEncoder encode", "api/recnn.models.html"),
        ("clip_gradients", "api/recnn.gradients.html"),
    ],
)
def test_a_search_finds_it(site, query, page):
    assert page in found(site, query)[:5]


def test_every_public_class_and_function_has_an_entry(site):
    pages = [*(site / "api").glob("*.html"), *(site / "cells").glob("*.html")]
    anchors = {anchor for page in pages for anchor in re.findall(r'\bid="?([\w.]+)', page.read_text("utf-8"))}
    names = {
        f"{value.__module__}.{value.__name__}"
        for face in (recnn, recnn.draw, recnn.models, recnn.sklearn, recnn.trees, parsers, corpora)
        for value in (getattr(face, name) for name in face.__all__)
        if isinstance(value, type | FunctionType)
    }
    cells = {f"{cell.__module__}.{name}" for name, cell in vars(recnn.cells).items() if isinstance(cell, type)}
    assert len(names) > 150
    assert sorted(names - anchors - cells) == []
