"""Plain text for language models, as characters or as words; the end of a line is a token too."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from corpora.errors import error_at
from corpora.text import lines

LINE_END = "\n"

Text = TypeVar("Text", str, list[str])


def read_text(path: str | Path) -> str:
    """Read the text of a file, with normalised line ends: each line, also the last, ends in a line feed.

    Raises:
        CorpusError: the file is empty or not valid text, see `corpora.text.lines`.
        OSError: the file cannot be read.
    """
    text = "".join(f"{line}{LINE_END}" for _, line in lines(path))
    if not text:
        raise error_at(path, 1, 1, "no text in this file")
    return text


def read_words(
    path: str | Path, split: Callable[[str], Sequence[str]] = str.split, *, blank: bool = False
) -> Iterator[list[str]]:
    r"""Read the words of a file line by line, each line with ``"\n"`` as its last word.

    Args:
        path: the file, with one sentence per line.
        split: function that splits a line into words: `str.split` for tokenised text, or `parsers.tokenize`.
        blank: keep blank lines, as a lone ``"\n"``; otherwise they are skipped.

    Raises:
        CorpusError: the file has no words or is not valid text, see `corpora.text.lines`. All lines before the problem
            have been yielded.
        OSError: the file cannot be read.
    """
    found = False
    for _, line in lines(path):
        words = list(split(line))
        found = found or bool(words)
        if words or blank:
            yield [*words, LINE_END]
    if not found:
        raise error_at(path, 1, 1, "no word in this file")


def split_text(text: Text, held_out: float = 0.1) -> tuple[Text, Text]:
    """Split a text, or a list of words, into a first part for training and a last part for validation.

    Args:
        text: the text, or the list of words.
        held_out: share of the last part. The first part has ``int(len(text) * (1 - held_out))`` characters or words,
            even if that is in the middle of a line.

    >>> split_text("to be or not", 0.25)
    ('to be or ', 'not')

    Raises:
        ValueError: a part would be empty.
    """
    place = int(len(text) * (1 - held_out))
    if not 0 < place < len(text):
        raise ValueError(f"held_out={held_out} leaves a part of the {len(text):,} characters or words empty")
    return text[:place], text[place:]
