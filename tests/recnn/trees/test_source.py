"""Trees of Python source, and back."""

import ast
import sysconfig
import warnings
from pathlib import Path

import pytest

from parsers.errors import TreeError
from recnn.trees import TypedTree, from_python, from_sexpr, to_python
from recnn.trees.source import to_ast

FILES = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[::12]  # of the standard library
ALL = r'''
"""Each class of syntax nodes, with and without what may be missing."""
from __future__ import annotations
from . import a
from ..b import c as d, e
from .b import *
import f as g, h.i
@dec(1)
class C(B, metaclass=M, **kw): x: int = 1; y: str; (z): int; a.b: int = 2
async def f(a, /, b: int = 1, *args: "x", c, d=2, **kw) -> None:
    global u, v
    async for x in y: await z
    else: pass
    async with a as b, c: return
    return [i async for i in j if k if l]
def g():
    def h(): nonlocal k; k = yield; yield from x; return lambda: 0
    k = 1j, 1e999, 1e999j, ..., u"u", b"\x00\xff", None, True, "a\ud800'\"\n", 10**2, -1, 0x10, 1_000.5
del a, b[0], c.d
for i, *j in x: break
while 1: continue
else: pass
if a: pass
elif b: pass
with (open(x)) as f, g: pass
try: raise A from b
except (A, B) as e: raise
except: pass
else: pass
finally: pass
try: pass
except* ValueError: pass
assert a, "b"
a += 1; b **= 2; c //= 3; d @= 4; e >>= 5
x = {**a, 1: 2}, {1, *b}, {i: j for i, j in k}, {i for i in j}, (i for i in j), [*a]
y = a if b else c, not a, ~b, +c, a and b or c, a < b <= c != d is not e in f, (w := 1)
z = f"{a!r:>{width}} {b=} {{}} {'x'}", a[1:2, ::3], a[...], f(*a, b=1, **c)
match p:
    case 1 | "x" | None | -1 | 1+2j: pass
    case [a, *rest] | [*_]: pass
    case {"k": v, **rest} if a: pass
    case Cls(a, b=c) as d: pass
    case _: pass
'''


@pytest.mark.parametrize("source", [*FILES, ALL, "", "x"], ids=[path.name for path in FILES] + ["all", "none", "x"])
def test_there_and_back(source):
    source = source if isinstance(source, str) else source.read_bytes()
    with warnings.catch_warnings(action="ignore"):
        expected = ast.dump(ast.parse(source))
    tree = from_python(source)
    assert ast.dump(to_ast(tree)) == expected
    assert ast.dump(ast.parse(to_python(tree))) == expected
    assert TypedTree.from_dict(tree.to_dict()) == tree


def test_types_and_words():
    tree = from_python("def area(r): return 3.5 * r ** 2 if r else None")
    found = dict(zip(zip(tree.labels, tree.words, strict=True), tree.numbers, strict=True))
    assert found[("FunctionDef", "area")] == ()
    assert found[("Constant", "3.5")] == (3.5,)
    assert found[("Constant", "2")] == (2.0,)
    assert found[("Constant", "None")] == ()
    assert ("Name", "r") in found
    assert "Load" not in tree.labels


def test_a_node_of_the_ast_module():
    assert str(from_python(ast.parse("f(x)", mode="eval").body)) == "\n".join(
        ["Call", "├── Name: f", "└── args", "    └── Name: x"]
    )


WRONG = [
    ("def f(:\n", "line 1, column 7: invalid syntax"),
    ("x = 'a\n", "line 1, column 5: unterminated string"),
    ("a\0b", "null byte"),
    (b"# coding: nothing\n", "line 1, column 1: unknown encoding"),
    ("-" * 100_000 + "1", "nested too deeply for Python's parser"),
]


@pytest.mark.parametrize(("source", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_is_not_python(source, problem):
    with pytest.raises(TreeError, match=problem):
        from_python(source)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(f x)", "the root is of type 'f'"),
        ("(Module (body (Return (body))))", "not the tree of a Python program|a child that a node of this type"),
        ("(Expr)", r"node 0 \(Expr\): there is no value"),
        ("(Constant)", "node 0: None is not a constant"),
        ("(Pass (Pass))", r"node 0 \(Pass\): a child"),
    ],
)
def test_a_tree_of_another_kind(text, problem):
    with pytest.raises(TreeError, match=problem):
        to_python(from_sexpr(text))


def test_a_deep_tree_is_one_line():
    """``not not not ... x``: three nodes for each level."""
    depth = 20_000
    parents, labels = [-1, 0, 1], ["Module", "body", "Expr"]
    for _ in range(depth):
        above = len(parents) - 1 if labels[-1] == "Expr" else len(parents) - 2
        parents += [above, len(parents)]
        labels += ["UnaryOp", "Not"]
    tree = TypedTree((*parents, len(parents) - 2), (*labels, "Name"), (*[None] * len(labels), "x"))
    with pytest.raises(TreeError, match=r"nested too deeply for ast\.unparse"):
        to_python(tree)
