from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import CFG, PCFG, ChartParser, Nonterminal, ProbabilisticTree, Production, Tree, ViterbiParser
from nltk.featstruct import TYPE
from nltk.grammar import FeatureGrammar
from nltk.parse import FeatureChartParser

from parsers import (
    EmptySentenceError,
    GrammarParser,
    LimitError,
    NoParseError,
    SentenceError,
    UnknownWordError,
    brackets,
    load_grammar,
    productions,
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


ARITHMETIC = "E -> E '+' T | T | E '-' T\nT -> 'a' | 'b'"


@pytest.mark.parametrize(
    ("grammar", "sentence", "unknown"),
    [
        (ARITHMETIC, "a - ( b + a )", r"'\(' \(word 3\), '\)' \(word 7\)"),
        (ARITHMETIC, "a - b / a", r"'/' \(word 4\)"),
        (ARITHMETIC, "a -- b", r"'--' \(word 2\b"),
        (ARITHMETIC, "a % b", r"'%' \(word 2\)"),
        (ARITHMETIC, "a — b", r"'—' \(word 2\)"),
        (ARITHMETIC, "[a]", r"'\[' \(word 1\)"),
        (ARITHMETIC, "a & b_", r"'&' \(word 2\)"),
        ("S -> 'a'", ["a", "."], r"'\.' \(word 2\)"),
        ("S -> 'a' ''", ["a", ""], r"'' \(word 2\b"),
    ],
)
def test_what_the_grammar_lacks_is_an_error(grammar, sentence, unknown):
    with pytest.raises(UnknownWordError, match=unknown):
        GrammarParser(load_grammar(grammar)).parses(sentence)


def test_a_message_names_a_few_of_many_unknown_words(duck):
    with pytest.raises(UnknownWordError, match=r"'zz' \(word 5\) and 995 more$"):
        duck.parses("zz " * 1000)
    with pytest.raises(UnknownWordError) as error:
        duck.parses("the boy saw " + "z" * 100_000)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("sentence", "dropped"),
    [
        ("The boy saw her duck", []),
        ("The boy saw her duck.", ["."]),
        ('"The boy", he saw: "her duck"...?!', ['"', '"', ",", ":", '"', '"', "...", "?", "!"]),
        ("“the boy” ‘saw’ ; her duck …", ["“", "”", "‘", "’", ";", "…"]),
    ],
)
def test_punctuation_that_is_dropped_is_listed(sentence, dropped):
    grammar = "S -> NP V NP | NP P V NP\nNP -> D N\nD -> 'the' | 'her'\nN -> 'boy' | 'duck'\nP -> 'he'\nV -> 'saw'"
    parses = GrammarParser(load_grammar(grammar)).parses(sentence)
    assert parses.dropped == dropped
    assert parses.words == next(parses).leaves()
    assert not set(parses.words) & set(dropped)


def test_punctuation_of_the_grammar_is_kept():
    parses = GrammarParser(load_grammar("S -> 'a' ',' 'b'")).parses("a, b.")
    assert (parses.words, parses.dropped) == (["a", ",", "b"], ["."])
    with pytest.raises(NoParseError):
        GrammarParser(load_grammar("S -> 'a' 'b' | 'b' ','")).parses("a, b")  # it would be one without the comma


@pytest.mark.parametrize(
    ("quotes", "sentence", "words"),
    [
        (['"', '"'], 'say "a"', ["say", '"', "a", '"']),
        (["``", "''"], 'say "a"', ["say", "``", "a", "''"]),
        (["``", "''"], "say ``a''", ["say", "``", "a", "''"]),
        (["“", "”"], "say “a”", ["say", "“", "a", "”"]),
    ],
)
def test_quotes_are_those_of_the_grammar(quotes, sentence, words):
    s, a = Nonterminal("S"), Nonterminal("A")
    grammar = CFG(s, [Production(s, ["say", quotes[0], a, quotes[1]]), Production(a, ["a"])])
    assert GrammarParser(grammar).parse(sentence).leaves() == words


def test_tokens_suit_grammars_with_other_words():
    parser = GrammarParser(load_grammar("S -> NP \"don't\" V P\nNP -> 'we'\nV -> 'like'\nP -> 'New York'"))
    assert parser.parse(["We", "don't", "like", "New York"]).leaves() == ["We", "don't", "like", "New York"]
    with pytest.raises(UnknownWordError, match="'do'"):
        parser.parse("We don't like New York")
    with pytest.raises(SentenceError, match="token 2 is not a string: 3"):
        parser.parse(["We", 3])


MAY = """
S -> NP VP | Aux NP VP
NP -> 'May' N | N
N -> 'dogs' | 'may'
Aux -> 'may'
VP -> 'run'
"""


def test_a_word_has_the_readings_of_all_its_spellings():
    found = [brackets(tree) for tree in GrammarParser(load_grammar(MAY)).parses("May dogs run")]
    assert found == ["(S (NP May (N dogs)) (VP run))", "(S (Aux May) (NP (N dogs)) (VP run))"]
    assert brackets(GrammarParser(load_grammar(MAY)).parse("may dogs run")).startswith("(S (Aux may)")
    upper = GrammarParser(load_grammar("S -> N | M\nN -> 'Will'\nM -> 'will'"))
    assert {brackets(tree) for tree in upper.parses("WILL")} == {"(S (N WILL))", "(S (M WILL))"}


@pytest.mark.parametrize("grammar", ["N -> 'May' | 'may'", "N -> 'May' [0.25] | 'may' [0.75]"])
def test_two_spellings_below_one_label_are_one_tree(grammar):
    trees = list(GrammarParser(load_grammar(grammar)).parses("May"))
    assert [brackets(tree) for tree in trees] == ["(N May)"]
    assert getattr(trees[0], "prob", lambda: 0.25)() == 0.25  # as it is written


@pytest.mark.parametrize(("written", "typed"), [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9")])
def test_composed_and_decomposed_characters_are_the_same(written, typed):
    s = Nonterminal("S")
    for grammar in (load_grammar(f"S -> '{written}'"), CFG(s, [Production(s, [written])])):
        assert GrammarParser(grammar).parse(typed).leaves() == [typed]
        assert GrammarParser(grammar).parse([typed.upper()]).leaves() == [typed.upper()]


EMPTY = [
    ("S -> A B | A\nA -> 'a'\nB -> 'b' | ", "a", ["(S (A a))"]),
    ("S -> A B\nA -> 'a' | A E\nE -> \nB -> 'b'", "a b", ["(S (A a) (B b))"]),
    ("S -> A S | A\nA -> 'a' | ", "a a", ["(S (A a) (S (A a)))"]),
    ("S -> A [0.5] | A B [0.5]\nA -> 'a' [1.0]\nB -> 'b' [0.9] | [0.1]", "a", ["(S (A a))"]),
]


@pytest.mark.parametrize(("grammar", "sentence", "trees"), EMPTY)
def test_parses_with_empty_phrases_are_left_out(grammar, sentence, trees):
    grammar = load_grammar(grammar)
    assert [brackets(tree) for tree in GrammarParser(grammar).parses(sentence)] == trees
    every = ChartParser(grammar).parse(sentence.split())
    assert {brackets(t) for t in every if all(map(len, t.subtrees()))} == set(trees)


@pytest.mark.parametrize(
    "grammar", ["S -> A B\nA -> 'a'\nB -> ", "S -> A B\nA -> 'a'\nB -> ''", "S[N=1] -> 'a' B\nB -> "]
)
def test_a_sentence_that_needs_an_empty_phrase_says_so(grammar):
    with pytest.raises(NoParseError, match=r"empty right side \(B.* -> .*\) is not used"):
        GrammarParser(load_grammar(grammar)).parses("a")


AMBIGUOUS_FEATURES = """
%start S
S -> NP[NUM=?n] VP[NUM=?n]  # agreement
NP[NUM=?n] -> Det[NUM=?n] N[NUM=?n] | NP[NUM=?n] PP
PP -> 'with' NP
VP[NUM=?n] -> V[NUM=?n] NP | VP[NUM=?n] PP
Det[NUM=sg] -> 'a'
Det -> 'the'
N[NUM=sg] -> 'dog' | 'fish'
N[NUM=pl] -> 'dogs' | 'fish'
V[NUM=sg] -> 'sees'
V[NUM=pl] -> 'see'
"""


def test_feature_grammars_parse_as_in_nltk_with_plain_labels():
    grammar = load_grammar(AMBIGUOUS_FEATURES)
    assert isinstance(grammar, FeatureGrammar)
    parser = GrammarParser(grammar)
    for sentence in ("the dogs see a fish", "the fish sees the dog with the fish with a dog"):
        expected = [t.copy(deep=True) for t in FeatureChartParser(grammar, **_untimed()).parse(sentence.split())]
        for phrase in (phrase for tree in expected for phrase in tree.subtrees()):
            phrase.set_label(str(phrase.label()[TYPE]))
        found = [brackets(tree) for tree in parser.parses(sentence)]
        assert len(found) == len(set(found))
        assert set(found) == {brackets(tree) for tree in expected}
    assert productions(parser.parse("the dogs see a fish"))[0] == ("S", ("NP", "VP"), (1, 2, 5))
    assert parser.parse("The DOGS see the fish.").leaves() == ["The", "DOGS", "see", "the", "fish"]
    with pytest.raises(NoParseError, match="no parse as S, the start symbol"):
        parser.parses("a dogs see a fish")
    with pytest.raises(UnknownWordError, match="'cats'"):
        parser.parses("the cats see a fish")


def _untimed():
    return {"max_time": None} if "max_time" in ChartParser.__init__.__code__.co_varnames else {}


def test_a_sentence_that_takes_nltk_longer_than_its_limit():
    """NLTK 3.10 gives up after 5 seconds."""
    parser = GrammarParser(load_grammar("S -> S S | 'a'"))
    assert len(parser.parse(["a"] * 60).leaves()) == 60
    wide = GrammarParser(load_grammar("S -> S S S S S S S S | 'a'"))  # exponentially many lists of children
    assert len(wide.parse(["a"] * 36).leaves()) == 36


@pytest.mark.parametrize(
    "grammar", ["S -> S S | 'a'", "S -> S S [0.5] | 'a' [0.5]", "S[N=?n] -> S[N=?n] S\nS[N=1] -> 'a'"]
)
def test_limits_are_errors_of_the_sentence(grammar):
    grammar = load_grammar(grammar)
    with pytest.raises(LimitError, match=r"'a a a.*more than 100 edges in the chart: increase max_edges"):
        GrammarParser(grammar, max_edges=100).parses(["a"] * 30)
    with pytest.raises(LimitError, match=r"not parsed within 0 seconds: increase timeout"):
        GrammarParser(grammar, timeout=0).parses(["a"] * 30)
    assert GrammarParser(grammar, max_edges=100, timeout=60).parse(["a"] * 3).leaves() == ["a"] * 3


def test_the_search_for_the_next_tree_has_the_same_limit():
    """Here 2 to the power of 20 trees differ in features alone."""
    parser = GrammarParser(load_grammar("S -> X S | X\nX[N=1] -> 'a'\nX[N=2] -> 'a'"), max_edges=3000)
    parses = parser.parses(["a"] * 20)
    assert next(parses).leaves() == ["a"] * 20
    with pytest.raises(LimitError, match="more than 3,000 edges"):
        next(parses)


def test_each_tree_has_a_limit_of_its_own():
    """There are 429 trees with some 30 steps each."""
    parser = GrammarParser(load_grammar("S -> S S [0.5] | 'a' [0.5]"), max_edges=500)
    assert len(list(parser.parses(["a"] * 8))) == 429


def test_long_chains_of_unary_rules():
    length = 3000
    rules = [f"A{i} -> A{i + 1}" for i in range(length)]
    parser = GrammarParser(load_grammar("\n".join([*rules, f"A{length} -> 'a' | A0"])))
    found = list(parser.parses("a"))
    assert [len(productions(tree)) for tree in found] == [length + 1]
    with pytest.raises(NoParseError, match=r"A1 'a a'|longest phrases found: A0 'a', .* and 2996 more"):
        parser.parses("a a")


def test_many_rules_for_one_symbol():
    rules = [f"S -> X{i}\nX{i} -> 'a'" for i in range(1000)]
    parser = GrammarParser(load_grammar("\n".join(rules)))
    assert len({brackets(tree) for tree in parser.parses("a")}) == 1000
