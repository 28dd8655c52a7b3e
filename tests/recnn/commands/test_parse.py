"""What `recnn parse` and its siblings make of sentences that fail, and of words that the grammar lacks."""

import json
from types import SimpleNamespace

import pytest
from nltk import Tree

from parsers import tree_from_brackets
from recnn.commands.common import Failures
from recnn.commands.predict import _fitted
from tests.command_line import process, recnn, unframed

ARITHMETIC = "E -> E '+' T | T | E '-' T\nT -> 'a' | 'b'"
CATALAN = "S -> S S | 'a'"


def trees(out):
    return [json.loads(line)["tree"] for line in out.splitlines()]


def test_an_operator_that_the_grammar_lacks_is_an_error():
    status, out, err = recnn("parse", "--parser", ARITHMETIC, "a - ( b + a )", "a / b", "a + b")
    assert status == 1
    assert out.count("parse 0") == 1
    first, second = err.splitlines()
    assert first.startswith("recnn: sentence 'a - ( b + a )': the grammar has no word '(' (word 3)")
    assert second.startswith("recnn: sentence 'a / b': the grammar has no word '/' (word 2")


def test_punctuation_that_is_left_out_is_reported():
    status, out, err = process(
        "parse", "--json", "--parser", "duck", "-", stdin="The boy, saw her duck.\nThe boy saw her duck\n"
    )
    assert status == 0
    assert len(set(trees(out))) == 1
    assert err == (
        "recnn: standard input, line 1: sentence 'The boy, saw her duck.': left out ',', '.', "
        "which the grammar does not have\n"
    )


@pytest.mark.parametrize("command", [["parse"], ["encode", "--hidden-size", "2"]])
def test_tokens_are_split_at_blanks(command):
    grammar = "S -> NP \"don't\" V '.'\nNP -> 'we'\nV -> 'go'"
    status, out, err = recnn(*command, "--json", "--parser", grammar, "--tokens", "We  don't go .", "We don't go.")
    assert status == 1
    assert trees(out) == ["(S (NP We) don't (V go) .)"]
    assert err.count("\n") == 1
    assert "the grammar has no word 'go.' (word 3" in err


FAILING = [
    ("S -> A B\nA -> 'a'\nB -> 'b'", "a c", "the grammar has no word 'c' (word 2"),
    ("S -> A B\nA -> 'a'\nB -> 'b'", "b a", "no parse as S"),
    ("S -> A B\nA -> 'a'\nB -> 'b' | ", "a", "a rule with an empty right side (B -> ) is not used"),
    ("S -> A B\nA -> 'a'\nB -> 'b'", "(", "the grammar has no word '('"),
    ("S -> A B\nA -> 'a'\nB -> 'b'", "...", "no words"),
    ("S -> A B | S S\nA -> 'a'\nB -> 'b'", "a b " * 9, "more than 20 edges in the chart: increase max_edges"),
    ("S[N=1] -> A B[N=1]\nA -> 'a'\nB[N=?n] -> 'b'", "b a", "no parse as S"),
    ("S -> A B\nA -> 'a'\nB -> 'b'", b"a \xff", "not UTF-8 text (byte 3)"),
]


@pytest.mark.parametrize(("grammar", "sentence", "message"), FAILING)
@pytest.mark.parametrize("command", [["parse"], ["encode", "--hidden-size", "2"]])
def test_a_sentence_that_fails_costs_itself_alone(command, grammar, sentence, message):
    bad = sentence if isinstance(sentence, bytes) else sentence.encode()
    arguments = [*command, "--json", "--max-edges", 20, "--parser", grammar, "-"]
    status, out, err = recnn(*arguments, stdin=b"a b\n\n" + bad + b"\na b\n")
    assert status == 1
    assert trees(out) == ["(S (A a) (B b))"] * 2
    assert err.startswith("recnn: standard input, line 3: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_sentence_that_fails_costs_itself_alone_in_predict(run):
    good = "the plot is not very funny ."
    given = f"{good}\n\nthe (\n".encode() + b"\xff\n" + good.encode() + b"\n"
    status, out, err = recnn("predict", "--json", "--parser", "duck", run, "-", stdin=given)
    assert (status, out) == (1, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == [f"standard input, line {n}" for n in (1, 3, 4, 5)]
    status, out, err = recnn("predict", "--json", run, "-", stdin=given)
    assert status == 1
    assert [json.loads(line)["sentence"] for line in out.splitlines()] == [good, "the (", good]
    assert err == "recnn: standard input, line 4: not UTF-8 text (byte 1)\n"


def test_a_tree_that_does_not_fit_the_model_costs_itself_alone(capsys):
    model = SimpleNamespace(config=SimpleNamespace(max_children=1))
    given = [Tree.fromstring(text) for text in ("(S (A a))", "(S (A a) (B b))", "(S (B b))")]
    failures = Failures()
    assert list(_fitted(model, given, failures)) == [given[0], given[2]]
    assert failures.count == 1
    assert "'a b': a node of the tree has 2 children, but the arity is 1" in capsys.readouterr().err


def test_limits_and_tokens_in_predict(run):
    status, out, err = recnn("predict", "--json", "--parser", CATALAN, "--max-edges", 10, run, "a a a a a", "a")
    assert (status, json.loads(out)["sentence"]) == (1, "a")
    assert "more than 10 edges in the chart: increase max_edges (--max-edges)" in err
    status, out, err = recnn("predict", "--json", "--parser", "duck", "--timeout", 0, run, "The boy saw her duck")
    assert (status, out) == (1, "")
    assert "not parsed within 0 seconds: increase timeout (--timeout)" in err
    status, out, err = recnn("predict", "--json", "--tokens", run, "the plot is good .", "the plot is good.")
    assert status == 0
    assert [json.loads(line)["sentence"] for line in out.splitlines()] == ["the plot is good .", "the plot is good."]
    assert [json.loads(line)["words"][-1] for line in out.splitlines()] == [".", "good."]
    assert err == ""


def test_limits():
    many = " ".join("a" * 60)
    status, out, err = recnn("parse", "--json", "--parser", CATALAN, many)
    assert (status, err, len(out.splitlines())) == (0, "", 1)
    status, out, err = recnn("parse", "--json", "--parser", CATALAN, "--max-edges", 1000, many, "a a")
    assert (status, trees(out)) == (1, ["(S (S a) (S a))"])
    assert "increase max_edges (--max-edges)" in err
    status, out, err = recnn("parse", "--json", "--parser", CATALAN, "--timeout", "0.001", many)
    assert (status, out) == (1, "")
    assert "not parsed within 0.001 seconds: increase timeout (--timeout)" in err
    assert recnn("parse", "--timeout", "-1", "a")[0] == 2
    assert recnn("parse", "--max-edges", "0", "a")[0] == 2


@pytest.mark.parametrize(
    ("options", "number", "message"),
    [
        ([], 1, ""),
        (["--all"], 14, ""),
        (["--limit", 5], 5, "has more than 5 parses: increase --limit to see them"),
        (["--limit", 14], 14, ""),
        (["--limit", 1], 1, "has more than 1 parse: increase --limit to see them"),
        (["--all", "--limit", 5], 5, "has more than 5 parses: increase --limit to see them"),
    ],
)
def test_a_limit_prints_that_many_parses(options, number, message):
    status, out, err = recnn("parse", "--json", *options, "--parser", CATALAN, "a a a a a")
    assert (status, len(out.splitlines())) == (0, number)
    assert message in err
    assert bool(err) == bool(message)


def test_feature_grammars_in_every_command():
    grammar = "S -> NP[NUM=?n] VP[NUM=?n]\nNP[NUM=sg] -> 'Kim'\nNP[NUM=pl] -> 'dogs'\nVP[NUM=sg] -> 'runs'"
    status, out, err = recnn("parse", "--json", "--parser", grammar, "Kim runs")
    assert (status, trees(out), err) == (0, ["(S (NP Kim) (VP runs))"], "")
    status, out, err = recnn("encode", "--json", "--hidden-size", 2, "--parser", grammar, "Kim runs")
    assert [node["label"] for node in json.loads(out)["nodes"]] == ["S", "NP", "VP"]
    status, out, err = recnn("parse", "--parser", grammar, "dogs runs")
    assert (status, out) == (1, "")
    assert err == (
        "recnn: sentence 'dogs runs': no parse as S, the start symbol of the grammar; "
        "longest phrases found: NP 'dogs', VP 'runs'\n"
    )


def test_a_grammar_with_another_arrow_is_no_file():
    status, out, err = recnn("parse", "--json", "--parser", "S → 'a' 'b'", "a b")
    assert (status, trees(out), err) == (0, ["(S a b)"], "")
    status, out, err = recnn("parse", "--parser", "S : 'a' 'b'", "a b")
    assert (status, err.count("\n")) == (1, 1)
    assert "grammar text has rules such as S -> NP VP" in err


def test_an_argument_that_is_not_text():
    status, out, err = recnn("parse", "--json", "the \udcff", "The boy saw her duck")
    assert (status, len(out.splitlines())) == (1, 1)
    assert "not UTF-8 text" in unframed(err)


def test_the_english_parser_gives_any_sentence_one_tree():
    status, out, err = recnn("parse", "--all", "The boy saw her duck")
    assert (status, err) == (0, "")
    assert out.startswith("The boy saw her duck\nparse 0, parser english\n")
    assert out.count("parse 0") == 1
    given = "zzzq vbnm", 'He said "no" (twice).', "DUCKS ARE \U0001f986", "?!"
    status, out, err = recnn("parse", "--json", "--limit", 5, *given)
    assert (status, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["sentence"] for record in records] == [*given]
    assert [(record["parser"], record["parse"], record["probability"]) for record in records] == [
        ("english", 0, None)
    ] * 4
    leaves = [tree_from_brackets(record["tree"]).leaves() for record in records]
    assert leaves[1:] == [
        ["He", "said", '"', "no", '"', "(", "twice", ")", "."],
        ["DUCKS", "ARE", "\U0001f986"],
        ["?", "!"],
    ]


def test_encode_with_the_english_parser():
    status, out, err = recnn(
        "encode", "--json", "--hidden-size", 2, "The boy saw her duck", "", "a zzzq of many words ."
    )
    assert (status, err) == (1, "recnn: sentence '': no words\n")
    first, second = map(json.loads, out.splitlines())
    assert first["tree"].startswith("(S (NP ")
    assert (first["parser"], first["expected_root_state"]) == ("english", None)
    assert second["words"] == second["nodes"][0]["words"] == ["a", "zzzq", "of", "many", "words", "."]
    assert all(len(node["state"]) == 2 for node in second["nodes"])
