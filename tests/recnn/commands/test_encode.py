"""`recnn encode --model`: states of trained models."""

import json

import numpy as np
import pytest
import torch
from nltk import Tree

import recnn as package
from parsers import words_of
from tests.command_line import process, recnn, unframed

WORDS = package.Vocabulary(["the", "boy", "saw", "her", "duck", "film"])


def test_the_states_are_those_of_the_sentence_encoder(run, tmp_path):
    sentences = ["a lovely film that nobody saw", "dull"]
    path = tmp_path / "states.npz"
    status, out, err = process("encode", "--model", run, "--json", "--out", path, *sentences)
    assert (status, err) == (0, "")
    encoder = package.SentenceEncoder(run)
    states, phrases = encoder.encode(sentences, output="nodes"), encoder.phrases(sentences)
    with np.load(path) as arrays:
        for index, line in enumerate(out.splitlines()):
            found = json.loads(line)
            assert (found["sentence"], found["parser"]) == (sentences[index], "english")
            assert [" ".join(node["words"]) for node in found["nodes"]] == phrases[index]
            np.testing.assert_allclose([node["state"] for node in found["nodes"]], states[index], atol=1e-6)
            np.testing.assert_allclose(arrays[f"sentence{index}_parse0_states"], states[index], atol=1e-6)
    status, out, err = recnn("encode", "--model", run, *sentences)
    assert (status, err) == (0, "")
    assert f"{np.linalg.norm(states[0][0]):.3f}" in out


def test_all_readings_of_a_grammar_and_their_mean(run):
    status, out, err = recnn("encode", "--model", run, "--parser", "duck", "--json", "The boy saw her duck")
    assert (status, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    weights = np.array([one["probability"] for one in found])
    roots = np.array([one["nodes"][0]["state"] for one in found])
    np.testing.assert_allclose(found[0]["expected_root_state"], weights / weights.sum() @ roots, atol=1e-6)
    status, out, err = recnn("encode", "--model", run, "--parser", "duck", "--json", "a zzzq", "The boy saw her duck")
    assert (status, len(out.splitlines())) == (1, 2)
    assert err.startswith("recnn: sentence 'a zzzq': the grammar has no word 'zzzq'")


def test_given_trees_are_binarised_for_the_model(run, tmp_path):
    (tmp_path / "trees.txt").write_text("(S (NP the boy) saw (NP her duck))\n(S dull)\n(S (A")
    status, out, err = recnn("encode", "--model", run, "--json", "--trees", tmp_path / "trees.txt")
    wide, dull = map(json.loads, out.splitlines())  # those before the error
    assert (status, err.count("\n")) == (1, 1)
    assert "line 3" in err
    assert [node["span"] for node in wide["nodes"]][:3] == [[1, 5], [1, 2], [3, 5]]
    assert (len(wide["nodes"]), len(dull["nodes"])) == (9, 1)
    assert words_of(Tree.fromstring(wide["tree"].replace("\\empty", "X"))) == ["the", "boy", "saw", "her", "duck"]


@pytest.mark.parametrize("kind", ["autoencoder", "translation"])
def test_models_without_a_parser(tmp_path, kind):
    if kind == "autoencoder":
        model = package.TreeAutoencoder(package.AutoencoderConfig(hidden_size=4, labels=()), WORDS)
        torch.nn.init.normal_(model.words.embedding.weight)
    else:
        target = package.Vocabulary(["a"], specials=("<s>", "</s>"))
        model = package.Translator(package.TranslationConfig(input_size=4, hidden_size=4), WORDS, target)
    model.save(tmp_path / "model")
    status, out, err = recnn("encode", "--model", tmp_path / "model", "--json", "the boy saw her duck")
    assert (status, err) == (0, "")
    nodes = json.loads(out)["nodes"]
    states = package.SentenceEncoder(model).encode("the boy saw her duck", output="nodes")
    np.testing.assert_allclose([node["state"] for node in nodes], states, atol=1e-6)
    assert len(nodes) == (9 if kind == "autoencoder" else 5)


def test_what_does_not_go_together(run, tmp_path):
    status, _, err = recnn("encode", "--model", run, "--hidden-size", 3, "a film")
    assert (status, "of random networks, not with --model" in unframed(err)) == (2, True)
    language = package.LanguageModel(
        package.LanguageModelConfig(input_size=3, hidden_size=3), package.Vocabulary("\na")
    )
    language.save(tmp_path / "lm")
    status, out, err = recnn("encode", "--model", "lm", "a film", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("recnn: lm: a model of kind 'language_model' has no encoder of sentences; models of kind")
