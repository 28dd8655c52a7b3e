"""The commands `recnn train translation`, `translate` and `evaluate` with a translator."""

import json
import re
import sys

import pytest

import recnn as package
from corpora import bundled_translations
from corpora.translation import join_words
from recnn.commands.translation import TranslationData, _parts
from recnn.models.config import TranslationConfig
from recnn.training.objectives.translation import evaluated, text_pairs
from tests.command_line import recnn, unframed

SMALL = ["--input-size", 12, "--hidden-size", 10, "--epochs", 2, "--measured", 5]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "run"
    status, out, err = recnn("train", "translation", "--out", folder, "--model", "tree", *SMALL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["epoch 1", "epoch 2", "best"]
    assert [line.split(" (")[0].rsplit(" ", 1)[0] for line in lines[3:]] == [
        f"test part, 130 sentences: {name}" for name in ("BLEU", "chrF")
    ]
    return folder


def test_the_bundled_sample_is_split_by_sentences():
    parts = {part: bundled_translations(part) for part in ("train", "dev", "test")}
    assert {part: len(pairs) for part, pairs in parts.items()} == {"train": 1260, "dev": 148, "test": 184}
    sentences = [{pair.english.lower() for pair in pairs} for pairs in parts.values()]
    assert sum(map(len, sentences)) == len(set.union(*sentences))
    with pytest.raises(ValueError, match="no part 'all'"):
        bundled_translations("all")


def test_evaluate_prints_what_sacrebleu_says(run, tmp_path):
    status, out, err = recnn("evaluate", "--json", run, "test")
    assert (status, err) == (0, "")
    found = json.loads(out)
    expected = evaluated(package.load(run / "best"), text_pairs(bundled_translations("test")))[1]
    assert found == {**{name: score._asdict() for name, score in expected.items()}, "count": 130}
    assert recnn("evaluate", "--json", run / "best", "test")[1] == out
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{pair.english}\t{pair.french}\n" for pair in bundled_translations("test")))
    assert recnn("evaluate", "--json", run, file)[1] == out
    status, out, err = recnn("evaluate", run, file)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"130 sentences: BLEU {expected['BLEU'].score:.1f} ({expected['BLEU'].signature})"
    assert recnn("evaluate", "--by-length", run, "test")[0] == 2


def test_translate_prints_sentences(run, tmp_path):
    status, out, err = recnn("translate", run, "I know.", "-", stdin="You don't know the platypus!\n")
    assert status == 0
    assert len(out.splitlines()) == 2
    assert err == "recnn: standard input, line 1: unknown words: 'platypus'\n"
    status, bad, err = recnn("translate", run, "I know.", "-", stdin=b"\xff\nYou know.\n")
    assert (status, len(bad.splitlines())) == (1, 2)
    assert err == "recnn: standard input, line 1: not UTF-8 text (byte 1)\n"
    status, out, err = recnn("translate", run, "--json", "--beam", 3, "I know .")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["sentence"] == "i know."
    assert {"i know .", "i", "know", "."} <= set(found["nodes"])
    assert [len(row) for row in found["attention"]] == [len(found["nodes"])] * (len(found["words"]) + 1)
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in found["attention"])
    assert found["translation"] == join_words(found["words"], "french")
    assert len(found["candidates"]) == 3
    trees = tmp_path / "trees.txt"
    trees.write_text("(S (NP I) (VP know) )\n( (S (NP you) (VP (V know) me)))")
    status, out, err = recnn("translate", run, "--json", "--trees", trees)
    assert [json.loads(line)["nodes"] for line in out.splitlines()] == [
        ["I know", "I", "know"],
        ["you know me", "you", "know me", "know", "me"],
    ]


def test_trees_of_ones_own_and_fewer_pairs(tmp_path):
    rows = [("I know.", "Je sais."), ("I am here!", "Je suis là !"), ("Go.", "Va !"), ("No, no, no, no.", "Non.")] * 10
    data, trees = tmp_path / "pairs.tsv", tmp_path / "trees.txt"
    data.write_text("".join(f"{number} {one}\t{other}\n" for number, (one, other) in enumerate(rows)))
    trees.write_text(
        "".join(f"(S (N {n}) (P I know) .)\n(S {n} (P I am) (P here !))\n(S {n} Go .)\n" for n in range(40))
    )
    network = TranslationConfig(model="tree", arity="sum")
    found = _parts(TranslationData(data=str(data), trees=str(trees), max_length=6), network)
    sources = [pair.source for pairs in found.values() for pair in pairs]
    assert len(sources) == 30
    assert {len(tree) for tree in sources} == {3}
    fewer = _parts(TranslationData(data=str(data), max_length=6, pairs=12), TranslationConfig())
    assert sum(map(len, fewer.values())) == 12
    options = ["--data", data, "--max-length", 6, "--model", "tree", "--arity", "sum", "--pairs", 20, *SMALL]
    assert recnn("train", "translation", "--out", tmp_path / "run", "--trees", trees, *options)[0] == 0
    trees.write_text("(S Stop .)")
    status, _, err = recnn("train", "translation", "--out", tmp_path / "other", "--trees", trees, *options)
    assert status == 1
    assert re.match(rf"recnn: {data}, line \d+: there is no tree over '", err)
    assert err.count("\n") == 1
    options = ["--data", data, "--max-length", 6, "--model", "tree", "--parser", "duck", *SMALL]
    status, _, err = recnn("train", "translation", "--out", tmp_path / "other", *options)
    assert status == 1
    line, number = re.match(rf"recnn: {data}, line (\d+): parser duck: sentence '(\d+) ", err).groups()
    assert int(line) == int(number) + 1


def test_a_run_goes_on(run, tmp_path):
    arguments = ["train", "translation", "--model", "tree", *SMALL]
    arguments[arguments.index("--epochs") + 1] = 1
    assert recnn(*arguments, "--out", tmp_path / "run")[0] == 0
    status, out, err = recnn("train", "translation", "--resume", "--epochs", 2, "--out", tmp_path / "run")
    assert (status, err) == (0, "")
    assert out.startswith("epoch 2: ")
    weights = [(folder / "last" / "weights.safetensors").read_bytes() for folder in (run, tmp_path / "run")]
    assert weights[0] == weights[1]


def test_malformed_inputs_are_one_line(run, tmp_path):
    bad = tmp_path / "bad.tsv"
    bad.write_text("I know.\tJe sais.\nI know.\n")
    for arguments in (["evaluate", run, bad], ["train", "translation", "--data", bad, "--out", tmp_path / "other"]):
        status, out, err = recnn(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith(f"recnn: {bad}, line 2, column 8: ")
        assert err.count("\n") == 1
    status, out, err = recnn("translate", run, " ", "I know.")
    assert (status, len(out.splitlines())) == (1, 1)
    assert err == "recnn: ' ' has no words\n"
    assert (
        recnn("evaluate", run, tmp_path / "none.tsv")[2] == f"recnn: {tmp_path}/none.tsv: No such file or directory\n"
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"training": {}}')
    package.load(run / "best").save(tmp_path / "run" / "best")
    status, _, err = recnn("evaluate", tmp_path / "run", "test")
    assert (status, err.count("\n")) == (1, 1)
    assert "run: not the run of a translator" in err
    assert "run.json: it has no settings of the data" in err
    for arguments in (["translate", run], ["translate", run, "I", "--trees", bad]):
        status, _, err = recnn(*arguments)
        assert status == 2
        assert "give either sentences or --trees FILE" in unframed(err)


def test_without_sacrebleu_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    monkeypatch.delitem(sys.modules, "recnn.training.objectives.translation")
    status, out, err = recnn("train", "translation", "--out", tmp_path / "run")
    assert (status, out) == (1, "")
    assert err == "recnn: this needs sacrebleu, which is not installed: pip install 'recnn[translate]'\n"
