import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import CorpusError
from corpora.plain_text import read_text, read_words, split_text
from parsers import tokenize


def test_lines_end_alike(write):
    content = "To be,\n\n  or not\x0cé \n"
    for variant in (content, content[:-1], "\ufeff" + content, content.replace("\n", "\r\n")):
        assert read_text(write(variant)) == content
        assert list(read_words(write(variant))) == [["To", "be,", "\n"], ["or", "not", "é", "\n"]]
        assert list(read_words(write(variant), tokenize, blank=True)) == [
            ["To", "be", ",", "\n"],
            ["\n"],
            ["or", "not", "é", "\n"],
        ]


@pytest.mark.parametrize(
    ("read", "content", "before", "place", "problem"),
    [
        (read_text, "", 0, (1, 1), "no text in this file"),
        (read_text, "one\ntwo \0\n", 0, (2, 5), "a NUL character"),
        (read_text, "é ".encode() + b"\xff", 0, (1, 3), "not UTF-8 text"),
        (read_text, "one\rtwo\n", 0, (1, 4), "a carriage return without a line feed"),
        (read_words, "", 0, (1, 1), "no word in this file"),
        (read_words, "\n \n", 0, (1, 1), "no word in this file"),
        (read_words, "one\ntwo \0\n", 1, (2, 5), "a NUL character"),
        (read_words, b"one\n\ntwo \xff\n", 1, (3, 5), "not UTF-8 text"),
    ],
)
def test_malformed_files_say_where(write, read, content, before, place, problem):
    path = write(content)
    items = []
    with pytest.raises(CorpusError) as caught:
        items.extend(read(path))
    assert str(caught.value) == f"{path}, line {place[0]}, column {place[1]}: {problem}"
    assert len(items) == before


@pytest.mark.parametrize("read", [read_text, read_words])
def test_a_missing_file_is_an_oserror(tmp_path, read):
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "nowhere"))


@given(st.text(min_size=2), st.floats(0.01, 0.99))
def test_a_split_loses_nothing_and_is_exact(text, held_out):
    place = int(len(text) * (1 - held_out))
    if not place:
        with pytest.raises(ValueError, match=re.escape(f"held_out={held_out} leaves a part of the")):
            split_text(text, held_out)
        return
    train, rest = split_text(text, held_out)
    assert train + rest == text
    assert len(train) == place
    assert split_text(list(text), held_out) == (list(train), list(rest))


@pytest.mark.parametrize("held_out", [0, 1, -0.5, 1.5])
def test_both_parts_have_something(held_out):
    with pytest.raises(ValueError, match="leaves a part of the 10 characters or words empty"):
        split_text("0123456789", held_out)


def test_tiny_shakespeare(data):
    path = data / "tinyshakespeare" / "input.txt"
    text = read_text(path)
    assert text.encode() == path.read_bytes()
    assert (len(text), len(set(text))) == (1_115_394, 65)
    train, held_out = split_text(text)
    assert (len(train), len(held_out)) == (1_003_854, 111_540)
    assert sum(1 for _ in read_words(path)) == 32_777
    assert sum(1 for _ in read_words(path, blank=True)) == 40_000
