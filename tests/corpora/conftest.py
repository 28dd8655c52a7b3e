import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data():
    """The folder of published corpora, which are not part of the project."""
    folder = os.environ.get("RECNN_DATA")
    if not folder:
        pytest.skip("RECNN_DATA is not set: it names a folder with the published corpora (sst/, gum/, listops/, sick/)")
    return Path(folder)


@pytest.fixture
def write(tmp_path):
    """Function that writes bytes or text to a new file and returns its path."""

    def write(content):
        path = tmp_path / "file.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
