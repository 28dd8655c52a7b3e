"""A trained parser behind the interface of all parsers: any sentence gets a tree, over its words as they were typed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import parsers
import recnn
from parsers.errors import EmptySentenceError, SentenceError
from recnn.models import trained_parser
from recnn.models.span_parser import SpanParser
from recnn.models.trained_parser import ENGLISH, TrainedParser, english
from tests.recnn.models.test_folder import pair_model
from tests.recnn.models.test_span_parser import parser as small

torch.set_num_threads(1)
MANY = ["the", "quick", "duck", "saw", "a", "man", "and"]
TYPED = [
    ("He said \"duck\" and ''ran``.", ["He", "said", '"', "duck", '"', "and", "''", "ran", "``", "."]),
    ("It (the duck) [sic] {slept}", ["It", "(", "the", "duck", ")", "[", "sic", "]", "{", "slept", "}"]),
    ("the boy saw her duck", ["the", "boy", "saw", "her", "duck"]),
    ("THE BOY SAW HER DUCK !", ["THE", "BOY", "SAW", "HER", "DUCK", "!"]),
    ("Stop", ["Stop"]),
    ("?!", ["?", "!"]),
    ("\U0001f986\U0001f3fd are \U0001f642 \u2764\ufe0f", ["\U0001f986\U0001f3fd", "are", "\U0001f642", "\u2764\ufe0f"]),
    ("Zweifelsohne  \u00e9t\u00e9 \u732b", ["Zweifelsohne", "\u00e9t\u00e9", "\u732b"]),
    (
        "the quick duck saw a man and " * 28 + "it slept .",
        [*MANY * 28, "it", "slept", "."],
    ),
    ("x" * 5_000, ["x" * 5_000]),
]


@pytest.fixture(scope="module")
def parser() -> TrainedParser:
    return english()


@pytest.mark.parametrize(("sentence", "words"), TYPED, ids=[words[0][:20] for _, words in TYPED])
def test_any_sentence_gets_a_tree_over_the_words_as_typed(parser, sentence, words) -> None:
    parses = parser.parses(sentence)
    assert (parses.words, parses.dropped) == (words, [])
    (tree,) = parses
    assert tree.leaves() == words
    assert all(node.label() for node in tree.subtrees())
    assert [node for node in tree.subtrees() if node.height() == 2 and len(node) > 1] == []  # every word has its tag


@pytest.mark.parametrize("words", [["(", "a b", ")"], ["``", "x", "''"], ['"', "-LRB-"], ["\x1b", "\n"]])
def test_words_that_are_given_stay_as_they_are(parser, words) -> None:
    assert parser.parse(words).leaves() == parser.parse(tuple(words)).leaves() == words


def test_errors_come_in_the_order_of_the_sentences(parser) -> None:
    given = ["", "a duck", [], ["a", ""], "  ", ["a", 3], "slept"]
    found = list(parser.parse_each(given))
    assert [type(one) for one in found if isinstance(one, SentenceError)] == [
        EmptySentenceError, EmptySentenceError, SentenceError, EmptySentenceError, SentenceError,
    ]  # fmt: skip
    assert [found[1].leaves(), found[6].leaves()] == [["a", "duck"], ["slept"]]
    for sentence, one in zip(given, found, strict=True):
        if isinstance(one, SentenceError):
            with pytest.raises(type(one)) as caught:
                parser.parse(sentence)
            assert str(caught.value) == str(one)
    assert list(parser.parse_each([])) == []
    assert list(parser.parse_each(["", ""])) != []


@pytest.mark.parametrize("at_once", [1, 3, 1024])
def test_batches_are_as_single_sentences(monkeypatch, at_once: int) -> None:
    monkeypatch.setattr(trained_parser, "_AT_ONCE", at_once)
    parser = TrainedParser(small().double().eval())
    given = [*(sentence for sentence, _ in TYPED), "", "Stop"]
    together = list(parser.parse_each(iter(given)))
    assert len(together) == len(given)
    assert isinstance(together.pop(-2), EmptySentenceError)
    assert together == [parser.parse(sentence) for sentence in [*given[:-2], "Stop"]]


def test_the_shipped_model() -> None:
    assert sum(file.stat().st_size for file in ENGLISH.iterdir()) <= 15_000_000
    model = recnn.load(ENGLISH)
    assert isinstance(model, SpanParser)
    assert not model.training
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert parsers.load(str(ENGLISH)).parse("She slept .") == english().parse("She slept .")


def test_a_folder_is_a_parser_and_so_is_a_run(tmp_path: Path) -> None:
    small().save(tmp_path / "run" / "best")
    (tmp_path / "run" / "run.json").write_text("{}")
    expected = TrainedParser(small().eval()).parse("The boy saw her duck")
    assert parsers.load(str(tmp_path / "run" / "best")).parse("The boy saw her duck") == expected
    assert parsers.load(str(tmp_path / "run")).parse("The boy saw her duck") == expected
    pair_model().save(tmp_path / "pairs")
    with pytest.raises(recnn.ModelError, match="expected a model of kind 'parser', got 'pairs'"):
        parsers.load(str(tmp_path / "pairs"))


def test_it_needs_no_extra() -> None:
    extras = "('lightning', 'torchmetrics', 'matplotlib', 'safetensors', 'sacrebleu')"
    code = f"import sys; sys.modules.update(dict.fromkeys({extras}))\nfrom recnn.models.trained_parser import english\n"
    code += "print(english().parse('She slept').leaves())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("['She', 'slept']\n", "")
