"""`recnn predict` with a model of pairs, and the places of errors in files of pairs."""

import json

import pytest
import torch

import recnn as package
from corpora import ENTAILMENTS
from tests.command_line import recnn, unframed

WORDS = package.Vocabulary(["a", "man", "dog", "sings", "runs"])
PAIRS = [("A man sings", "A dog sings"), ("A dog runs", "A man"), ("a dog", "a dog")]


@pytest.fixture(params=["relatedness", "entailment"])
def model(request, tmp_path):
    torch.manual_seed(0)
    config = package.PairConfig(answer=request.param, input_size=6, hidden_size=5, pair_size=4, parser="balanced")
    made = package.PairModel(config, WORDS).eval()
    made.save(tmp_path / "model")
    return made


def expected(model, pairs):
    rows = zip(pairs, model.predict(pairs), model.probabilities(pairs).tolist(), strict=True)
    if model.config.answer == "relatedness":
        return "".join(f"{answer:.2f}\t{one}\t{other}\n" for (one, other), answer, _ in rows)
    return "".join(
        f"{answer}\t{100 * row[ENTAILMENTS.index(answer)]:.0f}%\t{one}\t{other}\n" for (one, other), answer, row in rows
    )


def test_pairs_are_sentences_two_by_two_or_lines(model, tmp_path):
    flat = [sentence for pair in PAIRS for sentence in pair]
    lines = "".join(f"{one}\t{other}\n" for one, other in PAIRS)
    (tmp_path / "pairs.tsv").write_text(f"\n{lines}")
    for arguments, given in ((flat, ""), (["-"], lines), (["--pairs", "pairs.tsv"], "")):
        found = recnn("predict", "model", *arguments, stdin=given, cwd=tmp_path, width="20")
        assert found == (0, expected(model, PAIRS), "")
    found = json.loads(recnn("predict", "model", "--json", *flat[:2], cwd=tmp_path)[1])
    assert (found["first"], found["second"]) == PAIRS[0]
    assert found[model.config.answer] == pytest.approx(model.predict(PAIRS)[0])
    if model.config.answer == "entailment":
        assert list(found["probabilities"].values()) == pytest.approx(model.probabilities(PAIRS)[0].tolist())


def test_a_bad_pair_does_not_stop_the_good(model, tmp_path):
    (tmp_path / "pairs.tsv").write_bytes(b"a man\na man\ta dog\nThe boy saw her duck\tcat\nx\xff\ty\n")
    status, out, err = recnn("predict", "model", "--pairs", "pairs.tsv", cwd=tmp_path)
    assert (status, out.splitlines()[0]) == (1, expected(model, [("a man", "a dog")]).rstrip())
    assert len(out.splitlines()) == 2
    assert err.splitlines() == [
        "recnn: pairs.tsv, line 1: expected a sentence, a tab and a sentence, found columns: 1",
        "recnn: pairs.tsv, line 4: not UTF-8 text (byte 2)",
    ]
    (tmp_path / "pairs.tsv").write_text("The boy saw her duck\tcat\nThe boy saw her duck\tThe boy saw her duck\n")
    status, out, err = recnn("predict", "model", "--parser", "duck", "--pairs", "pairs.tsv", cwd=tmp_path)
    assert (status, len(out.splitlines())) == (1, 1)
    assert err == "recnn: pairs.tsv, line 1: sentence 'cat': the grammar has no word 'cat' (word 1)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a dog"], "expected two for each pair, got 1"),
        (["--trees", "trees.txt"], "not for a model of pairs"),
        (["a dog", "a man", "--pairs", "pairs.tsv"], "give either sentences, --trees FILE or --pairs FILE"),
    ],
)
def test_what_is_no_pair(tmp_path, arguments, message):
    package.PairModel(package.PairConfig(input_size=2, hidden_size=2), WORDS).save(tmp_path / "model")
    status, out, err = recnn("predict", "model", *arguments, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert message in unframed(err)


def test_a_sentence_of_a_file_that_has_no_parse_is_named(tmp_path):
    header = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    rows = [
        "1\tThe boy saw her duck\tThe boy saw her duck\t5\tENTAILMENT\n",
        "2\tThe boy saw her duck\tA cat\t1\tNEUTRAL\n",
    ]
    for part in ("train", "dev"):
        (tmp_path / f"{part}.txt").write_text(header + "".join(rows))
    problem = "parser duck: sentence 'A cat': the grammar has no word 'cat' (word 2)\n"
    arguments = ["train", "relatedness", "--data", tmp_path, "--out", tmp_path / "run", "--parser", "duck"]
    assert recnn(*arguments) == (1, "", f"recnn: {tmp_path / 'train.txt'}, line 3: {problem}")
    package.PairModel(package.PairConfig(input_size=2, hidden_size=2, parser="duck"), WORDS).save(tmp_path / "model")
    found = recnn("evaluate", tmp_path / "model", "dev.txt", cwd=tmp_path)
    assert found == (1, "", f"recnn: dev.txt, line 3: {problem}")


@pytest.mark.parametrize("task", ["relatedness", "sentences"])
def test_a_sequence_needs_no_parser(tmp_path, task):
    rows = {
        "relatedness": "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
        "1\ta cat\ta dog\t2\tNEUTRAL\n2\ta cat\ta cat\t5\tENTAILMENT\n",
        "sentences": "good\ta fine cat\nbad\ta dull dog\n",
    }
    for part in ("train", "dev"):
        (tmp_path / f"{part}.txt").write_text(rows[task])
    options = ["--model", "sequence", "--parser", "duck", "--epochs", 1, "--hidden-size", 4, "--input-size", 4]
    status, _, err = recnn("train", task, "--data", tmp_path, "--out", tmp_path / "run", *options)
    assert (status, err) == (0, "")
    assert package.load(tmp_path / "run" / "best").config.parser == "duck"
    status, _, err = recnn("evaluate", tmp_path / "run", tmp_path / "dev.txt", "--json")
    assert (status, err) == (0, "")
