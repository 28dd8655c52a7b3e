"""A griffe extension: indented equations of docstrings become blocks of the language ``equations``."""

import re
from typing import Any

from griffe import Extension, Object

# "c = ...", "h̃_k = ...", "∂L/∂W = ...", but no Python: a call by its dotted name, or a string.
EQUATION = re.compile(r"^[^\s=(\"']+(\([^)]*\))?(/[^\s=]+)?\s+[=~] (?!.*\w\.\w+\()")


class Equations(Extension):
    """Mark the equations of every docstring."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = with_fences(obj.docstring.value)


def with_fences(text: str) -> str:
    """Put fences around blocks that are indented by four blanks and begin with an equation."""
    blocks = re.split(r"\n{2,}", text)
    return "\n\n".join(fenced(block) if is_equations(block) else block for block in blocks)


def is_equations(block: str) -> bool:
    """Test if all lines of a block are indented and the first is an equation."""
    lines = block.strip("\n").splitlines()
    return bool(lines) and all(line.startswith("    ") for line in lines) and bool(EQUATION.match(lines[0].strip()))


def fenced(block: str) -> str:
    """Put a block between fences, without its indentation."""
    return "```equations\n" + re.sub(r"(?m)^    ", "", block.strip("\n")) + "\n```"
