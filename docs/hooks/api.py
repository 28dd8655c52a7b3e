"""Pages of the classes and functions of each package, made from their docstrings."""

import importlib
import inspect
from typing import Any, NamedTuple

import recnn

PACKAGES = ("parsers", "corpora")
PARTS = (
    *("data", "draw", "encoding", "engines", "errors", "explanation", "gradients", "graphs", "layers", "models"),
    *("ray", "sklearn", "training", "trees"),
)
"""Parts of recnn; a part has the public names of its own, and those of recnn that it defines."""


class Entry(NamedTuple):
    """A public name, and the module that defines it."""

    name: str
    module: str
    summary: str


def api_pages() -> dict[str, str]:
    """Return the pages by the name of the package, "index" for the list of all names."""
    entries = {name: entries_of(importlib.import_module(name)) for name in PACKAGES}
    whole = entries_of(recnn)
    for part in (f"recnn.{part}" for part in PARTS):
        found = {*entries_of(importlib.import_module(part)), *(e for e in whole if e.module.startswith(part))}
        entries[part] = sorted(found, key=lambda entry: entry.name.lower())
    return {"index": index(entries), **{package: page(package, found) for package, found in entries.items()}}


def entries_of(face: Any) -> list[Entry]:
    """Return the classes and functions of a package, by name."""
    found = ((name, getattr(face, name)) for name in sorted(getattr(face, "__all__", ()), key=str.lower))
    return [
        Entry(name, value.__module__, first_sentence(value))
        for name, value in found
        if inspect.isclass(value) or inspect.isfunction(value)
    ]


def first_sentence(value: Any) -> str:
    """Return the first sentence of a docstring."""
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".:")


def index(entries: dict[str, list[Entry]]) -> str:
    """Return the page that lists the names of all packages."""
    parts = ["# Classes and functions\n\nThe cells have [pages of their own](../cells/index.md).\n"]
    for package, found in entries.items():
        rows = "\n".join(f"| [{e.name}]({package}.md#{e.module}.{e.name}) | {e.summary} |" for e in found)
        parts.append(f"## [{package}]({package}.md)\n\n| name | |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def page(package: str, entries: list[Entry]) -> str:
    """Return the page of a package."""
    module = importlib.import_module(package)
    blocks = (
        f"::: {e.module}.{e.name}\n    options:\n      heading_level: 2\n      show_source: false\n"
        "      filters: ['!^_']\n      show_bases: false\n"
        for e in entries
    )
    return f"# {package}\n\n{inspect.getdoc(module)}\n\n" + "\n".join(blocks)
