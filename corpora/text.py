"""Text files line by line, and the one way in which a malformed file is reported: file, line, column, problem."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from corpora.errors import error_at

LINE_LIMIT = 1 << 24  # bytes; what is longer is no text of ours, and would fill the memory before anyone noticed
WORD_LIMIT = 10_000  # characters; more than any word has, long web addresses included


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers from 1, without their ends (LF or CRLF) and without a BOM.

    The file is streamed: no more than one line is in memory.

    Raises:
        CorpusError: not UTF-8, a NUL, a CR without LF, or a line of more than `LINE_LIMIT` bytes.
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


def fields(line: str) -> list[tuple[int, str]]:
    r"""The tab-separated fields of a line, each with its column.

    >>> fields("3\tA dog\t")
    [(1, '3'), (3, 'A dog'), (9, '')]
    """
    found, column = [], 1
    for text in line.split("\t"):
        found.append((column, text))
        column += len(text) + 1
    return found


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which takes its place at the end: ``path`` is never half written."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # its own name means nothing to a user
        raise
    finally:
        part.unlink(missing_ok=True)


def write_lines(path: str | Path, content: Iterable[str]) -> None:
    """Write lines of UTF-8, all of them or none."""
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in content)
