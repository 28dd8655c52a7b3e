"""`recnn serve` as a process: its address, its end, and errors before it starts."""

import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

import corpora
import recnn as package
from tests.command_line import ROOT, recnn, unframed

QUESTION = {"sentence": "The boy saw her duck", "parser": "duck"}


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
        found = []
        ask = threading.Thread(target=lambda: found.append(httpx.post(f"{address}api/analyse", json=QUESTION)))
        ask.start()
        while not found:
            process.send_signal(number)
            ask.join(0.2)
            break
        ask.join()
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert [one.status_code for one in found] == [200]
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


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
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid, port 0: "),
        (["--timeout", "0"], "Invalid value for '--timeout': 0"),
    ],
)
def test_wrong_arguments_end_it_before_it_starts(tmp_path, arguments, error):
    status, out, shown = recnn("serve", "--port", "0", *arguments, cwd=tmp_path)
    assert status != 0
    assert out == ""
    assert error in unframed(shown)


def test_models_of_other_kinds_are_refused(tmp_path):
    package.LanguageModel(package.LanguageModelConfig("characters"), corpora.Vocabulary(["a"])).save(tmp_path / "lm")
    status, _, error = recnn("serve", "--port", "0", "--model", tmp_path / "lm")
    assert (status, "expected a model of kind 'trees', got 'language_model'" in error) == (1, True)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, error = recnn("serve")
    assert (status, error) == (1, "recnn: this needs uvicorn, which is not installed: pip install 'recnn[serve]'\n")
