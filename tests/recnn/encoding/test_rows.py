"""Rows of records: equal to SentenceEncoder's vectors and trees, and errors of single records."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from nltk import Tree

import corpora
import parsers
import recnn
from parsers.errors import InputError
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import corpus_files
from recnn.encoding.records import Record, read_records
from recnn.encoding.rows import RowEncoder, RowSettings
from tests.recnn.encoding.test_records import conllu

SENTENCES = ["a fine film", "the film", "film", "a bad , bad plot and a fine cast in the film"] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models of several kinds with random weights."""
    words = corpora.Vocabulary(["a", "fine", "film", "bad", "the"])
    found = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, model, options in (
            ("tree", "tree", {"parser": "english"}),
            ("sequence", "sequence", {"parser": "english"}),
            ("dependencies", "tree", {"arity": "sum", "parser": "balanced"}),
        ):
            config = recnn.TreeConfig(("bad", "good"), model=model, hidden_size=7, input_size=5, **options)
            recnn.TreeClassifier(config, words).save(found / name)
    return found


def rows(records, **settings):
    return RowEncoder(RowSettings(**settings))(records).to_pydict()


def texts(sentences):
    return [Record(number, "text", one) for number, one in enumerate(sentences)]


@pytest.mark.parametrize("name", ["tree", "sequence"])
@pytest.mark.parametrize("nodes", [False, True])
def test_vectors_and_trees_are_those_of_the_sentence_encoder(folder, name, nodes):
    found = rows(texts(SENTENCES), model=str(folder / name), nodes=nodes)
    encoder = recnn.SentenceEncoder(folder / name)
    np.testing.assert_allclose(found["vector"], encoder.encode(SENTENCES), rtol=1e-5, atol=1e-6)
    assert found["error"] == [None] * len(SENTENCES)
    assert found["text"] == SENTENCES
    if nodes:
        assert found["tree"] == list(map(parsers.brackets, encoder.trees(SENTENCES)))
        for states, expected in zip(found["nodes"], encoder.encode(SENTENCES, output="nodes"), strict=True):
            np.testing.assert_allclose(states, expected, rtol=1e-5, atol=1e-6)


def test_trees_of_files(folder, tmp_path):
    (tmp_path / "a.mrg").write_text("( (S (NP a b) \n (VP c d e)) )\n(X a")
    (tmp_path / "b.conllu").write_text(conllu("abc") + "\n" + conllu("ab").replace("\t1\tdep", "\t7\tdep"))
    files = corpus_files([str(tmp_path / "a.mrg"), str(tmp_path / "b.conllu")])
    found = rows(list(read_records(files, RecordColumns())), model=str(folder / "dependencies"))
    assert found["tree"] == ["(S (NP a b) (VP c d e))", None, "(dep a (dep b (dep c)))", None]
    assert found["text"] == ["a b c d e", None, "a b c", None]
    trees = [Tree.fromstring("(S (NP a b) (VP c d e))"), next(corpora.read_conllu(files[1].path)).tree()]
    expected = [recnn.SentenceEncoder(folder / "dependencies").encode(tree) for tree in trees]
    np.testing.assert_allclose([found["vector"][0], found["vector"][2]], expected, rtol=1e-5, atol=1e-6)
    assert found["error"][1] == f"{files[0].path}, line 3, column 1: this bracket is never closed"
    assert found["error"][3].startswith(f"{files[1].path}, line 6, column ")


def test_records_that_are_wrong_have_an_error_and_nothing_else(folder):
    given = [*texts(["a film", " "]), Record(2, "text", InputError("not JSON"), "x.jsonl", 7)]
    given += [Record("n", "trees", "(X a) (X b)"), Record("m", "trees", "(S (A a) (B b) (C c))"), *texts(["film"])]
    given = [record._replace(id=number) for number, record in enumerate(given)]
    found = rows(given, model=str(folder / "tree"), parser="right", nodes=True)
    assert found["text"] == ["a film", " ", None, None, "a b c", "film"]
    assert found["error"] == [
        None,
        "line 1: sentence ' ': no words",
        "x.jsonl, line 7: not JSON",
        "line 1: expected one tree, found 2",
        None,
        None,
    ]
    for name in ("tree", "vector", "nodes"):
        assert [value is None for value in found[name]] == [error is not None for error in found["error"]]
    assert rows(given[1:3], model=str(folder / "tree"))["vector"] == [None, None]


@pytest.mark.parametrize("kind", ["table", "batch", "frame"])
def test_a_batch_has_the_same_rows(folder, kind):
    given = {"text": [*SENTENCES, None, ""], "n": list(range(len(SENTENCES) + 2))}
    table = pa.table(given)
    if kind == "frame":
        table = pytest.importorskip("pandas").DataFrame(given, index=range(7, 7 + len(given["n"])))
    elif kind == "batch":
        table = table.to_batches()[0]
    found = recnn.encode_batch(table, folder / "tree", "balanced", nodes=True)
    assert type(found) is type(table)
    names = ["text", "n", "tree", "vector", "nodes", "error"]
    if kind == "frame":
        assert list(found.columns) == names
        assert list(found.index) == list(table.index)
        vectors, errors = list(found["vector"])[: len(SENTENCES)], list(found["error"])[-2:]
    else:
        assert found.schema.names == names
        vectors, errors = found.column("vector").to_pylist()[: len(SENTENCES)], found.column("error").to_pylist()[-2:]
        assert recnn.encode_batch(found, folder / "tree", "balanced", nodes=True).equals(found)
    expected = recnn.SentenceEncoder(folder / "tree", "balanced").encode(SENTENCES)
    np.testing.assert_allclose(np.array(list(map(list, vectors))), expected, rtol=1e-5, atol=1e-6)
    assert errors == ["row 13: column 'text': expected a string, got null", "row 14: sentence '': no words"]


def test_errors_of_a_whole_batch(folder):
    with pytest.raises(InputError, match="no column 'words'; columns there: text"):
        recnn.encode_batch(pa.table({"text": ["a"]}), folder / "tree", column="words")
    with pytest.raises(InputError, match="2 columns 'text'"):
        recnn.encode_batch(pa.table([["a"], ["b"]], names=["text", "text"]), folder / "tree")
    with pytest.raises(TypeError, match="got dict"):
        recnn.encode_batch({"text": ["a"]}, folder / "tree")
    with pytest.raises(InputError, match="no such file or folder, and no parser of that name"):
        recnn.encode_batch(pa.table({"text": ["a"]}), folder / "tree", "nothing.cfg")
