"""Model folders written by version 0.1 can be loaded, and give the same predictions."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from nltk import Tree

import recnn
from recnn.data.datasets import PairDataset
from recnn.models.span_parser import SpanParser
from recnn.trees import from_value

FOLDERS = Path(__file__).parent / "version_0_1"
EXPECTED = json.loads((FOLDERS / "expected.json").read_text())
TREE = Tree.fromstring("(S (NP the boy) (VP saw (NP her duck)))")
OTHER = Tree.fromstring("(S (NP the duck) (VP saw her))")


def predicted(model):
    if isinstance(model, recnn.TreeClassifier):
        return model.probabilities([TREE])[0]
    if isinstance(model, recnn.PairModel):
        return model.answers(PairDataset([(TREE, OTHER)], torch.tensor([3.0]), model.vocabulary)[[0]].forest)
    if isinstance(model, recnn.SequenceModel):
        return model.predict(torch.arange(12.0).view(2, 3, 2))
    if isinstance(model, recnn.LanguageModel):
        return model.score(model.indices(list("ab cab\n")))[0]
    if isinstance(model, recnn.TreeAutoencoder):
        return model(model.graph(TREE)).error
    if isinstance(model, SpanParser):
        return model(model.batch([["the", "boy", "saw", "Her", "duck"]]))[0][0]
    if isinstance(model, recnn.TypedTreeModel):
        return model.predict_outputs([from_value({"a": [1, 2.5, "x"]})])[0]
    if isinstance(model, recnn.TreeRegressor):
        return torch.tensor(model.predict([TREE, OTHER]))
    words = torch.tensor([[model.target.index(word)] for word in ("<s>", "le")])
    return model(model.graph(TREE), words)


@torch.no_grad()
@pytest.mark.parametrize("name", EXPECTED)
def test_a_folder_of_0_1_predicts_what_it_did(name, tmp_path):
    model = recnn.load(FOLDERS / name)
    torch.testing.assert_close(predicted(model), torch.tensor(EXPECTED[name]))
    model.save(tmp_path / name)
    torch.testing.assert_close(predicted(recnn.load(tmp_path / name)), predicted(model), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["classifier", "classifier-sequence", "pairs", "translator"])
def test_the_shape_of_0_1_is_the_parser_of_its_model(name, tmp_path):
    written = json.loads((FOLDERS / name / "model.json").read_text())
    assert (written["config"]["shape"], "parser" in written["config"]) == ("balanced", False)
    assert recnn.load(FOLDERS / name).config.parser == "balanced"
    shutil.copytree(FOLDERS / name, tmp_path / name)
    written["config"]["shape"] = "left"
    (tmp_path / name / "model.json").write_text(json.dumps(written))
    model = recnn.load(tmp_path / name)
    assert model.config.parser == "left"
    model.save(tmp_path / name)
    config = json.loads((tmp_path / name / "model.json").read_text())["config"]
    assert (config["parser"], "shape" in config) == ("left", False)


def test_every_kind_of_model_is_there():
    former = {json.loads((FOLDERS / name / "model.json").read_text())["recnn"] for name in EXPECTED}
    assert former > {"classifier", "pairs", "sequence", "language-model", "autoencoder", "translator"}
    classes = (getattr(recnn.models, name) for name in recnn.models.__all__)
    kinds = {
        one.kind for one in classes if isinstance(one, type) and issubclass(one, recnn.Model) and "kind" in vars(one)
    }
    assert {recnn.load(FOLDERS / name).kind for name in EXPECTED} == kinds


def test_a_folder_of_a_newer_format_is_refused(tmp_path):
    folder = shutil.copytree(FOLDERS / "pairs", tmp_path / "newer")
    written = json.loads((folder / "model.json").read_text()) | {"format": 2}
    (folder / "model.json").write_text(json.dumps(written))
    problem = (
        r"newer/model.json: written by a newer version of recnn \(format 2, .* up to 1\): install a newer version$"
    )
    with pytest.raises(recnn.ModelError, match=problem):
        recnn.load(folder)
