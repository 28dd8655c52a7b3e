"""Imports run one way, cost nothing until a name is used, and leave no trace."""

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
FACES = ("parsers", "corpora", "recnn", "recnn.cells", "recnn.draw", "recnn.models", "recnn.trees")
PACKAGES = ("parsers", "corpora", "recnn")


def test_imports_run_one_way(monkeypatch, capsys):
    """The contracts are in pyproject.toml."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("face", FACES)
def test_every_name_of_a_face_is_there(face):
    package = importlib.import_module(face)
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_no_module_is_shadowed_by_another_name_of_its_package():
    for root in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
            if module.name != "recnn.__main__":
                found = importlib.import_module(module.name)
                parent, _, name = module.name.rpartition(".")
                assert getattr(importlib.import_module(parent), name) is found, module.name


def test_no_two_public_things_have_one_name():
    """But for commands, which have the name of the function that they run, and estimators, that of their model."""
    owners = defaultdict(set)
    for root in PACKAGES:
        for path in (ROOT / root).rglob("*.py"):
            if not {"commands", "sklearn"} & set(path.parts):
                for node in ast.parse(path.read_text("utf-8")).body:
                    names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
                    names += [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
                    for name in names:
                        if not name.startswith("_"):
                            owners[name].add(str(path.relative_to(ROOT)))
    # Each engine has a function `run`, which `recnn.engines.propagate` calls; `load` loads parsers, and models.
    several = {"run", "load"}
    assert {name: places for name, places in owners.items() if len(places) > 1 and name not in several} == {}


def run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", *(["-c", code] if code else ["-m", "recnn"]), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if k != "DGLBACKEND"}, **environment},
    )


# A package that is loaded lazily is in sys.modules before it is used; its parts are not.
PARTS = {
    "dgl.heterograph": "dgl",
    "networkx.classes": "networkx",
    "nltk.tree": "nltk",
    "torch._C": "torch",
    "torch._dynamo": "compiler",
}
LOADED = f"import sys; print(*(name for part, name in {PARTS}.items() if part in sys.modules))"


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import parsers; parsers.load('english').parse('The boy saw her duck')", "nltk torch"),
        ("import recnn, recnn.cells, recnn.draw, recnn.models, recnn.trees, parsers, corpora", ""),
        ("import recnn; print(repr(recnn.trees.from_python('x')), repr(recnn.trees.from_json('1')))", ""),
        ("import recnn; recnn.LSTM(2, 3, bidirectional=True)(__import__('torch').ones(2, 1, 2))", "torch"),
        ("import recnn; recnn.Encoder(recnn.LSTMCell(2, 3))", "torch"),
        ("import recnn.models.config, recnn.training.options, recnn.data.sources", ""),
        ("import recnn.commands.parse as p; p.parse(['The boy saw her duck'], parser='duck')", "nltk"),
        ("import parsers; parsers.available(); parsers.load('right').parse('The boy saw her duck')", "nltk"),
    ],
)
def test_nothing_is_imported_before_it_is_used(code, loaded):
    result = run(f"{code}; {LOADED}")
    assert (result.stderr, result.returncode) == ("", 0)
    assert result.stdout.splitlines()[-1:] == [loaded]


HELPS = [
    [],
    ["train"],
    ["lm"],
    *(["train", task] for task in ("sentiment", "trees", "relatedness", "echo", "autoencoder", "translation")),
    *([name] for name in ("parse", "encode", "evaluate", "predict", "translate", "autoencode", "data", "convert")),
    *([name] for name in ("compare", "explain", "serve", "tune", "encode-corpus")),
    ["tune", "sentiment"],
    *(["lm", name] for name in ("train", "score", "generate")),
]


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_does_not_wait_for_torch(command):
    code = f"import sys; sys.argv = ['recnn', *{command}, '--help']\nimport recnn.cli\ntry:\n    recnn.cli.main()\n"
    result = run(f"{code}except SystemExit:\n    print()\n    {LOADED}")
    assert result.stderr == ""
    assert result.stdout.endswith("\n\n"), result.stdout.splitlines()[-1]
    assert "Usage:" in result.stdout


def test_importing_prints_and_writes_nothing(tmp_path):
    tmp_path.chmod(0o500)
    use = "import recnn; recnn.sequence_to_graph(['a'])"
    # DGL 2 cannot be imported by itself without torchdata, see `recnn.graphs._dgl`.
    for code in (use, f"import recnn, dgl; {use}") if version("dgl").startswith("1.") else (use,):
        result = run(code, HOME=str(tmp_path), TMPDIR=str(tmp_path))
        assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
        assert list(tmp_path.iterdir()) == []


def test_the_users_backend_stands():
    code = "import os, recnn; print(os.environ['DGLBACKEND'])"
    assert run(code).stdout.strip() == "pytorch"
    assert run(code, DGLBACKEND="tensorflow").stdout.strip() == "tensorflow"


def test_a_missing_dgl_is_one_clear_line():
    hide = """
import importlib.metadata as metadata
def version(name, real=metadata.version):
    if name == "dgl":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
import recnn
recnn.sequence_to_graph(["a"])
"""
    result = run(hide)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: recnn needs dgl for its graphs, which is not installed. DGL has wheels for")


def test_a_dgl_that_imports_by_itself_is_left_alone():
    code = (
        "import dgl, sys; before = dgl.DGLGraph, sys.modules.get('dgl.graphbolt'); import recnn.graphs._dgl as ours; "
        "print(before == (ours.DGLGraph, sys.modules.get('dgl.graphbolt')))"
    )
    if int(version("dgl").split(".")[0]) >= 2:
        code = "import sys, types; sys.modules['dgl.graphbolt'] = types.ModuleType('x'); " + code
    assert run(code, DGLBACKEND="pytorch").stdout.strip() == "True"
