"""Sentences and words of running text, with their places in it; nothing is downloaded."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from parsers.errors import SentenceError
from parsers.tokens import tokenize

_PARAGRAPH = re.compile(r"\n\s*\n")
# In lower case and without the last full stop, as Punkt wants them. A sentence is not split after these words, so words
# that also end sentences, such as "no." and "etc.", are not among them.
_ABBREVIATIONS = """
    mr mrs ms messrs mme mlle dr prof rev hon st sr jr gen col maj capt cmdr lt sgt cpl pvt adm gov sen rep pres supt
    vs cf viz e.g i.e al eds vol vols pp fig figs eq eqs sec ch nos ed approx ca resp
    inc ltd corp co bros dept univ assn a.m p.m u.s u.k u.n d.c ph.d
    jan feb mar apr jun jul aug sept sep oct nov dec mon tue tues wed thu thurs fri ave blvd rd mt ft
"""


class TextSpan(NamedTuple):
    """A piece of a text."""

    start: int
    """Index of the first character in the text."""
    end: int
    """Index after the last character: ``text[start:end]`` is the piece."""
    text: str
    """The piece as it was typed."""


@cache
def _punkt() -> Any:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types.update(_ABBREVIATIONS.split())
    return PunktSentenceTokenizer(parameters)


def sentence_spans(text: str) -> list[TextSpan]:
    r"""Split running English text into sentences.

    A sentence ends at a full stop, question mark or exclamation mark, by the rules of Punkt (Kiss and Strunk,
    "Unsupervised multilingual sentence boundary detection", Computational Linguistics 32(4), 2006) with a list of
    common abbreviations, or at an empty line.

    >>> [sentence.text for sentence in sentence_spans("Dr. No left at 5 p.m. today. Why?\n\nThe end")]
    ['Dr. No left at 5 p.m. today.', 'Why?', 'The end']

    Raises:
        SentenceError: the text is too long for NLTK's tokenizer.
    """
    starts = [0, *(found.end() for found in _PARAGRAPH.finditer(text)), len(text)]
    try:
        return [span for start, end in pairwise(starts) for span in _in_paragraph(text, start, end)]
    except TimeoutError:  # of the regular expressions of NLTK 3.10
        raise SentenceError(f"a text of {len(text):,} characters is too long for NLTK's tokenizer") from None


def _in_paragraph(text: str, start: int, end: int) -> Iterator[TextSpan]:
    # Only the starts are Punkt's, so that no character is left out.
    found = [start + first for first, _ in _punkt().span_tokenize(text[start:end])]
    for first, last in pairwise([start, *found[1:], end]):
        piece = text[first:last]
        if typed := piece.strip():
            first += len(piece) - len(piece.lstrip())
            yield TextSpan(first, first + len(typed), typed)


def word_spans(sentence: TextSpan | str) -> list[TextSpan]:
    r"""Return the words of a sentence as they were typed, each with its place in the text.

    They are the tokens of `tokenize`, but for quotes: that writes ``"`` as \`\` or ''.

    >>> text = 'Go. He said "no".'
    >>> [text[word.start : word.end] for word in word_spans(sentence_spans(text)[1])]
    ['He', 'said', '"', 'no', '"', '.']

    Args:
        sentence: a sentence of `sentence_spans`, or a string.

    Raises:
        SentenceError: the sentence is too long for NLTK's tokenizer.
    """
    offset, typed = (0, sentence) if isinstance(sentence, str) else (sentence.start, sentence.text)
    # Place of every character of the tokens. Only `"` has another length in them: it is written with two characters.
    places = [
        place
        for place, character in enumerate(typed)
        if not character.isspace()
        for _ in range(2 if character == '"' else 1)
    ]
    spans, at = [], 0
    for token in tokenize(typed):
        start, end = places[at], places[at + len(token) - 1] + 1
        spans.append(TextSpan(offset + start, offset + end, typed[start:end]))
        at += len(token)
    return spans
