from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import CFG, PCFG, ChartParser, ProbabilisticTree, Tree, ViterbiParser

from parsers import (
    EmptySentenceError,
    GrammarError,
    GrammarParser,
    NoParseError,
    UnknownWordError,
    brackets,
    bundled_grammars,
    load_grammar,
)

AMBIGUOUS = """
S -> S S [0.3] | A B [0.3] | A [0.2] | 'b' [0.2]
A -> 'a' [0.6] | S B [0.4]
B -> 'b' [0.5] | B B [0.2] | S [0.3]
"""


@pytest.fixture(scope="module")
def duck():
    return GrammarParser(load_grammar("duck"))


def test_both_readings_of_the_duck_most_probable_first(duck):
    first, second = duck.parses("The boy saw her duck")
    assert brackets(first) == "(S (NP (Det The) (Noun boy)) (VP (Verb saw) (NP (Det her) (Noun duck))))"
    assert brackets(second) == "(S (NP (Det The) (Noun boy)) (VP (Verb saw) (SC (NP (Pron her)) (Bare duck))))"
    assert first.prob() == pytest.approx(0.7 * 0.5 * 0.4 * 0.7 * 0.7 * 0.7 * 0.2 * 0.3)
    assert duck.parse("The boy saw her duck") == first


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=6))
def test_parses_are_those_of_nltk(tokens):
    grammar = CFG.fromstring("S -> S S | A B | A | 'b'\nA -> 'a'\nB -> 'b' | B B")
    expected = list(ChartParser(grammar).parse(tokens))
    parser = GrammarParser(grammar)
    if not expected:
        with pytest.raises(NoParseError):
            parser.parses(tokens)
        return
    found = list(parser.parses(tokens))
    assert len(found) == len(expected)
    assert {str(tree) for tree in found} == {str(tree) for tree in expected}


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=6))
def test_best_parse_is_viterbis_and_the_rest_follow_by_probability(tokens):
    grammar = PCFG.fromstring(AMBIGUOUS.replace("| S [0.3]", "").replace("B B [0.2]", "B B [0.5]"))
    expected = next(iter(ViterbiParser(grammar).parse(tokens)), None)
    parser = GrammarParser(grammar)
    if expected is None:
        with pytest.raises(NoParseError):
            parser.parses(tokens)
        return
    probabilities = [tree.prob() for tree in parser.parses(tokens)]
    assert parser.parse(tokens).prob() == pytest.approx(expected.prob())
    assert all(a >= b * (1 - 1e-9) for a, b in pairwise(probabilities))


def test_every_node_has_the_probability_of_its_own_derivation(duck):
    tree = duck.parse("a boy heard the girl")
    noun_phrase = tree[1][1]
    assert isinstance(noun_phrase, ProbabilisticTree)
    assert noun_phrase.prob() == pytest.approx(0.7 * 0.5 * 0.3)


def test_a_cycle_of_unary_rules_ends():
    parser = GrammarParser(PCFG.fromstring(AMBIGUOUS))
    found = [str(Tree.convert(tree)) for tree in parser.parses(["a", "b"])]
    assert len(found) == len(set(found)) > 1
    cyclic = CFG.fromstring("S -> S | A | 'x'\nA -> S")
    found = {str(tree) for tree in GrammarParser(cyclic).parses(["x"])}
    assert {str(tree) for tree in ChartParser(cyclic).parse(["x"])} <= found
    assert len(found) == 5  # S -> S and S -> A -> S once each, in either order, or one of them, or none


@pytest.mark.parametrize(("phrases", "catalan"), [(1, 2), (2, 5), (3, 14), (4, 42)])
def test_attachments_multiply_by_the_catalan_numbers(phrases, catalan):
    parser = GrammarParser(load_grammar("telescope"))
    found = list(parser.parses("I saw the man" + " with a telescope" * phrases))
    assert len(found) == len({str(tree) for tree in found}) == catalan


def test_a_hugely_ambiguous_sentence_can_be_cut_off():
    grammar = CFG.fromstring("S -> S S | 'a'")
    found = list(islice(GrammarParser(grammar).parses(["a"] * 40), 3))
    assert len({str(tree) for tree in found}) == 3
    weighted = PCFG.fromstring("S -> S S [0.4] | 'a' [0.6]")
    assert len(list(islice(GrammarParser(weighted).parses(["a"] * 30), 3))) == 3


def test_case_and_punctuation(duck):
    plain = duck.parse("the boy saw her duck")
    assert duck.parse("THE boy SAW her duck, ...!").leaves() == ["THE", "boy", "SAW", "her", "duck"]
    assert duck.parse("the boy saw her duck").prob() == plain.prob()
    with pytest.raises(UnknownWordError, match=r"'\.' \(word 6\)"):
        duck.parse(["the", "boy", "saw", "her", "duck", "."])  # a list of tokens is taken as it is
    known = GrammarParser(CFG.fromstring("S -> 'stop' '.'"))
    assert known.parse("Stop.").leaves() == ["Stop", "."]
    proper = GrammarParser(CFG.fromstring("S -> 'John' 'sleeps'"))
    assert proper.parse("john sleeps").leaves() == ["john", "sleeps"]


@pytest.mark.parametrize("sentence", ["", "   ", "?!", []])
def test_no_words(duck, sentence):
    with pytest.raises(EmptySentenceError, match="no words"):
        duck.parses(sentence)


def test_unknown_words_are_all_named_with_their_places(duck):
    with pytest.raises(UnknownWordError, match=r"'cat' \(word 2\), 'ducks' \(word 5, did you mean 'duck'\?\)"):
        duck.parses("the cat saw her ducks")


def test_no_parse_names_the_start_symbol_and_what_was_found(duck):
    with pytest.raises(NoParseError, match=r"no parse as S, the start symbol.*VP 'saw her duck'"):
        duck.parses("saw her duck")
    incomplete = GrammarParser(CFG.fromstring("S -> NP VP\nNP -> 'x'"))
    with pytest.raises(NoParseError, match="no rule for VP"):
        incomplete.parses("x")


def test_start_symbol(tmp_path):
    assert str(load_grammar("A -> B\nB -> 'b'").start()) == "A"
    assert str(load_grammar("%start B\nA -> B\nB -> 'b'").start()) == "B"


def test_grammar_from_a_file_and_by_name(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text("# a comment with [0.5]\nS -> 'a' '[1]'\n", "utf-8")
    grammar = load_grammar(path)
    assert not isinstance(grammar, PCFG)
    assert GrammarParser(grammar).parse(["a", "[1]"]).leaves() == ["a", "[1]"]
    assert isinstance(load_grammar("duck"), PCFG)
    assert bundled_grammars() == ["duck", "telescope"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S -> NP\nNP 'a' -> ", r"line 2: expected an arrow"),
        ("S -> 'a", r"line 1: unterminated string"),
        ("S -> NP | $", r"line 1: expected a nonterminal, found: \$"),
        ("S -> 'a' [0.5]\nA -> 'b' [1.0]", r"line 1: the probabilities of S sum to 0.5, not to 1"),
        ("S -> 'a' [2.0]", r"line 1: production probability 2"),
        ("%begin S\nS -> 'a'", r"line 1: bad directive"),
        ("# -> nothing", r"line 1: no productions found"),
    ],
)
def test_malformed_grammars_say_where(text, message):
    with pytest.raises(GrammarError, match=message):
        load_grammar(text)


def test_missing_and_unreadable_grammars(tmp_path):
    with pytest.raises(GrammarError, match=r"no such file, and no bundled grammar.*duck"):
        load_grammar("duk")
    with pytest.raises(GrammarError, match="directory"):
        load_grammar(tmp_path)
    (tmp_path / "latin").write_bytes(b"S -> '\xe9'")
    with pytest.raises(GrammarError, match=r"not UTF-8 text \(byte 7\)"):
        load_grammar(tmp_path / "latin")
