"""Plain text for language models, as characters or as words; the end of a line is one of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from corpora.errors import error_at
from corpora.text import lines

LINE_END = "\n"

Text = TypeVar("Text", str, list[str])


def read_text(path: str | Path) -> str:
    """The characters of a file; each line, the last one too, ends in a line feed, however it ends in the file.

    Raises:
        CorpusError: the file is empty, or no text (see `corpora.text.lines`).
        OSError: the file cannot be read.
    """
    text = "".join(f"{line}{LINE_END}" for _, line in lines(path))
    if not text:
        raise error_at(path, 1, 1, "no text in this file")
    return text


def read_words(
    path: str | Path, split: Callable[[str], Sequence[str]] = str.split, *, blank: bool = False
) -> Iterator[list[str]]:
    """The words of a file that has one sentence a line, line by line, each line with its end for a last word.

    Args:
        path: the file.
        split: how a line becomes words; at spaces, or `parsers.tokenize` for text that is not tokenised.
        blank: whether blank lines count, as ends of lines alone; if not, they are skipped.

    Raises:
        CorpusError: there is not one word, or no text (see `corpora.text.lines`); all lines before have been yielded.
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
    """A text, or a list of words, in two: what is for training, and the last part, held out.

    The first has ``int(len(text) * (1 - held_out))`` characters or words, wherever that is in a line.

    >>> split_text("to be or not", 0.25)
    ('to be or ', 'not')

    Raises:
        ValueError: a part would have nothing.
    """
    place = int(len(text) * (1 - held_out))
    if not 0 < place < len(text):
        raise ValueError(f"held_out={held_out} leaves one part of {len(text):,} characters or words empty")
    return text[:place], text[place:]
