"""Sentences and words of running text: where they are, and that no character is lost."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import parsers

# What the tokenizer treats in its own way, and all kinds of blanks.
ODD = st.text(st.sampled_from("abAB.,'\"`()-?!<[]:;&…“”’ntsd \t\n\x1c\x85\xa0\u2028\0"), max_size=40)


def without_blanks(text):
    return "".join(text.split())


@given(st.one_of(st.text(max_size=40), ODD))
@example('`" ')
@example("He said: ``\"no\". ''Yes'' \"")
@example("(One.) ) Two. \n \n\n.")
def test_spans_are_increasing_and_disjoint_and_cover_the_text(text):
    found = parsers.sentence_spans(text)
    words = [word for sentence in found for word in parsers.word_spans(sentence)]
    for spans in (found, words):
        assert all(text[start:end] == typed and typed == typed.strip() != "" for start, end, typed in spans)
        assert all(left.end <= right.start for left, right in pairwise(spans))
        assert without_blanks("".join(span.text for span in spans)) == without_blanks(text)
    assert not any(character.isspace() for word in words for character in word.text)


@given(ODD)
def test_words_are_the_tokens_but_for_quotes(text):
    def plain(words):
        return [word.replace('"', "''").replace("``", "''") for word in words]

    assert plain(word.text for word in parsers.word_spans(text)) == plain(parsers.tokenize(text))


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. Smith met Dr. No at 3.15 p.m. on Jan. 5.", "They spoke."],
        ["The U.S. Senate met J. R. Smith of Acme Inc. yesterday!", "Why?", "Nobody knows..."],
        ['He said "no."', "(She did not.)", "Cats, e.g. Tom, purr."],
        ["It cost $3.50.", "The answer was no.", "So be it."],
    ],
)
def test_sentences_of_english(expected):
    assert [sentence.text for sentence in parsers.sentence_spans(" ".join(expected))] == expected


def test_an_empty_line_ends_a_sentence_and_a_line_end_does_not():
    found = parsers.sentence_spans("A heading\n \nThe first\nsentence. The second")
    assert [sentence.text for sentence in found] == ["A heading", "The first\nsentence.", "The second"]
