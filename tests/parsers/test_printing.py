import json
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from parsers.printing import printable, printable_json
from tests.strategies import awkward

SPECIAL = "\0\x07\x1b[31m\r\x7f\x9b2J\x85\u2028\u2029\u202e\u2066\ud800\ufffe"


@given(awkward)
def test_printable_text_is_one_line_of_valid_xml(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").encode()
    ElementTree.fromstring(b"<t>" + escaped + b"</t>")


def test_other_text_is_left_alone():
    text = "naïve 你好 👩\u200d🔬 می\u200cخواهم \u00a0 \\ (" + '"'
    assert printable(text) == text
    assert printable(SPECIAL) == r"\x00\x07\x1b[31m\x0d\x7f\x9b2J\x85\u2028\u2029\u202e\u2066\ud800\ufffe"
    assert printable("a\nb\t", keep="\n") == "a\nb\\x09"


@given(st.lists(awkward | st.just(SPECIAL)))
def test_json_keeps_its_value(words):
    text = printable_json(json.dumps(words, ensure_ascii=False))
    assert json.loads(text) == words
    assert printable(text) == text
