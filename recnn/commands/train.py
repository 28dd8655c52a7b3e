"""`recnn train`: its tasks, and their common part, a training run from settings."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import recnn
from recnn.commands.common import out
from recnn.commands.lazy import Command, lazy_app
from recnn.commands.options import RUN, made, option_of, with_settings
from recnn.commands.processes import LOST, end_with_parent, rank, run_in_processes, several, started
from recnn.errors import RunError
from recnn.settings import as_json, settings_of

if TYPE_CHECKING:
    from recnn.training.objectives.base import Objective

TASKS = {
    "sentiment": Command("recnn.commands.trees:sentiment", "Predict a sentiment for every phrase of a sentence."),
    "treebank": Command("recnn.commands.trees:treebank", "Predict the labels of the nodes of any treebank."),
    "sentences": Command("recnn.commands.trees:sentences", "Predict the label of a sentence."),
    "listops": Command("recnn.commands.trees:listops", "Predict the value of nested operations on digits."),
    "trees": Command("recnn.commands.typed_trees:trees", "Predict targets of trees of any kind: programs, JSON, ..."),
    "relatedness": Command("recnn.commands.pairs:relatedness", "Predict how related two sentences are."),
    "entailment": Command("recnn.commands.pairs:entailment", "Predict whether one sentence follows from another."),
    "autoencoder": Command("recnn.commands.autoencoder:autoencoder", "Reconstruct phrases from their vectors."),
    "translation": Command("recnn.commands.translation:translation", "Translate English sentences into French."),
    "parser": Command("recnn.commands.parser:parser", "Predict the constituency tree of a sentence."),
    "echo": Command("recnn.commands.sequences:echo", "Predict the lag of the echo in a signal (many to one)."),
    "subtraction": Command("recnn.commands.sequences:subtraction", "Subtract binary numbers (many to many)."),
    "air-quality": Command("recnn.commands.sequences:air_quality", "Forecast Beijing's PM2.5 (many to one)."),
}

app = lazy_app("Train a model for one of these tasks.", TASKS)

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the training run.", rich_help_panel=RUN)]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Continue the run in --out; only --epochs and --devices may change.", rich_help_panel=RUN
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds",
        min=1,
        metavar="N",
        help="Train N times, with the seeds --seed, --seed + 1, ..., in the folders seed-0, seed-1, ... of --out.",
        rich_help_panel=RUN,
    ),
]


def trains(task: str, **kinds: type[Any]) -> "Callable[[Callable[..., Objective]], Callable[..., None]]":
    """Decorate a function that makes an objective from settings: it becomes a command that trains.

    Args:
        task: name of the task, and of the folder of the run by default.
        kinds: settings class of each parameter of the function, one of which is ``training``.
    """

    def decorate(build: "Callable[..., Objective]") -> Callable[..., None]:
        @with_settings(**kinds)
        def command(
            context: typer.Context, to: Out = Path(task), resume: Resume = False, seeds: Seeds = None, **given: Any
        ) -> None:
            settings = (
                _resumed(task, to if seeds is None else _first_seed(to), kinds, given)
                if resume
                else {part: made(kind, given[part]) for part, kind in kinds.items()}
            )
            count = settings["training"].devices
            if seeds is not None and (count > 1 or several()):
                raise typer.BadParameter("cannot be used with several processes", param_hint="--seeds")
            if count > 1 and not several():
                raise typer.Exit(run_in_processes(count))
            if seeds is None:
                _train(task, build, settings, to, resume)
            else:
                _train_seeds(task, build, settings, to, resume, seeds)

        command.__doc__, command.__name__ = build.__doc__, build.__name__
        command.build, command.kinds = build, kinds  # type: ignore[attr-defined]  # for programs, and `recnn tune`
        return command

    return decorate


def _train(task: str, build: "Callable[..., Objective]", settings: dict[str, Any], to: Path, resume: bool) -> None:
    from recnn.training.processes import LostError
    from recnn.training.run import train
    from recnn.training.trainer import shown_row

    found: list[Objective] = []

    def make() -> "Objective":
        found.append(build(**settings))
        return found[0]

    if started():
        end_with_parent()
    try:
        best = train(
            make,
            settings["training"],
            to,
            resume,
            {"task": task, "settings": asked_of(settings)},
            progress=sys.stderr.isatty() and sys.stdout.isatty(),
            report=out.print,
        )
    except LostError:
        if started():  # the process that started this one prints the error
            raise typer.Exit(LOST) from None
        raise
    if rank():
        return
    (objective,) = found
    out.print(f"best: epoch {best['epoch']}, {shown_row(best, objective)}; the model is in {to / 'best'}")
    if objective.closing is not None:
        for line in objective.closing(recnn.load(to / "best")):
            out.print(line)


def _train_seeds(
    task: str, build: "Callable[..., Objective]", settings: dict[str, Any], to: Path, resume: bool, seeds: int
) -> None:
    """Train with several seeds, and print their table; with ``resume``, those that are not complete."""
    from recnn.commands.compare import print_runs
    from recnn.training.comparison import read_seeds

    if (to / "run.json").exists():
        raise RunError(f"{to}: there is a run with one seed: choose another folder")
    training = settings["training"]
    for seed in range(training.seed, training.seed + seeds):
        folder = to / f"seed-{seed}"
        started = (folder / "run.json").exists()
        if resume and started and _complete(folder, training.epochs):
            out.print(f"seed {seed}: complete")
            continue
        out.print(f"seed {seed}:")
        _train(task, build, {**settings, "training": replace(training, seed=seed)}, folder, resume and started)
    print_runs([read_seeds(to)])


def _first_seed(to: Path) -> Path:
    from recnn.training.comparison import seeds_in

    return seeds_in(to)[0]


def _complete(folder: Path, epochs: int) -> bool:
    """Return True if the run in a folder has ended, which was for that number of epochs."""
    from recnn.training.record import read_run

    return (folder / "curves.png").exists() and read_run(folder)["training"].get("epochs") == epochs


def asked_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not of the training as JSON values, for ``run.json``."""
    return {part: as_json(value) for part, value in settings.items() if part != "training"}


def _resumed(
    task: str, to: Path, kinds: Mapping[str, type[Any]], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Read the settings of the run in ``to``; only the numbers of epochs and devices may be given anew."""
    from recnn.training.record import read_run

    own = [(part, name) for part, values in given.items() for name in values if name not in ("epochs", "devices")]
    if own:
        part, name = own[0]
        option = option_of(kinds[part], name)
        problem = f"{option} cannot be changed in a run that is resumed; only --epochs and --devices can"
        raise typer.BadParameter(problem, param_hint="--resume")
    made(kinds["training"], given["training"])  # report errors of the command line before those of the run
    run = read_run(to)
    try:
        if run.get("task") != task:
            raise ValueError(f"expected a run of the task {task!r}, got {run.get('task')!r}")
        found = {**run.get("settings", {}), "training": {**run["training"], **given["training"]}}
        return {part: settings_of(kind, found.get(part)) for part, kind in kinds.items()}
    except (TypeError, ValueError) as error:
        raise RunError(f"{to / 'run.json'}: {error}") from None
