"""Pages of docs/ as tests run them: their blocks in order, in one folder and with one set of names for each page.

Blocks with these languages run:

- ``python``; with ``>>>`` it is a doctest.
- ``sh``: each line is a command; `recnn` runs in this process and with sizes that are soon done.
- any, with ``title="FILE"``: the file is written.
- ``text`` after one of these: lines that it has printed.
- ``json`` and ``toml`` are read.

Blocks without a language are results of longer runs. The commands of indented blocks are not run, but their names and
options are checked.
"""

import contextlib
import doctest
import io
import itertools
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import typer

import corpora
from recnn.commands.app import COMMANDS
from recnn.commands.lazy import LazyGroup, loaded
from recnn.serve.app import make_app
from recnn.serve.catalogue import Catalogue
from tests.command_line import recnn
from tests.serving import serving
from tests.test_examples import EXPECTED

ROOT = Path(__file__).parents[2]
READERS = {"json": json.loads, "toml": tomllib.loads}
SHORT = {"--epochs": "1", "--hidden-size": "8", "--input-size": "8", "--count": "40", "--trials": "2", "--pairs": "60"}
SHORT |= {"--resamples": "20", "--measured": "5", "--seeds": "2"}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    title: str
    source: str
    line: int


def blocks(page):
    """The fenced blocks of a page, in order."""
    found = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?[^\n`]*\n(.*?)^```$", re.M | re.S)
    text = page.read_text("utf-8")
    return [Block(m[1], m[2] or "", m[3], text[: m.start()].count("\n") + 1) for m in found.finditer(text)]


def run_page(page):
    """Run the blocks of a page in the current folder."""
    names, printed = {"__name__": page.stem}, ""
    for block in blocks(page):
        try:
            if block.title:
                Path(block.title).parent.mkdir(parents=True, exist_ok=True)
                Path(block.title).write_text(block.source, "utf-8")
            elif block.language == "python":
                printed = run_python(block, names)
            elif block.language == "sh":
                printed = "".join(run_line(line) for line in commands(block.source))
            elif block.language in READERS:
                READERS[block.language](block.source)
            elif block.language == "text":
                lines = [line.rstrip() for line in printed.splitlines()]
                assert [line for line in block.source.splitlines() if line.rstrip() not in lines] == [], printed
        except BaseException as error:
            error.add_note(f"in the block at line {block.line} of {page.name}")
            raise


def run_python(block, names):
    """Run Python with the names of the blocks before; return what it printed."""
    if ">>> " in block.source:
        test = doctest.DocTestParser().get_doctest(block.source, names, block.title, None, 0)
        report = io.StringIO()
        result = doctest.DocTestRunner(verbose=False).run(test, out=report.write, clear_globs=False)
        assert result.failed == 0, report.getvalue()
        names.update(test.globs)
        return ""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block.source, "block", "exec"), names)
    return out.getvalue()


def commands(source):
    """The commands of a block for the shell."""
    return [line for line in re.sub(r"\\\n\s*", "", source).splitlines() if line.strip() and line[0] != "#"]


def run_line(line):
    """Run a command, or several that are joined by pipes; return what the last one printed."""
    lexer = shlex.shlex(line, punctuation_chars="|>", posix=True)
    lexer.whitespace_split = True
    words = list(lexer)
    text, stage = "", []
    for word in [*words, "|"]:
        if word != "|":
            stage.append(word)
            continue
        to = stage[stage.index(">") + 1] if ">" in stage else None
        text = run_words(stage[: stage.index(">")] if to else stage, text)
        if to:
            Path(to).write_text(text, "utf-8")
        stage = []
    return text


def run_words(words, stdin):
    """Run one command; of one that does not end, check the names of its options."""
    if words[:2] == ["recnn", "serve"]:
        check_command(shlex.join(words))
        return ""
    if words[0] == "recnn":
        with mock.patch.object(corpora, "bundled_sentiment", few_trees):
            status, out, err = recnn(*words[1:], *shortened(words[1:]), stdin=stdin)
        assert status == 0, f"{shlex.join(words)}\n{err}"
        return out
    if words[:2] in (["pip", "install"], ["python", "-m"], ["jupyter", "lab"], ["mkdocs", "serve"]):
        check_tool(words)
        return ""
    if words[0] == "python":
        script = Path(words[1])
        assert script.parent != Path("examples") or script.name in EXPECTED, f"{script} is not tested"
        assert (ROOT / script).exists()
        return ""
    if words[0] == "curl":
        with serving(make_app(Catalogue())) as address:
            return shell([word.replace("http://127.0.0.1:8000", address) for word in ["curl", "-f", *words[1:]]])
    return shell(words, stdin)


def shell(words, stdin=""):
    """Run a command of the system; return what it printed."""
    result = subprocess.run(words, input=stdin, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    return result.stdout


def check_tool(words):
    """Check the command of a tool that changes the environment or does not end: the extras that it names."""
    for name in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert set(name.split(",")) <= set(EXTRAS)


every_tree = corpora.bundled_sentiment


def few_trees(part):
    """Return some of the trees of a part of the bundled treebank."""
    return itertools.islice(every_tree(part), 60)


def shortened(words):
    """Options that make a training run short; of those given twice, the last counts."""
    if words[0] not in ("train", "lm", "tune", "compare") or words[:2] == ["lm", "generate"]:
        return []
    command, _ = found_command(words)
    options = {name for parameter in command.params for name in parameter.opts}
    given = {name: value for name, value in SHORT.items() if name in options and (name != "--seeds" or name in words)}
    return [part for pair in given.items() for part in pair]


def found_command(words):
    """The command that words name, and its arguments."""
    command, rest = loaded(words[0], COMMANDS[words[0]]), words[1:]
    while isinstance(command, LazyGroup) or getattr(command, "commands", None):
        inner = (
            {name: loaded(name, entry) for name, entry in command.table.items() if name == rest[0]}
            if isinstance(command, LazyGroup)
            else command.commands
        )
        command, rest = inner[rest[0]], rest[1:]
    return command, rest


def check_command(line):
    """Check a command that is not run: its name, its options and their values."""
    words = shlex.split(line, comments=True)
    if words[0] == "recnn" and not {"DIR", "PARSER", "N"} & set(words[1:2]):
        command, rest = found_command(words[1:])
        command.parse_args(typer.Context(command, info_name=words[1]), list(rest))
    elif words[:2] == ["pip", "install"]:
        check_tool(words)
    elif words[0] == "python":
        assert (ROOT / words[1]).exists(), words[1]
