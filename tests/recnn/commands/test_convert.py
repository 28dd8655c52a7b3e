"""`recnn convert`: every format, and files that cannot be converted."""

import json

import pytest

from recnn.trees import from_html, from_python, from_value, from_xml, read_examples
from tests.command_line import recnn, unframed

CONLLU = "1\ta\t_\t_\t_\t_\t2\tdet\t_\t_\n2\tduck\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
RST = "( Root (span 1 2) ( Nucleus (leaf 1) (rel2par span) (text _!One_!) ) ( Satellite (leaf 2) (text _!two._!) ) )"
FORMATS = {  # content, and the types of the nodes of each tree
    "python": (".py", "x = f(1)\n", [["Module", "body", "Assign", "targets", "Name", "Store", "Call", "Name", "args"]]),
    "json": (".json", '{"a": [1, null]}', [["object", "member", "array", "number", "null"]]),
    "json lines": (".jsonl", '[]\n\n"x"\n', [["array"], ["string"]]),
    "xml": (".xml", "<a> <b>x y</b> </a>", [["a", "b", "#text", "#text"]]),
    "html": (".html", "<p>x y<br>", [["p", "#text", "#text", "br"]]),
    "sexpr": (".lisp", "(f x 1)", [["f", "symbol", "number"]]),
    "formulas": (".txt", "p and q\n\np\n", [["and", "V", "V"], ["V"]]),
    "brackets": (".mrg", "(S (NP a duck)\n(VP slept)) (X y)\n", [["S", "NP", "", "", "VP"], ["X"]]),
    "conllu": (".conllu", CONLLU * 2, [["root", "det"]] * 2),
    "parents": (".parents", "2 0\n", [["", ""]]),
    "dis": (".dis", RST, [["Root", "Nucleus:span", "Satellite"]]),
    "rs3": (".rs3", '<rst><body><segment id="1">x</segment></body></rst>', [["segment"]]),
}
GRAMMAR = "F -> V 'and' F | V\nV -> 'p' | 'q'"


def converted(tmp_path, *arguments):
    status, out, err = recnn("convert", *arguments, "--out", "trees.jsonl", cwd=tmp_path)
    examples = list(read_examples(tmp_path / "trees.jsonl")) if (tmp_path / "trees.jsonl").exists() else None
    return status, out, err, examples


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(tmp_path, name):
    suffix, content, expected = FORMATS[name]
    (tmp_path / "data" / "below").mkdir(parents=True)
    (tmp_path / "data" / "below" / f"x{suffix}").write_text(content)
    (tmp_path / "data" / "below" / "x.toks").write_text("a duck\n")
    (tmp_path / "data" / "x.other").write_text("is of no format")
    more = ["--grammar", GRAMMAR] if name == "formulas" else []
    status, out, err, examples = converted(tmp_path, name.split()[0], "data", "--by-folder", *more)
    assert (status, err) == (0, "")
    assert [
        list(example.tree.labels)[: len(types)] for example, types in zip(examples, expected, strict=True)
    ] == expected
    nodes = sum(len(example.tree) for example in examples)
    trees = f"{len(examples)} tree{'s' * (len(examples) > 1)}"
    assert out == f"{trees} of {nodes} node{'s' * (nodes > 1)} in trees.jsonl\n"
    assert {example.target for example in examples} == {"below"}
    places = [example.source.removeprefix(f"data/below/x{suffix}") for example in examples]
    assert places == [""] or len(set(places)) == len(examples)


def test_the_trees_are_those_of_the_functions(tmp_path):
    page = "<div><p>one two</p> <b/></div>"
    for name, content in (("a.py", "x = 1"), ("a.json", '{"y": 1.5, "z": [2]}'), ("a.xml", page), ("a.html", page)):
        (tmp_path / name).write_text(content)
    for arguments, expected in (
        (["python", "a.py"], from_python("x = 1")),
        (["json", "a.json"], from_value({"y": 1.5, "z": [2]})),
        (["json", "a.json", "--target", "y"], from_value({"z": [2]})),
        (["xml", "a.xml"], from_xml(page, split_text=True)),
        (["html", "a.html", "--no-split-text"], from_html(page, remove_blank_text=True)),
    ):
        status, _, err, (example,) = converted(tmp_path, *arguments)
        assert (status, err) == (0, "")
        assert example.tree == expected
        assert example.target == (1.5 if "--target" in arguments else None)


def test_what_cannot_be_converted_is_one_line_each(tmp_path):
    """The other files are converted, and those before an error in a file."""
    (tmp_path / "empty").mkdir()
    for name, content in (
        ("a.json", b"[1]"),
        ("b.json", b'{"a":\n 1,}'),
        ("c.jsonl", b"[2]\n[3\n[4]\n"),
        ("d.json", b"\xff"),
        ("e.json", b"[" * 100_000),
        ("f.json", b"[5]"),
    ):
        (tmp_path / name).write_bytes(content)
    names = ["a.json", "b.json", "c.jsonl", "d.json", "e.json", "none.json", "empty", "f.json"]
    status, out, err, examples = converted(tmp_path, "json", *names)
    assert status == 1
    assert [example.source for example in examples] == ["a.json", "c.jsonl:1", "f.json"]
    assert out == "3 trees of 6 nodes in trees.jsonl; 6 problems\n"
    problems = err.splitlines()
    starts = ["b.json: line 2, column 4: ", "c.jsonl: line 2: line 1, column 3: ", "d.json: not UTF-8 text (byte 1)"]
    starts += ["e.json: nested too deeply", "none.json: No such file", "empty: no file *.json or *.jsonl"]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(f"recnn: {start}")


def test_source_of_another_language_is_one_line(tmp_path):
    (tmp_path / "old.py").write_text("print 'x'\n")
    (tmp_path / "x.conllu").write_text(CONLLU + "1\ta\n\n")
    status, _, err, examples = converted(tmp_path, "python", "old.py")
    assert (status, examples) == (1, [])
    assert err.startswith("recnn: old.py: line 1, column 1: Missing parentheses")
    status, _, err, examples = converted(tmp_path, "conllu", "x.conllu")
    assert (status, len(examples)) == (1, 1)
    assert err == "recnn: x.conllu, line 4, column 4: expected 10 tab-separated columns, found 2\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["python", "x", "--target", "y"], "only for the format json"),
        (["json", "x", "--target", "y", "--by-folder"], "only for the format json"),
        (["pascal", "x"], "'pascal' is not one of"),
        (["formulas", "x.txt"], "formulas need a grammar"),
    ],
)
def test_wrong_options(tmp_path, arguments, problem):
    (tmp_path / "x.txt").write_text("p\n")
    status, _, err, examples = converted(tmp_path, *arguments)
    assert (status, examples) == (2, None)
    assert problem in unframed(err)


def test_a_deep_tree_is_one_flat_line(tmp_path):
    (tmp_path / "x.xml").write_text("<a>" * 100_000 + "</a>" * 100_000)
    status, _, err, examples = converted(tmp_path, "xml", "x.xml")
    assert (status, err) == (0, "")
    assert len(examples[0].tree) == 100_000
    assert set(json.loads((tmp_path / "trees.jsonl").read_text())) == {"tree", "source"}
