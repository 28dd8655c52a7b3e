"""What the pages show runs as it stands: Python, commands, files; and pictures are what they make."""

import re
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT, blocks, check_command, commands, run_page

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if blocks(path))


def name_of(page):
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs(page, this_process, tmp_path):
    run_page(page)
    for path in (DOCS / "pictures").rglob("*.svg"):
        made = tmp_path / path.name
        if made.exists():
            assert made.read_text("utf-8") == path.read_text("utf-8"), f"docs/pictures/{path.name}"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_commands_that_are_not_run_have_these_options(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    indented = re.findall(r"(?m)^    ((?:recnn|python|pip) (?:.*\\\n)*.*)", text)
    for line in commands("\n".join(indented)):
        check_command(line)


def test_every_block_is_of_a_language_that_is_run():
    languages = {block.language for page in PAGES for block in blocks(page) if not block.title}
    assert languages <= {"python", "sh", "text", "json", "toml", "equations", ""}


def test_every_picture_is_made_by_a_page_or_an_example():
    sources = [*DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.py"), *DOCS.rglob("*.ipynb")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    made = set(
        re.findall(r"[\w-]+\.(?:svg|png)", "\n".join(re.findall(r"(?:save|savefig|picture|out|output).*", text)))
    )
    assert {path.name for path in (DOCS / "pictures").iterdir()} <= made


def test_a_wrong_block_is_found(tmp_path, monkeypatch):
    """Otherwise the tests above would say nothing."""
    monkeypatch.chdir(tmp_path)
    page = Path("page.md")
    for source in (
        "```python\n1 / 0\n```",
        "```python\n>>> 1 + 1\n3\n\n```",
        "```sh\nrecnn parse --parser duck --al 'The boy saw her duck'\n```",
        "```python\nprint(1)\n```\n\n```text\n2\n```",
        "```sh\necho 1 | recnn parse --parser duck -\n```",
    ):
        page.write_text(source + "\n", "utf-8")
        with pytest.raises((AssertionError, ZeroDivisionError)):
            run_page(page)
    with pytest.raises(Exception, match="--all-of"):
        pages.check_command("recnn parse --all-of 3")
