"""Training in two processes: its speed against one, and what kills at random moments do to it.

    python benchmarks/training_processes.py speed
    python benchmarks/training_processes.py kills --kills 20

`speed` alternates runs of one and two processes with the same batches, and prints the seconds of the fastest epoch and
the CPU time of each. `kills` ends one process of a training, or the one that started them, by SIGKILL, and resumes
it, again and again; then the weights must be those of an undisturbed run, bit for bit.
"""

import argparse
import csv
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TRAIN = [sys.executable, "-m", "recnn", "train", "sentiment"]


def cpu() -> float:
    """Return the CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def speed(folder: Path, size: int, batch: int) -> None:
    """Train in one and in two processes in turn."""
    print("processes  fastest epoch (s)  CPU of the run (s)")
    for turn in range(3):
        for devices in (1, 2):
            out, before = folder / f"{devices}-{turn}", cpu()
            options = ["--hidden-size", size, "--batch", batch, "--epochs", 8, "--devices", devices, "--out", out]
            subprocess.run([*TRAIN, *map(str, options)], check=True, stdout=subprocess.DEVNULL)
            with open(out / "metrics.csv", encoding="utf-8") as file:
                seconds = min(float(row["seconds"]) for row in csv.DictReader(file))
            print(f"{devices:9}  {seconds:17.2f}  {cpu() - before:18.1f}", flush=True)


def children(process: int) -> list[int]:
    """Return the children of a process."""
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def rows_of(run: Path) -> int:
    """Return the number of epochs that a run has recorded."""
    file = run / "metrics.csv"
    return max(0, len(file.read_text().splitlines()) - 1) if file.exists() else 0


def wait_for_moment(process: subprocess.Popen[str], run: Path, epochs: int, chance: random.Random) -> None:
    """Wait for a random moment: at the start of a training, or after more than some epochs."""
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, 8))
        return
    while process.poll() is None and rows_of(run) <= epochs:
        time.sleep(0.05)
    time.sleep(chance.uniform(0, 3))


def kill(process: subprocess.Popen[str], chance: random.Random) -> tuple[str, float]:
    """Kill one process of a training, and return which, and the seconds until all have ended."""
    ranks = children(process.pid)
    which = chance.choice(["first", "second", "parent"]) if len(ranks) == 2 else "parent"
    victim = process.pid if which == "parent" else ranks[which == "second"]
    began = time.monotonic()
    subprocess.run(["kill", "-9", str(victim)], check=True)
    _, errors = process.communicate(timeout=60)
    while any(Path(f"/proc/{rank}").exists() for rank in ranks):
        time.sleep(0.05)
    print(f"{which}: status {process.returncode}, {errors.strip()!r}", flush=True)
    if which == "parent" and process.returncode != -signal.SIGKILL:
        raise SystemExit("expected the signal")
    if which != "parent" and (process.returncode != 1 or errors.count("\n") != 1 or "resume the run" not in errors):
        raise SystemExit("expected one line and status 1")
    return which, time.monotonic() - began


def kills(folder: Path, count: int, epochs: int, seed: int) -> None:
    """Kill and resume a training, and compare it with an undisturbed one."""
    whole, out = folder / "whole", folder / "killed"
    options = ["--hidden-size", "50", "--epochs", str(epochs), "--devices", "2", "--out"]
    subprocess.run([*TRAIN, *options, whole], check=True, stdout=subprocess.DEVNULL)
    chance, done, seconds, last = random.Random(seed), Counter[str](), [0.0], 0
    while True:
        again = ["--resume", "--devices", "2", "--out"] if (out / "run.json").exists() else options
        process = subprocess.Popen([*TRAIN, *again, out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.total() < count:
            wait_for_moment(process, out, last, chance)
        else:
            process.wait()
        if process.poll() is not None:
            break
        which, ended = kill(process, chance)
        done[which] += 1
        seconds.append(ended)
        if rows_of(out) < last:
            raise SystemExit("an epoch was lost")
        last = rows_of(out)
        print(f"  {last} epochs", flush=True)
    if process.returncode:
        raise SystemExit(f"failed: {process.communicate()[1]}")
    weights = [f"{model}/weights.safetensors" for model in ("initial", "best", "last")]
    same = all((whole / name).read_bytes() == (out / name).read_bytes() for name in weights)
    print(f"kills: {dict(done)}; all processes ended within {max(seconds):.1f} s; weights equal: {same}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "kills"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--hidden-size", type=int, default=300)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.what == "speed":
            speed(Path(folder), given.hidden_size, given.batch)
        else:
            kills(Path(folder), given.kills, given.epochs, given.seed)


if __name__ == "__main__":
    main()
