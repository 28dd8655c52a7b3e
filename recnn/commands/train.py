"""`recnn train`: its tasks, and their common part, a training run from settings."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import recnn
from recnn.commands.common import out
from recnn.commands.lazy import Command, lazy_app
from recnn.commands.options import RUN, made, option_of, with_settings
from recnn.errors import RunError
from recnn.settings import as_json, settings_of

if TYPE_CHECKING:
    from recnn.training.objectives.base import Objective

TASKS = {
    "sentiment": Command("recnn.commands.trees:sentiment", "Predict a sentiment for every phrase of a sentence."),
    "treebank": Command("recnn.commands.trees:treebank", "Predict the labels of the nodes of any treebank."),
    "sentences": Command("recnn.commands.trees:sentences", "Predict the label of a sentence."),
    "listops": Command("recnn.commands.trees:listops", "Predict the value of nested operations on digits."),
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
    typer.Option("--resume", help="Continue the run in --out; only --epochs may change.", rich_help_panel=RUN),
]


def trains(task: str, **kinds: type[Any]) -> "Callable[[Callable[..., Objective]], Callable[..., None]]":
    """Decorate a function that makes an objective from settings: it becomes a command that trains.

    Args:
        task: name of the task, and of the folder of the run by default.
        kinds: settings class of each parameter of the function, one of which is ``training``.
    """

    def decorate(build: "Callable[..., Objective]") -> Callable[..., None]:
        @with_settings(**kinds)
        def command(context: typer.Context, to: Out = Path(task), resume: Resume = False, **given: Any) -> None:
            settings = (
                _resumed(task, to, kinds, given)
                if resume
                else {part: made(kind, given[part]) for part, kind in kinds.items()}
            )
            _train(task, lambda: build(**settings), settings, to, resume)

        command.__doc__, command.__name__ = build.__doc__, build.__name__
        command.build = build  # type: ignore[attr-defined]  # for programs, which have no command line
        return command

    return decorate


def _train(task: str, build: "Callable[[], Objective]", settings: dict[str, Any], to: Path, resume: bool) -> None:
    from recnn.training.run import shown_row, train

    found: list[Objective] = []

    def make() -> "Objective":
        found.append(build())
        return found[0]

    asked = {part: as_json(value) for part, value in settings.items() if part != "training"}
    best = train(
        make,
        settings["training"],
        to,
        resume,
        {"task": task, "settings": asked},
        progress=sys.stderr.isatty() and sys.stdout.isatty(),
        report=out.print,
    )
    (objective,) = found
    out.print(f"best: epoch {best['epoch']}, {shown_row(best, objective)}; the model is in {to / 'best'}")
    if objective.closing is not None:
        for line in objective.closing(recnn.load(to / "best")):
            out.print(line)


def _resumed(
    task: str, to: Path, kinds: Mapping[str, type[Any]], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Read the settings of the run in ``to``; only the number of epochs may be given anew."""
    from recnn.training.record import read_run

    own = [(part, name) for part, values in given.items() for name in values if name != "epochs"]
    if own:
        part, name = own[0]
        problem = f"{option_of(kinds[part], name)} cannot be changed in a run that is resumed; only --epochs can"
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
