"""Corpora on the command line: the same files for any number of processes, and after any end; and errors."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import corpora
import recnn as package
from tests.command_line import ROOT, recnn, unframed

WORDS = ["a", "fine", "film", "bad", "the", "plot"]
SENTENCES = [" ".join(random.Random(n).choices(WORDS, k=1 + n % 9)) for n in range(2600)]

NOT_TEXT = "not UTF-8 text (byte 1)\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = package.TreeConfig(("bad", "good"), hidden_size=7, input_size=5, parser="balanced")
        package.TreeClassifier(config, corpora.Vocabulary(WORDS)).save(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two files; one line is wrong."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = [one.encode() for one in SENTENCES]
    lines[3] = b"\xff"
    (folder / "a.txt").write_bytes(b"\n".join(lines[:1500]))
    (folder / "b.txt.gz").write_bytes(gzip.compress(b"\n".join(lines[1500:])))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, corpus):
    """The shards of one call in this process."""
    folder = tmp_path_factory.mktemp("out") / "whole"
    status, out, err = recnn("encode-corpus", corpus, "--out", folder, *options(model))
    assert (status, out) == (1, f"{folder}: 2600 rows, 1 of them with an error\n")
    assert err == f"recnn: {corpus}/a.txt, line 4: {NOT_TEXT}"
    return folder


def options(model):
    return ["--model", model, "--shard-size", 1100]


def shards(folder):
    return {path.name: path.read_bytes() for path in folder.glob("part-*")}


def started_until(there, *arguments):
    """Start the command in a process of its own, and wait until something is there."""
    started = subprocess.Popen(
        [sys.executable, "-m", "recnn", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not there():
        assert started.poll() is None
        time.sleep(0.001)
    return started


def test_shards_have_the_rows_in_the_order_of_the_input(whole, model):
    assert sorted(os.listdir(whole)) == ["_manifest.json", *(f"part-0000{n}-of-00003.parquet" for n in range(3))]
    assert [pq.read_metadata(whole / name).num_rows for name in sorted(shards(whole))] == [1100, 1100, 400]
    found = pq.read_table(whole)
    assert found.column_names == ["id", "text", "tree", "vector", "error"]
    assert found.column("id").to_pylist() == list(range(2600))
    right = [n for n in range(2600) if n != 3]
    assert [found.column("text").to_pylist()[n] for n in right] == [SENTENCES[n] for n in right]
    vectors = [vector for vector in found.column("vector").to_pylist() if vector is not None]
    expected = package.SentenceEncoder(model).encode([SENTENCES[n] for n in right])
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-6)


def test_two_shares_write_the_same_bytes(tmp_path, whole, model, corpus):
    for share, expected in (
        ("2/2", (0, "1500 rows\n", "")),
        ("1/2", (1, "1100 rows, 1 of them with an error\n", f"recnn: {corpus}/a.txt, line 4: {NOT_TEXT}")),
    ):
        more = ["--shard", share]
        status, out, err = recnn("encode-corpus", corpus, "--out", tmp_path / "out", *options(model), *more)
        assert (status, out.split(": ")[1], err) == expected
    assert shards(tmp_path / "out") == shards(whole)


def test_two_processes_that_were_killed_are_continued_by_one(tmp_path, whole, model, corpus):
    folder = tmp_path / "out"
    arguments = ["encode-corpus", corpus, "--out", folder, *options(model)]
    started = started_until(lambda: shards(folder), *arguments, "--workers", "2")
    started.kill()
    started.stderr.close()
    assert started.wait() == -signal.SIGKILL
    first = folder / "part-00000-of-00003.parquet"
    before = first.stat().st_mtime_ns
    (folder / "part-00001-of-00003.parquet").write_bytes(first.read_bytes()[:-100])  # not complete
    shutil.copy(first, folder / "part-00002-of-00003.parquet")  # with other numbers of rows
    status, out, err = recnn(*arguments)
    assert (status, err) == (1, "")  # the error counts, though it was printed before
    assert out.endswith("2600 rows, 1 of them with an error\n")
    assert shards(folder) == shards(whole)
    assert first.stat().st_mtime_ns == before
    assert [name for name in os.listdir(folder) if name.startswith(".")] == []


def test_another_job_is_refused(tmp_path, model, corpus, whole):
    arguments = ["encode-corpus", corpus, "--out", whole, *options(model)]
    for more, what in ((["--nodes"], "--nodes"), (["--shard-size", 100], "--shard-size"), (["--id", "n"], None)):
        status, out, err = recnn(*arguments, *more)
        assert (status, out) == (1 if what else 2, "")
        if what:
            assert err == f"recnn: {whole}: begun with another {what}: remove the folder, or choose another\n"
    (tmp_path / "c.txt").write_text("a film\n")
    for inputs, what in (
        ([corpus / "a.txt"], f"other files, with {corpus}/b.txt.gz"),
        ([corpus, tmp_path / "c.txt"], f"other files, without {tmp_path}/c.txt"),
    ):
        status, _, err = recnn("encode-corpus", *inputs, "--out", whole, *options(model))
        assert (status, err) == (1, f"recnn: {whole}: begun with {what}: remove the folder, or choose another\n")
    status, out, err = recnn("encode-corpus", corpus, "--out", tmp_path, *options(model))
    assert (status, err) == (1, f"recnn: {tmp_path}: expected a new or empty folder; there is 'c.txt'\n")


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated: the same command continues")],
)
def test_a_signal_ends_it_in_one_line(tmp_path, model, corpus, how, status, message):
    folder = tmp_path / "out"
    arguments = ["encode-corpus", corpus, "--out", folder, "--model", model, "--shard-size", "1300", "--workers", "2"]
    started = started_until(lambda: any(folder.glob(".*.part")), *arguments)
    started.send_signal(how)
    assert started.communicate()[1].splitlines()[-1] == f"recnn: {message}"
    assert started.returncode == status
    assert [name for name in os.listdir(folder) if name.startswith(".")] == []


def test_the_columns_of_a_file_of_rows(tmp_path, model):
    (tmp_path / "a.csv").write_text("key,tree\nx,(X (X a) (X film))\ny,(X film\n")
    arguments = ["--column", "tree", "--trees", "--id", "key", "--nodes", "--model", model]
    status, _, err = recnn("encode-corpus", tmp_path / "a.csv", "--out", tmp_path / "out", *arguments)
    assert (status, err) == (1, f"recnn: {tmp_path}/a.csv, line 3, column 1: this bracket is never closed\n")
    found = pq.read_table(tmp_path / "out").to_pydict()
    assert (found["id"], found["text"]) == (["x", "y"], ["a film", None])
    assert [None if nodes is None else len(nodes) for nodes in found["nodes"]] == [3, None]


WRONG = [
    (["no.txt"], 1, "no.txt: No such file or directory"),
    (["x.doc"], 1, "x.doc: the name does not say the format"),
    (["empty.txt"], 1, "empty.txt: no records"),
    (["a.txt", "--parser", "nothing.cfg"], 1, "parser nothing.cfg: no such file"),
    (["a.txt", "--model", "."], 1, "model.json"),
    (["a.txt", "--shard", "3/2"], 2, "expected I/N, such as 1/8, got '3/2'"),
    (["a.txt", "--column", "x"], 2, "only for JSONL, CSV, TSV and Parquet"),
    (["a.txt", "--out", "file/out"], 1, "file/out: Not a directory"),
]


@pytest.mark.parametrize(("arguments", "expected", "message"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_errors_are_one_line(tmp_path, model, arguments, expected, message):
    (tmp_path / "a.txt").write_text("a film\n")
    for name in ("empty.txt", "x.doc", "file"):
        (tmp_path / name).touch()
    given = ["--out", "out", "--model", model, *arguments[1:]]
    status, out, err = recnn("encode-corpus", arguments[0], *given, cwd=tmp_path, width="200")
    assert (status, out) == (expected, "")
    assert message in unframed(err)
    assert expected == 2 or err.count("\n") == 1
    assert not list((tmp_path / "out").glob("part*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the system's administrator may write to any folder")
def test_a_folder_that_cannot_be_written(tmp_path, model, corpus):
    (tmp_path / "out").mkdir(mode=0o500)
    status, _, err = recnn("encode-corpus", corpus, "--out", tmp_path / "out", *options(model))
    assert (status, err) == (1, f"recnn: {tmp_path}/out/_manifest.json: Permission denied\n")


def test_a_disk_that_is_full(tmp_path, model, corpus, monkeypatch):
    """A file may have 20,000 bytes, as after ``ulimit -f``."""
    code = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); from recnn.cli import main; main()"
    arguments = ["encode-corpus", corpus, "--out", tmp_path / "out", *options(model)]
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    last = tmp_path / "out" / "part-00000-of-00003.parquet"
    assert (result.returncode, result.stderr.splitlines()[-1]) == (1, f"recnn: {last}: File too large")
    assert os.listdir(tmp_path / "out") == ["_manifest.json"]


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    status, _, err = recnn("encode-corpus", "a.txt", "--out", tmp_path / "out")
    assert (status, err) == (1, "recnn: this needs pyarrow, which is not installed: pip install 'recnn[corpus]'\n")
