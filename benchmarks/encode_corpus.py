"""Speed and memory of `recnn encode-corpus`, and its result when it is killed.

    python benchmarks/encode_corpus.py --sentences sentences.txt --count 20000 --workers 2 --kills 50

The sentences of the file are repeated to --count. The command runs once without disturbance: sentences a second,
seconds of the processors, and the memory of all its processes, with shared pages counted once. Then it runs again and
is killed --kills times with SIGKILL, at random moments: all of it, or one of its workers. It is started again each
time, and the checksums of the files must be the same. With --engine ray, all of it includes Ray.
"""

import contextlib
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated

import typer
from _common import AsJson, Report
from pyarrow import parquet

_MOMENTS = (10_000, 100_000)  # sentences, at which memory is reported
_POLL = 0.2  # seconds


@dataclass
class Run:
    """What a call took."""

    seconds: float = 0
    cpu: float = 0
    memory: dict[str, float] = field(default_factory=dict)
    """Largest memory so far in MB, at some numbers of sentences."""
    kills: int = 0
    digest: str = ""
    size: int = 0


def descendants(process: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [found for child in map(int, children) for found in (child, *descendants(child))]
    return []


def memory(process: int) -> float:
    """Memory in MB of a process and of those that it has started."""
    total = 0
    for one in (process, *descendants(process)):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def is_worker(process: int) -> bool:
    """If a process is one of multiprocessing's, and not its resource tracker, or an actor of Ray."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        return b"spawn_main" in command or command.startswith(b"ray::Worker")
    return False


def written(folder: Path) -> int:
    """Number of files that are complete."""
    return sum(1 for _ in folder.glob("part-*"))


def digest(folder: Path, count: int) -> tuple[str, int]:
    """A checksum of all files, which have so many rows, and their size."""
    found, size, rows = hashlib.sha256(), 0, 0
    for path in sorted(folder.glob("part-*")):
        content = path.read_bytes()
        rows += parquet.read_metadata(path).num_rows
        found.update(hashlib.sha256(content).digest())
        size += len(content)
    assert rows == count, f"{rows} rows, not {count}"
    return found.hexdigest()[:16], size


def undisturbed(command: Sequence[str], folder: Path, count: int, shard_size: int) -> Run:
    """Run the command."""
    run, start = Run(), monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    largest = 0.0
    while process.poll() is None:
        largest = max(largest, memory(process.pid))
        done = written(folder) * shard_size
        for moment in _MOMENTS:
            if done >= moment and moment < count:
                run.memory.setdefault(f"{moment:,}", largest)
        sleep(_POLL)
    assert process.returncode in (0, 1), process.returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    run.memory["end"] = largest
    run.seconds = monotonic() - start
    run.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    run.digest, run.size = digest(folder, count)
    return run


def killed(command: Sequence[str], folder: Path, count: int, kills: int, life: float, chance: random.Random) -> Run:
    """Run the command until it is done, and kill it at most some times."""
    run, start = Run(), monotonic()
    done = False
    while not done:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            seconds = chance.expovariate(1 / life) if run.kills < kills else None
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                workers = [one for one in descendants(process.pid) if is_worker(one)]
                run.kills += 1
                if workers and chance.random() < 0.5:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chance.choice(workers), signal.SIGKILL)
                    continue
                process.kill()
                process.wait()
                break
            assert process.returncode in (0, 1), process.returncode
            done = True
            break
    run.seconds = monotonic() - start
    run.digest, run.size = digest(folder, count)
    return run


def main(
    sentences: Annotated[Path, typer.Option(help="File of sentences, one per line.")],
    count: Annotated[int, typer.Option(min=1, help="Number of sentences.")] = 20_000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    model: Annotated[Path | None, typer.Option(help="Folder of a model.")] = None,
    parser: Annotated[str | None, typer.Option(help="Parser.")] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Sentences of a file.")] = 4096,
    kills: Annotated[int, typer.Option(min=0, help="Number of kills.")] = 0,
    life: Annotated[float, typer.Option(help="Mean seconds between two kills.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the moments of the kills.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Speed, memory and kills; see the top of the file."""
    lines = [line for line in sentences.read_text("utf-8").splitlines() if line.strip()]
    report = Report(as_json, "", "sentences/s", "CPU s", "memory in MB", "kills", "bytes a sentence", "checksum")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open(folder / "sentences.txt", "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in islice(cycle(lines), count))
        command = [sys.executable, "-m", "recnn", "encode-corpus", str(folder / "sentences.txt")]
        command += ["--shard-size", str(shard_size), "--workers", str(workers), "--engine", engine]
        command += ["--model", str(model)] if model else []
        command += ["--parser", parser] if parser else []
        runs = {"undisturbed": undisturbed([*command, "--out", str(folder / "a")], folder / "a", count, shard_size)}
        if kills:
            chance = random.Random(seed)
            runs["killed"] = killed([*command, "--out", str(folder / "b")], folder / "b", count, kills, life, chance)
    for what, run in runs.items():
        shown = ", ".join(f"{megabytes:.0f} ({moment})" for moment, megabytes in run.memory.items())
        rate, size = count / run.seconds, run.size / count
        row = {"what": what, "rate": rate, "cpu": run.cpu, "seconds": run.seconds, "memory": run.memory}
        row |= {"kills": run.kills, "bytes": size, "checksum": run.digest}
        report.add(row, what, f"{rate:.1f}", f"{run.cpu:.0f}", shown, str(run.kills), f"{size:.0f}", run.digest)
    report.show()
    if len({run.digest for run in runs.values()}) > 1:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
