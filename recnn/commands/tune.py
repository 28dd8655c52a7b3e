"""`recnn tune`: search for good settings of a task of `recnn train`."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.table import Table

from parsers.errors import InputError
from recnn.commands import train
from recnn.commands.common import out, wide
from recnn.commands.lazy import Command, lazy_app
from recnn.commands.options import made, with_settings
from recnn.commands.streams import cell
from recnn.commands.train import Out
from recnn.settings import as_json, settings_of
from recnn.training.options import Tuning

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

TASKS = {**train.TASKS, "lm": Command("recnn.commands.language_model:train", "Train a language model on a text.")}

app = lazy_app(
    "Search for good settings of a model for one of these tasks.",
    {name: Command(f"{__name__}:{name}", task.help) for name, task in TASKS.items()},
)


def __getattr__(task: str) -> Callable[..., None]:
    """Make the command of a task."""
    if task not in TASKS:
        raise AttributeError(f"module {__name__!r} has no attribute {task!r}")
    module, _, name = TASKS[task].place.partition(":")
    trains = getattr(import_module(module), name)
    kinds = trains.kinds

    @with_settings(tuning=Tuning, **kinds)
    def command(context: typer.Context, to: Out = Path(f"{task}-study"), **given: Any) -> None:
        tuning = made(Tuning, given.pop("tuning"))
        _tune(task, trains.build, kinds, given, tuning, to)

    command.__name__, command.__doc__ = task, _HELP.format(task=task)
    return command


_HELP = """Search for good settings of `recnn train {task}`.

    Each trial trains with values of the options that --search names, or the table [search] of the file of --config; all
    other options are as in `recnn train`. Trials that fall behind are ended early. The best settings are written to
    best.toml in the folder of --out, for `recnn train {task} --config`. The same command, with more --trials,
    continues. The folder has a run for each trial, and study.db, which optuna-dashboard opens.
    """


def _tune(
    task: str,
    build: Callable[..., Any],
    kinds: Mapping[str, type[Any]],
    given: Mapping[str, Mapping[str, Any]],
    tuning: Tuning,
    to: Path,
) -> None:
    from recnn.training.tuning import TunedTask, tune

    if not tuning.search:
        raise typer.BadParameter("give at least one option to vary", param_hint="--search")
    owners = {name: part for part, kind in kinds.items() for name in kind.__pydantic_fields__}
    asked = {name.replace("-", "_"): values for name, values in tuning.search.items()}
    if unknown := sorted(asked.keys() - owners.keys()):
        raise typer.BadParameter(f"{unknown[0]!r} is not an option of this command", param_hint="--search")
    space = {name: _distribution(kinds[owners[name]], name, values) for name, values in asked.items()}
    fixed = {part: {n: v for n, v in values.items() if n not in asked} for part, values in given.items()}

    def settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
        own = {part: {n: v for n, v in chosen.items() if owners[n] == part} for part in kinds}
        try:
            return {part: settings_of(kind, {**fixed[part], **own[part]}) for part, kind in kinds.items()}
        except ValueError as error:
            raise InputError(str(error)) from None

    as_given = {name: as_json(made(kinds[part], values))[name] for part, values in fixed.items() for name in values}
    found = tune(TunedTask(task, build, settings, as_given, space), tuning.trials, to, out.print)
    wide.print(_table(found[:10], list(space)))
    out.print(f"the best settings are in {to / 'best.toml'}: recnn train {task} --config {to / 'best.toml'}")


def _distribution(kind: type[Any], name: str, values: Any) -> "BaseDistribution":
    """Make the distribution of a setting, and check its choices or ends.

    Raises:
        typer.BadParameter: they are no values of the setting.
    """
    from recnn.training.tuning import distribution_of, values_in

    try:
        found = distribution_of(values, whole="valid integer" in _problem(kind, name, 0.5))
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}", param_hint="--search") from None
    for value in values_in(found):
        if problem := _problem(kind, name, value):
            raise typer.BadParameter(problem, param_hint="--search")
    return found


def _problem(kind: type[Any], name: str, value: Any) -> str:
    """Return what is wrong with a value of a setting; nothing, if it depends on other settings."""
    try:
        settings_of(kind, {name: value})
    except ValueError as error:
        return str(error) if str(error).startswith(f"{name}: ") else ""
    return ""


def _table(trials: "list[FrozenTrial]", names: list[str]) -> Table:
    from recnn.training.tuning import shown_value

    table = Table("trial", *(name.replace("_", "-") for name in names), "value", box=box.SIMPLE, pad_edge=False)
    for trial in trials:
        values = (trial.params[name] for name in names)
        table.add_row(str(trial.number), *(cell(shown_value(value)) for value in values), f"{trial.values[0]:.4g}")
    return table
