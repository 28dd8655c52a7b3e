"""The hook of mkdocs: pages that are made from the code and its files, links that leave docs/, and equations."""

import inspect
import re
import sys
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

import recnn

sys.path.insert(0, str(Path(__file__).parent))
from api import api_pages, first_sentence
from commands import command_pages
from equations import fence, inline
from notebooks import notebook_page

ROOT = Path(__file__).parents[2]
INCLUDED = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
INCLUDED["model_card.md"] = "recnn/pretrained/english/MODEL_CARD.md"


def on_config(config: Any) -> Any:
    """Add the equations to the extensions of Markdown, and the pages made from the code to the navigation."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "equations", "class": "equations", "format": fence})
    spans = config.mdx_configs.setdefault("pymdownx.inlinehilite", {}).setdefault("custom_inline", [])
    spans.append({"name": "equation", "class": "equations", "format": inline})
    for folder, pages in (("cells/", cell_pages()), ("commands/", command_pages()), ("api/", api_pages())):
        entry = next(entry for entry in config.nav if folder in entry.values())
        (title,) = entry
        entry[title] = [f"{folder}{name}.md" for name in pages]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from the code, and those that stand elsewhere in the project."""
    made = {f"cells/{name}.md": text for name, text in cell_pages().items()}
    made |= {f"commands/{name}.md": text for name, text in command_pages().items()}
    made |= {f"api/{name}.md": text for name, text in api_pages().items()}
    made |= {f"notebooks/{path.stem}.md": notebook_page(path) for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    made |= {name: (ROOT / place).read_text("utf-8") for name, place in INCLUDED.items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


BOOSTED = ("index.md", "tutorial.md", "data.md", "extend.md", "faq.md")
"""Pages that a search lists before others, which have the same words by the way."""


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Boost pages in a search; lead links to files outside docs/ to their pages, or leave the name of the file."""
    page.meta.setdefault("search", {"boost": 3 if page.file.src_uri in BOOSTED else 1})
    source = INCLUDED.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {place: name for name, place in INCLUDED.items()}

    def replaced(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        place = normpath(f"{dirname(source)}/{target}").lstrip("/")
        inside = pages.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        if inside is None:
            return text if text.startswith("`") else f"`{text}`" if text.strip("/") in place else f"{text} (`{place}`)"
        return f"[{text}]({relpath(inside, dirname(page.file.src_uri) or '.')}{anchor})"

    return re.sub(r"(?<!!)\[([^\]\n]+)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)", replaced, markdown)


def cell_classes() -> dict[str, type]:
    """Return the cells of the project by the name of their page."""
    found = [value for name in recnn.cells.__all__ if inspect.isclass(value := getattr(recnn.cells, name))]
    cells = [value for value in found if issubclass(value, recnn.Cell) and value is not recnn.Cell]
    return {cell.__name__: cell for cell in cells}


def cell_pages() -> dict[str, str]:
    """Return a page for each cell, with its docstring and source; "index" is the list, and the base class."""
    rows, pages = [], {}
    for name, cell in cell_classes().items():
        options = [f"`--cell {option}`" for option, other in recnn.Cell.registry.items() if other is cell]
        rows.append(f"| [{name}]({name}.md) | {first_sentence(cell)} | {', '.join(options)} |")
        place = cell.__module__.replace(".", "/") + ".py"
        pages[name] = (
            f"# {name}\n\n`recnn.{name}`, in `{place}`.\n\n::: {cell.__module__}.{name}\n    options:\n"
            "      show_root_heading: false\n      show_root_toc_entry: false\n      heading_level: 2\n"
            "      filters: ['!^_', '!^another$', '!^compute_weights$', '!^mask$']\n"
        )
    table = "\n".join(rows)
    index = (
        "# Cells\n\nA cell computes the state of a node from its input and the states of its children. Over a tree its"
        ' arity is the number of children, or "sum"; with arity 1 it is the cell of a sequence. Each page has the'
        f" equations, the paper and the source.\n\n| cell | | command line |\n|---|---|---|\n{table}\n\n"
        "::: recnn.cells.base\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"
        "      filters: ['!^_', '!^Borrower', '!OneChild', '!^normalised$', '!^uniform$', '!^has_equations_of$']\n"
    )
    return {"index": index, **pages}
