"""`recnn parse` and `encode`: exit status, standard output and standard error; once each in a process of its own."""

import json

import numpy as np
import pytest

from parsers import GrammarParser, load_grammar, productions
from tests.command_line import process, recnn, unframed

DUCK = "The boy saw her duck"


def test_parse_prints_both_trees_and_their_rules():
    status, out, err = recnn("parse", "--all", DUCK)
    assert (status, err) == (0, "")
    assert out.count("\nparse ") == 2
    assert "S -> NP VP, 1, 2, 5" in out
    assert "SC -> NP Bare, 4, 4, 5" in out
    assert recnn("parse", DUCK)[1].count("parse ") == 1


def test_parse_json():
    status, out, err = recnn("parse", "--all", "--json", DUCK)
    assert (status, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    expected = list(GrammarParser(load_grammar("duck")).parses(DUCK))
    assert [record["parse"] for record in records] == [0, 1]
    assert [record["probability"] for record in records] == [tree.prob() for tree in expected]
    for record, tree in zip(records, expected, strict=True):
        assert record["sentence"] == DUCK
        assert record["productions"] == json.loads(json.dumps(productions(tree)))
        assert set(record) == {"sentence", "parse", "tree", "probability", "productions"}
    assert json.loads(recnn("parse", "--json", "--grammar", "telescope", "I saw the man")[1])["probability"] is None


def test_encode_prints_and_writes_every_state(tmp_path):
    path = tmp_path / "states.npz"
    status, out, err = process("encode", "--json", "--seed", 3, "--hidden-size", 5, "--out", path, DUCK)
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
    first = recnn("encode", "--json", "--seed", 3, DUCK)[1].splitlines()
    again = recnn("encode", "--json", "--seed", 3, "she saw a girl", DUCK)[1].splitlines()
    other = recnn("encode", "--json", "--seed", 4, DUCK)[1].splitlines()
    assert first == again[1:]
    assert first != other


def test_encode_for_people():
    status, out, err = recnn("encode", DUCK)
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
    assert second["nodes"][0]["words"] == ["one"]


def test_a_very_deep_tree(tmp_path):
    path = tmp_path / "deep.txt"
    path.write_text("(X " * 3000 + "word" + ")" * 3000, "utf-8")
    status, out, err = recnn("encode", "--trees", path, "--json", "--hidden-size", 2)
    assert (status, err) == (0, "")
    assert len(json.loads(out)["nodes"]) == 3000
    assert recnn("encode", "--trees", path, "--hidden-size", 2)[0] == 0


def test_sentences_from_standard_input_survive_a_bad_one():
    status, out, err = process("parse", "--json", "-", stdin=f"{DUCK}\n\nthe cat saw\nshe heard him.\n")
    assert status == 1
    assert err == "recnn: standard input, line 3: sentence 'the cat saw': the grammar has no word 'cat' (word 2)\n"
    assert [json.loads(line)["sentence"] for line in out.splitlines()] == [DUCK, "she heard him."]


def test_a_highly_ambiguous_sentence_is_cut_off():
    sentence = "I saw the man" + " with a telescope" * 15
    status, out, err = recnn("parse", "--all", "--limit", 3, "--json", "--grammar", "telescope", sentence)
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
    (["parse", "?!"], 1, "sentence '?!': no words"),
    (["parse", "the cat saw her duck"], 1, "the grammar has no word 'cat' (word 2)"),
    (["parse", "saw her duck"], 1, "no parse as S, the start symbol of the grammar; longest phrases found: VP 'saw"),
    (["parse", "--grammar", "nowhere.cfg", DUCK], 1, "grammar nowhere.cfg: no such file, and no bundled grammar"),
    (["parse", "--grammar", ".", DUCK], 1, "grammar .: Is a directory"),
    (["parse", "--grammar", "bad.cfg", DUCK], 1, "grammar bad.cfg, line 2: expected an arrow"),
    (["parse", "--grammar", "binary.cfg", DUCK], 1, "grammar binary.cfg: not UTF-8 text (byte 7)"),
    (["parse", "--grammar", "S -> 'a' [0.4]", "a"], 1, "line 1: the probabilities of S sum to 0.4, not to 1"),
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
    (["encode", "--trees", "open.txt", "--grammar", "telescope"], 2, "a grammar is for sentences, not for --trees"),
    (["encode", "--hidden-size", "0", DUCK], 2, "--hidden-size"),
    (["encode", "--hidden-size", "99999999999", DUCK], 1, "not enough memory: use smaller sizes"),
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
