"""Groups of commands that are imported when called, so that the help of a group does not import torch."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from parsers.printing import printable

_UsageError: Any = typer.BadParameter.__mro__[1]  # click's, of which typer has its own copy in some versions


class Command(NamedTuple):
    """The place where a command is defined, and its help."""

    place: str
    """``module:name`` of a function, or of a `typer.Typer` with commands of its own."""
    help: str
    """One line, for the help of the group."""


class LazyGroup(TyperGroup):
    """A group that lists its commands from a table, and imports a command when it is called or completed."""

    table: Mapping[str, Command]

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the options of the group."""
        with _printable_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the arguments of a command, and run it."""
        with _printable_errors():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Make a command without options, enough for the help of the group."""
        return TyperCommand(cmd_name, help=self.table[cmd_name].help) if cmd_name in self.table else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that the arguments name."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else loaded(name, self.table[name]), rest


@contextmanager
def _printable_errors() -> Iterator[None]:
    """Escape control characters in the messages of usage errors, which quote the arguments."""
    try:
        yield
    except _UsageError as error:
        error.message = printable(error.message)
        raise


def loaded(name: str, command: Command) -> Any:
    """Import a command, and make a click command of it."""
    module, _, attribute = command.place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        paragraphs = inspect.cleandoc(found.__doc__ or "").split("\n\n")  # typer keeps the line breaks within them
        app.command(name, help="\n\n".join(" ".join(lines.split()) for lines in paragraphs))(found)
        found = app
    made = typer.main.get_command(found)
    made.name = name
    return made


def lazy_app(help: str, table: Mapping[str, Command], completion: bool = False) -> typer.Typer:
    """Make a `typer.Typer` of the commands in ``table``.

    Args:
        help: help of the group.
        table: its commands by name.
        completion: add options that install shell completion.
    """
    group = type("Group", (LazyGroup,), {"table": table})
    app = typer.Typer(
        cls=group, help=help, no_args_is_help=True, add_completion=completion, pretty_exceptions_enable=False
    )

    @app.callback()
    def callback() -> None:
        """Do nothing; without a callback, typer rejects an app that has no commands of its own."""

    return app
