"""`recnn train`: what all of its tasks have in common, a run from settings."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recnn.commands.common import out
from recnn.commands.settings import made, option_of, with_settings
from recnn.config import as_json, settings_of
from recnn.models.folder import load
from recnn.objectives.options import TrainingOptions

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

    @with_settings(**kinds, options=training)
    def command(context: typer.Context, to: Out = Path(task), resume: Resume = False, **given: Any) -> None:
        from recnn.training.record import RunError, read_run
        from recnn.training.run import shown_row, train

        if resume:
            epochs = given["options"].pop("epochs", None)
            own = {**kinds, "options": training}
            if names := [option_of(own[part], name) for part, values in given.items() for name in values]:
                raise typer.BadParameter(
                    f"{names[0]} is the run's own: only --epochs may be given", param_hint="--resume"
                )
            run = read_run(to)
            try:
                if run.get("task") != task:
                    raise ValueError(f"the run there is of the task {run.get('task')!r}, not {task!r}")
                settings = {part: settings_of(kind, run.get("settings", {}).get(part)) for part, kind in kinds.items()}
                options = settings_of(training, run["options"])
            except (ValueError, AttributeError) as error:
                raise RunError(f"{to / 'run.json'}: {error}") from None
            if epochs is not None:
                options = replace(options, epochs=made(TrainingOptions, {"epochs": epochs}).epochs)
        else:
            settings = {part: made(kind, given[part]) for part, kind in kinds.items()}
            options = made(training, given["options"])
        found: list[Objective] = []

        def make() -> "Objective":
            found.append(build(**settings, options=options))
            return found[0]

        best = train(
            make,
            options,
            to,
            resume,
            {"task": task, "settings": {part: as_json(value) for part, value in settings.items()}},
            progress=sys.stderr.isatty() and sys.stdout.isatty(),
            report=out.print,
        )
        out.print(f"best: epoch {best['epoch']}, {shown_row(best, found[0])}; the model is in {to / 'best'}")
        if found[0].closing is not None:
            for line in found[0].closing(load(to / "best")):
                out.print(line)

    command.__doc__ = build.__doc__
    return command
