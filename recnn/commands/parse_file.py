"""`recnn parse --input`: the parse trees of a file of any size, in several processes, and continued where it ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import parsers
from corpora.locks import LockedError, locked
from corpora.text import replacing
from parsers.errors import InputError, SentenceError
from recnn.commands.common import Failures, decoded
from recnn.commands.streams import json_line

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


def parse_file(job: Job, out: Path, workers: int, failures: Failures) -> None:
    """Parse a file, one line of the output per sentence; what a call that was killed has written is continued.

    Args:
        job: what to parse and how.
        out: file for the output. Until it is complete, the output is in the folder ``FILE.part`` beside it.
        workers: number of processes; with 1, this one.
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
                    _parse_rest(job, file, done, described["size"], workers, failures)
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


def _parse_rest(job: Job, file: Any, done: int, size: int, workers: int, failures: Failures) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[lines]:,} sentences"), TimeRemainingColumn()
    console = Console(stderr=True)
    with open(job.input, "rb") as given, Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=size, lines=done)
        rest = islice(_sentences(given, job), done, None)
        chunks = iter(lambda: list(islice(rest, _CHUNK)), [])
        with _workers(job, workers) as each:
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
Each = Callable[[Iterator[Chunk]], Iterator[tuple[int, list[Line]]]]


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


@contextmanager
def _workers(job: Job, number: int) -> Iterator[Each]:
    """Yield a function that parses chunks, in their order, in this process or in others."""
    if number == 1:
        worker = _Worker(job)
        with _one_thread():
            yield lambda chunks: map(worker, chunks)
        return
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _start, (job,))
    try:
        yield lambda chunks: _in_order(pool, chunks, 2 * number)
        pool.shutdown()
    except BrokenProcessPool:
        raise InputError("a process ended before its work was done: is there enough memory for --workers?") from None
    finally:
        for process in set(multiprocessing.active_children()) - set(before):  # after an error, or Ctrl-C
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, chunks: Iterator[Chunk], most: int) -> Iterator[tuple[int, list[Line]]]:
    """Yield the results of chunks in their order; no more than ``most`` chunks are in memory."""
    waiting: deque[Future[tuple[int, list[Line]]]] = deque()
    for chunk in chunks:
        # Ctrl-C is for this process: the others, which it starts here, inherit that the signal is blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            waiting.append(pool.submit(_work, chunk))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if len(waiting) == most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


_worker: _Worker | InputError | OSError


def _start(job: Job) -> None:
    """Load the parser in a process of its own, which ends with the one that started it, even if that is killed."""
    global _worker
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        _worker = _Worker(job)
    except (InputError, OSError) as error:
        _worker = error
    _one_thread().__enter__()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(chunk: Chunk) -> tuple[int, list[Line]]:
    if isinstance(_worker, Exception):
        raise _worker
    return _worker(chunk)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread, so that a batch has the same result however many processes there are."""
    if "torch._C" not in sys.modules:  # a parser without a network
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
