import pytest

from tests.command_line import recnn


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a run of two epochs on the bundled treebank."""
    folder = tmp_path_factory.mktemp("train") / "run"
    small = ["--input-size", 12, "--hidden-size", 10, "--epochs", 2]
    status, out, err = recnn("train", "sentiment", "--out", folder, *small)
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == ["epoch 1", "epoch 2", "best"]
    return folder
