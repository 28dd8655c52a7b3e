"""`recnn train echo`, `subtraction` and `air-quality`."""

import re

import numpy as np
import pytest

import recnn as package
from tests.command_line import recnn
from tests.runs import metrics

COLUMNS = ["No", "year", "month", "day", "hour", "pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir"]


def shown(text, name):
    return [float(value) for value in re.findall(rf"{name} ([\d.]+)", text)]


def hours_of(path, years, hours=60):
    """Write a file of air quality, with the pollution of the first hours of each year, a sine wave."""
    rows, number = [COLUMNS], 0
    for year in years:
        begin = np.datetime64(f"{year}-01-01T00", "h")
        # The file must have every hour of each year.
        for hour in np.arange(begin, np.datetime64(f"{year + 1}-01-01T00", "h")):
            number += 1
            date = hour.item()
            known = number % 24 < 20 and (date.timetuple().tm_yday * 24 + date.hour) < hours + 24
            wave = 100 + 50 * np.sin(number / 7)
            pollution = f"{wave:.0f}" if known else "NA"
            rows.append([number, date.year, date.month, date.day, date.hour, pollution, 1, 2, 1000, "NW", 1.5, 0, 0])
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


@pytest.mark.parametrize("question", ["lag", "delayed"])
def test_echo(tmp_path, question):
    arguments = ["--question", question, "--count", 300, "--length", 12, "--largest-lag", 2, "--epochs", 3]
    more = ["--cell", "gru", "--hidden-size", 12, "--learning-rate", 0.02, "--batch", 10]
    status, out, err = recnn("train", "echo", *arguments, *more, "--strength", 1, "--out", "run", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "on 2,000 new signals: " in out
    rows = metrics(tmp_path / "run")
    assert rows[-1]["loss"] < rows[0]["loss"]
    model = package.load(tmp_path / "run" / "best")
    assert model.config.steps == ("many-to-one" if question == "lag" else "many-to-many")
    if question == "lag":
        assert shown(out, "accuracy")[-1] > 60  # of two lags
    else:
        assert shown(out, "rmse")[-1] < 1  # the deviation of the signal is 1.4


def test_subtraction_goes_on_to_longer_numbers(tmp_path):
    arguments = ["--cell", "gru", "--hidden-size", 12, "--length", 6, "--count", 600, "--learning-rate", 0.02]
    more = ["--epochs", 6, "--batch", 10, "--out", "run"]
    status, out, err = recnn("train", "subtraction", *arguments, *more, cwd=tmp_path)
    assert (status, err) == (0, "")
    lengths = [int(bits) for bits in re.findall(r"pairs of (\d+) bits", out)]
    assert lengths == [24, 96]
    assert min(shown(out, "accuracy")[-2:]) > 95


def test_air_quality_is_compared_with_persistence(tmp_path):
    hours_of(tmp_path / "air.csv", range(2010, 2015))
    arguments = ["--data", "air.csv", "--history", 6, "--horizon", 3, "--epochs", 2, "--hidden-size", 8]
    status, out, err = recnn("train", "air-quality", *arguments, "--out", "run", cwd=tmp_path)
    assert (status, err) == (0, "")
    years = re.findall(r"^(\d{4}), ([\d,]+) hours: forecast rmse .* persistence rmse", out, re.MULTILINE)
    assert [year for year, _ in years] == ["2013", "2014"]
    again = recnn("train", "air-quality", "--out", "run", "--resume", "--epochs", 3, cwd=tmp_path)
    assert again[0] == 0
    assert shown(again[1], "persistence rmse") == shown(out, "persistence rmse")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["echo", "--largest-lag", 1], "expected at least 2, as a single lag leaves nothing to predict"),
        (["echo", "--length", 4], "expected distinct lags from 1 to 3"),
        (["echo", "--cell", "matrix-vector"], "cell"),
        (["subtraction", "--length", 1, "--count", 3], "bits"),
        (["air-quality"], "give the file"),
        (["air-quality", "--data", "none.csv"], "none.csv: No such file or directory"),
        (["air-quality", "--data", "short.csv"], "short.csv: part 'dev': the years 2013 to 2013 have no hours"),
        (["air-quality", "--data", "broken.csv"], "broken.csv, line 2, column 22: "),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(tmp_path, arguments, message):
    hours_of(tmp_path / "short.csv", [2010])
    lines = (tmp_path / "short.csv").read_text().splitlines()
    (tmp_path / "broken.csv").write_text("\n".join([lines[0], lines[1].replace("100", "many"), *lines[2:]]))
    status, out, err = recnn("train", *arguments, "--out", "run", cwd=tmp_path)
    assert status in (1, 2)
    assert out == ""
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "run").exists()
