"""Cases: a few files by name, their mutations, and what a target may do with them."""

import faulthandler
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from parsers.errors import InputError

Files = dict[str, bytes]
"""Contents by name, with / between folders."""

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).parent / "found"
"""A folder for each target, with a folder for each finding that was mended."""
SECONDS = 10  # of CPU time
MEMORY = 2 << 30  # bytes


class Finding(NamedTuple):
    """What went wrong."""

    place: str
    """Kind of error, and the line of the project in which it was raised."""
    text: str


class SlowError(BaseException):
    """A case took more than `SECONDS` of CPU time."""


class Found(Exception):  # noqa: N818
    """A target did what it must not do, without an error."""


def outcome(target: "Target", files: Files, folder: Path) -> Finding | None:
    """Run a case in a new folder; None if it returns, or raises an error that is shown as one line."""
    write(files, folder)
    try:
        with chdir(folder), _limited():
            target.run(folder)
    except (InputError, OSError) as error:
        if not str(error).strip():
            return Finding(f"message {_place(error)}", "no message")
    except (Exception, SlowError) as error:
        return Finding(f"{type(error).__name__} {_place(error)}", "".join(traceback.format_exception(error)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def write(files: Files, folder: Path) -> None:
    """Write the files of a case to a new folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read(folder: Path) -> Files:
    """Read the files of a case."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def limit_memory() -> None:
    """Bound the memory of this process from now on."""
    status = Path("/proc/self/status").read_text()
    now = int(status.partition("VmSize:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise SlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    faulthandler.dump_traceback_later(20 * SECONDS, exit=True)  # if it never returns to Python, or waits
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
    frames = [frame for frame in frames if "tests" not in Path(frame.filename).relative_to(ROOT).parts] or frames
    return f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}" if frames else "?"


def reduced(target: "Target", files: Files, finding: Finding, folder: Path, seconds: float = 20) -> Files:
    """Remove pieces of the files as long as the finding is the same."""
    end = time.monotonic() + seconds

    def same(candidate: Files) -> bool:
        found = outcome(target, candidate, folder)
        return found is not None and found.place == finding.place

    for name in sorted(files, key=lambda name: -len(files[name])):
        size = len(files[name])
        while size > 0:
            begin = 0
            while begin < len(files[name]):
                if time.monotonic() > end:
                    return files
                content = files[name]
                smaller = {**files, name: content[:begin] + content[begin + size :]}
                if same(smaller):
                    files = smaller
                else:
                    begin += size
            size //= 2
    return files


# Mutations.

_TOKENS = [
    *(b"-1 0 1 2 7 00 1_000 0x10 2147483648 9223372036854775808 18446744073709551616 1e9 1e999 -1e999 nan inf".split()),
    b"-0.0", b"9" * 5000, b"9" * 30, b"", b"null", b"true", b'""', b"[]", b"{}", b"[[]]", b"_", b"#", b"%", b"<unk>",
    b"<s>", b"\\", b'"', b"'", b"\'\'\'", b"\\ud800", b'"\\ud800"', b"\\N{DUCK}", b"\\x28", b"&#0;", b"&amp;", b"&lol;",
    b"<!--", b"]]>", b"->", b"|", b"[0.5]", b"?x", b"S", b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\0", b"\x1a",
    b"\x1b[31m", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a" * 10_001,
    *(letter.encode() for letter in "é²３٣Ⅷßİﬁ\u0301\u2028\x85\ufeff\u202e\u3000\xa0\U0001f986\uffff"),
]  # fmt: skip
_LONGEST = 1 << 21  # bytes of a file
_PAIRS = [b"()", b"[]", b"{}", b"<>", b'""']
_OPEN = [b"(", b"[", b"{", b"(S ", b"<a>", b'{"a":', b"[MAX ", b"( ", b"-", b"not ", b"+", b"a.", b"a(", b"'"]
_SPLIT = [b"\n", b" ", b"\t", b",", b"(", b")", b'"', b":", b"<", b"="]


def mutated(files: Files, samples: Sequence[Files], random: Random) -> Files:
    """Change one or two of the files; seldom remove one."""
    found = dict(files)
    for _ in range(1 + (random.random() < 0.2)):
        name = random.choice(sorted(found))
        if len(found) > 2 and random.random() < 0.03:
            del found[name]
            continue
        others = [sample[name] for sample in samples if name in sample]
        found[name] = _mutated(found[name], others or [b""], random)
    return found


class Target(NamedTuple):
    """What is fuzzed."""

    samples: Callable[[], Sequence[Files]]
    """Makes valid cases, which are mutated."""
    run: Callable[[Path], object]
    """Reads the files of a case in a folder, which is the current one; raises an error that is a finding."""
    mutate: Callable[[Files, Sequence[Files], Random], Files] = mutated


def _mutated(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    for _ in range(min(1 + int(random.expovariate(0.7)), 8)):
        content = random.choice(_WAYS)(content, others, random)[:_LONGEST]
    return content


def _bytes(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        if changed:
            place = random.randrange(len(changed))
            changed[place] = random.choice([changed[place] ^ 1 << random.randrange(8), random.randrange(256)])
    return bytes(changed)


def _part(content: bytes, random: Random) -> tuple[int, int]:
    begin = random.randrange(len(content) + 1)
    length = random.choice([1, 2, 4, 16, 256, len(content)])
    return begin, min(len(content), begin + random.randint(0, length))


def _cut(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    begin, end = _part(content, random)
    return random.choice([content[:begin], content[begin:], content[:begin] + content[end:]])


def _repeat(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    begin, end = _part(content, random)
    times = random.choice([2, 2, 3, 10, 1000, 20_000])
    times = min(times, 1 + (200_000 // (end - begin + 1)))
    return content[:begin] + content[begin:end] * times + content[end:]


def _insert(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice(_TOKENS) + content[place:]


def _tokens(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Replace, swap, repeat or remove tokens or lines."""
    mark = random.choice(_SPLIT)
    tokens = content.split(mark)
    one, other = random.randrange(len(tokens)), random.randrange(len(tokens))
    match random.randrange(5):
        case 0:
            tokens[one] = random.choice(_TOKENS)
        case 1:
            tokens[one], tokens[other] = tokens[other], tokens[one]
        case 2:
            tokens[one:one] = [tokens[other]] * random.choice([1, 1, 2, 100 if len(tokens[other]) < 10_000 else 1])
        case 3:
            del tokens[one : one + random.choice([1, 1, 2, 10])]
        case 4:
            tokens[one] = random.choice(tokens)
    return mark.join(tokens)


def _numbers(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    places = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    if not places:
        return content
    place = random.choice(places)
    return content[:place] + random.choice(_TOKENS[:20]) + content[place + 1 :]


def _splice(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    begin, end = _part(other, random)
    place = random.randrange(len(content) + 1)
    return random.choice([content[:place] + other[begin:end] + content[place:], content[:place] + other[begin:]])


def _encode(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    text = content.decode("utf-8", "replace")
    how = random.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "bom", "crlf", "cr", "upper", "nel"])
    changed = {"crlf": ("\n", "\r\n"), "cr": ("\n", "\r"), "nel": ("\n", "\x85")}
    if how in changed:
        return text.replace(*changed[how]).encode()
    if how == "bom":
        return b"\xef\xbb\xbf" + content
    return text.upper().encode() if how == "upper" else text.encode(how, "replace")


def _nest(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    times = random.choice([3, 50, 200, 1000, 5000, 60_000])
    if random.random() < 0.5:
        pair = random.choice(_PAIRS)
        return content[:place] + pair[:1] * times + content[place:] + pair[1:] * times
    return content[:place] + random.choice(_OPEN) * times + content[place:]


def _same(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return random.choice(others)


_WAYS = [
    *(_bytes, _bytes, _cut, _repeat, _insert, _insert, _tokens, _tokens, _tokens),
    *(_numbers, _splice, _encode, _nest, _same),
]
