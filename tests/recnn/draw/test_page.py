"""docs/pictures.md: its Python runs as it stands, and its pictures are what that makes."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
BLOCKS = re.findall(r"```python\n(.*?)```", (DOCS / "pictures.md").read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "pictures.md", "exec"), {})
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(re.findall(r'save\("(.*?)"\)', code))
    for name in written:
        if (DOCS / "pictures" / name).exists():
            assert (tmp_path / name).read_text("utf-8") == (DOCS / "pictures" / name).read_text("utf-8")


def test_every_picture_is_made_by_a_block():
    made = re.findall(r'save\("(.*?)"\)', "".join(BLOCKS))
    assert {path.name for path in (DOCS / "pictures").iterdir()} <= set(made)
