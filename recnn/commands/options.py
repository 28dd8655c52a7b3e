"""Settings as options of a command: one option per field, from the command line or from a TOML file."""

import inspect
import json
import tomllib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from rich.markup import escape

from parsers.errors import InputError
from recnn.settings import settings_of

RUN = "Run"
"""Panel of the help for the options that are not settings."""
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file with values for these options; the command line takes precedence.",
        rich_help_panel=RUN,
    ),
]


def with_settings(**kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command with an option for every field of some settings classes, each class in a panel of its own.

    The command must take a ``context``. It is called with its own parameters and, for each entry of ``kinds``, with a
    dictionary of the values that were given on the command line or in the file of ``--config``; `made` makes settings
    of it.
    """
    options = {part: _options(kind, part.capitalize()) for part, kind in kinds.items()}
    owners = {name: part for part, made in options.items() for name in made}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD]

        def command(**values: Any) -> None:
            found: dict[str, dict[str, Any]] = {part: {} for part in kinds}
            file = values.pop("config")
            for name, value in _from_file(file, owners).items():
                found[owners[name]][name] = value
            for part, given in found.items():
                _check(kinds[part], given, file)
            for name, part in owners.items():
                value = values.pop(name)
                if typed(values["context"], name):
                    several = isinstance(value, list)
                    found[part][name] = _pairs(value, option_of(kinds[part], name)) if several else value
            function(**values, **found)

        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        parameters.append(
            inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile)
        )
        parameters += [parameter for part in options.values() for parameter in part.values()]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__doc__, command.__name__ = function.__doc__, function.__name__
        command.__annotations__ = {}
        return command

    return decorate


def made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Make settings of the values that were given.

    Raises:
        typer.BadParameter: a value is wrong; the message names its option.
    """
    try:
        return settings_of(kind, dict(values))
    except ValueError as error:
        name, _, problem = str(error).partition(": ")
        if name not in kind.__pydantic_fields__:
            raise typer.BadParameter(str(error)) from None
        raise typer.BadParameter(problem, param_hint=option_of(kind, name)) from None


def option_of(kind: type[Any], name: str) -> str:
    """Return the option of a field, such as ``--hidden-size``."""
    several = _option_type(kind.__pydantic_fields__[name].annotation) == list[str]
    return "--" + (name.removesuffix("s") if several else name).replace("_", "-")


def typed(context: typer.Context, name: str) -> bool:
    """Return True if an option was given on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"  # by name, as some releases of typer include a copy of click


def _options(kind: type[Any], panel: str) -> dict[str, inspect.Parameter]:
    """Make a parameter for typer of each field of a settings class that has a default."""
    found = {}
    for name, field in kind.__pydantic_fields__.items():
        if field.is_required():
            continue
        names, default, value = [], field.default, _option_type(field.annotation)
        more: dict[str, Any] = {}
        if value == list[str]:
            names, default, value = [option_of(kind, name)], None, list[str] | None
        if value is _NumberOrWord:
            more = {"parser": _number_or_word, "metavar": "N|sum"}
        text = escape(field.description or "")  # rich would read brackets as a style
        option = typer.Option(*names, help=text, rich_help_panel=panel, **more)
        found[name] = inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[value, option]
        )
    return found


def _option_type(annotation: Any) -> Any:
    """Return the type of an option for typer; the value is validated by pydantic."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _option_type(arguments[0])
    if origin is dict:
        return list[str]
    if origin in (Union, types.UnionType):
        kinds = [_option_type(one) for one in arguments if one is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else _NumberOrWord
        return kind | None if type(None) in arguments else kind
    return annotation


class _NumberOrWord(str):
    """The type of an option that takes a number or a word."""


def _number_or_word(text: str | int) -> str | int:
    return int(text) if str(text).isdecimal() else text


def _pairs(texts: list[str], option: str) -> dict[str, Any]:
    """Parse ``["peepholes=true"]`` to ``{"peepholes": True}``; a value that is not JSON is a string."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=VALUE, got {text!r}", param_hint=option)
        try:
            found[name.replace("-", "_")] = json.loads(value)
        except (ValueError, RecursionError):
            found[name.replace("-", "_")] = value
    return found


def _check(kind: type[Any], values: Mapping[str, Any], path: Path | None) -> None:
    """Check the values of a file, whose errors name the file; conflicts between values are left to `made`.

    Raises:
        InputError: a value is wrong.
    """
    try:
        settings_of(kind, dict(values))
    except ValueError as error:
        if str(error).partition(": ")[0] in values:
            raise InputError(f"{path}: {error}") from None


def _from_file(path: Path | None, owners: Mapping[str, str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start + 1})") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from None
    found = {name.replace("-", "_"): value for name, value in read.items()}
    if len(found) < len(read):
        raise InputError(f"{path}: an option is given twice, with - and with _ in its name")
    if unknown := sorted(found.keys() - owners.keys()):
        raise InputError(f"{path}: {unknown[0]!r} is not an option of this command")
    return found
