"""Fuzz readers, commands and endpoints: `python -m tests.fuzz --minutes 10`.

Valid files are damaged at random, and read. A case passes if it returns, or raises an error that is shown as one line;
what else happens is a finding: another error, more than 10 seconds of CPU time or 2 GB, a process that ends. Findings
are written to a folder, made small, one for each line of code; its counts.json has the cases and CPU time. The exit
status is 1 if anything is found.

Each target runs in a process of its own for a minute, in turns. Once mended, a finding is moved to
tests/fuzz/found/TARGET, from where tests/fuzz/test_found.py runs it. Mutations know nothing of the code: atheris, which
measures its coverage, installs for Python 3.11, but would be 35 MB more of the test extra.
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

SLICE = 60  # seconds


def main() -> None:
    """Run the targets in turns."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--minutes", type=float, default=10, help="time in all (default: 10)")
    parser.add_argument(
        "--target", action="append", help="name of a target, or its beginning; repeatable (default: all)"
    )
    parser.add_argument("--seed", type=int, default=None, help="seed of the mutations (default: the time)")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="folder of the findings (default: fuzz)")
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    parser.add_argument("--slice", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.slice:
        _slice(**json.loads(options.slice))
        return
    from tests.fuzz.targets import TARGETS

    names = [name for name in TARGETS if any(map(name.startswith, options.target or [""]))]
    if options.list or not names:
        print("\n".join(names or TARGETS))
        sys.exit(not names)
    seed = time.time_ns() if options.seed is None else options.seed
    end = time.monotonic() + 60 * options.minutes
    counts = _Counts(options.out / "counts.json")
    before = counts.findings()
    print(f"{len(names)} targets, seed {seed}, findings in {options.out}", flush=True)
    for number in itertools.count():
        for name in names:
            left = end - time.monotonic()
            if left <= 0:
                counts.show(names)
                sys.exit(counts.findings() > before)
            _turn(name, f"{seed}.{number}", min(SLICE, left, 60 * options.minutes / len(names)), options.out, counts)


class _Counts:
    """Numbers of cases, CPU seconds and findings by target, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name: str, cases: int, seconds: float, findings: int) -> None:
        """Add to a row, and write the file."""
        row = self.rows.setdefault(name, {"cases": 0, "seconds": 0.0, "findings": 0})
        for key, value in (("cases", cases), ("seconds", seconds), ("findings", findings)):
            row[key] = round(row[key] + value, 1)
        self.path.write_text(json.dumps(self.rows, indent=1) + "\n")

    def findings(self) -> int:
        """Number of findings so far."""
        return sum(row["findings"] for row in self.rows.values())

    def show(self, names: list[str]) -> None:
        """Print the rows."""
        for name in names:
            if row := self.rows.get(name):
                print(f"{name:24}{row['cases']:>10,} cases {row['seconds']:>9,.0f} s CPU {row['findings']:>4} findings")


def _turn(name: str, seed: str, seconds: float, out: Path, counts: _Counts) -> None:
    """Fuzz a target for some seconds, in a process; go on if that ends before."""
    end, first = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory() as work:
            arguments = json.dumps(
                {"name": name, "seed": seed, "first": first, "seconds": left, "out": str(out.resolve()), "work": work}
            )
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            ended = subprocess.run(
                [sys.executable, "-m", "tests.fuzz", "--slice", arguments], capture_output=True, text=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            number = int(Path(work, "number").read_text() or 0) if Path(work, "number").exists() else first
            findings = Path(work, "findings").read_text().count("\n") if Path(work, "findings").exists() else 0
            if ended.returncode:
                findings += 1
                place = f"ended {ended.returncode} {name}"
                _keep(out, name, place, Path(work, "case"), ended.stderr[-5000:])
            counts.add(name, number + 1 - first, used, findings)
            if findings:
                print(f"{name}: {findings} new findings", flush=True)
            if not ended.returncode:
                return
            if not Path(work, "number").exists():
                sys.exit(f"{name} did not start: {ended.stderr[-2000:]}")
            first = number + 1


def _keep(out: Path, name: str, place: str, case: Path, text: str) -> None:
    folder = out / name / "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in place)
    if not folder.exists():
        shutil.copytree(case, folder) if case.exists() else folder.mkdir(parents=True)
        (folder.parent / f"{folder.name}.log").write_text(text, errors="backslashreplace")


def _slice(name: str, seed: str, first: int, seconds: float, out: str, work: str) -> None:
    """Run cases one after the other, in this process; the number of the last one is in a file."""
    os.environ.setdefault("DGLBACKEND", "pytorch")
    warnings.simplefilter("error")
    from tests.fuzz.cases import limit_memory, outcome, reduced, write
    from tests.fuzz.targets import TARGETS

    target, here, case = TARGETS[name], Path(work), Path(work, "files")
    samples = target.samples()
    for sample in samples[:3]:  # all imports and caches are there before the memory is bounded
        if found := outcome(target, sample, case):
            sys.exit(f"a valid case is a finding: {found.place}\n{found.text}")
    limit_memory()
    end = time.monotonic() + seconds
    for number in itertools.count(first):
        if time.monotonic() > end:
            return
        random = Random(f"{seed} {name} {number}")
        files = target.mutate(random.choice(samples), samples, random)
        (here / "number").write_text(str(number))
        shutil.rmtree(here / "case", ignore_errors=True)
        write(files, here / "case")
        found = outcome(target, files, case)
        if found is None:
            continue
        folder = Path(
            out, name, "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in found.place)
        )
        if folder.exists():
            continue
        shutil.rmtree(here / "case")
        write(reduced(target, files, found, case), here / "case")
        _keep(Path(out), name, found.place, here / "case", found.text)
        with open(here / "findings", "a") as file:
            file.write(f"{found.place}\n")


if __name__ == "__main__":
    main()
