import pytest
import torch

from parsers import InputError

pytest.importorskip("matplotlib")
from recnn.draw import confusion_matrix, learning_curves


def test_learning_curves(tmp_path):
    rows = [{"epoch": 1, "loss": 2.0, "all": 0.5, "mse": 3.0}, {"epoch": 2, "loss": 1.0, "all": 0.75, "mse": 2.0}]
    figure = learning_curves(rows, {"all": True, "mse": False}, tmp_path / "curves.svg")
    lines = [(axes.get_ylabel(), list(line.get_ydata())) for axes in figure.axes for line in axes.lines]
    assert lines == [
        ("training loss", [2.0, 1.0]),
        ("percent, held-out data", [50.0, 75.0]),
        ("held-out data", [3.0, 2.0]),
    ]
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    with pytest.raises(InputError, match=r"curves\.gif: expected a file name that ends in \.png, \.svg or \.pdf"):
        learning_curves(rows, {}, tmp_path / "curves.gif")


def test_confusion_matrix(tmp_path):
    figure = confusion_matrix(torch.tensor([[3, 1], [0, 0]]), ["no", "yes"], tmp_path / "table.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1", "0", "0"]
    assert figure.axes[0].images[0].get_array().tolist() == [[0.75, 0.25], [0.0, 0.0]]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"expected counts of 1 classes, got an array of the shape \(2, 2\)"):
        confusion_matrix([[1, 2], [3, 4]], ["no"])
