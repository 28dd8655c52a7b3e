"""Parsers by name: all that there are, and clear errors for the rest."""

import re

import pytest
from nltk import Tree

import parsers
from parsers import EmptySentenceError, GrammarError, InputError, words_of

SENTENCES = {"telescope": "I saw the man with a telescope"}
DUCK = "The boy saw her duck"


def test_the_names() -> None:
    found = parsers.available()
    assert {"english", "right", "left", "balanced", "duck", "telescope"} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", parsers.available())
def test_every_name_loads_and_parses(name: str) -> None:
    parser = parsers.load(name)
    assert isinstance(parser, parsers.Parser)
    sentence = SENTENCES.get(name, DUCK)
    best, *others = parser.parses(sentence)
    assert words_of(best) == sentence.split() == parser.parses(sentence).words
    assert parser.parse(sentence) == parser.parse(sentence.split()) == best
    assert bool(others) == (name in parsers.bundled_grammars())  # both grammars have a second reading
    good, bad, again = parser.parse_each([sentence, "", sentence])
    assert good == again == best
    assert isinstance(bad, EmptySentenceError)
    assert str(bad) == "sentence '': no words"
    with pytest.raises(EmptySentenceError):
        parser.parse([])


def test_english() -> None:
    tree = parsers.load("english").parse(DUCK)
    assert [tree.label(), *(child.label() for child in tree)] == ["S", "NP", "VP"]


def test_shapes_have_the_words_as_typed() -> None:
    assert parsers.load("right").parse('say "a"') == parsers.shaped(["say", '"', "a", '"'], "right")
    assert parsers.load("left").parse(["a", "b", "c"]) == parsers.shaped(["a", "b", "c"], "left")


def test_grammars_by_path_and_text(tmp_path) -> None:
    text = "S -> A 'b'\nA -> 'a'\n"
    (tmp_path / "own").write_text(text)
    expected = Tree.fromstring("(S (A a) b)")
    assert parsers.load(str(tmp_path / "own")).parse("a b") == expected
    assert parsers.load(text).parse("a b") == expected
    many = text + "".join(f"A -> 'a{number}'\n" for number in range(1000))  # longer than any path
    assert parsers.load(many).parse("a999 b").leaves() == ["a999", "b"]


def test_limits_are_those_of_the_grammar() -> None:
    with pytest.raises(parsers.LimitError, match="more than 10 edges"):
        parsers.load("duck", max_edges=10).parse(DUCK)
    with pytest.raises(parsers.LimitError, match="not parsed within 0 seconds"):
        parsers.load("duck", timeout=0).parse(DUCK)


@pytest.mark.parametrize("name", ["nosuch", "English", "duck.cfg", "no/such/folder"])
def test_unknown_names(name: str) -> None:
    names = ", ".join(parsers.available())
    message = f"parser {name}: no such file or folder, and no parser of that name ({names})"
    with pytest.raises(GrammarError, match=f"^{re.escape(message)}$"):
        parsers.load(name)


def test_a_folder_without_a_parser(tmp_path) -> None:
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}: not the folder of a model, .* missing$"):
        parsers.load(str(tmp_path))
