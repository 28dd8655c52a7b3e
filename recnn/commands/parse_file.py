"""`recnn parse --input`: the parse trees of a file of any size, in several processes, and continued where it ended."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import parsers
from corpora.locks import LockedError, locked
from corpora.text import replacing
from parsers.errors import InputError, SentenceError
from recnn.commands.common import Failures, decoded
from recnn.commands.streams import json_line
from recnn.data.workers import workers

_CHUNK = 512  # sentences: some seconds of work, which is what is lost when the command is killed
_TEXT = 1 << 16  # characters of running text that are split into sentences at once
_ERROR = '{"error": '


@dataclass(frozen=True)
class Job:
    """What is parsed and how; two calls with equal jobs have the same output."""

    input: str
    parser: str
    tokens: bool = False
    text: bool = False
    as_json: bool = False
    max_edges: int | None = None
    timeout: float | None = None

    def described(self) -> dict[str, Any]:
        """Return the job as JSON values, with the size and time of the input."""
        found = os.stat(self.input)
        return {**asdict(self), "chunk": _CHUNK, "size": found.st_size, "modified": found.st_mtime_ns}


class Sentence(NamedTuple):
    """A sentence of the input, or what is wrong with its line."""

    place: str
    """Beginning of its error messages."""
    content: str | InputError
    read: int
    """Number of bytes of the input up to its end."""


class Line(NamedTuple):
    """A line of the output."""

    text: str
    error: str | None = None
    """Message, where the sentence has no tree."""


def parse_file(job: Job, out: Path, number: int, failures: Failures) -> None:
    """Parse a file, one line of the output per sentence; what a call that was killed has written is continued.

    Args:
        job: what to parse and how.
        out: file for the output. Until it is complete, the output is in the folder ``FILE.part`` beside it.
        number: number of processes; with 1, this one.
        failures: errors of sentences are added to it. Their line of the output is empty, or a JSON object with "error".

    Raises:
        InputError: the folder is of another job, or another process writes there.
        OSError: a file cannot be read or written.
    """
    described = job.described()
    part = out.with_name(f"{out.name}.part")
    part.mkdir(exist_ok=True)
    try:
        with locked(part):
            with open(part / "lines", "ab+") as file:
                done = _keep_whole_chunks(file, job, failures)
                _claim(part / "job.json", described, begun=done > 0)
                try:
                    _parse_rest(job, file, done, described["size"], number, failures)
                except BaseException:
                    if not file.tell():
                        shutil.rmtree(part)
                    raise
            os.replace(part / "lines", out)
            shutil.rmtree(part)
    except LockedError:
        raise InputError(f"{part}: another process is writing there") from None


def _claim(file: Path, described: dict[str, Any], begun: bool) -> None:
    if not begun:
        with replacing(file) as new:
            new.write_text(json.dumps(described), "utf-8")
    elif _read_claim(file) != described:
        raise InputError(f"{file.parent}: begun with another input or other options: remove it, or use them again")


def _read_claim(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        raise InputError(f"{file}: missing or damaged: remove {file.parent}, to parse from the beginning") from None


def _keep_whole_chunks(file: Any, job: Job, failures: Failures) -> int:
    """Cut off the lines after the last whole chunk, count the failures before, and return the number of lines kept."""
    bad = _ERROR.encode() if job.as_json else b"\n"
    lines = kept = failed = at = end = 0
    file.seek(0)
    for line in file:
        lines, failed, at = lines + 1, failed + line.startswith(bad), at + len(line)
        if lines % _CHUNK == 0 and line.endswith(b"\n"):
            kept, end, failures.count = lines, at, failed
    file.truncate(end)
    return kept


def _parse_rest(job: Job, file: Any, done: int, size: int, number: int, failures: Failures) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[lines]:,} sentences"), TimeRemainingColumn()
    console = Console(stderr=True)
    with open(job.input, "rb") as given, Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=size, lines=done)
        rest = islice(_sentences(given, job), done, None)
        chunks = iter(lambda: list(islice(rest, _CHUNK)), [])
        with workers(partial(_Worker, job), number) as each:
            for read, lines in each(chunks):
                for line in lines:
                    if line.error is not None:
                        failures.add(InputError(line.error))
                file.write("".join(f"{line.text}\n" for line in lines).encode())
                file.flush()
                done += len(lines)
                bar.update(task, completed=read, lines=done)


def _sentences(file: Any, job: Job) -> Iterator[Sentence]:
    """Yield the sentences of the input; those of running text are found some paragraphs at a time."""
    lines = decoded(file, job.input)
    if not job.text:
        yield from (Sentence(place, content, file.tell()) for place, content in lines)
        return
    places: list[str] = []
    text = ""
    for place, content in lines:
        if isinstance(content, str) and content:
            places.append(place)
            text += f"{content}\n"
            if len(text) < _TEXT:
                continue
            *whole, last = _split(text, places, file.tell())
            yield from whole
            if whole and isinstance(last.content, str):  # which may go on in the next line
                places, text = [last.place], f"{last.content}\n"
                continue
            yield last
        else:
            yield from _split(text, places, file.tell())
        places, text = [], ""
        if isinstance(content, InputError):
            yield Sentence(place, content, file.tell())
    yield from _split(text, places, file.tell())


def _split(text: str, places: list[str], read: int) -> Iterator[Sentence]:
    """Yield the sentences of some lines."""
    try:
        found = parsers.sentence_spans(text)
    except SentenceError as error:
        yield Sentence(places[0], error, read)
        return
    row = at = 0
    for span in found:
        row, at = row + text.count("\n", at, span.start), span.start
        yield Sentence(places[row], " ".join(span.text.split()), read)


Chunk = list[Sentence]


class _Worker:
    """A parser."""

    def __init__(self, job: Job) -> None:
        self.job, self.parser = job, parsers.load(job.parser, job.max_edges, job.timeout)

    def __call__(self, chunk: Chunk) -> tuple[int, list[Line]]:
        """Parse the sentences of a chunk; return the number of bytes read, and the lines of the output."""
        given = [one.content for one in chunk if isinstance(one.content, str)]
        trees = self.parser.parse_each(text.split() if self.job.tokens else text for text in given)
        return chunk[-1].read, [
            self._line(one, one.content if isinstance(one.content, InputError) else next(trees)) for one in chunk
        ]

    def _line(self, sentence: Sentence, found: Any) -> Line:
        if isinstance(found, InputError):
            error = f"{sentence.place}{found}"
            return Line(json_line({"error": error}) if self.job.as_json else "", error)
        if not self.job.as_json:
            return Line(parsers.brackets(found))
        from recnn.commands.parse import Parse

        return Line(json_line(Parse(str(sentence.content), 0, found, self.job.parser).record()))
