import errno
import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest
import typer

from corpora import downloads
from corpora.downloads import DOWNLOADS, Download, Member, download
from corpora.errors import DownloadError

CONTENT = {"trees/train.txt": os.urandom(150_000), "trees/dev.txt": b"(3 a)\n"}
MEMBER = ("trees/train.txt", "train.txt", hashlib.sha256(CONTENT["trees/train.txt"]).hexdigest())
WHOLE = 150_236  # bytes of the served archive


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


class Publisher(ThreadingHTTPServer):
    """Server of one file that records the ranges of its requests."""

    status, ranges, cut, wrong_range, length, location, pause = 200, True, None, False, True, None, 0.0

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.asked, self.sent = body, [], 0

    def record(self, **others):
        url = f"http://127.0.0.1:{self.server_port}/x/data.zip?download=1"
        usual = {"size": len(self.body), "sha256": sha256(self.body), "licence": "free", "citation": "a paper"}
        members = (Member("trees/train.txt", "train.txt"), Member("trees/dev.txt", "dev.txt"))
        return Download(**{"name": "trees", "url": url, "members": members, **usual, **others})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        body = self.server.body[start:]
        if start and not body:
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if start else self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        if start:
            first = 0 if self.server.wrong_range else start
            self.send_header("Content-Range", f"bytes {first}-{len(self.server.body) - 1}/{len(self.server.body)}")
        if self.server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body, self.server.cut = body[: self.server.cut], None
        self.server.sent += len(body)
        time.sleep(self.server.pause)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Publisher(zipped(CONTENT)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def failure(record, to):
    with pytest.raises(DownloadError) as caught:
        download(record, to)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_download_is_checked_and_unpacked(publisher, tmp_path):
    said, seen = [], []
    record, to = publisher.record(), tmp_path / "new" / "folder"
    paths = download(record, to, said.append, lambda done, total: seen.append((done, total)))
    assert paths == [to / "train.txt", to / "dev.txt"]
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert files(to) == ["data.zip", "dev.txt", "train.txt"]
    assert said == [
        f"{to}/data.zip: downloaded from {record.url}",
        f"{to}/train.txt: unpacked",
        f"{to}/dev.txt: unpacked",
    ]
    assert seen == sorted(seen)
    assert seen[-1] == (len(publisher.body), len(publisher.body))


def test_what_is_there_is_left_alone(publisher, tmp_path):
    (path, *_) = download(publisher.record(), tmp_path)
    before, said = path.stat(), []
    download(publisher.record(), tmp_path, said.append)
    assert said == [f"{tmp_path}/train.txt: already there", f"{tmp_path}/dev.txt: already there"]
    assert path.stat() == before
    assert publisher.asked == [None]
    path.unlink()
    assert path in download(publisher.record(), tmp_path)
    assert path.read_bytes() == CONTENT["trees/train.txt"]
    assert publisher.asked == [None]


def test_a_file_of_the_users_is_never_replaced(publisher, tmp_path):
    (tmp_path / "dev.txt").write_text("mine")
    assert failure(publisher.record(), tmp_path).startswith(f"{tmp_path}/dev.txt: differs from the published file")
    assert (tmp_path / "dev.txt").read_text() == "mine"


def test_a_single_file(publisher, tmp_path):
    record, said = publisher.record(members=()), []
    assert download(record, tmp_path, said.append) == [tmp_path / "data.zip"]
    download(record, tmp_path, said.append)
    assert said[1:] == [f"{tmp_path}/data.zip: already there"]
    assert publisher.asked == [None]
    (tmp_path / "data.zip").write_bytes(b"x")
    assert failure(record, tmp_path).endswith("1 bytes, expected 150,236; move it away and run this again")
    assert (tmp_path / "data.zip").read_bytes() == b"x"


def test_a_broken_transfer_goes_on_where_it_stopped(publisher, tmp_path):
    publisher.cut = 100_000
    message = failure(publisher.record(), tmp_path)
    assert "interrupted after 100,000 of 150,236 bytes (the next run resumes it); download it by other" in message
    assert f"means to {tmp_path}/data.zip and run this again" in message
    assert files(tmp_path) == [".data.zip.part"]
    download(publisher.record(), tmp_path)
    assert publisher.asked == [None, "bytes=100000-"]
    assert publisher.sent == len(publisher.body)
    assert (tmp_path / "data.zip").read_bytes() == publisher.body


@pytest.mark.parametrize(
    ("part", "server", "asked"),
    [
        (9, {"ranges": False}, ["bytes=9-"]),
        (9, {"wrong_range": True}, ["bytes=9-", None]),
        (WHOLE, {}, []),
        (WHOLE + 1, {}, [None]),
    ],
)
def test_a_part_that_cannot_be_continued(publisher, tmp_path, part, server, asked):
    (tmp_path / ".data.zip.part").write_bytes((publisher.body + b"x")[:part])
    for name, value in server.items():
        setattr(publisher, name, value)
    download(publisher.record(), tmp_path)
    assert publisher.asked == asked
    assert files(tmp_path) == ["data.zip", "dev.txt", "train.txt"]


def test_a_whole_part_of_unknown_size(publisher, tmp_path):
    (tmp_path / ".data.zip.part").write_bytes(publisher.body)
    download(publisher.record(size=None), tmp_path)
    assert publisher.asked == ["bytes=150236-", None]


def test_a_part_of_something_else_is_found_out_and_deleted(publisher, tmp_path):
    (tmp_path / ".data.zip.part").write_bytes(b"else")
    assert "the download is not the published file: sha256" in failure(publisher.record(), tmp_path)
    assert files(tmp_path) == []
    download(publisher.record(), tmp_path)


def test_a_wrong_checksum(publisher, tmp_path):
    message = failure(publisher.record(sha256="0" * 64), tmp_path)
    assert message.startswith(f"{publisher.record().url}: the download is not the published file: sha256 ")
    assert f"expected {'0' * 64} (deleted); download it by other means" in message
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("size", "problem"), [(WHOLE - 1, "sent more than the expected 150,235 bytes"), (WHOLE + 1, "150,236 byt")]
)
def test_a_wrong_size(publisher, tmp_path, size, problem):
    assert problem in failure(publisher.record(size=size), tmp_path)
    assert files(tmp_path) == []


def test_a_flood_of_unknown_size_is_stopped(publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "SIZE_LIMIT", 100_000)
    publisher.length = False
    assert "the server sent more than the expected 100,000 bytes" in failure(publisher.record(size=None), tmp_path)
    assert files(tmp_path) == []


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/data.zip"
    record = Download("x", url, "free", "a paper", sha256="0" * 64)
    put = f"download it by other means to {tmp_path}/data.zip and run this again"
    assert failure(record, tmp_path) == f"{url}: Connection refused; {put}"

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "the address of 127.0.0.1 cannot be resolved; is this machine offline?; download" in failure(
        record, tmp_path
    )
    assert files(tmp_path) == []


def test_a_server_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        record = Download("x", f"http://127.0.0.1:{silent.getsockname()[1]}/a", "free", "a paper", sha256="0" * 64)
        assert "no response for 0.05 seconds" in failure(record, tmp_path)


def test_a_server_that_talks_nonsense(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def answer(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        record = Download("x", f"http://127.0.0.1:{server.getsockname()[1]}/a", "free", "a paper", sha256="0" * 64)
        assert "interrupted (the next run resumes it)" in failure(record, tmp_path)
        thread.join()


def test_the_servers_refusal(publisher, tmp_path):
    publisher.status = 404
    assert failure(publisher.record(), tmp_path).startswith(
        f"{publisher.record().url}: the server returned 404 Not Found;"
    )
    assert files(tmp_path) == []


def test_redirects_stay_on_https(publisher, tmp_path):
    publisher.status, publisher.location = 302, "ftp://127.0.0.1/data.zip"
    assert ": redirect to ftp://127.0.0.1/data.zip, which is not http;" in failure(publisher.record(), tmp_path)
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(urllib.request.URLError, match=r"redirect to http:.*, which is not https"):
        downloads._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/a")
    publisher.location = f"http://127.0.0.1:{publisher.server_port}/y"
    assert "redirect" in failure(publisher.record(), tmp_path)


def test_only_named_members_are_unpacked(publisher, tmp_path):
    publisher.body = zipped({"../evil": b"x", "/evil": b"x", **CONTENT, "more": b"x"})
    download(publisher.record(), tmp_path / "to")
    assert files(tmp_path / "to") == ["data.zip", "dev.txt", "train.txt"]
    assert files(tmp_path) == ["to"]


@pytest.mark.parametrize("file", ["../evil", "/evil", "a/b", "..", "", "a\\b", "c:evil"])
def test_a_record_names_files_in_its_folder(file):
    with pytest.raises(ValueError, match="is not a plain file name"):
        Download("x", "https://example.org/a.zip", "free", "a", sha256="0" * 64, members=(Member("a", file),))


def test_a_record_is_of_https_and_has_a_checksum():
    with pytest.raises(ValueError, match=r"x: http:.* is not https"):
        Download("x", "http://example.org/a", "free", "a paper", sha256="0" * 64)
    with pytest.raises(ValueError, match="is not https"):
        Download("x", "file:///etc/passwd", "free", "a paper", sha256="0" * 64)
    with pytest.raises(ValueError, match="x: no checksum"):
        Download("x", "https://example.org/a", "free", "a paper")


def test_bad_archives(publisher, tmp_path, monkeypatch):
    whole = publisher.body
    publisher.body = whole[:-30]
    message = failure(publisher.record(), tmp_path)
    assert "data.zip?download=1: broken archive: File is not a zip file (deleted); download" in message
    at = whole.index(CONTENT["trees/train.txt"][:50])
    publisher.body = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    assert "broken archive: Bad CRC-32 for file 'trees/train.txt'" in failure(publisher.record(), tmp_path)
    publisher.body = zipped({"train.txt": b""})
    assert "broken archive: it has no file trees/train.txt" in failure(publisher.record(), tmp_path)
    publisher.body = whole
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "MEMBER_LIMIT", 1000)
        assert "trees/train.txt has 150,000 bytes, more than 1,000" in failure(publisher.record(), tmp_path)
    assert files(tmp_path) == []


def test_a_checksum_of_what_is_inside(publisher, tmp_path):
    name, content = next(iter(CONTENT.items()))
    good, bad = (Member(name, "train.txt", value) for value in (sha256(content), "0" * 64))
    inside = {"size": None, "sha256": None}
    assert f"{name} has sha256 {good.sha256}, expected 000" in failure(
        publisher.record(members=(bad,), **inside), tmp_path
    )
    assert files(tmp_path) == []
    said = []
    download(publisher.record(members=(good,), **inside), tmp_path)
    (tmp_path / "data.zip").unlink()
    publisher.asked.clear()
    download(publisher.record(members=(good,), **inside), tmp_path, said.append)
    assert (said, publisher.asked) == ([f"{tmp_path}/train.txt: already there"], [])


def test_a_file_put_there_by_hand(publisher, tmp_path):
    (tmp_path / "data.zip").write_bytes(publisher.body)
    assert [path.read_bytes() for path in download(publisher.record(), tmp_path)] == list(CONTENT.values())
    (tmp_path / "data.zip").write_bytes(publisher.body[:-1])
    message = failure(publisher.record(), tmp_path)
    assert message.startswith(f"{tmp_path}/data.zip: does not match {publisher.record().url}: 150,235 bytes, expected")
    (tmp_path / "data.zip").write_bytes(b"no zip")
    good = Member("trees/train.txt", "new.txt", sha256(CONTENT["trees/train.txt"]))
    message = failure(publisher.record(size=None, sha256=None, members=(good,)), tmp_path)
    assert message == (f"{tmp_path}/data.zip: broken archive: File is not a zip file; move it away and run this again")
    assert (tmp_path / "data.zip").read_bytes() == b"no zip"
    assert publisher.asked == []


def compressed(method, content=b"a b c\n" * 5000):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in CONTENT:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_any_damage_to_an_archive_is_an_error_of_the_archive(tmp_path, method):
    """Archives with a few bytes changed or cut off are unpacked as they were, or refused in one line."""
    whole, random = compressed(method), Random(0)
    archive, refused = tmp_path / "data.zip", []
    checksum = sha256(b"a b c\n" * 5000)
    members = tuple(Member(name, name[6:], checksum) for name in CONTENT)
    record = Download("x", "https://example.org/data.zip", "free", "a paper", members=members)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 1, 3, 30))):
            damaged[random.randrange(len(damaged))] = random.choice((0, 1, 127, 255, random.randrange(256)))
        archive.write_bytes(damaged[: random.choice((None, None, random.randrange(len(damaged))))])
        try:
            download(record, tmp_path)
        except DownloadError as error:
            refused.append(str(error))
        for path in set(tmp_path.iterdir()) - {archive}:
            assert sha256(path.read_bytes()) == checksum
            path.unlink()
    assert len(refused) > 20
    assert all(message.startswith(f"{archive}: broken archive: ") and "\n" not in message for message in refused)


def test_an_encrypted_or_unknown_member(publisher, tmp_path):
    for name, at, value in (("encrypted", 8, 1), ("compression method", 10, 77)):
        body = bytearray(publisher.body)
        entry = body.index(b"PK\x01\x02")
        body[entry + at] = value
        body[body.index(b"PK\x03\x04") + at - 2] = value
        (tmp_path / "data.zip").write_bytes(body)
        message = failure(publisher.record(sha256=None, size=None, members=(Member(*MEMBER),)), tmp_path)
        assert message.startswith(f"{tmp_path}/data.zip: broken archive: ")
        assert name in message
    assert files(tmp_path) == ["data.zip"]


def test_a_bomb_is_refused_whatever_it_says_of_its_size(publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "MEMBER_LIMIT", 1_000_000)
    body = bytearray(compressed(zipfile.ZIP_DEFLATED, bytes(5_000_000)))
    archive = tmp_path / "data.zip"
    for claim, message in ((5_000_000, "has 5,000,000 bytes, more than 1,000,000"), (10, "Bad CRC-32")):
        at = body.index(b"PK\x01\x02")
        body[at + 24 : at + 28] = claim.to_bytes(4, "little")
        archive.write_bytes(body)
        assert message in failure(publisher.record(sha256=None, size=None, members=(Member(*MEMBER),)), tmp_path)
        assert files(tmp_path) == ["data.zip"]


def test_two_downloads_to_one_folder_at_once(publisher, tmp_path):
    """One transfers the file, the others wait and find it."""
    publisher.pause = 0.02
    code = """
import sys
from corpora.downloads import Download, Member, download
url, size, sha256, to = sys.argv[1:]
members = (Member("trees/train.txt", "train.txt"), Member("trees/dev.txt", "dev.txt"))
print(*download(Download("trees", url, "free", "a paper", int(size), sha256, members), to))
"""
    record = publisher.record()
    arguments = [sys.executable, "-c", code, record.url, str(record.size), record.sha256, str(tmp_path)]
    others = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    threads = [threading.Thread(target=download, args=(record, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        assert other.communicate()[0] == f"{tmp_path}/train.txt {tmp_path}/dev.txt\n"
        assert other.returncode == 0
    assert files(tmp_path) == ["data.zip", "dev.txt", "train.txt"]
    assert publisher.asked == [None]


@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard", "folder", "pipe"])
def test_a_part_that_is_no_part_is_not_written_to(publisher, tmp_path, kind):
    precious, part = tmp_path / "precious", tmp_path / "to" / ".data.zip.part"
    part.parent.mkdir()
    precious.write_text("mine")
    if kind in ("symbolic", "dangling"):
        part.symlink_to(precious if kind == "symbolic" else tmp_path / "none")
    elif kind == "hard":
        part.hardlink_to(precious)
    else:
        (os.mkdir if kind == "folder" else os.mkfifo)(part)
    expected = "not a file" if kind in ("folder", "pipe") else "a link"
    message = failure(publisher.record(), part.parent)
    assert message == f"{part}: {expected}, expected the part of a download; move it away and run this again"
    assert precious.read_text() == "mine"
    assert files(tmp_path) == ["precious", "to"]
    assert publisher.asked == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:80@evil.example/a", "has a user name"),
        ("https://nlp.stanford.edu@evil.example/a", "has a user name"),
        ("https://user:password@example.org/a", "has a user name"),
        ("https://nlp.stanford.edu\\@evil.example/a", "has a user name"),
        ("http://127.0.0.1.evil.example:80/a", "is not https"),
        ("http://127.0.0.1/a", "is not https"),
        ("http://localhost:80/a", "is not https"),
        ("https:///a", "is not https"),
        ("https://example.org:port/a", "is not an address"),
        ("https://[example.org/a", "is not an address"),
        ("https://example.org/a\nb", "has characters that no address has"),
        ("https://example.org\\.evil.example/a", "has characters that no address has"),
    ],
)
def test_addresses_that_are_not_trusted(url, problem):
    with pytest.raises(ValueError, match=problem):
        Download("x", url, "free", "a paper", sha256="0" * 64)
    here = "http://127.0.0.1:1/a" if url.startswith("http:") else "https://example.org/a"
    with pytest.raises(urllib.request.URLError, match=f"redirect to .*, which {problem}"):
        downloads._Redirects().redirect_request(urllib.request.Request(here), io.BytesIO(), 302, "", {}, url)


def test_a_redirect_to_an_address_with_a_user_name(publisher, tmp_path):
    publisher.status, publisher.location = 302, f"http://127.0.0.1:{publisher.server_port}@127.0.0.1:9/data.zip"
    assert "127.0.0.1:9/data.zip, which has a user name" in failure(publisher.record(), tmp_path)
    publisher.location = "http://example.org/data.zip"
    assert ": redirect to http://example.org/data.zip, which is not https;" in failure(publisher.record(), tmp_path)


@pytest.mark.parametrize(
    ("full", "left"), [(".data.zip.part", [".data.zip.part"]), (".dev.txt.", ["data.zip", "train.txt"])]
)
def test_a_full_disk(publisher, tmp_path, monkeypatch, full, left):
    class Full(io.FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path, mode="r", **rest):
        return (
            Full(path, mode) if os.path.basename(path).startswith(full) and mode != "rb" else open(path, mode, **rest)
        )

    monkeypatch.setattr(downloads, "open", opened, raising=False)
    assert ": No space left on device; fix this and run the command again" in failure(publisher.record(), tmp_path)
    assert files(tmp_path) == left
    monkeypatch.undo()
    download(publisher.record(), tmp_path)


def test_the_records():
    assert {"sst", "sick", "listops", "glove"} <= set(DOWNLOADS)
    for name, record in DOWNLOADS.items():
        assert record.name == name
        assert record.url.startswith("https://")
        for checksum in filter(None, (record.sha256, *(member.sha256 for member in record.members))):
            assert re.fullmatch("[0-9a-f]{64}", checksum)
        assert record.licence
        assert record.citation
    assert DOWNLOADS["sst"].files == ("train.txt", "dev.txt", "test.txt")
    assert DOWNLOADS["sick"].file == "SICK.zip"
    with pytest.raises(DownloadError, match="no corpus 'other', expected one of sst, "):
        download("other", "nowhere")


def test_the_published_files_have_these_checksums(data):
    compared = 0
    for name, record in DOWNLOADS.items():
        expected = [(record.file, record.sha256)] if not record.members else [member[1:] for member in record.members]
        for file, checksum in expected:
            path = data / name / file
            if checksum and path.exists():
                assert sha256(path.read_bytes()) == checksum
                compared += 1
    if not compared:
        pytest.skip("none of the files whose checksums are known is in RECNN_DATA")


def test_importing_opens_no_socket():
    code = """
import sys
def refuse(event, arguments):
    if event.startswith("socket.") or event == "urllib.Request":
        raise AssertionError(event)
sys.addaudithook(refuse)
import corpora.downloads, recnn.cli, recnn.commands.data
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


def test_the_command(publisher, tmp_path, monkeypatch, capsys):
    from recnn.commands.data import data as command

    monkeypatch.setitem(DOWNLOADS, "trees", publisher.record(members=()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)

    def invoke(*arguments):
        with pytest.raises(SystemExit) as end:
            app(arguments)
        return end.value.code, *capsys.readouterr()

    status, listed, err = invoke()
    assert (status, err) == (0, "")
    assert "sst: train.txt, dev.txt, test.txt\n    https://nlp.stanford.edu/sentiment/" in listed
    assert "789,539 bytes, licence: none stated\n    Socher et al., Recursive Deep Models for" in listed
    cite = "licence: free; cite: a paper\n"
    assert invoke("trees", "--to", "x") == (0, f"x/data.zip: downloaded from {publisher.record().url}\n{cite}", "")
    assert invoke("trees", "--to", "x") == (0, f"x/data.zip: already there\n{cite}", "")
    assert publisher.asked == [None]
    publisher.status = 500
    with pytest.raises(
        DownloadError, match="the server returned 500 Internal Server Error; download it by other means"
    ):
        app(["trees", "--to", "y"])
    for arguments, problem in (
        (["trees"], "folder to download to"),
        (["other"], "no corpus 'other'"),
        (["--to", "x"], "NAME"),
    ):
        status, out, err = invoke(*arguments)
        assert (status, out) == (2, "")
        assert problem in err
