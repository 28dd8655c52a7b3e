"""`recnn parse` and `encode`: exit status, standard output and standard error; once each in a process of its own."""

import io
import json
import os
import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from nltk import Tree

from parsers import GrammarParser, brackets, constituents, load_grammar, productions, shaped, tree_from_brackets
from recnn.cli import main
from tests.command_line import ROOT, process, recnn, unframed

DUCK = "The boy saw her duck"


def test_parse_prints_both_trees_and_their_rules():
    status, out, err = recnn("parse", "--parser", "duck", "--all", DUCK)
    assert (status, err) == (0, "")
    assert re.findall(r"^parse (\d), probability \S+, parser duck$", out, re.MULTILINE) == ["0", "1"]
    assert "S -> NP VP, 1, 2, 5" in out
    assert "SC -> NP Bare, 4, 4, 5" in out
    assert recnn("parse", "--parser", "duck", DUCK)[1].count("parse ") == 1


def test_parse_json():
    status, out, err = recnn("parse", "--parser", "duck", "--all", "--json", DUCK)
    assert (status, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    expected = list(GrammarParser(load_grammar("duck")).parses(DUCK))
    assert [record["parse"] for record in records] == [0, 1]
    assert [record["probability"] for record in records] == [tree.prob() for tree in expected]
    for record, tree in zip(records, expected, strict=True):
        assert record["sentence"] == DUCK
        assert record["productions"] == json.loads(json.dumps(productions(tree)))
        assert set(record) == {"sentence", "parse", "tree", "parser", "probability", "productions"}
        assert record["parser"] == "duck"
    assert json.loads(recnn("parse", "--json", "--parser", "telescope", "I saw the man")[1])["probability"] is None


def test_encode_prints_and_writes_every_state(tmp_path):
    path = tmp_path / "states.npz"
    status, out, err = process(
        *("encode", "--parser", "duck", "--json", "--seed", 3, "--hidden-size", 5, "--out", path, DUCK)
    )
    assert (status, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    roots = [record["nodes"][0]["state"] for record in records]
    assert len(roots) == 2
    assert roots[0] != roots[1]
    nodes = {(node["label"], *node["span"]): node for record in records for node in record["nodes"]}
    assert nodes["SC", 4, 5]["words"] == ["her", "duck"]
    assert len(nodes["Bare", 5, 5]["state"]) == 5
    weights = np.array([record["probability"] for record in records])
    expected = (weights / weights.sum()) @ np.array(roots)
    np.testing.assert_allclose(records[0]["expected_root_state"], expected, rtol=1e-5)
    with np.load(path) as file:
        np.testing.assert_array_equal(file["sentence0_parse1_states"][0], np.float32(roots[1]))
        assert file["sentence0_parse1_labels"].tolist() == [node["label"] for node in records[1]["nodes"]]
        assert file["sentence0_parse1_spans"].tolist() == [node["span"] for node in records[1]["nodes"]]
        np.testing.assert_allclose(file["sentence0_expected_root_state"], expected, rtol=1e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_a_seed_gives_the_same_states_twice_whatever_comes_before():
    first = recnn("encode", "--parser", "duck", "--json", "--seed", 3, DUCK)[1].splitlines()
    again = recnn("encode", "--parser", "duck", "--json", "--seed", 3, "she saw a girl", DUCK)[1].splitlines()
    other = recnn("encode", "--parser", "duck", "--json", "--seed", 4, DUCK)[1].splitlines()
    assert first == again[1:]
    assert first != other


def test_encode_for_people():
    status, out, err = recnn("encode", "--parser", "duck", DUCK)
    assert (status, err) == (0, "")
    assert out.count("DGLGraph of") == 2
    assert "edges child -> parent: 1->0, 2->0" in out
    assert "expected root state over 2 parses" in out


def test_encode_trees_from_a_file(tmp_path):
    path = tmp_path / "trees.txt"
    path.write_text("( (S (NP (D the) (N duck)) (VP slept) (X (Y (Z well)))) )\n(S one)\n", "utf-8")
    status, out, err = recnn("encode", "--trees", path, "--json")
    assert (status, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert first["sentence"] == "the duck slept well"
    assert first["expected_root_state"] is None
    assert [node["label"] for node in first["nodes"]] == ["S", "NP", "VP", "X", "D", "N", "Y", "Z"]
    assert second["words"] == second["nodes"][0]["words"] == ["one"]
    assert [node["words"] for node in first["nodes"][:2]] == [["the", "duck", "slept", "well"], ["the", "duck"]]


def test_a_very_deep_tree(tmp_path):
    path = tmp_path / "deep.txt"
    path.write_text("(X " * 3000 + "word" + ")" * 3000, "utf-8")
    status, out, err = recnn("encode", "--trees", path, "--json", "--hidden-size", 2)
    assert (status, err) == (0, "")
    assert len(json.loads(out)["nodes"]) == 3000
    assert recnn("encode", "--trees", path, "--hidden-size", 2)[0] == 0


@pytest.mark.parametrize("shape", ["right", "left"])
def test_what_is_printed_of_a_deep_tree_is_linear_in_it(tmp_path, shape):
    sizes = []
    for count in (100, 400, 800):
        tree = shaped(["word"] * count, shape, "S")
        path = tmp_path / "deep.txt"
        path.write_text(brackets(tree), "utf-8")
        status, text, err = recnn("encode", "--trees", path, "--json", "--hidden-size", 2)
        assert (status, err) == (0, "")
        found = json.loads(text)
        assert found["words"] == tree.leaves()
        assert all(("words" in node) == (count == 100) for node in found["nodes"])
        assert constituents(tree_from_brackets(found["tree"]))[-1] == constituents(tree)[-1]
        table = recnn("encode", "--trees", path, "--hidden-size", 2)[1]
        assert ("..." in table) == (count > 100)
        sizes.append((len(text), len(table)))
    assert all(second < 2.6 * first for first, second in zip(*sizes[1:], strict=True))


def test_words_of_any_kind_are_printed_on_their_lines(tmp_path):
    path = tmp_path / "odd.txt"
    tree = Tree("S", [Tree("N\x1b[0m", ["\x1b[31m"]), Tree("V\u2028", ["x\ny", "\x9b2J", "(", "", "\ud800"])])
    path.write_text(brackets(tree), "utf-8")
    status, out, err = recnn("encode", "--trees", path, width="300")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == r"\x1b[31m x\x0ay \x9b2J (  \ud800"
    assert r"V\u2028 -> x\x0ay \x9b2J (  \ud800, 2, 2, 3, 4, 5, 6" in out.splitlines()
    assert re.search(r"\d +N\\x1b\[0m +1\.\.1 +\\x1b\[31m +\d", out)
    assert not set("\x1b\x9b\u2028\ud800") & set(out)
    status, out, err = recnn("encode", "--trees", path, "--json")
    assert tree_from_brackets(json.loads(out)["tree"]) == tree
    assert json.loads(out)["words"] == tree.leaves()
    assert len(out.splitlines()) == 1
    assert not set("\x1b\x9b\u2028\ud800") & set(out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["parse", "--x\x1b[31m\u2028"],
        ["--x\x1b[31m\u2028"],
        ["x\x1b[31m\u2028"],
        ["encode", "--out", "x\x1b[31m\u2028", DUCK],
        ["parse", "--parser", "duck", "x\x1b[31m\u2028"],
        ["parse", "--parser", "x\x1b[31m\u2028.cfg", DUCK],
        ["parse", "--parser", "S -> x\x1b[31m\u2028", DUCK],
        ["encode", "--trees", "x\x1b[31m\u2028", DUCK],
        ["encode", "--trees", "x\x1b[31m\u2028"],
        ["predict", "x\x1b[31m\u2028", DUCK],
        ["lm", "score", "x\x1b[31m\u2028", DUCK],
        ["train", "sentiment", "--cell", "x\x1b[31m\u2028"],
        ["train", "sentiment", "--config", "x\x1b[31m\u2028"],
        ["data", "x\x1b[31m\u2028"],
    ],
)
def test_errors_hold_no_control_characters(tmp_path, arguments):
    status, out, err = recnn(*arguments, cwd=tmp_path)
    assert status in (1, 2)
    assert not set("\x1b\u2028") & set(out + err)
    assert status == 2 or len(err.splitlines()) == 1


UNKNOWN = "S -> 'é☃' | '→🦆'"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["parse", "--parser", UNKNOWN, "é☃", "→🦆", "ü"], 1),
        (["encode", "--parser", UNKNOWN, "é☃", "→🦆"], 0),
        (["parse", "--json", "--parser", UNKNOWN, "é☃", "→🦆"], 0),
        (["parse", "--é☃🦆"], 2),
        (["encode", "--trees", "é☃🦆"], 1),
        (["data"], 0),
        (["--help"], 0),
    ],
)
def test_output_in_any_encoding(encoding, arguments, expected):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in "12")
    with (
        mock.patch.object(sys, "argv", ["recnn", *arguments]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        mock.patch.dict(os.environ, {"COLUMNS": "100"}),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out.flush()
        err.flush()
    assert status == expected
    text = out.buffer.getvalue().decode(encoding)
    if "--json" in arguments:
        assert [json.loads(line)["sentence"] for line in text.splitlines()] == ["é☃", "→🦆"]
    elif expected == 0 and "encode" in arguments:
        assert ("é☃" if encoding.startswith("utf") else r"\u2603") in text
    if expected:
        assert err.buffer.getvalue().decode(encoding)


def test_a_process_without_utf8():
    for more in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
        command = [sys.executable, "-W", "error", "-m", "recnn", "parse", "--parser", "duck", DUCK, "☃", "\udcff"]
        found = subprocess.run(command, capture_output=True, env={**environment, **more, "PYTHONPATH": str(ROOT)})
        assert found.returncode == 1
        assert b"\n     +--------+----+\n" in found.stdout
        assert [line[:7] for line in found.stderr.splitlines()] == [b"recnn: "] * 2


def test_sentences_from_standard_input_survive_a_bad_one():
    status, out, err = process(
        "parse", "--parser", "duck", "--json", "-", stdin=f"{DUCK}\n\nthe cat saw\nshe heard him.\n"
    )
    assert status == 1
    unknown, left_out = err.splitlines()
    assert unknown == "recnn: standard input, line 3: sentence 'the cat saw': the grammar has no word 'cat' (word 2)"
    assert left_out == (
        "recnn: standard input, line 4: sentence 'she heard him.': left out '.', which the grammar does not have"
    )
    assert [json.loads(line)["sentence"] for line in out.splitlines()] == [DUCK, "she heard him."]


def test_a_highly_ambiguous_sentence_is_cut_off():
    sentence = "I saw the man" + " with a telescope" * 15
    status, out, err = recnn("parse", "--all", "--limit", 3, "--json", "--parser", "telescope", sentence)
    assert status == 0
    assert len(out.splitlines()) == 3
    assert "has more than 3 parses" in err


def test_words_that_look_like_markup(tmp_path):
    path = tmp_path / "trees.txt"
    path.write_text("(S [bold] (X [/x]))")
    status, out, err = recnn("encode", "--trees", path)
    assert (status, err) == (0, "")
    assert out.count("[bold] [/x]") == 2


BAD = [
    (["parse", ""], 1, "sentence '': no words"),
    (["parse", "--parser", "duck", "?!"], 1, "sentence '?!': no words"),
    (["parse", "--parser", "duck", "the cat saw her duck"], 1, "the grammar has no word 'cat' (word 2)"),
    (
        ["parse", "--parser", "duck", "saw her duck"],
        1,
        "no parse as S, the start symbol of the grammar; longest phrases found: VP 'saw",
    ),
    (
        ["parse", "--parser", "nowhere.cfg", DUCK],
        1,
        "parser nowhere.cfg: no such file or folder, and no parser of that name (english",
    ),
    (["parse", "--parser", ".", DUCK], 1, ".: not the folder of a model, model.json and weights.safetensors missing"),
    (["parse", "--parser", "bad.cfg", DUCK], 1, "grammar bad.cfg, line 2: expected an arrow"),
    (["parse", "--parser", "binary.cfg", DUCK], 1, "grammar binary.cfg: not UTF-8 text (byte 7)"),
    (["parse", "--parser", "S -> 'a' [0.4]", "a"], 1, "line 1: the probabilities of S sum to 0.4, not to 1"),
    (["parse", "-"], 1, "standard input, line 2: not UTF-8 text (byte 1)"),
    (["encode", "--trees", "nowhere.txt"], 1, "nowhere.txt: No such file or directory"),
    (["encode", "--trees", "open.txt"], 1, "open.txt, line 2, column 1: this bracket is never closed"),
    (["encode", "--trees", "close.txt"], 1, "close.txt, line 1, column 6: ')' outside of any tree"),
    (["encode", "--trees", "hollow.txt"], 1, "hollow.txt, line 1, column 6: the phrase (NP) has no words"),
    (["encode", "--trees", "empty.txt"], 1, "empty.txt, line 1, column 1: no tree in this file"),
    (["encode", "--trees", "binary.cfg"], 1, "binary.cfg, line 1, column 7: not UTF-8 text"),
    (["encode", "--out", "missing/x.npz", DUCK], 1, "No such file or directory"),
    (["encode", "--out", "x.txt", DUCK], 2, "x.txt does not end in .npz"),
    (["encode"], 2, "give either sentences or --trees FILE"),
    (["encode", "--trees", "open.txt", DUCK], 2, "give either sentences or --trees FILE"),
    (["encode", "--trees", "open.txt", "--parser", "telescope"], 2, "a parser is for sentences, not for --trees"),
    (["encode", "--hidden-size", "0", DUCK], 2, "--hidden-size"),
    (["encode", "--hidden-size", "1000000", DUCK], 1, "not enough memory: use smaller sizes"),
    (["encode", "--hidden-size", "99999999999", DUCK], 2, "--hidden-size"),
    (["encode", "--seed", "9" * 30, DUCK], 2, "--seed"),
    (["encode", "--seed", "x", DUCK], 2, "--seed"),
    (["parse"], 2, "no sentence given"),
    (["parse", "--limit", "0", DUCK], 2, "--limit"),
    (["parse", "--colour", DUCK], 2, "No such option: --colour"),
    (["pars", DUCK], 2, "No such command 'pars'"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), BAD, ids=[" ".join(case[0])[:50] for case in BAD])
def test_bad_input_is_one_line_and_a_status(tmp_path, arguments, status, message):
    (tmp_path / "bad.cfg").write_text("S -> NP\nNP 'a'\n")
    (tmp_path / "binary.cfg").write_bytes(b"S -> '\xff'")
    (tmp_path / "open.txt").write_text("(S a)\n(S (NP b)")
    (tmp_path / "close.txt").write_text("(S a))")
    (tmp_path / "hollow.txt").write_text("(S a (NP ))")
    (tmp_path / "empty.txt").write_text("")
    found, _, err = recnn(*arguments, stdin=f"{DUCK}\n".encode() + b"\xff\n", cwd=tmp_path)
    assert found == status
    assert message in unframed(err)
    assert "Traceback" not in err
    if status == 1:
        assert err.startswith("recnn: ")
        assert err.count("\n") == 1
