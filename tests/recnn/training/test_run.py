"""Training runs: reproducible, resumable after a kill, and with plain error messages."""

import errno
import logging
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torchmetrics import MeanMetric

import recnn
from corpora import SENTIMENTS
from corpora.locks import LockedError, locked
from parsers import InputError
from recnn.errors import RunError
from recnn.models.folder import Model
from recnn.training.module import _AVERAGE_EVERY
from recnn.training.objectives.base import Measure
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import WordTraining
from recnn.training.record import read_run
from tests.command_line import process, unframed
from tests.command_line import recnn as recnn_here
from tests.runs import CONFIG, DEV, TREES, metrics, options_of, same, trained, weights

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]


def test_a_run_leaves_models_metrics_and_a_picture(tmp_path):
    best, _ = trained(tmp_path / "run", epochs=3)
    names = ["best", "curves.png", "examples.safetensors", "initial", "last", "metrics.csv", "resume.ckpt", "run.json"]
    assert sorted(os.listdir(tmp_path / "run")) == names
    rows = metrics(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert best["all"] == max(row["all"] for row in rows)
    for row in rows:
        parts = [row[name] for name in ("all", "binary_all", "roots", "binary_roots")]
        assert row["mean"] == pytest.approx(sum(parts) / 4)
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not same(tmp_path / "run" / "initial", tmp_path / "run" / "last")
    model = recnn.load(tmp_path / "run" / "best")
    scores = recnn.evaluate(model, recnn.TreeDataset(DEV, model.vocabulary, SENTIMENTS))
    for place, one in scores.items():
        assert one.record()["fine"] == pytest.approx(best[place], abs=1e-6)
        assert one.record()["binary"] == pytest.approx(best[f"binary_{place}"], abs=1e-6)


@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "nodes": 300, "pool": 2, "learning_rate": 0.01}])
def test_the_seed_decides(tmp_path, model, options):
    config = replace(CONFIG, model=model, word_dropout=0.0, input_dropout=0.0)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(tmp_path / name, config, seed=seed, **options)
    assert same(tmp_path / "a" / "last", tmp_path / "b" / "last")
    assert not same(tmp_path / "a" / "last", tmp_path / "c" / "last")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.01, "clip": 0.5, "warmup": 3},
        {"nodes": 300, "pool": 2, "patience": 9},
        {"optimizer": "sgd", "average": 0.9, "precision": "bf16-mixed"},
    ],
)
def test_more_epochs_later_are_more_epochs_at_once(tmp_path, options):
    trained(tmp_path / "once", epochs=4, **options)
    trained(tmp_path / "twice", epochs=1, **options)
    torch.rand(7)
    trained(tmp_path / "twice", resume=True, epochs=4, **options)
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "once" / part, tmp_path / "twice" / part)
    assert metrics(tmp_path / "once") == metrics(tmp_path / "twice")


KILLED = {
    "plain": {},
    "worker": {"workers": 1},
    "average": {"average": 0.9, "optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "schedule": {"optimizer": "adam", "schedule": "cosine", "warmup": 3, "clip": 0.5, "learning_rate": 0.01},
}
COMMAND = ["train", "sentiment", "--input-size", "5", "--hidden-size", "4", "--epochs", "4", "--schedule", "linear"]
COMMAND += ["--word-dropout", "0.1", "--batch", "150"]  # seven batches an epoch

# Each run has a process of its own, which kills itself in the second batch of its third epoch, before the step.
KILLER = """
import os, signal, sys
from recnn.cli import main
from recnn.training.objectives.trees import TreeObjective
from tests.recnn.training.test_run import COMMAND, KILLED
from tests.runs import trained

begin, loss, count = TreeObjective.begin, TreeObjective.loss, [0, 0]

def beginning(self, training):
    if training:
        count[:] = count[0] + 1, 0
    begin(self, training)

def killing(self, batch):
    count[1] += 1
    if count == [3, 2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss(self, batch)

TreeObjective.begin, TreeObjective.loss = beginning, killing
for name in [*KILLED, "command"]:
    if child := os.fork():
        print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    if name == "command":
        sys.argv = ["recnn", *COMMAND, "--out", "command"]
        os.dup2(2, 1)
        main()
    else:
        trained(name, epochs=4, batch=8, **KILLED[name])
    os._exit(0)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", KILLER], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.stdout.split() == [word for name in [*KILLED, "command"] for word in (name, "-9")], result.stderr
    return folder


@pytest.mark.parametrize("name", KILLED)
def test_killed_in_the_middle_of_an_epoch(tmp_path, killed, name):
    trained(tmp_path, epochs=4, batch=8, **KILLED[name])
    assert [row["epoch"] for row in metrics(killed / name)] == [1, 2]
    assert not same(tmp_path / "last", killed / name / "last")
    torch.rand(3)
    _, objective = trained(killed / name, resume=True, epochs=4, batch=8, **KILLED[name])
    for part in ("initial", "best", "last"):
        assert same(tmp_path / part, killed / name / part)
    assert metrics(tmp_path) == metrics(killed / name)
    assert sorted(os.listdir(tmp_path)) == sorted(os.listdir(killed / name))
    final = {key: value.to_dense() for key, value in objective.model.state_dict().items()}
    assert all(torch.equal(value, weights(tmp_path / "last")[key]) for key, value in final.items()) == (
        name != "average"
    )


def test_a_killed_command_goes_on(tmp_path, killed):
    status, out, err = recnn_here(*COMMAND, "--out", tmp_path / "whole")
    assert (status, err) == (0, "")
    whole = out.splitlines()
    status, out, err = process("train", "sentiment", "--resume", "--out", killed / "command")
    assert (status, err) == (0, "")
    assert [line.split(",")[:-1] for line in out.splitlines()[:2]] == [line.split(",")[:-1] for line in whole[2:4]]
    assert metrics(tmp_path / "whole") == metrics(killed / "command")
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "whole" / part, killed / "command" / part)


def test_the_average_moves_as_its_formula_says(tmp_path):
    seen = []

    class Watched(TreeObjective):
        def loss(self, batch):
            seen.append(self.weights())
            return super().loss(batch)

        def weights(self):
            return {name: value.detach().clone().double() for name, value in self.model.state_dict().items()}

    best, objective = trained(tmp_path, kind=Watched, epochs=3, batch=8, average=0.8)
    steps = [*seen[1:], objective.weights()]  # the weights after each step
    assert len(steps) == 24
    average, decay = steps[0], 0.8**_AVERAGE_EVERY
    for number, now in enumerate(steps, 1):
        if number % _AVERAGE_EVERY == 0:
            average = {name: decay * average[name] + (1 - decay) * now[name] for name in now}
    kept = weights(tmp_path / "last")
    for name, value in average.items():
        torch.testing.assert_close(kept[name].double(), value, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(kept["head.linear.weight"].double(), steps[-1]["head.linear.weight"], rtol=1e-3)
    model = recnn.load(tmp_path / "best")
    scores = recnn.evaluate(model, recnn.TreeDataset(DEV, model.vocabulary, SENTIMENTS))
    assert scores["all"].record()["fine"] == pytest.approx(best["all"], abs=1e-6)


def test_half_precision_trains_and_keeps_whole_weights(tmp_path):
    trained(tmp_path / "whole", epochs=1)
    trained(tmp_path / "half", epochs=1, precision="bf16-mixed")
    (whole,), (half,) = metrics(tmp_path / "whole"), metrics(tmp_path / "half")
    assert half["loss"] == pytest.approx(whole["loss"], rel=0.02)
    assert half["loss"] != whole["loss"]
    assert {value.dtype for value in weights(tmp_path / "half" / "last").values()} == {torch.float32}


def test_a_machine_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="precision: 16-mixed needs a GPU"):
        trained(tmp_path / "run", precision="16-mixed", device="auto")
    with pytest.raises(InputError, match="device: there is no CUDA device"):
        trained(tmp_path / "run", device="cuda")
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_told_what_is_measured(tmp_path):
    pytest.importorskip("tensorboard")
    trained(tmp_path, tensorboard=True)
    (events,) = (tmp_path / "tensorboard").glob("events.out.*")
    written = events.read_bytes()
    assert all(name.encode() in written for name in ("all", "binary_all", "roots", "binary_roots"))


class Scripted(TreeObjective):
    """An objective whose metric has given values, whatever the model."""

    values: tuple = ()
    better = "max"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.measures = {"score": Measure(MeanMetric(nan_strategy="disable"), self.better, share=False)}
        self.said = list(self.values)

    def measure(self, batch):
        self.measures["score"].metric.update(self.said.pop(0))


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("max", (0.1, 0.3, 0.3, 0.2), 2),
        ("min", (0.3, 0.1, 0.2, 0.1), 2),
        ("max", (math.nan, -2.0, math.nan, -1.0), 4),
        ("min", (math.nan, 2.0, math.nan, 3.0), 2),
        ("max", (math.nan,) * 4, 1),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best(tmp_path, better, values, best):
    kind = type("Told", (Scripted,), {"values": values, "better": better})
    found, _ = trained(tmp_path, kind=kind, epochs=4, patience=4)
    assert found["epoch"] == best
    measured = [row["score"] for row in metrics(tmp_path)]
    assert measured == pytest.approx(values, nan_ok=True)
    assert same(tmp_path / "best", tmp_path / "last") == (best == 4)


@pytest.mark.parametrize(("better", "step"), [("max", -1), ("min", 1)])
def test_it_stops_early(tmp_path, better, step):
    kind = type("Worse", (Scripted,), {"values": tuple(step * i for i in range(50)), "better": better})
    trained(tmp_path, kind=kind, epochs=50, patience=2)
    assert len(metrics(tmp_path)) == 3


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_it_stops_early_after_a_stop_as_well(tmp_path, epochs):
    """A run stops after the same epoch, however often it is resumed."""
    kind = type("Worse", (Scripted,), {"values": (5.0, 4.0, 3.0, 2.0, 1.0)})
    trained(tmp_path / "whole", kind=kind, epochs=5, patience=2)
    trained(tmp_path / "parts", kind=kind, epochs=epochs, patience=2)
    for _ in range(2):
        later = type("Later", (Scripted,), {"values": (4.0, 3.0, 2.0, 1.0)[epochs - 1 :]})
        trained(tmp_path / "parts", kind=later, resume=True, epochs=5, patience=2)
    assert len(metrics(tmp_path / "whole")) == len(metrics(tmp_path / "parts")) == 3
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "whole" / part, tmp_path / "parts" / part)


def test_nothing_of_a_users_is_written_over(tmp_path):
    for name in ("metrics.csv", "best"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        (folder / name).write_text("precious")
        with pytest.raises(RunError, match=f"with {name}/{name}: exists already, but not from a run"):
            trained(folder)
        assert (folder / name).read_text() == "precious"


def test_a_run_that_fails_at_once_leaves_its_folder_free(tmp_path):
    class Overflowing(TreeObjective):
        def loss(self, batch):
            return super().loss(batch) * math.inf

    with pytest.raises(InputError, match="the loss is"):
        trained(tmp_path, kind=Overflowing)
    assert os.listdir(tmp_path) == []
    trained(tmp_path, epochs=1)


def test_fewer_epochs_than_are_done(tmp_path):
    trained(tmp_path, epochs=2)
    with pytest.raises(RunError, match=r"resume\.ckpt: the run has 2 epochs already: epochs must be at least 2, got 1"):
        trained(tmp_path, resume=True, epochs=1)
    assert read_run(tmp_path)["training"]["epochs"] == 2
    trained(tmp_path, resume=True, epochs=3)
    assert len(metrics(tmp_path)) == 3


def test_what_a_kill_between_two_renames_left(tmp_path):
    """The older model is restored; incomplete files are removed."""
    trained(tmp_path, epochs=2)
    (tmp_path / "best").rename(tmp_path / ".best.77.old")
    for name in (".last.77.old", ".last.77.part"):
        (tmp_path / name).mkdir()
    trained(tmp_path, resume=True, epochs=3)
    left = [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert left == []
    recnn.load(tmp_path / "best")
    (tmp_path / "best").rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="the model best or last is missing"):
        trained(tmp_path, resume=True, epochs=4)


def test_told_to_end(tmp_path):
    """SIGTERM and Ctrl-C end a run with the usual exit status, and the run can be resumed."""
    run = ["--epochs", "500", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for number, status, more in ((signal.SIGTERM, 143, COMMAND), (signal.SIGINT, 130, [*COMMAND[:2], "--resume"])):
        command = [sys.executable, "-m", "recnn", *more, *run]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        assert child.stdout.readline().startswith("epoch ")
        child.send_signal(number)
        child.communicate(timeout=60)
        assert child.returncode == status
    recnn.load(tmp_path / "run" / "last")


def test_word_vectors_have_a_rate_of_their_own(tmp_path):
    trained(tmp_path, embedding_rate=0.0, weight_decay=0.1)
    first, last = weights(tmp_path / "initial"), weights(tmp_path / "last")
    same_rows = {name for name in first if torch.equal(first[name], last[name])}
    assert same_rows == {"encoder.words.embedding.weight"}


def test_folders_of_other_runs(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(RunError, match="no run to resume"):
        trained(run, resume=True)
    trained(run, epochs=1)
    with pytest.raises(RunError, match="there is a run already"):
        trained(run)
    with pytest.raises(RunError, match=r"training\.batch differs"):
        trained(run, resume=True, batch=3)
    with pytest.raises(RunError, match=r"digest\.train differs"):
        trained(run, resume=True, trees=TREES[1:] + TREES[:1])
    with pytest.raises(RunError, match=r"model\.cell differs"):
        trained(run, replace(CONFIG, cell="gru"), resume=True)
    assert read_run(run)["training"] == asdict(options_of(epochs=1))
    for text in (b"{", b"[]", b'{"training": 3}', b"\xff", b"[" * 100_000):
        (run / "run.json").write_bytes(text)
        with pytest.raises(RunError, match=r"run\.json: ") as caught:
            trained(run, resume=True)
        assert "\n" not in str(caught.value)


def test_a_finished_run_stays_as_it_is(tmp_path):
    first, _ = trained(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.name.endswith((".safetensors", ".csv"))}
    again, _ = trained(tmp_path, resume=True)
    assert again == first
    assert all(path.read_bytes() == content for path, content in before.items())


def test_nothing_in_a_checkpoint_is_code(tmp_path):
    trained(tmp_path, epochs=1)

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    checkpoint = torch.load(tmp_path / "resume.ckpt", weights_only=True)
    torch.save({**checkpoint, "evil": Evil()}, tmp_path / "resume.ckpt")
    with pytest.raises(RunError, match=r"resume\.ckpt: not a checkpoint"):
        trained(tmp_path, resume=True)
    assert not (tmp_path / "made").exists()
    for content in (b"junk", b""):
        (tmp_path / "resume.ckpt").write_bytes(content)
        with pytest.raises(RunError, match=r"resume\.ckpt: not a checkpoint"):
            trained(tmp_path, resume=True)


def test_what_cannot_be_trained(tmp_path):
    with pytest.raises(InputError, match="no trees to train on"):
        trained(tmp_path, trees=[])
    with pytest.raises(InputError, match="monitor: 'speed' is not one of all, binary_all, roots, binary_roots"):
        trained(tmp_path / "run", monitor="speed")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="the loss is nan in epoch 1, batch"):
        trained(tmp_path / "run", replace(CONFIG, cell="tensor"), words=WordTraining(embedding_scale=1e38))


def test_a_missing_extra_is_one_line(tmp_path):
    code = "import sys; sys.modules['lightning'] = None; from recnn.cli import main; main()"
    arguments = ["train", "sentiment", "--out", str(tmp_path / "run")]
    result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "recnn: this needs lightning, which is not installed: pip install 'recnn[train]'\n"
    assert os.listdir(tmp_path) == []


def test_what_a_killed_run_has_left_goes_at_the_next_start(tmp_path):
    run, ended = tmp_path / "run", subprocess.Popen(["true"])
    ended.wait()
    trained(run, epochs=1)
    precious = ["notes", ".notes.7.part", ".last.part", ".last.x.part"]
    for name in precious:
        (run / name).mkdir()
    for number in (ended.pid, os.getpid(), 1):  # nobody else can be writing here, whatever the number says
        for name in ("run.json", "metrics.csv", "curves.png", "examples.safetensors", "resume.ckpt"):
            (run / f".{name}.{number}.part").write_text("half")
            (run / f".{name}.{number}.12.part").write_text("half")
        for name in ("initial", "best", "last"):
            (run / f".{name}.{number}.part").mkdir()
            (run / f".{name}.{number}.part" / "weights.safetensors").write_text("half")
    trained(run, resume=True, epochs=2)
    assert sorted(set(os.listdir(run)) - set(precious)) == [
        "best",
        "curves.png",
        "examples.safetensors",
        "initial",
        "last",
        "metrics.csv",
        "resume.ckpt",
        "run.json",
    ]
    assert set(precious) < set(os.listdir(run))


def _vanishing(change):
    """An objective in whose second epoch the folder changes."""

    class Vanishing(TreeObjective):
        epoch = 0

        def begin(self, training):
            self.epoch += training
            if training and self.epoch == 2:
                change()
            super().begin(training)

    return Vanishing


@pytest.mark.parametrize("what", ["removed", "moved", "replaced", "run.json", "best", "last"])
def test_a_folder_that_vanishes_is_an_error(tmp_path, what):
    run = tmp_path / "run"

    def change():
        if what == "removed":
            shutil.rmtree(run)
        elif what in ("moved", "replaced"):
            run.rename(tmp_path / "elsewhere")
            if what == "replaced":
                shutil.copytree(tmp_path / "elsewhere", run)
        elif what == "run.json":
            (run / what).unlink()
        else:
            for name in ("best", "last"):
                shutil.rmtree(run / name)

    kind = _vanishing(change)
    if what in ("best", "last"):  # `last` is saved again; the best epoch is not the last
        kind = type("Kind", (kind, Scripted), {"values": (2.0, 1.0), "measure": Scripted.measure})
    with pytest.raises(RunError, match="run: the folder of the run, or a file in it, was removed while"):
        trained(run, kind=kind, epochs=2)
    left = set(os.listdir(tmp_path))
    assert left == {"removed": set(), "moved": {"elsewhere"}, "replaced": {"elsewhere", "run"}}.get(what, {"run"})


def _saved(path, change):
    found = torch.load(path, weights_only=True)
    change(found)
    torch.save(found, path)


def _weight(found):
    found["state_dict"]["model.head.linear.bias"] += 1e-3


def _flipped(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


ALTERED = {
    "a weight": lambda path: _saved(path, _weight),
    "nothing, but written again": lambda path: _saved(path, lambda found: None),
    "the optimizer": lambda path: _saved(path, lambda found: found["optimizer_states"][0]["state"].clear()),
    "the epoch": lambda path: _saved(path, lambda found: found.update(epoch=0)),
    "a byte in the middle": lambda path: _flipped(path, path.stat().st_size // 2),
    "a byte of the digest": lambda path: _flipped(path, -1),
    "a byte more": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "a byte less": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no digest": lambda path: path.write_bytes(path.read_bytes()[:-66] + b"\0\0"),
    "all but the digest": lambda path: path.write_bytes(path.read_bytes()[-66:]),
    "that of another run": lambda path: shutil.copy(path.parents[1] / "other" / "resume.ckpt", path),
}


def test_an_altered_checkpoint_is_refused(tmp_path):
    run = tmp_path / "run"
    trained(run, epochs=1)
    trained(tmp_path / "other", epochs=1, seed=1)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for name, alter in ALTERED.items():
        alter(run / "resume.ckpt")
        with pytest.raises(RunError, match=r"resume\.ckpt: not a checkpoint as this run writes it") as caught:
            trained(run, resume=True, epochs=2)
        assert "\n" not in str(caught.value), name
        (run / "resume.ckpt").write_bytes(before[run / "resume.ckpt"])
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, name
    trained(run, resume=True, epochs=2)
    assert len(metrics(run)) == 2


HOLDER = """
import sys, time
from tests.recnn.training.test_run import Scripted
from tests.runs import trained

class Waiting(Scripted):
    values = (1.0,) * 9
    def begin(self, training):
        print("training", flush=True)
        time.sleep(600)

trained(sys.argv[1], kind=Waiting, resume="resume" in sys.argv, epochs=2, workers=1)
"""


@pytest.mark.parametrize("how", ["resume", "new"])
def test_two_runs_in_one_folder_at_once(tmp_path, how):
    run = tmp_path / "run"
    if how == "resume":
        trained(run, epochs=1, workers=1)
    command, environment = [sys.executable, "-c", HOLDER, str(run), how], {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert first.stdout.readline() == "training\n"
        for resume in (True, False):
            with pytest.raises(RunError, match="run: another process is training in this folder"):
                trained(run, resume=resume, epochs=2, workers=1)
        link = tmp_path / "link"
        link.symlink_to(run)
        with pytest.raises(RunError, match="link: another process is training in this folder"):
            trained(link, resume=True, epochs=2, workers=1)
    finally:
        first.kill()
        first.communicate(timeout=60)  # until its process that loads data has ended as well
    trained(run, resume=True, epochs=2, workers=1)  # the lock has died with its process
    assert len(metrics(run)) == 2


def test_a_lock_is_not_kept_by_the_children_of_its_process(tmp_path):
    with locked(tmp_path):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        child.start()
        with pytest.raises(LockedError), locked(tmp_path):
            pass
    try:
        with locked(tmp_path):
            pass
    finally:
        child.kill()
        child.join()


def _process_state():
    loggers = [log for log in logging.root.manager.loggerDict.values() if isinstance(log, logging.Logger)]
    return {
        "threads": torch.get_num_threads(),
        "random": torch.get_rng_state().tolist(),
        "filters": list(warnings.filters),
        "levels": {log.name: (log.level, log.disabled) for log in (logging.root, *loggers)},
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "environment": dict(os.environ),
        "sparse": torch.sparse.check_sparse_tensor_invariants.is_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matrix products": torch.get_float32_matmul_precision(),
        "gradients": torch.is_grad_enabled(),
        "folder": os.getcwd(),
    }


class _Failing(TreeObjective):
    error: type[BaseException] = RuntimeError

    def loss(self, batch):
        raise self.error


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, "data", "folder"])
def test_all_that_a_run_changes_in_the_process_is_restored(tmp_path, error):
    trained(tmp_path / "first", epochs=1)  # imports have effects of their own
    trained(tmp_path / "more", epochs=2)
    torch.set_num_threads(2)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.manual_seed(17)
    before = _process_state()
    try:
        if error is None:
            trained(tmp_path / "run", epochs=1, threads=3)
        elif error == "data":
            with pytest.raises(InputError):
                trained(tmp_path / "run", trees=[], threads=3)
        elif error == "folder":
            with pytest.raises(RunError):
                trained(tmp_path / "more", resume=True, epochs=1, threads=3)
        else:
            with pytest.raises(error):
                trained(tmp_path / "run", kind=type("Kind", (_Failing,), {"error": error}), threads=3)
        after = _process_state()
        assert {name: value for name, value in after.items() if value != before[name]} == {}
    finally:
        torch.set_num_threads(1)
        logging.getLogger("lightning.pytorch").setLevel(logging.INFO)


@pytest.mark.parametrize(
    "file", ["run.json", "initial", "best", "metrics.csv", "resume.ckpt", "examples.safetensors", "curves.png"]
)
def test_a_full_disk_ends_the_run_in_one_line(tmp_path, monkeypatch, file):
    """All files of a run are written beside and renamed; here the disk is full when one is written."""

    def full(path, *mode, **rest):
        if f".{file}." in str(path) and mode != ("rb",):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(path, *mode, **rest)

    def full_folder(self, folder, dtype):
        if f".{file}." in str(folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_model(self, folder, dtype)

    write_model = Model._write
    monkeypatch.setattr(Model, "_write", full_folder)
    for module in ("corpora.text", "recnn.training.run", "recnn.training.checkpoint", "recnn.training.examples"):
        monkeypatch.setattr(sys.modules[module], "open", full, raising=False)
    if file == "curves.png":
        monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: full(path, "wb"))
    run = tmp_path / "run"
    with pytest.raises(OSError, match="No space left on device") as caught:
        trained(run, epochs=1)
    assert str(caught.value.filename).rstrip("/") == str(run / file)
    assert run.exists() == (file not in ("run.json", "initial"))  # before the first epoch, the folder is left free
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("cell", ["lstm", "matrix-vector", "tensor"])
def test_sizes_beyond_the_memory_are_one_line(tmp_path, cell):
    file = tmp_path / "sizes.toml"
    file.write_text(f"hidden_size = 1048576\ncell = '{cell}'")
    for given in (["--config", file], ["--hidden-size", "1048576", "--cell", cell]):
        status, out, err = recnn_here("train", "sentiment", *given, "--out", tmp_path / "run")
        assert (status, out) == ((2, "") if cell == "tensor" else (1, ""))
        assert "use smaller sizes" in unframed(err)
        assert "Traceback" not in err
        assert not (tmp_path / "run").exists()
