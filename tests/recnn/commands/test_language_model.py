"""The commands `recnn lm train`, `score` and `generate`."""

import json
import math

import pytest
import torch

import recnn
from corpora import bundled_sentiment, read_text
from corpora.plain_text import split_text
from parsers.trees import words_of
from recnn.models.language_model import LanguageModel
from tests.command_line import recnn as command
from tests.command_line import unframed
from tests.runs import metrics

torch.set_num_threads(1)
TINY = ["--input-size", "6", "--hidden-size", "8", "--epochs", "1", "--dropout", "0", "--batch", "8"]
TEXT = "the cat sat on the mat .\nthe dog ran to the cat .\na cat and a dog ran .\n" * 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on characters and a run on words, with their text."""
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text(TEXT, "utf-8")
    for unit in ("characters", "words"):
        given = ["--data", folder / "text.txt", "--unit", unit, "--out", folder / unit, "--learning-rate", "0.02"]
        status, out, err = command("lm", "train", *TINY, *given, "--epochs", "4")
        assert (status, err) == (0, "")
        assert out.splitlines()[-1].startswith("best: epoch 4, " + {"characters": "bits", "words": "perplexity"}[unit])
    return folder


def scored(*arguments, stdin=""):
    status, out, err = command("lm", "score", *arguments, "--json", stdin=stdin)
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_the_measure_is_that_of_the_log_probabilities(runs, unit):
    model = LanguageModel.load(runs / unit / "best")
    units = list(read_text(runs / "text.txt")) if unit == "characters" else model.split(TEXT)
    text, held_out = split_text(units)
    before = int(model.indices(text[-1:]))
    each, _ = model.score(model.indices(held_out), before)
    mean = -float(each.double().sum()) / len(held_out)
    row = metrics(runs / unit)[-1]
    if unit == "characters":
        assert row["bits"] == pytest.approx(mean / math.log(2), rel=1e-6)
    else:
        assert row["perplexity"] == pytest.approx(math.exp(mean), rel=1e-6)
    assert len(model.vocabulary) == len(set(units)) + 1


def test_without_data_it_takes_the_bundled_sentences(tmp_path):
    status, out, _ = command("lm", "train", *TINY, "--batch", 200, "--unit", "words", "--out", tmp_path / "run")
    assert status == 0
    assert "best: epoch 1, perplexity" in out
    model = recnn.load(tmp_path / "run" / "best")
    words = {word for tree in bundled_sentiment("train") for word in words_of(tree)}
    assert set(model.vocabulary) == {"<unk>", "\n", *words}
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (run["training"]["optimizer"], run["training"]["clip"], run["task"]) == ("adam", 1.0, "lm")
    status, out, _ = command("lm", "train", "--out", tmp_path / "run", "--resume", "--epochs", 2)
    assert (status, "epoch 2: " in out, "epoch 1: " in out) == (0, True, False)


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_scores(runs, unit):
    model = LanguageModel.load(runs / unit / "best")
    good, bad = scored(runs / unit, "the cat sat .", "cat ? the sat .", "--tokens")
    for record in (good, bad):
        values = [token["log_probability"] for token in record["tokens"]]
        units = [token["token"] for token in record["tokens"]]
        assert units == model.split(record["sentence"] + "\n")
        assert values == pytest.approx(model.score(model.indices(units))[0].tolist())
        assert record["log_probability"] == pytest.approx(sum(values))
        mean = -sum(values) / len(values)
        measure = {"bits": mean / math.log(2)} if unit == "characters" else {"perplexity": math.exp(mean)}
        assert {name: record[name] for name in record if name in ("bits", "perplexity")} == pytest.approx(measure)
    assert (good["unknown"], bad["unknown"]) == (0, 1)
    assert good["log_probability"] > bad["log_probability"]
    (short,) = scored(runs / unit, "the cat sat .")
    assert short == {**good, "tokens": len(good["tokens"])}
    lines = scored(runs / unit, "-", stdin="the cat sat .\n\ncat ? the sat .\n")
    assert [line["log_probability"] for line in lines] == [good["log_probability"], bad["log_probability"]]


def test_scores_for_people(runs):
    status, out, err = command("lm", "score", runs / "words", "cat ? the", "the cat", "--tokens")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith(", 1 unknown: cat ? the")
    assert [line.split()[1] for line in lines[1:5]] == ["'cat'", "'?'", "'the'", "'\\n'"]
    assert " nats, perplexity " in lines[5]
    assert lines[-1] == "the likeliest is sentence 2: the cat"
    total = sum(float(line.split()[0]) for line in (lines[0], lines[5]))
    assert float(lines[-2].split()[2]) == pytest.approx(total, abs=2e-4)
    status, out, _ = command("lm", "score", runs / "characters", "the cat")
    assert len(out.splitlines()) == 1
    assert "bits per character: the cat" in out
    status, out, _ = command("lm", "score", runs / "characters", "")
    assert (status, len(out.splitlines())) == (0, 1)


def generated(*arguments):
    status, out, err = command("lm", "generate", *arguments)
    assert (status, err) == (0, "")
    return out


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_generates(runs, unit):
    given = [runs / unit, "--prompt", "the cat", "--length", "9", "--count", "3"]
    assert generated(*given) == generated(*given, "--seed", "0") != generated(*given, "--seed", "1")
    for more in (["--temperature", "0.5"], ["--top-k", "3"], ["--top-p", "0.6"], ["--beam", "4"], []):
        found = [json.loads(line) for line in generated(*given, "--json", *more).splitlines()]
        assert len(found) == 3
        model = LanguageModel.load(runs / unit / "best")
        start = model.split("the cat")
        for each in found:
            units = model.split(each["text"])
            assert units[: len(start)] == start
            assert len(units) == len(start) + 9
            values, _ = model.score(model.indices(units))
            assert each["log_probability"] == pytest.approx(float(values[len(start) :].sum()), abs=1e-4)
    greedy = generated(runs / unit, "--beam", "1", "--line")
    assert greedy == generated(runs / unit, "--top-k", "1", "--line")
    assert greedy.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["generate", "--temperature", "0"], "--temperature: expected a finite number above 0, got 0.0"),
        (["generate", "--temperature", "inf"], "--temperature: expected a finite number above 0, got inf"),
        (["generate", "--top-p", "1.5"], "--top-p: expected a number above 0 and at most 1, got 1.5"),
        (["generate", "--top-k", "0"], "'--top-k'"),
        (["generate", "--beam", "2", "--top-k", "2"], "--beam: cannot be combined with the sampling options"),
        (["generate", "--beam", "2", "--count", "3"], "--count: expected at most 2, the beam width, got 3"),
        (["score"], "no sentence given"),
    ],
)
def test_wrong_usage(runs, arguments, problem):
    status, out, err = command("lm", arguments[0], runs / "words", *arguments[1:])
    assert (status, out) == (2, "")
    assert problem in unframed(err)


def test_wrong_settings(tmp_path):
    for given, problem in (
        (["--held-out", "1.5"], "--held-out: input should be less than 1, got 1.5"),
        (["--cell", "none"], "cell: 'none' is not one of"),
        (["--truncate", "0"], "--truncate: input should be greater than or equal to 1"),
    ):
        status, out, err = command("lm", "train", *TINY, *given, "--out", tmp_path / "run")
        assert (status, out) == (2, "")
        assert problem in unframed(err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "given", "problem"),
    [
        (b"", [], "line 1, column 1: no text in this file"),
        (b"\n \n", ["--unit", "words"], "line 1, column 1: no word in this file"),
        (b"\xff", [], "line 1, column 1: not UTF-8 text"),
        (b"abcabcabca", [], "the text has 9 characters, too few to train on in 16 streams"),
        (b"a", ["--held-out", "0.9"], "held_out=0.9 leaves a part of the 2 characters or words empty"),
    ],
)
def test_a_malformed_text_is_one_line(content, given, problem, tmp_path):
    (tmp_path / "text").write_bytes(content)
    given = [*TINY, "--batch", 16, *given, "--data", tmp_path / "text", "--out", tmp_path / "run"]
    status, out, err = command("lm", "train", *given)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert err.endswith(f"{problem}\n")


def test_malformed_input_is_one_line(runs, tmp_path):
    for arguments in (["score", tmp_path / "none", "a"], ["generate", tmp_path / "none"]):
        status, out, err = command("lm", *arguments)
        assert (status, out, err) == (
            1,
            "",
            f"recnn: {tmp_path / 'none'}: no such folder, expected the folder of a model\n",
        )
    status, out, err = command("lm", "score", runs / "words", "-", "--json", stdin=b"a\n\xff\nthe cat\n")
    assert (status, err) == (1, "recnn: standard input, line 2: not UTF-8 text (byte 1)\n")
    assert [json.loads(line)["sentence"] for line in out.splitlines()] == ["a", "the cat"]


def test_help():
    status, out, _ = command("lm", "--help")
    assert status == 0
    assert all(name in out for name in ("train", "score", "generate"))
    status, out, _ = command("lm", "train", "--help")
    text = unframed(out)
    assert "[default: adam]" in text
    assert "[default: 0.002]" in text
    assert "--truncate" in text
