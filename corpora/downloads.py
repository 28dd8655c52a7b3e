"""Published corpora fetched from their publishers, when a user says so and never otherwise.

Nothing is believed before it is checked: each record has the sha256 of what the publisher's address serves, or of each
file within. An interrupted transfer goes on where it stopped. An archive stays in its folder: a later call checks the
files against it, and whoever cannot reach the publisher puts it there by hand.
"""

import hashlib
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from corpora.errors import DownloadError, quoted
from corpora.text import replacing

TIMEOUT = 30.0  # seconds without a byte
SIZE_LIMIT = 1 << 26  # bytes of a download whose size is not known
MEMBER_LIMIT = 1 << 30  # bytes of one unpacked file; GloVe's largest has 1,037,962,819
_CHUNK = 1 << 16


class Member(NamedTuple):
    """A file in an archive, and what it is called once unpacked."""

    name: str
    file: str
    sha256: str | None = None


@dataclass(frozen=True)
class Download:
    """A published corpus: one file, or a zip archive of which `members` are unpacked.

    Raises:
        ValueError: the address is not https (http is for this machine, 127.0.0.1), a file would land outside its
            folder, or there is no checksum.
    """

    name: str
    url: str
    licence: str
    citation: str
    size: int | None = None
    sha256: str | None = None
    members: tuple[Member, ...] = ()

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError(f"{self.name}: {self.url} is not https")
        for file in (self.file, *(member.file for member in self.members)):
            if file in ("", ".", "..") or any(character in file for character in "/\\:\0"):
                raise ValueError(f"{self.name}: {file!r} is no name of a file")
        if self.sha256 is None and not (self.members and all(member.sha256 for member in self.members)):
            raise ValueError(f"{self.name}: no checksum")

    @property
    def file(self) -> str:
        """What the downloaded file is called: the end of its address."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def files(self) -> tuple[str, ...]:
        """What is in the folder in the end, apart from the archive."""
        return tuple(member.file for member in self.members) or (self.file,)


# Where the checksums come from: public programs that fetch from these addresses state them, several programs those of
# sst, glove, tinyshakespeare and beijing_pm25 (there of the file within the archive), one that of sick. listops's is of
# a copy with the MD5 that such a program states. Copies of tinyshakespeare and beijing_pm25 had theirs.
DOWNLOADS = {
    record.name: record
    for record in (
        Download(
            name="sst",
            url="https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",
            size=789_539,
            sha256="5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",
            members=tuple(Member(f"trees/{part}.txt", f"{part}.txt") for part in ("train", "dev", "test")),
            licence="none stated",
            citation="Socher et al., Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank, "
            "EMNLP 2013",
        ),
        Download(
            name="sick",
            url="https://zenodo.org/record/2787612/files/SICK.zip?download=1",
            size=217_584,
            sha256="da272af924399fc2de4889ed55383e38822c10d16c4a949a89d597d09a0b7912",
            members=(Member("SICK.txt", "SICK.txt"),),
            licence="CC BY-NC-SA 3.0",
            citation="Marelli et al., A SICK cure for the evaluation of compositional distributional semantic models, "
            "LREC 2014",
        ),
        Download(
            name="glove",
            url="https://nlp.stanford.edu/data/glove.6B.zip",
            size=862_182_613,
            sha256="617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            members=tuple(Member(name, name) for name in (f"glove.6B.{size}d.txt" for size in (50, 100, 200, 300))),
            licence="PDDL 1.0",
            citation="Pennington, Socher and Manning, GloVe: Global Vectors for Word Representation, EMNLP 2014",
        ),
        Download(
            name="listops",
            url="https://raw.githubusercontent.com/nyu-mll/spinn/listops-release/python/spinn/data/listops/test_d20s.tsv",
            size=2_804_179,
            sha256="71335416e6896e8dd8dc69281c8ed9b37316382d05d3705d660461564e843840",
            licence="MIT, New York University",
            citation="Nangia and Bowman, ListOps: A Diagnostic Dataset for Latent Tree Learning, NAACL 2018 Student "
            "Research Workshop",
        ),
        Download(
            name="tinyshakespeare",
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            size=1_115_394,
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            licence="MIT, as its README says of the whole",
            citation="Karpathy, char-rnn, 2015",
        ),
        Download(
            name="beijing_pm25",
            url="https://archive.ics.uci.edu/static/public/381/beijing+pm2+5+data.zip",
            members=(
                Member(
                    "PRSA_data_2010.1.1-2014.12.31.csv",
                    "PRSA_data_2010.1.1-2014.12.31.csv",
                    "4127f868775e31b3956522adc0ec75af8937dde6a3896e8beed3a376c6d27f1c",
                ),
            ),
            licence="CC BY 4.0",
            citation="Chen, Beijing PM2.5, UCI Machine Learning Repository, 2015, doi:10.24432/C5JS49",
        ),
    )
}


def download(
    what: str | Download,
    to: str | Path,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Path]:
    """Fetch a published corpus into a folder, check and unpack it; what is there already, and right, is left alone.

    Args:
        what: a name of `DOWNLOADS`, or a record.
        to: the folder, made if need be.
        say: is given a line for each thing done, or found to be done.
        progress: is given the bytes that are here and the bytes of the whole, if known, as they come in.

    Returns:
        The corpus's files.

    Raises:
        DownloadError: the publisher cannot be reached or sends something else, or there is no room. What came of a
            transfer that broke off is kept, and the next call goes on from there.
        OSError: the folder cannot be made or read.
    """
    if isinstance(what, str):
        if what not in DOWNLOADS:
            raise DownloadError(f"no corpus {quoted(what)}, expected one of {', '.join(DOWNLOADS)}")
        what = DOWNLOADS[what]
    to = Path(to)
    paths, archive = [to / file for file in what.files], to / what.file
    if what.members and all(_is_right(to / member.file, member) for member in what.members):
        for path in paths:
            say(f"{path}: already there")
        return paths
    to.mkdir(parents=True, exist_ok=True)
    by_hand = f"fetch it by another way, put it at {archive} and run this again"
    fetched = not archive.exists()
    if fetched:
        _fetch(what, archive, by_hand, progress)
        say(f"{archive}: fetched from {what.url}")
    elif problem := _problem(what, archive):
        raise DownloadError(f"{archive}: not what {what.url} serves: {problem}; move it away and run this again")
    elif not what.members:
        say(f"{archive}: already there")
    if what.members:
        try:
            for member in what.members:
                say(f"{to / member.file}: {_unpack(archive, member, to / member.file)}")
        except _BrokenArchiveError as error:
            if fetched:
                archive.unlink()
                raise DownloadError(f"{what.url}: the archive is bad: {error} (deleted); {by_hand}") from None
            raise DownloadError(f"{archive}: the archive is bad: {error}; move it away and run this again") from None
    return paths


class _BrokenArchiveError(Exception):
    """What is wrong with an archive."""


class _NetworkError(Exception):
    """What is wrong with a transfer."""


class _StartOverError(Exception):
    """The server does not go on from where the part ends."""


class _SameScheme(HTTPRedirectHandler):
    """Follows no redirect from https to anything less."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if (scheme := urlsplit(req.full_url).scheme) != urlsplit(newurl).scheme:
            fp.close()
            raise URLError(f"it redirects to {newurl}, which is not {scheme}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _fetch(what: Download, archive: Path, by_hand: str, progress: Callable[[int, int | None], None]) -> None:
    part = archive.with_name(f".{archive.name}.part")
    try:
        try:
            _transfer(what, part, progress)
        except _StartOverError:
            part.unlink()
            _transfer(what, part, progress)
    except _NetworkError as error:
        raise DownloadError(f"{what.url}: {error}; {by_hand}") from None
    if problem := _problem(what, part):
        part.unlink()
        raise DownloadError(f"{what.url}: what came is not what was published: {problem} (deleted); {by_hand}")
    with _writing(archive):
        os.replace(part, archive)


def _transfer(what: Download, part: Path, progress: Callable[[int, int | None], None]) -> None:
    """Bring ``part`` to its full length."""
    start, limit = part.stat().st_size if part.exists() else 0, what.size or SIZE_LIMIT
    if start and start == what.size:
        return  # it was cut off between its last byte and its new name
    if start > limit:
        raise _StartOverError
    headers = {"User-Agent": "recnn"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _network(what.url):
        try:
            response = build_opener(_SameScheme).open(Request(what.url, headers=headers), timeout=TIMEOUT)
        except HTTPError as error:
            error.close()
            if error.code == 416 and start:
                raise _StartOverError from None
            raise
    with response:
        if response.status != 206:
            start = 0
        elif not start:
            raise _NetworkError("it sends a part where the whole was asked for")
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _StartOverError
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else what.size
        done = start
        with _writing(part), open(part, "ab" if start else "wb") as file:
            while chunk := _received(response, what.url):
                done += len(chunk)
                if done > limit:
                    break
                file.write(chunk)
                progress(done, total)
    if done > limit:
        part.unlink()
        raise _NetworkError(f"it sends more than the {limit:,} bytes that were expected")
    if total is not None and done < total:
        raise _NetworkError(f"broke off after {done:,} of {total:,} bytes (the next run goes on from there)")


def _received(response: HTTPResponse, url: str) -> bytes:
    with _network(url):
        return response.read1(_CHUNK)


@contextmanager
def _network(url: str) -> Iterator[None]:
    """An error of the network, which must not be taken for one of the disk."""
    try:
        yield
    except (OSError, HTTPException) as error:
        raise _NetworkError(_reason(error, url)) from None


def _reason(error: OSError | HTTPException, url: str) -> str:
    """What went wrong on the network, in a line."""
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {' '.join(str(error.reason).split())}".rstrip()
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, socket.gaierror):
        return f"the address of {urlsplit(url).hostname} cannot be found, is this machine offline?"
    if isinstance(cause, TimeoutError):
        return f"no answer for {TIMEOUT:g} seconds"
    if isinstance(cause, IncompleteRead):
        return "broke off (the next run goes on from there)"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()) or type(cause).__name__


def _problem(what: Download, path: Path) -> str | None:
    """Why a file is not the published one."""
    size = path.stat().st_size
    if what.size is not None and size != what.size:
        return f"{size:,} bytes, expected {what.size:,}"
    if what.sha256 is not None and (found := _sha256(path)) != what.sha256:
        return f"sha256 {found}, expected {what.sha256}"
    return None


def _unpack(archive: Path, member: Member, path: Path) -> str:
    """Unpack a member unless it is there, and say which it was; a file with another content is left alone."""
    try:
        with zipfile.ZipFile(archive) as file:
            try:
                info = file.getinfo(member.name)
            except KeyError:
                raise _BrokenArchiveError(f"no {member.name} in it") from None
            if info.file_size > MEMBER_LIMIT:
                raise _BrokenArchiveError(f"{member.name} has {info.file_size:,} bytes, more than {MEMBER_LIMIT:,}")
            if path.exists():
                if _is_right(path, member) if member.sha256 else _crc32(path) == (info.file_size, info.CRC):
                    return "already there"
                raise DownloadError(f"{path}: is there and not the published file; move it away and run this again")
            with file.open(info) as source, _writing(path), replacing(path) as part:
                with open(part, "wb") as target:
                    for chunk in _chunks(source):
                        target.write(chunk)
                if member.sha256 is not None and (found := _sha256(part)) != member.sha256:
                    raise _BrokenArchiveError(f"{member.name} has sha256 {found}, expected {member.sha256}")
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, UnicodeDecodeError, RuntimeError) as error:
        raise _BrokenArchiveError(" ".join(str(error).split()) or type(error).__name__) from None
    return "unpacked"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """An error of the disk, which must not be taken for one of the network."""
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path}: {error.strerror or error}; put that right and run this again") from None


def _is_right(path: Path, member: Member) -> bool:
    return member.sha256 is not None and path.is_file() and _sha256(path) == member.sha256


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _crc32(path: Path) -> tuple[int, int]:
    """The size and the checksum that a zip archive's directory has of a file."""
    size, found = 0, 0
    with open(path, "rb") as file:
        for chunk in _chunks(file):
            size, found = size + len(chunk), zlib.crc32(chunk, found)
    return size, found


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")
