"""Files of sentences on the command line: the order, errors, processes, and calls that are killed and continued."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nltk import Tree

import parsers
from recnn.commands.parse_file import _CHUNK
from tests.command_line import ROOT, process, recnn

MANY = 2 * _CHUNK + 100


def sentences(number, seed=0):
    """Random sentences, all of them different."""
    random.seed(seed)
    return [
        f"{n} {' '.join(random.choices(['dogs', 'ran', 'the', 'old'], k=random.randint(1, 6)))}" for n in range(number)
    ]


def write(path, lines):
    path.write_bytes(b"".join(line.encode() + b"\n" for line in lines))
    return path


def leaves(path):
    return [" ".join(Tree.fromstring(line).leaves()) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("run", "workers"), [(recnn, 1), (process, 2)])
def test_the_order_is_that_of_the_input(tmp_path, run, workers):
    given = sentences(MANY)
    source, out = write(tmp_path / "in.txt", given), tmp_path / "out.txt"
    found = run("parse", "--parser", "right", "--input", source, "--out", out, "--workers", workers)
    assert found == (0, "", "")
    assert leaves(out) == given
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.txt"]


def test_the_english_parser_gives_the_same_in_any_number_of_processes(tmp_path):
    given = sentences(_CHUNK + 100)
    source = write(tmp_path / "in.txt", given)
    for workers, run in ((1, recnn), (2, process)):
        out = tmp_path / f"{workers}.txt"
        assert run("parse", "--input", source, "--out", out, "--workers", workers) == (0, "", "")
    assert (tmp_path / "1.txt").read_bytes() == (tmp_path / "2.txt").read_bytes()
    assert leaves(out) == given
    parser = parsers.load("english")
    assert out.read_text().splitlines()[-1] == parsers.brackets(parser.parse(given[-1]))


@pytest.mark.parametrize(("run", "workers", "as_json"), [(recnn, 1, False), (recnn, 1, True), (process, 2, True)])
def test_a_bad_line_costs_itself_alone(tmp_path, run, workers, as_json):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"\xef\xbb\xbfa b\r\n\n\xff b\na c\nb a\na b")
    options = ["--input", source, "--out", out, "--workers", workers, *(["--json"] if as_json else [])]
    status, printed, err = run("parse", "--parser", "S -> A B\nA -> 'a'\nB -> 'b'", *options)
    assert (status, printed) == (1, "")
    starts = [
        f"recnn: {source}, line 2: sentence '': no words",
        f"recnn: {source}, line 3: not UTF-8 text (byte 1)",
        f"recnn: {source}, line 4: sentence 'a c': the grammar has no word 'c'",
        f"recnn: {source}, line 5: sentence 'b a'",
    ]
    lines = err.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    found = out.read_bytes().decode().split("\n")
    if as_json:
        records = [json.loads(line) for line in found[:-1]]
        assert [record.get("tree") for record in records] == ["(S (A a) (B b))", *[None] * 4, "(S (A a) (B b))"]
        assert [f"recnn: {record['error']}" for record in records[1:5]] == lines
    else:
        assert found == ["(S (A a) (B b))", "", "", "", "", "(S (A a) (B b))", ""]


def test_a_line_that_would_not_fit_the_memory_costs_itself_alone(tmp_path):
    source, out = write(tmp_path / "in.txt", ["dogs ran", "dogs " * 100_000, "dogs ran"]), tmp_path / "out.txt"
    status, _, err = recnn("parse", "--tokens", "--input", source, "--out", out)
    assert (status, err.count("\n")) == (1, 1)
    assert "line 2: a sentence of 100,000 words, more than the 3,000" in err
    first, second, third = out.read_text("utf-8").splitlines()
    assert (first, second) == (third, "")
    assert Tree.fromstring(first).leaves() == ["dogs", "ran"]


def test_json_is_that_of_sentences(tmp_path):
    source, out = write(tmp_path / "in.txt", ["The boy saw her duck"]), tmp_path / "out.txt"
    assert recnn("parse", "--json", "--parser", "duck", "--input", source, "--out", out) == (0, "", "")
    assert out.read_text("utf-8") == recnn("parse", "--json", "--parser", "duck", "The boy saw her duck")[1]


def test_running_text_is_split_into_sentences(tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    long = "One old dog\nran. " * 6000  # more than is split at once
    source.write_bytes(b"A heading\n\nMr. Fox\nran. He\n" + b"\xff\n" + f"{long}\n\nThe end".encode())
    options = ["--parser", "right", "--text", "--input", source, "--out", out]
    status, printed, err = recnn("parse", *options)
    assert (status, printed, err) == (1, "", f"recnn: {source}, line 5: not UTF-8 text (byte 1)\n")
    found = [[] if not line else Tree.fromstring(line).leaves() for line in out.read_text("utf-8").splitlines()]
    first = [["A", "heading"], ["Mr.", "Fox", "ran", "."], ["He"], []]
    assert found == [*first, *[["One", "old", "dog", "ran", "."]] * 6000, ["The", "end"]]


def test_a_call_that_was_killed_is_continued(tmp_path):
    given = sentences(8 * _CHUNK)
    given[3] = given[-3] = ""
    source, out, part = write(tmp_path / "in.txt", given), tmp_path / "out.txt", tmp_path / "out.txt.part"
    options = ["parse", "--parser", "balanced", "--json", "--input", source]
    assert recnn(*options, "--out", tmp_path / "whole.txt")[0] == 1
    started = subprocess.Popen(
        [sys.executable, "-m", "recnn", *map(str, options), "--out", str(out), "--workers", "2"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while not (part / "lines").exists() or (part / "lines").read_bytes().count(b"\n") < _CHUNK:  # whole chunks are kept
        assert started.poll() is None
        time.sleep(0.001)
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    kept = (part / "lines").read_bytes()
    assert not out.exists()
    with open(part / "lines", "ab") as file:
        file.write(b'{"sentence": "torn')
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.01)
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []

    status, printed, err = recnn(*options[:-3], "--input", source, "--out", out)
    assert (status, printed) == (1, "")
    assert "begun with another input or other options" in err
    claim = (part / "job.json").read_text()
    (part / "job.json").write_text(claim[:-1])
    assert recnn(*options, "--out", out) == (
        1,
        "",
        f"recnn: {part / 'job.json'}: missing or damaged: remove {part}, to parse from the beginning\n",
    )
    (part / "job.json").write_text(claim)

    status, printed, err = recnn(*options, "--out", out)
    assert (status, printed) == (1, "")
    assert err.count("\n") == 1  # that of line 4 was printed before
    assert out.read_bytes() == (tmp_path / "whole.txt").read_bytes()
    assert out.read_bytes().startswith(kept[: len(kept) // 2])
    assert not part.exists()


def test_failures_before_a_kill_count_after_it(tmp_path):
    """The exit status is that of a call that was not disturbed, even if all failures were in the first one."""
    given = sentences(3 * _CHUNK)
    given[3] = ""
    source, out = write(tmp_path / "in.txt", given), tmp_path / "out.txt"
    options = ["parse", "--parser", "left", "--input", source, "--out", out]
    assert recnn(*options)[0] == 1
    whole = out.read_bytes()
    from recnn.commands.parse_file import Job

    part = tmp_path / "out.txt.part"
    part.mkdir()
    (part / "job.json").write_text(json.dumps(Job(str(source), "left").described()))
    (part / "lines").write_bytes(b"".join(whole.splitlines(keepends=True)[: _CHUNK + 10]))
    assert recnn(*options) == (1, "", "")
    assert out.read_bytes() == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_it_in_one_line(tmp_path, workers):
    source = write(tmp_path / "in.txt", sentences(100 * _CHUNK))
    options = ["--parser", "left", "--input", source, "--out", tmp_path / "out", "--workers", workers]
    started = subprocess.Popen(
        [sys.executable, "-m", "recnn", "parse", *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not ((tmp_path / "out.part" / "lines").exists() and (tmp_path / "out.part" / "lines").stat().st_size):
        assert started.poll() is None
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does
    assert started.communicate()[1] == b"recnn: interrupted\n"
    assert started.returncode == 130


@pytest.mark.parametrize(("run", "workers"), [(recnn, 1), (process, 2)])
def test_a_parser_that_does_not_exist_is_one_line(tmp_path, run, workers):
    source = write(tmp_path / "in.txt", ["a"])
    options = ["--input", source, "--out", tmp_path / "out.txt", "--workers", workers]
    status, _, err = run("parse", "--parser", "nothing.cfg", *options)
    assert (status, err.count("\n")) == (1, 1)
    assert "nothing.cfg" in err
    assert os.listdir(tmp_path) == ["in.txt"]


@pytest.mark.parametrize(
    "options",
    [["--input", "f"], ["--out", "f"], ["--text", "a"], ["--workers", 2, "a"], ["--input", "f", "--out", "g", "a"]],
)
def test_options_that_do_not_go_together(options):
    assert recnn("parse", *options)[0] == 2
