"""What is left when a command is killed, the disk is full, a folder is read-only, or a file is cut off.

Commands run in forks of this process, so that they are killed at work and not while they import. A run of training and
a file of parses are continued after each kill, and compared with undisturbed ones. Other outputs must be the older or
the newer ones, never half. Errors must be one line on standard error, with exit status 1. The full disk is a limit on
the size of files, and as root also a small tmpfs, which is then read-only.

    python benchmarks/faults.py --kills 50
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from _faults import Result, can_mount, chdir, disk, remove, run, state_of
from rich.console import Console
from rich.table import Table

import recnn
from corpora import bundled_sentiment
from parsers import brackets, words_of
from recnn.data.graph_store import GraphStore

SMALL = ["--parser", "balanced", "--input-size", "8", "--hidden-size", "8"]


class Job(NamedTuple):
    """A command, and what it writes."""

    name: str
    older: list[str]
    """Arguments that write the older state."""
    newer: list[str]
    out: str


JOBS = [
    Job("save a model", ["save", "a", "m"], ["save", "b", "m"], "m"),
    Job("graph store", ["store", "a", "g"], ["store", "b", "g"], "g"),
    Job("convert", *([["convert", "brackets", f"{one}.mrg", "--out", "m.jsonl"] for one in "ab"]), "m.jsonl"),
    Job(
        "encode --out",
        *([["encode", "--trees", f"{one}.mrg", "--json", "--out", "m.npz"] for one in "ab"]),
        "m.npz",
    ),
    Job(
        "picture",
        *([["parse", "--parser", one, "--picture", "m.svg", "a good film"] for one in ("left", "right")]),
        "m.svg",
    ),
]


def main(
    kills: Annotated[int, typer.Option(min=1, help="Kills of each job.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="kills, disk, read-only, cut. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Print a table: how often each job was disturbed, what was lost, and how it ended."""
    chance, rows = random.Random(seed), list[dict[str, object]]()
    wanted = set(only or ["kills", "disk", "read-only", "cut"])
    with tempfile.TemporaryDirectory() as folder, chdir(Path(folder)):
        _prepare()
        if "kills" in wanted:
            rows += [_killed_training(kills, chance), _killed_parsing(kills, chance)]
            rows += [_killed(job, kills, chance) for job in JOBS]
        if "disk" in wanted:
            rows += [_limited(job, kills, chance) for job in JOBS]
            rows += [_limited_training(kills, chance), _limited_parsing(kills, chance)]
        if wanted & {"disk", "read-only"} and can_mount():
            rows += [_on_small_disk(job, kills, chance) for job in JOBS] if "disk" in wanted else []
            rows += [*map(_read_only, JOBS), *_read_only_runs()] if "read-only" in wanted else []
        if "cut" in wanted:
            rows += _cut(kills, chance)
    if as_json:
        print("\n".join(map(json.dumps, rows)))
    else:
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*map(str, row.values()))
        Console(width=140).print(table)
    sys.exit(any(row["lost"] for row in rows))


def _prepare() -> None:
    trees = list(bundled_sentiment("train"))
    for name, some in (("a", trees[:60]), ("b", trees[60:140])):
        Path(f"{name}.mrg").write_text("".join(f"{brackets(tree)}\n" for tree in some))
    Path("data").mkdir()
    for part in ("train", "dev"):
        Path("data", f"{part}.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees[:24]))
    Path("in.txt").write_text("".join(" ".join(words_of(tree)) + "\n" for tree in trees * 2))
    words = recnn.Vocabulary.of(word for tree in trees for word in words_of(tree))
    for name in "ab":
        recnn.TreeClassifier(recnn.TreeConfig(("x", "y"), input_size=100, parser="balanced"), words).save(
            f"model-{name}"
        )


def _states(job: Job) -> tuple[str, str, float]:
    """The older and the newer state, and the seconds for the newer."""
    for arguments in (job.older, job.newer):
        began = time.monotonic()
        result = run(arguments)
        assert result.status == 0, result
        if arguments is job.older:
            older = state_of(Path(job.out))
    newer, seconds = state_of(Path(job.out)), time.monotonic() - began
    assert older
    assert newer
    assert older != newer
    return older, newer, seconds


def _row(job: str, fault: str, times: int, lost: int, found: Counter[str]) -> dict[str, object]:
    ends = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    return {"job": job, "fault": fault, "times": times, "lost": lost, "then": ends}


def _outcome(job: Job, result: Result, older: str, newer: str) -> tuple[str, bool]:
    """Name the state after a fault, and return True if it is one that must not be."""
    state = state_of(Path(job.out))
    name = {older: "older", newer: "newer", None: "none"}.get(state, "half")
    bad = name in ("half", "none") or (result.status == 0) != (name == "newer")
    if result.status > 0:
        lines = result.error.strip().splitlines()
        bad = bad or result.status != 1 or len(lines) != 1 or "Traceback" in result.error
    return (f"{name}, status {result.status}" + (f" {result.error[-200:]!r}" if bad else "")), bad


def _killed(job: Job, kills: int, chance: random.Random) -> dict[str, object]:
    older, newer, seconds = _states(job)
    found, lost = Counter[str](), 0
    for _ in range(kills):
        remove(Path(job.out))
        run(job.older)
        run(job.newer, kill_after=chance.uniform(chance.choice([0, 0.7]), 1.1) * seconds)  # files are written late
        name = {older: "older", newer: "newer", None: "none"}.get(state_of(Path(job.out)), "half")
        found[name] += 1
        lost += name in ("half", "none")
        run(job.newer)
        left = [name for name in os.listdir() if name.startswith(f".{job.out}.")]
        lost += bool(left) or state_of(Path(job.out)) != newer
    return _row(job.name, "kill", kills, lost, found)


def _killed_training(kills: int, chance: random.Random) -> dict[str, object]:
    """Kill and continue runs until there were enough kills; each must end as the undisturbed one."""
    arguments = ["train", "sentiment", "--data", "data", *SMALL, "--epochs", "12", "--out"]
    began = time.monotonic()
    result = run([*arguments, "whole"])
    assert result.status == 0, result
    seconds, done, lost, found = time.monotonic() - began, 0, 0, Counter[str]()
    while done < kills:
        remove(Path("run"))
        while True:
            again = ["train", "sentiment", "--resume", "--out", "run"]
            command = again if Path("run", "run.json").exists() else [*arguments, "run"]
            result = run(command, kill_after=None if done >= kills else chance.uniform(0, 0.8 * seconds))
            if result.status != -signal.SIGKILL:
                break
            done += 1
            for name in ("initial", "best", "last"):
                there = Path("run", name).exists()
                lost += there and not _loads(Path("run", name))
                found["loaded" if there else "absent"] += 1
        states = [_weights(Path(run)) for run in ("whole", "run")]
        left = set(os.listdir("run")) - set(os.listdir("whole"))
        equal = result.status == 0 and states[0] == states[1] and not left
        lost += not equal
        found["runs equal to the undisturbed" if equal else f"runs not equal: {result} {left}"] += 1
    return _row("train", "kill, continued", done, lost, found)


def _weights(run: Path) -> list[str | None]:
    rows = [line.rsplit(",", 1)[0] for line in (run / "metrics.csv").read_text().splitlines()]  # without the seconds
    return [*(state_of(run / name) for name in ("initial", "best", "last")), "\n".join(rows)]


def _loads(folder: Path) -> bool:
    try:
        recnn.load(folder)
    except Exception:
        return False
    return True


def _killed_parsing(kills: int, chance: random.Random) -> dict[str, object]:
    arguments = ["parse", "--parser", "balanced", "--json", "--input", "in.txt", "--out"]
    began = time.monotonic()
    whole = run([*arguments, "whole.txt"])
    seconds, done, lost, found = time.monotonic() - began, 0, 0, Counter[str]()
    while done < kills:
        remove(Path("parsed.txt"))
        while True:
            again = run([*arguments, "parsed.txt"], kill_after=None if done >= kills else chance.uniform(0, seconds))
            if again.status != -signal.SIGKILL:
                break
            done += 1
        equal = state_of(Path("parsed.txt")) == state_of(Path("whole.txt")) and again.status == whole.status
        lost += not equal
        found["files equal to the undisturbed" if equal else f"files not equal: {again}"] += 1
    return _row("parse --input", "kill, continued", done, lost, found)


def _limited_parsing(times: int, chance: random.Random) -> dict[str, object]:
    """Parse until a file is too large, and continue where there is room."""
    arguments = ["parse", "--parser", "balanced", "--json", "--input", "in.txt", "--out"]
    whole = run([*arguments, "whole.txt"])
    found, lost = Counter[str](), 0
    for _ in range(times):
        remove(Path("parsed.txt"))
        limited = run([*arguments, "parsed.txt"], limit=chance.randrange(Path("whole.txt").stat().st_size))
        ok = limited.status == 1 and len(limited.error.strip().splitlines()) == 1 and not Path("parsed.txt").exists()
        again = run([*arguments, "parsed.txt"])
        ok = ok and again.status == whole.status and state_of(Path("parsed.txt")) == state_of(Path("whole.txt"))
        found["equal to the undisturbed" if ok else f"not equal: {limited} {again}"] += 1
        lost += not ok
    return _row("parse --input", "limit on files, continued", times, lost, found)


def _limited(job: Job, times: int, chance: random.Random) -> dict[str, object]:
    older, newer, _ = _states(job)
    paths = [path for path in [Path(job.out), *Path(job.out).rglob("*")] if path.is_file()]
    largest = max(path.stat().st_size for path in paths)
    found, lost = Counter[str](), 0
    for _ in range(times):
        remove(Path(job.out))
        run(job.older)
        name, bad = _outcome(job, run(job.newer, limit=chance.randrange(largest)), older, newer)
        found[name] += 1
        lost += bad
    return _row(job.name, "limit on files", times, lost, found)


def _limited_training(times: int, chance: random.Random) -> dict[str, object]:
    arguments = ["train", "sentiment", "--data", "data", *SMALL, "--epochs", "3", "--out", "limited"]
    remove(Path("limited"))
    assert run(arguments).status == 0
    largest = max(path.stat().st_size for path in Path("limited").rglob("*") if path.is_file())
    found, lost = Counter[str](), 0
    for _ in range(times):
        remove(Path("limited"))
        result = run(arguments, limit=chance.randrange(largest))
        lines = [line for line in result.error.splitlines() if line.strip()]
        ok = result.status == 0 or (result.status == 1 and len(lines) == 1)
        models = [Path("limited", name) for name in ("initial", "best", "last")]
        ok = ok and all(_loads(path) for path in models if path.exists())
        found[f"status {result.status}" + ("" if ok else f" {result.error[-300:]!r}")] += 1
        lost += not ok
    return _row("train", "limit on files", times, lost, found)


def _there(job: Job, folder: Path) -> Job:
    """The same job, with its output in a folder."""
    out = str(folder / job.out)
    return job._replace(
        out=out, **{name: [out if one == job.out else one for one in getattr(job, name)] for name in ("older", "newer")}
    )


def _on_small_disk(job: Job, times: int, chance: random.Random) -> dict[str, object]:
    older, newer, _ = _states(job)
    size = sum(path.stat().st_size for path in [Path(job.out), *Path(job.out).rglob("*")] if path.is_file())
    found, lost = Counter[str](), 0
    for _ in range(max(5, times // 5)):
        with disk(int(size / 1000 * chance.uniform(1.5, 3)) + 64) as folder:
            there = _there(job, folder)
            if run(there.older).status:
                found["no room for the older"] += 1
                continue
            with open(folder / "filler", "wb", buffering=0) as file:  # leave too little
                left = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
                file.write(b"\0" * max(0, left - chance.randrange(max(1, size))))
            name, bad = _outcome(there, run(there.newer), older, newer)
            bad = bad or any(one.startswith(".") for one in os.listdir(folder))
            found[name] += 1
            lost += bad
    return _row(job.name, "full disk", max(5, times // 5), lost, found)


def _read_only(job: Job) -> dict[str, object]:
    older, newer, _ = _states(job)
    with disk(100_000) as folder:
        there = _there(job, folder)
        assert run(there.older).status == 0
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        result = run(there.newer)
        name, bad = _outcome(there, result, older, newer)
        bad = bad or result.status != 1
    return _row(job.name, "read-only", 1, int(bad), Counter([name + ": " + result.error.strip().rsplit("/", 1)[-1]]))


def _read_only_runs() -> list[dict[str, object]]:
    """Train, continue, predict and parse in a folder that is read-only."""
    with disk(100_000) as folder:
        train = ["train", "sentiment", "--data", "data", *SMALL, "--epochs", "2", "--out"]
        assert run([*train, str(folder / "run")]).status == 0
        before = state_of(folder)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        rows = []
        for arguments, status in (
            ([*train, str(folder / "new")], 1),
            (["train", "sentiment", "--resume", "--epochs", "3", "--out", str(folder / "run")], 1),
            (["parse", "--parser", "left", "--input", "in.txt", "--out", str(folder / "parsed.txt")], 1),
            (["predict", str(folder / "run"), "a film"], 0),
        ):
            result = run(arguments)
            bad = result.status != status or len(result.error.splitlines()) != status or state_of(folder) != before
            line = result.error.strip().rsplit("/", 1)[-1]
            rows.append(
                _row(" ".join(arguments[:3]), "read-only", 1, int(bad), Counter([f"status {result.status} {line}"]))
            )
    return rows


def _cut(times: int, chance: random.Random) -> list[dict[str, object]]:
    """Cut off a file, and read it."""
    remove(Path("cut"))
    assert run(["train", "sentiment", "--data", "data", *SMALL, "--epochs", "2", "--out", "cut"]).status == 0
    GraphStore(map(recnn.tree_to_graph, list(bundled_sentiment("train"))[:50]), "graphs")
    resumed = ["train", "sentiment", "--resume", "--epochs", "3", "--out", "copy"]
    read = {
        "cut/best/weights.safetensors": ["predict", "copy", "a film"],
        "cut/best/vocabulary.jsonl": ["predict", "copy", "a film"],
        "cut/best/model.json": ["predict", "copy", "a film"],
        "cut/resume.ckpt": resumed,
        "cut/run.json": resumed,
        "cut/metrics.csv": resumed,
        "cut/last/weights.safetensors": resumed,
    }
    rows = []
    for name, arguments in read.items():
        found, lost = Counter[str](), 0
        for _ in range(max(5, times // 5)):
            remove(Path("copy"))
            shutil.copytree("cut", "copy")
            file = Path("copy", *Path(name).parts[1:])
            os.truncate(file, chance.randrange(file.stat().st_size))
            result = run(arguments)
            ok = result.status == 0 or (result.status == 1 and len(result.error.strip().splitlines()) == 1)
            found[f"status {result.status}" + ("" if ok else f" {result.error[-300:]!r}")] += 1
            lost += not ok
        rows.append(_row(" ".join(arguments[:3]), f"cut off: {name}", max(5, times // 5), lost, found))
    found, lost = Counter[str](), 0
    for file in sorted(Path("graphs").iterdir()):
        for _ in range(5):
            remove(Path("copy"))
            shutil.copytree("graphs", "copy")
            os.truncate(Path("copy", file.name), chance.randrange(file.stat().st_size))
            try:
                GraphStore.open("copy").batch(range(50))
                found["read"] += 1
            except recnn.errors.InputError:
                found["one line"] += 1
            except Exception as error:
                found[repr(error)] += 1
                lost += 1
    rows.append(_row("open a graph store", "cut off: each file", sum(found.values()), lost, found))
    return rows


if __name__ == "__main__":
    typer.run(main)
