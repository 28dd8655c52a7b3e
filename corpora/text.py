"""Reading and writing of text files line by line; errors have the file, line, column and problem."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from corpora.errors import error_at
from corpora.parts import part_beside, sweep
from parsers.errors import InputError

LINE_LIMIT = 1 << 24  # bytes; protects the memory from files that are not text
WORD_LIMIT = 10_000  # characters; longer than any word or web address


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a UTF-8 file, one by one, as pairs of the line number, from 1, and the text.

    Line ends (LF or CRLF) and a byte order mark are removed. Only one line is in memory at a time.

    Raises:
        CorpusError: the file is not UTF-8, or has a NUL, a CR without LF, or a line of more than `LINE_LIMIT` bytes.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(LINE_LIMIT + 1), b""), 1):
            if len(raw) > LINE_LIMIT:
                raise error_at(path, number, 1, f"a line of more than {LINE_LIMIT:,} bytes")
            content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                line = content.decode()
            except UnicodeDecodeError as error:
                column = len(content[: error.start].decode()) + 1
                raise error_at(path, number, column, "not UTF-8 text") from None
            line = line.removesuffix("\r\n").removesuffix("\n")
            for character, name in (("\0", "a NUL character"), ("\r", "a carriage return without a line feed")):
                if (found := line.find(character)) >= 0:
                    raise error_at(path, number, found + 1, name)
            yield number, line


def decoded_lines(file: BinaryIO, first: int = 1) -> Iterator[tuple[int, int, str | InputError]]:
    """Read lines of a UTF-8 file of which some may be wrong: that is an error in place of the text of this line only.

    Line ends (LF or CRLF) and a byte order mark are removed. Only one line is in memory at a time.

    Args:
        file: the file, at the beginning of a line.
        first: number of this line, from 1.

    Returns:
        Triples of the line number, the number of bytes, and the text; or what is wrong with it: it is not UTF-8, or has
        more than `LINE_LIMIT` bytes, or a NUL.
    """
    for number, raw in enumerate(iter(lambda: file.readline(LINE_LIMIT), b""), first):
        size, last = len(raw), raw
        while len(last) == LINE_LIMIT and not last.endswith(b"\n"):
            last = file.readline(LINE_LIMIT)
            size += len(last)
        if last is not raw:
            yield number, size, InputError(f"more than {LINE_LIMIT:,} bytes")
            continue
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield number, size, InputError(f"not UTF-8 text (byte {error.start + 1})")
            continue
        if "\0" in line:  # as in UTF-16
            yield number, size, InputError("a NUL character")
        else:
            yield number, size, line.removesuffix("\n").removesuffix("\r")


def fields(line: str) -> list[tuple[int, str]]:
    r"""Split a line at tabs into pairs of the column, from 1, and the text of a field.

    >>> fields("3\tA dog\t")
    [(1, '3'), (3, 'A dog'), (9, '')]
    """
    found, column = [], 1
    for text in line.split("\t"):
        found.append((column, text))
        column += len(text) + 1
    return found


def composed(word: str) -> str:
    """Return ``word`` in Unicode's composed form NFC, in which canonically equivalent words are equal.

    Raises:
        TypeError: ``word`` is not a string.
    """
    if not isinstance(word, str):
        raise TypeError(f"expected a word as a string, got {type(word).__name__}: {word!r}")
    return word if word.isascii() else unicodedata.normalize("NFC", word)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Replace a file atomically: yield a temporary path beside ``path``, and rename it to ``path`` at the end."""
    path = Path(path)
    sweep(path)
    part = part_beside(path)
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)  # not the name of the temporary file
        del error.filename2
        raise
    finally:
        with suppress(OSError):  # on a read-only disk, also where there is no file
            part.unlink()


def write_lines(path: str | Path, content: Iterable[str]) -> None:
    """Write lines to a UTF-8 file; if that fails, the previous file is left unchanged."""
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in content)
