"""`recnn train`: each task, from files to predictions, and resumed runs."""

import json

import numpy as np
import pytest
import torch

import recnn as package
from corpora import bundled_sentiment, generate_listops, listops_tokens, read_sick
from parsers import brackets
from recnn.commands.trees import ListOpsData, listops
from recnn.data.parsing import trees_over
from recnn.models.config import PhraseNetworkConfig
from recnn.settings import settings_of
from recnn.training.options import TreeTraining, WordTraining
from recnn.training.record import read_run
from recnn.training.run import train
from tests.command_line import recnn, unframed
from tests.runs import metrics, same, weights

torch.set_num_threads(1)
SMALL = ["--input-size", 4, "--hidden-size", 4, "--epochs", 2]


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / name.replace("__", ".")).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def trained(folder, task, *arguments, epochs=2):
    """Train in ``folder / "run"``; return what the command prints."""
    status, out, err = recnn("train", task, "--out", "run", *SMALL, *arguments, cwd=folder)
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == [f"epoch {i + 1}" for i in range(epochs)] + ["best"]
    assert (folder / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    return out


def evaluated(folder, *arguments):
    status, out, err = recnn("evaluate", "--json", "run", *arguments, cwd=folder)
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.fixture
def treebank(tmp_path):
    """A folder of sentiment trees."""
    for part, count in (("train", 30), ("dev", 10)):
        trees = [brackets(tree) for tree, _ in zip(bundled_sentiment(part), range(count), strict=False)]
        write(tmp_path / "data", **{f"{part}__txt": trees})
    return tmp_path


def test_sentiment_from_a_folder(treebank):
    out = trained(treebank, "sentiment", "--data", "data")
    best = max(row["all"] for row in metrics(treebank / "run"))
    assert f"all {100 * best:.1f}, " in out.splitlines()[-1]
    assert evaluated(treebank, "data/dev.txt")["all"]["fine"] == pytest.approx(best, abs=1e-6)


def test_a_run_goes_on_from_anywhere_with_its_own_options(treebank, tmp_path_factory):
    write(treebank / "data", vectors__txt=["the 1 2 3 4"])
    options = ["--model", "sequence", "--direction", "both", "--data", "data", "--vectors", "data/vectors.txt"]
    trained(treebank, "sentiment", *options)
    run = treebank / "run"
    for arguments, message in (
        (["--cell", "gru"], "--cell cannot be changed in a run that is resumed"),
        (["--hidden-size", 4], "--hidden-size cannot be changed in a run that is resumed"),
        (["--epochs", 0], "Invalid value for --epochs: input should be greater than or equal to 1, got 0"),
        (["--epochs", -1], "Invalid value for --epochs: input should be greater than or equal to 1, got -1"),
    ):
        status, out, err = recnn("train", "sentiment", "--out", run, "--resume", *arguments)
        assert (status, out) == (2, "")
        assert message in unframed(err)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    status, out, err = recnn("train", "sentiment", "--out", run, "--resume", "--epochs", 3, cwd=elsewhere)
    assert (status, err) == (0, "")
    assert out.startswith("epoch 3: ")
    assert recnn("train", "sentiment", "--out", run, "--resume")[1].startswith("best: epoch")
    status, out, err = recnn("train", "treebank", "--out", run, "--resume")
    assert (status, out) == (1, "")
    assert err == f"recnn: {run}/run.json: expected a run of the task 'treebank', got 'sentiment'\n"
    record = json.loads((run / "run.json").read_text())
    for change, message in (
        ({"settings": []}, "run.json: "),
        ({"settings": {}}, "run.json: "),
        ({"training": {"colour": 1}}, "run.json: colour: "),
    ):
        (run / "run.json").write_text(json.dumps({**record, **change}))
        status, out, err = recnn("train", "sentiment", "--out", run, "--resume")
        assert (status, out) == (1, "")
        assert message in err
        assert len(err.splitlines()) == 1
    (run / "run.json").write_text(json.dumps(record))
    (treebank / "data" / "dev.txt").write_text("(7 a)")
    status, out, err = recnn("train", "sentiment", "--out", run, "--resume")
    assert (status, out) == (1, "")
    assert err.endswith("dev.txt, line 1, column 2: the label '7' is not one of 0, 1, 2, 3, 4\n")


def test_pretrained_vectors_are_the_first(treebank):
    words = ["the", "plot", "<nowhere>", ","]
    rows = np.random.default_rng(0).normal(size=(4, 4)).round(3).astype(np.float32)
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(words, rows, strict=True)]
    write(treebank / "data", found__txt=lines, wide__txt=["the 1 2 3"], bad__txt=["the 1 2 3 x"])
    trained(treebank, "sentiment", "--data", "data", "--vectors", "data/found.txt")
    model = package.load(treebank / "run" / "initial")
    table = model.encoder.words.embedding.weight.detach().numpy()
    known = [word for word in words if word in model.vocabulary]
    assert 2 <= len(known) < len(words)
    for word in known:
        np.testing.assert_array_equal(table[model.vocabulary.index(word)], rows[words.index(word)])
    drawn = np.delete(table, [model.vocabulary.index(word) for word in known], axis=0)
    assert drawn.std() == pytest.approx(0.1, rel=0.2)
    last = weights(treebank / "run" / "last")["encoder.words.embedding.weight"].numpy()
    assert not np.array_equal(last, table)
    for name, message in (
        ("wide", "wide.txt: expected vectors of size 4, got 3"),
        ("bad", "bad.txt, line 1, column 11: 'x' is not a finite number"),
        ("none", "none.txt: No such file or directory"),
    ):
        arguments = ["--data", "data", "--vectors", f"data/{name}.txt", "--out", "other"]
        status, out, err = recnn("train", "sentiment", *SMALL, *arguments, cwd=treebank)
        assert (status, out) == (1, "")
        assert err.endswith(f"{message}\n")
        assert len(err.splitlines()) == 1
        assert not (treebank / "other").exists()


def test_a_treebank_of_any_labels(tmp_path):
    train = ["(S (NP (D the) (N duck)) (VP slept))", "(S (NP (D a) (N boy)) (VP saw) (ADV (X (Y well))))", "( (N I))"]
    dev = ["(S (NP (D the) (N boy)) (VP slept))"]
    write(tmp_path / "data", train__txt=train, dev__txt=dev, wrong__txt=["(S (Q the) (VP slept))"])
    trained(tmp_path, "treebank", "--data", "data", "--arity", 3)
    model = package.load(tmp_path / "run" / "best")
    assert sorted(model.labels) == sorted(["S", "NP", "VP", "D", "N", "ADV", "X", "Y"])
    assert model.config.labels[0] in ("N", "S", "NP", "VP")
    found = evaluated(tmp_path, "data/dev.txt", "--by-length")
    assert found["all"]["counts"] == {"fine": 5}
    assert list(found["by_length"]) == ["1..10"]
    status, out, err = recnn("predict", "run", "the boy saw", "--json", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert {node["label"] for node in json.loads(out)["nodes"]} <= set(model.labels)
    status, out, err = recnn("evaluate", "run", "data/wrong.txt", cwd=tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith("recnn: data/wrong.txt: tree 1, word 1: the label 'Q' is not one of ")


def test_wide_nodes_and_new_labels(tmp_path):
    """Wide nodes are binarised for arity 2; labels that only validation trees have are included."""
    train, dev = ["(S (D the) (N duck) (V slept))"], ["(S (D the) (Q boy) (V slept))"]
    write(tmp_path / "data", train__txt=train, dev__txt=dev)
    trained(tmp_path, "treebank", "--data", "data")
    assert sorted(package.load(tmp_path / "run" / "best").labels) == ["D", "N", "Q", "S", "V"]
    for data in ("data/dev.txt", "dev"):  # a file, and a part of the data of the run
        assert evaluated(tmp_path, data)["all"]["counts"] == {"fine": 4}
    status, out, err = recnn("evaluate", "run", "test", cwd=tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "data: expected a file test.txt" in err
    narrow = recnn("train", "treebank", *SMALL, "--data", "data", "--arity", 1, "--out", "other", cwd=tmp_path)
    assert (narrow[0], len(narrow[2].splitlines())) == (1, 1)
    assert "a node of the tree has 3 children" in narrow[2]


def test_targets_that_are_missing(tmp_path):
    train = ["(S (A a) (B b))", "(T (A a) (B b))"]
    write(tmp_path / "data", train__txt=train, dev__txt=["( (A a) (B b))"])
    trained(tmp_path, "treebank", "--data", "data", "--targets", "roots", "--model", "sequence")
    found = evaluated(tmp_path, "data/dev.txt", "--by-length")
    assert (found["all"]["counts"], found["roots"]["fine"]) == ({"fine": 2}, None)
    assert found["by_length"] == {"1..10": None}
    for part in ("train", "dev"):
        (tmp_path / "data" / f"{part}.txt").write_text("(S (S a) (S b))")
    status, out, err = recnn("train", "treebank", "--data", "data", "--out", "other", cwd=tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "--data: all labels are 'S'" in err


@pytest.mark.parametrize(
    "options",
    [["--parser", "left"], ["--model", "sequence", "--direction", "both"], ["--arity", "sum", "--direction", "both"]],
)
def test_sentences_with_labels(tmp_path, options):
    train = ["good\ta fine film", "bad\ta dull film", "good\tFine !", "not sure\twell ..."]
    write(tmp_path / "data", train__tsv=train, dev__tsv=["good\ta fine dull film", "bad\tdull"])
    trained(tmp_path, "sentences", "--data", "data", *options)
    model = package.load(tmp_path / "run" / "best")
    assert model.config.labels == ("good", "bad", "not sure")
    found = evaluated(tmp_path, "data/dev.tsv")
    assert found["all"] == found["roots"]
    assert found["roots"]["counts"] == {"fine": 2}
    status, out, err = recnn("predict", "--json", "run", "A dull film .", "", cwd=tmp_path)
    assert (status, len(err.splitlines())) == (1, 1)
    assert model.config.parser == ("left" if "left" in options else "english")
    (tree,) = trees_over(["A dull film ."], model.config.parser, model.config.max_children)
    (p,) = model.probabilities([tree])
    root = json.loads(out)["nodes"][0]
    assert list(root["probabilities"].values()) == pytest.approx(p[0].tolist())
    (tmp_path / "data" / "dev.tsv").write_text("good a fine film\n")
    status, out, err = recnn("train", "sentences", "--data", "data", "--out", "other", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert (
        err
        == "recnn: data/dev.tsv, line 1, column 17: expected a label, a tab and a sentence, found columns: 1\n".replace(
            "data/", f"{tmp_path}/data/"
        )
    )


def expressions(dataset, vocabulary):
    """The words of each expression of a data set, in order."""
    for graph in dataset:
        word, start = graph.ndata["word"], graph.ndata["span"][:, 0]
        leaves = (word >= 0).nonzero().squeeze(1)
        yield tuple(vocabulary[i] for i in word[leaves[start[leaves].argsort()]].tolist())


def test_generated_listops_are_the_same_for_a_seed_and_no_part_has_another_s():
    def made(seed):
        torch.manual_seed(0)
        return listops.build(
            ListOpsData(count=300), PhraseNetworkConfig(hidden_size=3), WordTraining(), TreeTraining(seed=seed)
        )

    one, again, other = made(1), made(1), made(2)
    assert one.digest() == again.digest() != other.digest()
    train, dev = (list(expressions(data, one.model.vocabulary)) for data in (one.data, one.dev))
    assert (len(set(train)), len(set(dev))) == (300, 100)
    assert not set(train) & set(dev)
    known = (one.data.targets() >= 0).sum()
    assert known == 300  # the roots


def test_listops(tmp_path):
    trained(tmp_path, "listops", "--count", 200, "--max-length", 12, "--targets", "all")
    for form in (True, False):
        lines = [f"{e.value}\t{' '.join(listops_tokens(e.tree, form))}" for e in generate_listops(60, 5)]
        write(tmp_path / "data", **{f"{'train' if form else 'dev'}__tsv": lines})
    found = evaluated(tmp_path, "data/dev.tsv", "--by-length")
    assert found["roots"]["counts"] == {"fine": 60}
    assert found["all"]["counts"]["fine"] > 60
    status, out, err = recnn("predict", "--json", "run", "[MAX 2 [MIN 4 7 ] 0 ]", "[MAX 2", "7", cwd=tmp_path)
    assert status == 1
    assert err == "recnn: '[MAX 2', column 1: the operator MAX is never closed\n"
    expression, digit = map(json.loads, out.splitlines())
    assert expression["sentence"] == "[MAX 2 [MIN 4 7 ] 0 ]"
    assert len(expression["nodes"]) == 2 * 8 - 1
    assert len(digit["nodes"]) == 1
    (tmp_path / "run").rename(tmp_path / "generated")
    trained(tmp_path, "listops", "--data", "data", "--model", "sequence")
    assert evaluated(tmp_path, "data/train.tsv")["roots"]["counts"] == {"fine": 60}
    status, out, err = recnn("train", "listops", "--max-length", 1, "--count", 20, "--out", "other", cwd=tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith("recnn: --count 20 --max-length 1: found 10 of 120 expressions: ")


HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
PAIRS = [
    "1\tA man sings\tA man is singing\t4.5\tENTAILMENT",
    "2\tA dog runs\tA man sings\t1.5\tNEUTRAL",
    "3\tA dog runs\tNo dog runs\t3.25\tCONTRADICTION",
    "4\tA small dog runs\tA dog is here\t3\tNEUTRAL",
    "5\tNobody\tA man sings a song\t1.5\tCONTRADICTION",
]


def ranks(values):
    """Ranks from 1; equal values get their mean rank."""
    values = np.asarray(values)
    return np.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])


@pytest.mark.parametrize("options", [[], ["--model", "sequence"]])
def test_relatedness(tmp_path, options):
    write(tmp_path / "data", SICK_train__txt=[HEADER, *PAIRS], SICK_trial__txt=[HEADER, *PAIRS[1:]])
    write(tmp_path / "data", one__txt=[HEADER, PAIRS[0]])
    trained(tmp_path, "relatedness", "--data", "data", "--pair-size", 3, *options)
    best = max(row["pearson"] for row in metrics(tmp_path / "run"))
    found = evaluated(tmp_path, "data/SICK_trial.txt")
    assert found["pearson"] == pytest.approx(best, abs=1e-6)
    pairs = list(read_sick(tmp_path / "data" / "SICK_trial.txt"))
    model = package.PairModel.load(tmp_path / "run" / "best")
    trees = [tuple(trees_over([pair.first, pair.second], "english", 2)) for pair in pairs]
    right = [pair.relatedness for pair in pairs]
    data = package.PairDataset(trees, torch.tensor(right), model.vocabulary)
    said = model.answers(data[[0, 1, 2, 3]].forest).double().tolist()
    assert found["count"] == 4
    assert found["pearson"] == pytest.approx(np.corrcoef(said, right)[0, 1], abs=1e-3)
    assert found["spearman"] == pytest.approx(np.corrcoef(ranks(said), ranks(right))[0, 1], abs=1e-4)
    assert found["squared_error"] == pytest.approx(np.mean((np.array(said) - right) ** 2), rel=1e-5)
    alone = evaluated(tmp_path, "data/one.txt")
    assert (alone["pearson"], alone["count"]) == (None, 1)  # of one pair there is no correlation
    assert "squared error" in recnn("evaluate", "run", "data/SICK_trial.txt", cwd=tmp_path)[1]
    status, _, err = recnn("evaluate", "run", "data/one.txt", "--by-length", cwd=tmp_path)
    assert (status, "--by-length" in err) == (2, True)
    status, _, err = recnn("predict", "run", "a dog", cwd=tmp_path)
    assert (status, "expected two for each pair, got 1" in unframed(err)) == (2, True)


def test_entailment(tmp_path):
    write(tmp_path / "data", train__txt=[HEADER, *PAIRS], dev__txt=[HEADER, *PAIRS[:3]])
    trained(tmp_path, "entailment", "--data", "data")
    best = max(row["accuracy"] for row in metrics(tmp_path / "run"))
    assert evaluated(tmp_path, "data/dev.txt") == {"accuracy": pytest.approx(best), "count": 3}
    (tmp_path / "data" / "dev.txt").write_text(f"{HEADER}\n{PAIRS[0].replace('4.5', '6')}\n")
    status, out, err = recnn("train", "entailment", "--data", "data", "--out", "other", cwd=tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "line 2, column 32: expected a relatedness from 1 to 5, found 6" in err


def test_the_seed_of_a_command_decides(treebank):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = [*SMALL, "--data", "data", "--seed", seed, "--out", name]
        assert recnn("train", "sentiment", *arguments, cwd=treebank)[0] == 0
    assert same(treebank / "a" / "last", treebank / "b" / "last")
    assert not same(treebank / "a" / "initial", treebank / "c" / "initial")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["sentiment", "--data", "nowhere"],
            1,
            "/nowhere: expected a file train.txt, train.tsv, train.conllu, train.parents or SICK_train.txt",
        ),
        (["sentiment", "--resume"], 1, "recnn: x: there is no run to resume (no run.json)"),
        (["sentiment", "--monitor", "speed"], 1, "recnn: monitor: 'speed' is not one of all, binary_all, roots"),
        (
            ["listops", "--count", "20", "--monitor", "binary_all"],
            1,
            "recnn: monitor: 'binary_all' is not one of roots, all",
        ),
        (["treebank"], 2, "this task has no bundled data: give a folder"),
        (["relatedness"], 2, "this task has no bundled data: give a folder"),
        (["other"], 2, "No such command 'other'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, status, message):
    found, out, err = recnn("train", arguments[0], "--out", "x", *arguments[1:], cwd=tmp_path)
    assert (found, out) == (status, "")
    assert message in err
    assert status == 2 or len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_the_command_line_goes_on_from_python_and_back(tmp_path):
    trained(tmp_path, "listops", "--count", 20, "--max-length", 9)
    run = read_run(tmp_path / "run")
    parts = {"network": PhraseNetworkConfig, "words": WordTraining, "data": ListOpsData}
    settings = {name: settings_of(kind, run["settings"][name]) for name, kind in parts.items()}
    training = settings_of(TreeTraining, {**run["training"], "epochs": 3})
    train(lambda: listops.build(**settings, training=training), training, tmp_path / "run", resume=True)
    assert len(metrics(tmp_path / "run")) == 3
    status, out, _ = recnn("train", "listops", "--out", "run", "--resume", "--epochs", 4, cwd=tmp_path)
    assert status == 0
    assert out.startswith("epoch 4: ")
