"""Download of published corpora; nothing is downloaded without a call to `download`.

Every download is verified by its sha256 checksum, or by that of each file in the archive. An interrupted transfer is
resumed by the next call. A zip archive is kept in its folder: later calls check the unpacked files against it, and
without access to the publisher a copy of the archive can be put there by hand.
"""

import hashlib
import os
import socket
import stat
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

from corpora.archives import ArchiveError, open_archive, unpacked
from corpora.errors import DownloadError, quoted
from corpora.locks import locked
from corpora.text import replacing

TIMEOUT = 30.0  # seconds without data
SIZE_LIMIT = 1 << 26  # bytes of a download of unknown size
MEMBER_LIMIT = 1 << 30  # bytes of one unpacked file; GloVe's largest has 1,037,962,819
_CHUNK = 1 << 16


def _problem_of_address(url: str) -> str | None:
    """Say why nothing is downloaded from an address, or return None."""
    try:
        parts = urlsplit(url)
        port = parts.port  # which may not be a number
    except ValueError as error:
        return f"is not an address ({error})"
    # Before an "@" there may be the name of a host that is trusted: the host is what follows.
    if "@" in parts.netloc:
        return "has a user name, which could be taken for the host"
    local = parts.scheme == "http" and parts.hostname == "127.0.0.1" and port is not None
    if not (local or (parts.scheme == "https" and parts.hostname)):
        return "is not https"
    return None if url.isprintable() and "\\" not in url and " " not in url else "has characters that no address has"


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: name in the archive.
        file: name of the unpacked file.
        sha256: checksum of the file; may be None if the archive has one.
    """

    name: str
    file: str
    sha256: str | None = None


@dataclass(frozen=True)
class Download:
    """A published corpus: a file, or a zip archive whose `members` are unpacked.

    Attributes:
        name: name of the corpus, as in `DOWNLOADS`.
        url: address of the file, which must be https (or http on this machine, 127.0.0.1), without a user name.
        licence: licence of the corpus.
        citation: publication to cite.
        size: size of the file in bytes, if known.
        sha256: checksum of the file; may be None if every member has one.
        members: files to unpack from the archive; none for a file that is used as it is.

    Raises:
        ValueError: the address is not https or has a user name, a file name is not a plain name (which could be outside
            the folder), or a checksum is missing.
    """

    name: str
    url: str
    licence: str
    citation: str
    size: int | None = None
    sha256: str | None = None
    members: tuple[Member, ...] = ()

    def __post_init__(self) -> None:
        if problem := _problem_of_address(self.url):
            raise ValueError(f"{self.name}: {self.url} {problem}")
        for file in (self.file, *(member.file for member in self.members)):
            if file in ("", ".", "..") or any(character in file for character in "/\\:\0"):
                raise ValueError(f"{self.name}: {file!r} is not a plain file name")
        if self.sha256 is None and not (self.members and all(member.sha256 for member in self.members)):
            raise ValueError(f"{self.name}: no checksum")

    @property
    def file(self) -> str:
        """Name of the downloaded file, the last part of the address."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the corpus's files, without the archive."""
        return tuple(member.file for member in self.members) or (self.file,)


# Sources of the checksums: public programs that download from the same addresses. Several of them agree on those of
# sst, glove, tinyshakespeare and beijing_pm25 (of the file in the archive); that of sick is from one. That of listops
# was computed from a copy whose MD5 agrees with such a program. Copies of tinyshakespeare and beijing_pm25 agree too.
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
            licence="MIT, according to the README of the repository",
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
    """Download a published corpus to a folder, verify and unpack it; files that are there and valid are kept.

    Args:
        what: a name in `DOWNLOADS`, or a record.
        to: the folder; created if it does not exist.
        say: called with a line of text for each file: downloaded, unpacked or already there.
        progress: called during the transfer with the number of bytes so far and in total (None if unknown).

    Returns:
        Paths of the corpus's files.

    Raises:
        DownloadError: the name is unknown, the transfer fails or is interrupted, the data do not match the checksum, a
            different file is in the way, or the disk is full. An interrupted transfer is resumed by the next call.
        OSError: the folder cannot be created or read.
    """
    if isinstance(what, str):
        if what not in DOWNLOADS:
            raise DownloadError(f"no corpus {quoted(what)}, expected one of {', '.join(DOWNLOADS)}")
        what = DOWNLOADS[what]
    to = Path(to)
    paths = [to / file for file in what.files]
    if what.members and all(_is_right(to / member.file, member) for member in what.members):
        for path in paths:
            say(f"{path}: already there")
        return paths
    to.mkdir(parents=True, exist_ok=True)
    with locked(to, wait=True):  # another download to this folder may end with the same files
        _download(what, to, say, progress)
    return paths


def _download(
    what: Download, to: Path, say: Callable[[str], None], progress: Callable[[int, int | None], None]
) -> None:
    archive = to / what.file
    by_hand = f"download it by other means to {archive} and run this again"
    fetched = not archive.exists()
    if fetched:
        _fetch(what, archive, by_hand, progress)
        say(f"{archive}: downloaded from {what.url}")
    elif problem := _problem(what, archive):
        raise DownloadError(f"{archive}: does not match {what.url}: {problem}; move it away and run this again")
    elif not what.members:
        say(f"{archive}: already there")
    if what.members:
        try:
            for member in what.members:
                say(f"{to / member.file}: {_unpack(archive, member, to / member.file)}")
        except ArchiveError as error:
            if fetched:
                archive.unlink()
                raise DownloadError(f"{what.url}: broken archive: {error} (deleted); {by_hand}") from None
            raise DownloadError(f"{archive}: broken archive: {error}; move it away and run this again") from None


class _NetworkError(Exception):
    """A transfer failed."""


class _StartOverError(Exception):
    """The server cannot resume the transfer at the end of the partial file."""


class _Redirects(HTTPRedirectHandler):
    """Refuse redirects to another scheme, such as from https to http, and to addresses that a record may not have."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        scheme = urlsplit(req.full_url).scheme
        same = newurl.partition(":")[0].lower() == scheme
        if problem := _problem_of_address(newurl) if same else f"is not {scheme}":
            fp.close()
            raise URLError(f"redirect to {ascii(newurl)[1:-1]}, which {problem}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _fetch(what: Download, archive: Path, by_hand: str, progress: Callable[[int, int | None], None]) -> None:
    part = archive.with_name(f".{archive.name}.part")
    _check_part(part)
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
        raise DownloadError(f"{what.url}: the download is not the published file: {problem} (deleted); {by_hand}")
    with _writing(archive):
        os.replace(part, archive)


def _check_part(part: Path) -> None:
    """Refuse a partial file that no download has made: what it links to would be written over.

    Raises:
        DownloadError: the file is a link or no regular file.
    """
    if not os.path.lexists(part):
        return
    found = os.lstat(part)
    regular = stat.S_ISREG(found.st_mode)
    if not regular or found.st_nlink > 1:
        kind = "a link" if regular or stat.S_ISLNK(found.st_mode) else "not a file"
        raise DownloadError(f"{part}: {kind}, expected the part of a download; move it away and run this again")


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _transfer(what: Download, part: Path, progress: Callable[[int, int | None], None]) -> None:
    """Download to ``part``, from where an earlier transfer stopped."""
    start, limit = part.stat().st_size if part.exists() else 0, what.size or SIZE_LIMIT
    if start and start == what.size:
        return  # complete: interrupted before it was renamed
    if start > limit:
        raise _StartOverError
    headers = {"User-Agent": "recnn"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _network(what.url):
        try:
            response = build_opener(_Redirects).open(Request(what.url, headers=headers), timeout=TIMEOUT)
        except HTTPError as error:
            error.close()
            if error.code == 416 and start:
                raise _StartOverError from None
            raise
    with response:
        if response.status != 206:
            start = 0
        elif not start:
            raise _NetworkError("the server sent a partial file, expected the whole")
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _StartOverError
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else what.size
        done = start
        with _writing(part), open(part, "ab" if start else "wb", opener=_no_link) as file:
            while chunk := _received(response, what.url):
                done += len(chunk)
                if done > limit:
                    break
                file.write(chunk)
                progress(done, total)
    if done > limit:
        part.unlink()
        raise _NetworkError(f"the server sent more than the expected {limit:,} bytes")
    if total is not None and done < total:
        raise _NetworkError(f"interrupted after {done:,} of {total:,} bytes (the next run resumes it)")


def _received(response: HTTPResponse, url: str) -> bytes:
    with _network(url):
        return response.read1(_CHUNK)


@contextmanager
def _network(url: str) -> Iterator[None]:
    """Raise network errors as `_NetworkError`, to tell them from disk errors; both are OSError."""
    try:
        yield
    except (OSError, HTTPException) as error:
        raise _NetworkError(_reason(error, url)) from None


def _reason(error: OSError | HTTPException, url: str) -> str:
    """Describe a network error in one line."""
    if isinstance(error, HTTPError):
        return f"the server returned {error.code} {' '.join(str(error.reason).split())}".rstrip()
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, socket.gaierror):
        return f"the address of {urlsplit(url).hostname} cannot be resolved; is this machine offline?"
    if isinstance(cause, TimeoutError):
        return f"no response for {TIMEOUT:g} seconds"
    if isinstance(cause, IncompleteRead):
        return "interrupted (the next run resumes it)"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()) or type(cause).__name__


def _problem(what: Download, path: Path) -> str | None:
    """Describe how a file differs from the published one, or return None."""
    size = path.stat().st_size
    if what.size is not None and size != what.size:
        return f"{size:,} bytes, expected {what.size:,}"
    if what.sha256 is not None and (found := _sha256(path)) != what.sha256:
        return f"sha256 {found}, expected {what.sha256}"
    return None


def _unpack(archive: Path, member: Member, path: Path) -> str:
    """Unpack a member unless it is there already; return what was done. A file with other content is never replaced."""
    with open_archive(archive) as file:
        try:
            info = file.getinfo(member.name)
        except KeyError:
            raise ArchiveError(f"it has no file {member.name}") from None
        if path.exists():
            if _is_right(path, member) if member.sha256 else _crc32(path) == (info.file_size, info.CRC):
                return "already there"
            raise DownloadError(f"{path}: differs from the published file; move it away and run this again")
        with _writing(path), replacing(path) as part:
            with open(part, "xb") as target:
                for chunk in unpacked(file, info, MEMBER_LIMIT):
                    target.write(chunk)
            if member.sha256 is not None and (found := _sha256(part)) != member.sha256:
                raise ArchiveError(f"{member.name} has sha256 {found}, expected {member.sha256}")
    return "unpacked"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise disk errors as `DownloadError`, to tell them from network errors."""
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path}: {error.strerror or error}; fix this and run the command again") from None


def _is_right(path: Path, member: Member) -> bool:
    return member.sha256 is not None and path.is_file() and _sha256(path) == member.sha256


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _crc32(path: Path) -> tuple[int, int]:
    """Compute the size and CRC-32 of a file, as listed in the directory of a zip archive."""
    size, found = 0, 0
    with open(path, "rb") as file:
        for chunk in _chunks(file):
            size, found = size + len(chunk), zlib.crc32(chunk, found)
    return size, found


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")
