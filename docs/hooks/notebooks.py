"""Pages of the notebooks, with the outputs that are stored in them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    note = f"\n\nThis page is the notebook [{path.name}]({path.name}), with its outputs.\n"
    first, *rest = ("\n\n".join(parts(cell)) for cell in cells)
    title, _, text = first.partition("\n")
    return "\n\n".join([title + note + text, *rest])


def parts(cell: dict[str, Any]) -> Iterator[str]:
    """Yield what a cell says: its text, or its code and what that printed and drew."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/svg+xml" in data:
            yield f"<div>{''.join(data['image/svg+xml']).strip()}</div>"
        elif "image/png" in data:
            encoded = "".join(data["image/png"]).replace("\n", "")
            yield f'<div><img alt="The plot of the code above" src="data:image/png;base64,{encoded}"></div>'
        else:
            text = "".join(output.get("text", data.get("text/plain", "")))
            yield f"```\n{text.rstrip()}\n```"
