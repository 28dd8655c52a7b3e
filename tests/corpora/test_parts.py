"""Temporary files beside those that are written, and folders that replace others."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from corpora import parts
from corpora.parts import part_beside, parts_beside, replace_folder, sweep
from corpora.text import replacing, write_lines


@pytest.fixture
def ended():
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_no_two_threads_write_to_one_part(tmp_path):
    path, found = tmp_path / "file", []

    def write(text):
        for _ in range(50):
            with replacing(path) as part:
                part.write_text(text * 100)
                found.append(part)

    threads = [threading.Thread(target=write, args=(text,)) for text in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 150
    assert path.read_text() in ("a" * 100, "b" * 100, "c" * 100)
    assert os.listdir(tmp_path) == ["file"]


def test_errors_name_the_file_itself(tmp_path, monkeypatch):
    def read_only(self, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "unlink", read_only)  # also of what is not there
    with pytest.raises(FileNotFoundError) as error:
        write_lines(tmp_path / "no" / "file", ["text"])
    assert str(error.value) == f"[Errno 2] No such file or directory: '{tmp_path / 'no' / 'file'}'"
    with pytest.raises(IsADirectoryError, match=r"'\.'$"):
        write_lines("", ["text"])


def test_parts_of_killed_processes_are_swept(tmp_path, ended):
    path = tmp_path / "a.b[1]*"
    gone = [f".a.b[1]*.{ended}.part", f".a.b[1]*.{ended}.7.part", f".a.b[1]*.{os.getpid()}.1.part"]
    stay = [".a.b[1]*.1.part", ".a.b[1]*.part", ".a.b[1]*.x.part", f".a.b1.{ended}.part", f".a.b[1]*.{ended}.part.txt"]
    for name in (*gone, *stay):
        (tmp_path / name).touch()
    mine = part_beside(path)
    mine.touch()
    assert sorted(parts_beside(path)) == sorted(tmp_path / name for name in gone)
    write_lines(path, ["text"])
    assert sorted(os.listdir(tmp_path)) == sorted([*stay, mine.name, path.name])


def test_a_killed_writer_leaves_what_the_next_sweeps(tmp_path):
    code = (
        "import os, signal, sys; from corpora.text import replacing\n"
        "with replacing(sys.argv[1]) as part: part.touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", code, tmp_path / "file"]).returncode == -9
        assert len(os.listdir(tmp_path)) == 1
    write_lines(tmp_path / "file", [])
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_part_links_to_is_left_alone(tmp_path, ended):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / f".file.{ended}.part").symlink_to(tmp_path / "folder")
    sweep(tmp_path / "file")
    sweep(tmp_path / "nowhere" / "file")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == ["file"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_replaces_another(tmp_path, exchange, monkeypatch):
    if not exchange:
        monkeypatch.setattr(parts, "_exchanged", lambda *_: False)
    folder = tmp_path / "folder"
    for text in "abc":
        part = part_beside(folder)
        part.mkdir()
        (part / text).touch()
        replace_folder(part, folder)
        assert os.listdir(folder) == [text]
        assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "none", folder)
    assert os.listdir(folder) == ["c"]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        replace_folder(folder, tmp_path / "file")
    assert os.listdir(folder) == ["c"]
