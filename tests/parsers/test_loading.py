import pickle

import pytest
from nltk import CFG, PCFG, Nonterminal, induce_pcfg
from nltk.grammar import FeatureGrammar
from nltk.parse.chart import LeftCornerChartParser

from parsers import GrammarError, GrammarParser, brackets, bundled_grammars, load_grammar


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


@pytest.mark.parametrize("arrow", ["->", "→", "⇒", "=>", "-->", "::=", "⟶", "–>"])
def test_arrows(arrow):
    """A text with any of them is the text of a grammar, not the name of a file."""
    for text in (f"S {arrow} NP '→' | 'a => b'\nNP{arrow}'x'", f"S{arrow}NP '→' | 'a => b'\nNP  {arrow}  'x'"):
        grammar = load_grammar(text)
        assert [str(rule) for rule in grammar.productions()] == ["S -> NP '→'", "S -> 'a => b'", "NP -> 'x'"]
    assert str(load_grammar(f"NP^<S-> {arrow} 'x'" if arrow == "->" else "NP^<S-> -> 'x'").start()) == "NP^<S->"


def test_a_file_may_have_an_arrow_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a->b.cfg", "a→b"):
        (tmp_path / name).write_text("S -> 'a'", "utf-8")
        for source in (name, tmp_path / name):
            assert [str(rule) for rule in load_grammar(source).productions()] == ["S -> 'a'"]


@pytest.mark.parametrize(
    "text", ["S : 'a' 'b'", "S = NP VP", "duck duck", "x" * 5000, "no\0name", "%start S", "S 'a' " + "b" * 300]
)
def test_what_is_neither_a_grammar_nor_a_file_is_one_short_line(text):
    with pytest.raises(GrammarError) as error:
        load_grammar(text)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "probabilities"),
    [
        ("S -> 'a' [5e-05] | 'b' [9.9995e-1]", [5e-05, 0.99995]),
        ("S -> 'a' [.5] # it's a comment\n\tS -> 'b' [ 0.5 ]# \"one\nS -> '#' [0.]", [0.5, 0.5, 0.0]),
        ("S -> 'a' [1E0]\nS -> 'b' [1e-320]", [1.0, 1e-320]),
    ],
)
def test_probabilities(text, probabilities):
    grammar = load_grammar(text)
    assert isinstance(grammar, PCFG)
    assert [rule.prob() for rule in grammar.productions()] == probabilities


def test_an_induced_grammar_is_read_as_it_is_printed():
    rules = [rule for i in range(30_000) for rule in CFG.fromstring(f"S -> 'w{min(i, 1)}'").productions()[:1]]
    induced = induce_pcfg(Nonterminal("S"), rules)
    text = "\n".join(map(str, induced.productions()))
    assert "e-05]" in text
    assert [rule.prob() for rule in load_grammar(text).productions()] == pytest.approx(
        [rule.prob() for rule in induced.productions()], rel=1e-5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S[NUM=?n -> 'a'", r"line 1: error parsing feature structure .*expected comma"),
        ("S -> NP[NUM=sg]\nNP[NUM=sg] -> 'a' [0.5]", r"line 2: a probability in a grammar with features \(line 1\)"),
        ("S -> 'a' [1/2]", r"line 1: expected a nonterminal, found: \[1/2\]"),
        ("S -> 'a' [-0.5]", r"line 1: expected a nonterminal"),
        ("\n# one\r\nS -> ‘a’", r"line 3: expected a nonterminal, found: ‘a’"),
        ("S -> 'a' [5e-05]", r"line 1: the probabilities of S sum to 5e-05, not to 1"),
    ],
)
def test_more_malformed_grammars_say_where(text, message):
    with pytest.raises(GrammarError, match=f"(?i){message}") as error:
        load_grammar(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15", "utf-8"])
def test_a_file_names_its_encoding(tmp_path, encoding):
    path = tmp_path / "mine.cfg"
    text = f"# -*- coding: {encoding} -*-\n# Grammatik für Cafés\nS -> 'café' 'naïf'  # déjà vu\n"
    path.write_bytes(text.encode(encoding))
    assert GrammarParser(load_grammar(path)).parse("café naïf").leaves() == ["café", "naïf"]


def test_other_encodings(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_bytes("# by Peter Ljunglöf\nS -> 'a' # é\n".encode("latin-1"))  # only in comments
    assert brackets(GrammarParser(load_grammar(path)).parse("a")) == "(S a)"
    path.write_bytes("# é\nS -> 'é' 'caf\xe9'\n".encode("latin-1"))
    with pytest.raises(GrammarError, match=r"not UTF-8 text \(byte 11\): name the encoding in the first line"):
        load_grammar(path)
    path.write_bytes(b"# coding: klingon\nS -> 'a'\n")
    with pytest.raises(GrammarError, match="unknown encoding: klingon"):
        load_grammar(path)
    path.write_bytes(b"\xef\xbb\xbfS -> 'a'\rA -> 'b'\r")  # a byte order mark, line ends of old Macintoshes
    assert len(load_grammar(path).productions()) == 2


def test_features_are_recognised():
    for text in (
        "S[NUM=?n] -> 'a'",
        "S[+inv] -> 'a'",
        "S -> NP[]\nNP -> 'a'",
        "S[ -AUX, NUM = 'sg'] -> 'a'",
        "S[AGR=[N=1]] -> 'a'",
    ):
        grammar = load_grammar(text)
        assert isinstance(grammar, FeatureGrammar), text
        assert brackets(GrammarParser(grammar).parse("a")) in ("(S a)", "(S (NP a))")
    assert not isinstance(load_grammar("S -> '[NUM=sg]' # NP[NUM=sg]"), FeatureGrammar)


def test_a_grammar_works_with_nltks_own_parsers_and_survives_a_pickle():
    grammar = pickle.loads(pickle.dumps(load_grammar("S -> NP 'x'\nNP -> 'y'")))
    assert [brackets(tree) for tree in LeftCornerChartParser(grammar).parse(["y", "x"])] == ["(S (NP y) x)"]
    assert grammar.is_leftcorner(grammar.start(), "y")
    with pytest.raises(AttributeError, match="no attribute 'leftcorner'"):
        _ = grammar.leftcorner


def test_a_large_grammar_is_loaded_without_a_quadratic_table():
    rules = [f"A{i} -> A{i + 1} [1.0]" for i in range(5000)]
    grammar = load_grammar("\n".join([*rules, "A5000 -> 'a' [1.0]"]))
    assert not [name for name in vars(grammar) if "leftcorner" in name]
