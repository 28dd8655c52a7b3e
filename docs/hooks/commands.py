"""Pages of the command line, made from the commands themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from recnn.commands.app import COMMANDS
from recnn.commands.lazy import Command, LazyGroup, loaded


def command_pages() -> dict[str, str]:
    """Return the pages by the name of the command, "index" for the list of all."""
    rows = "\n".join(f"| [recnn {name}]({name}.md) | {command.help} |" for name, command in COMMANDS.items())
    index = f"# Commands\n\n`recnn COMMAND --help` prints what stands here.\n\n| command | |\n|---|---|\n{rows}\n"
    return {"index": index, **{name: "\n".join(page(name, command)) for name, command in COMMANDS.items()}}


def page(name: str, command: Command) -> Iterator[str]:
    """Yield the lines of the page of a command and of the commands in it."""
    made = loaded(name, command)
    yield f"# recnn {name}\n"
    yield f"{made.help or command.help}\n"
    yield from usage(f"recnn {name}", made)
    for inner, child in children(made).items():
        yield f"\n## recnn {name} {inner}\n"
        yield f"{child.help or ''}\n"
        yield from usage(f"recnn {name} {inner}", child)


def children(command: Any) -> Mapping[str, Any]:
    """Return the commands of a group by name, all imported."""
    if isinstance(command, LazyGroup):
        return {name: loaded(name, entry) for name, entry in command.table.items()}
    return getattr(command, "commands", {})


def usage(name: str, command: Any) -> Iterator[str]:
    """Yield the usage line, and tables of the arguments and options in their panels."""
    context = typer.Context(command, info_name=name)
    yield f"    {name} {' '.join(command.collect_usage_pieces(context))}\n"
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            panel = getattr(parameter, "rich_help_panel", None)
            panel = panel or ("Arguments" if parameter.param_type_name == "argument" else "Options")
            panels.setdefault(panel, []).append(row(*record))
    for panel, rows in panels.items():
        yield f"\n| {panel} | |\n|---|---|"
        yield from rows


def row(names: str, text: str) -> str:
    """Return the row of an argument or option: its names with the values that it takes, and its help."""
    names, text = (" ".join(part.replace("\\[", "[").split()) for part in (names, text))
    text = text.replace("<", "&lt;").replace("|", "&#124;").replace("[", "&#91;")
    return f"| `{names}` | {text} |"
