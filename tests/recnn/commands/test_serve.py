"""`recnn serve` as a process: its address, its end, and errors before it starts."""

import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import httpx
import pytest

import corpora
import recnn as package
from tests.command_line import ROOT, recnn, unframed

QUESTION = '{"sentence": "The boy saw her duck", "parser": "duck"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of an untrained model."""
    folder = tmp_path_factory.mktemp("models") / "mine"
    config = package.TreeConfig(("bad", "good"), parser="balanced", input_size=8, hidden_size=8)
    package.TreeClassifier(config, corpora.Vocabulary(["boy", "duck"])).save(folder)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_after_the_requests_that_are_being_answered(folder, number):
    command = [sys.executable, "-W", "error", "-m", "recnn", "serve", "--port", "0", "--model", str(folder)]
    process = subprocess.Popen(
        [*command, "--parser", "duck"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        address = process.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        choices = httpx.get(f"{address}api/choices").json()
        assert ([one["name"] for one in choices["models"]], choices["parsers"]) == (["mine"], ["duck", "balanced"])
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as asking:
            begin, end = QUESTION[:20], QUESTION[20:]
            head = f"POST /api/analyse HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-type: application/json\r\n"
            asking.sendall(f"{head}content-length: {len(QUESTION)}\r\n\r\n{begin}".encode())
            time.sleep(0.2)  # for the request to be read
            process.send_signal(number)
            while is_open(place):
                time.sleep(0.05)
            asking.sendall(end.encode())
            answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"(Bare duck)" in answer


def is_open(place):
    try:
        socket.create_connection((place.hostname, place.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_port_that_is_taken(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, error = recnn("serve", "--port", port, "--model", folder)
    assert status == 1
    assert error == f"recnn: cannot listen on 127.0.0.1, port {port}: Address already in use; choose another --port\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--model", "nowhere"], "nowhere: no such folder, expected the folder of a model"),
        (["--parser", "nothing"], "parser nothing: no such file or folder, and no parser of that name"),
        (["--phrases", "nowhere.txt"], "nowhere.txt: No such file or directory"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid: "),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
    ],
)
def test_wrong_arguments_end_it_before_it_starts(tmp_path, arguments, error):
    status, out, shown = recnn("serve", "--port", "0", *arguments, cwd=tmp_path)
    assert status != 0
    assert out == ""
    assert error in unframed(shown)


def test_models_of_other_kinds_are_refused(tmp_path):
    config = package.PairConfig(input_size=8, hidden_size=8)
    package.PairModel(config, corpora.Vocabulary(["a"])).save(tmp_path / "pairs")
    status, _, error = recnn("serve", "--port", "0", "--model", tmp_path / "pairs")
    assert (status, "expected a model of kind 'trees', got 'pairs'" in error) == (1, True)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, error = recnn("serve")
    assert (status, error) == (1, "recnn: this needs uvicorn, which is not installed: pip install 'recnn[serve]'\n")
