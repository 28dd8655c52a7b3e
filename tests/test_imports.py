"""Imports run one way, and importing leaves no trace."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {"parsers": set(), "corpora": {"parsers"}, "recnn": {"parsers", "corpora"}}
# Inside recnn, each module may import those before it.
ORDER = [
    "_dgl",
    "graph",
    "schedule",
    "cells",
    "levels",
    "fused",
    "dgl_engine",
    "propagate",
    "states",
    "encoder",
    "recurrent",
    "rnn",
    "initialise",
    "draw",
    "config",
    "heads",
    "attention",
    "search",
    "subwords",
    "gradients",
    "backpropagation",
    "data",
    "models",
    "scores",
    "objectives",
    "training",
    "commands",
    "cli",
    "__main__",
]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_one_way(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        own = {name.split(".")[0] for name in imported(path)} & set(ALLOWED) - {package}
        assert own <= ALLOWED[package], f"{path} imports {own}"


def test_modules_of_recnn_import_one_way():
    modules = {path.relative_to(ROOT / "recnn").parts[0].removesuffix(".py") for path in (ROOT / "recnn").rglob("*.py")}
    assert modules - {"__init__"} == set(ORDER)
    for path in (ROOT / "recnn").rglob("*.py"):
        module = path.relative_to(ROOT / "recnn").parts[0].removesuffix(".py")
        if module != "__init__":
            used = {name.split(".")[1] for name in imported(path) if name.startswith("recnn.")} - {module}
            later = used & set(ORDER[ORDER.index(module) :])
            assert not later, f"{path} imports {later}"


def test_only_one_module_imports_dgl():
    for path in (ROOT / "recnn").rglob("*.py"):
        uses = [name for name in imported(path) if name and name.split(".")[0] == "dgl"]
        assert not uses or path.name == "_dgl.py", f"{path} imports dgl"


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if k != "DGLBACKEND"}, **environment},
    )


def test_importing_prints_and_writes_nothing(tmp_path):
    tmp_path.chmod(0o500)
    result = run("import recnn", HOME=str(tmp_path), TMPDIR=str(tmp_path))
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert list(tmp_path.iterdir()) == []


def test_the_users_backend_stands():
    code = "import os, recnn; print(os.environ['DGLBACKEND'])"
    assert run(code).stdout.strip() == "pytorch"
    assert (
        run("import os; os.environ['DGLBACKEND'] = 'Pytorch'.lower(); " + code, DGLBACKEND="x").stdout.strip()
        == "pytorch"
    )


def test_a_missing_dgl_is_one_clear_line():
    hide = """
import importlib.metadata as metadata
def version(name, real=metadata.version):
    if name == "dgl":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
import recnn
"""
    result = run(hide)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: recnn needs dgl, which is not installed. DGL has wheels for Python 3.11")


def test_a_dgl_that_imports_by_itself_is_left_alone():
    code = (
        "import dgl, sys; before = dgl, sys.modules.get('dgl.graphbolt'); import recnn._dgl; "
        "print(before == (recnn._dgl.dgl, sys.modules.get('dgl.graphbolt')))"
    )
    import dgl

    if int(dgl.__version__.split(".")[0]) >= 2:
        code = "import sys, types; sys.modules['dgl.graphbolt'] = types.ModuleType('x'); " + code
    assert run(code, DGLBACKEND="pytorch").stdout.strip() == "True"
