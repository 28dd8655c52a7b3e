"""`recnn train`: what all of its tasks have in common, a run from settings."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recnn.commands.common import out
from recnn.commands.settings import made, option_of, with_settings
from recnn.config import as_json, settings_of
from recnn.models.folder import load
from recnn.objectives.options import TrainingOptions
from recnn.training.record import RunError, read_run

if TYPE_CHECKING:
    from recnn.objectives.base import Objective

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the run.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out; of its options only --epochs may change.")
]


def trainer(
    task: str,
    build: "Callable[..., Objective]",
    training: type[TrainingOptions],
    **kinds: type[Any],
) -> Callable[..., None]:
    """The command that trains what ``build`` makes of the settings ``kinds`` and of the options ``training``."""
    kinds = {**kinds, "options": training}

    @with_settings(**kinds)
    def command(context: typer.Context, to: Out = Path(task), resume: Resume = False, **given: Any) -> None:
        from recnn.training.run import shown_row, train

        if resume:
            settings = _resumed(task, to, kinds, given)
        else:
            settings = {part: made(kind, given[part]) for part, kind in kinds.items()}
        found: list[Objective] = []

        def make() -> "Objective":
            found.append(build(**settings))
            return found[0]

        asked = {part: as_json(value) for part, value in settings.items() if part != "options"}
        best = train(
            make,
            settings["options"],
            to,
            resume,
            {"task": task, "settings": asked},
            progress=sys.stderr.isatty() and sys.stdout.isatty(),
            report=out.print,
        )
        out.print(f"best: epoch {best['epoch']}, {shown_row(best, found[0])}; the model is in {to / 'best'}")
        if found[0].closing is not None:
            for line in found[0].closing(load(to / "best")):
                out.print(line)

    command.__doc__ = build.__doc__
    return command


def _resumed(
    task: str, to: Path, kinds: Mapping[str, type[Any]], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The settings of the run that is there; of what was given, only the number of epochs may be new."""
    own = [(part, name) for part, values in given.items() for name in values if name != "epochs"]
    if own:
        part, name = own[0]
        problem = f"{option_of(kinds[part], name)} is the run's own: only --epochs may be given"
        raise typer.BadParameter(problem, param_hint="--resume")
    made(kinds["options"], given["options"])  # for what is typed wrongly is no fault of the run
    run = read_run(to)
    try:
        if run.get("task") != task:
            raise ValueError(f"the run there is of the task {run.get('task')!r}, not {task!r}")
        found = {**run.get("settings", {}), "options": {**run["options"], **given["options"]}}
        return {part: settings_of(kind, found.get(part)) for part, kind in kinds.items()}
    except (TypeError, ValueError) as error:
        raise RunError(f"{to / 'run.json'}: {error}") from None
