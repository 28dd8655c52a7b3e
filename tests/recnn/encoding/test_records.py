"""Records of files in every format: what they are, what is wrong with them, and where to begin in the middle."""

import csv
import gzip
import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

import corpora
import parsers
from parsers.errors import InputError
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import corpus_files
from recnn.encoding.places import Mark, numbered_lines
from recnn.encoding.records import count_records, read_records
from recnn.encoding.trees import trees_from_lines
from tests import strategies

SENTENCES = ["a fine film", 'he said "no", then\nleft', "été à l'œil", "x" * 300, "the end"] * 5


def as_csv(delimiter=","):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([["n", "text"], *([n, one] for n, one in enumerate(SENTENCES))])
    return out.getvalue().encode()


def as_parquet():
    out = io.BytesIO()
    table = pa.table({"text": SENTENCES, "n": range(len(SENTENCES))})
    pq.write_table(table, out, row_group_size=4)
    return out.getvalue()


def as_parquet_of(names):
    out = io.BytesIO()
    pq.write_table(pa.table([pa.array(["a"])] * len(names), names=names), out)
    return out.getvalue()


def as_json():
    return "\n\n".join(json.dumps({"n": n, "text": one}) for n, one in enumerate(SENTENCES)).encode()


def conllu(words):
    rows = ([str(n), word, *"_____", "dep", "_", "_"] for n, word in enumerate(words, 1))
    return "".join("\t".join([*row[:6], str(n), *row[7:]]) + "\n" for n, row in enumerate(rows))


ONE_LINE = [one.replace("\n", " ") for one in SENTENCES]
FILES = {
    "a.txt": "\r\n".join(ONE_LINE).encode(),
    "b.jsonl": as_json(),
    "c.csv": b"\xef\xbb\xbf" + as_csv(),
    "d.tsv": as_csv("\t"),
    "e.parquet": as_parquet(),
    "f.txt.gz": gzip.compress("\n".join(ONE_LINE).encode()),
    "g.csv.gz": gzip.compress(as_csv()),
}
TREES = {
    "h.mrg": b"( (S\n  (NP he)\n  (VP ran)) )\n\n(X a) (X b)\n(Y\n(Z \\(c)) (W d\n)\n",
    "i.conllu": b"# text = a\n" + "\n".join(map(conllu, (["a"], ["b", "c"], ["d"]))).encode(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("corpus")
    for name, content in (FILES | TREES).items():
        (found / name).write_bytes(content)
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_format_has_the_same_sentences(folder, name):
    found = list(read_records(corpus_files([str(folder / name)]), RecordColumns()))
    assert [" ".join(record.content.split()) for record in found] == ONE_LINE
    assert [record.id for record in found] == list(range(len(SENTENCES)))


@pytest.mark.parametrize("every", [1, 3, 7, 1000])
@pytest.mark.parametrize("names", [*([name] for name in FILES | TREES), list(FILES | TREES)], ids=" ".join)
def test_records_from_a_mark_on_are_the_rest(folder, names, every):
    files = corpus_files([str(folder / name) for name in names])
    whole = list(read_records(files, RecordColumns()))
    number, marks = count_records(files, RecordColumns(), every)
    assert number == len(whole)
    assert len(marks) == -(-number // every)
    for index in {0, len(marks) // 2, len(marks) - 1}:
        assert list(read_records(files, RecordColumns(), marks[index], index * every)) == whole[index * every :]


@pytest.mark.parametrize("name", ["b.jsonl", "c.csv", "e.parquet"])
def test_ids_are_those_of_a_column(folder, name):
    found = read_records(corpus_files([str(folder / name)]), RecordColumns(id="n"))
    assert [record.id for record in found] == [str(n) for n in range(len(SENTENCES))]


def test_trees_may_have_several_lines_and_lines_several_trees(folder):
    found = list(read_records(corpus_files([str(folder / "h.mrg")]), RecordColumns()))
    assert [record.line for record in found] == [1, 5, 5, 6, 7]
    trees = [parsers.tree_from_brackets(record.content) for record in found]
    assert trees == list(corpora.read_trees(folder / "h.mrg"))


@given(st.lists(strategies.trees(), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_trees_in_any_layout_are_those_of_the_reader_of_treebanks(trees, chance):
    text = " ".join(f"{parsers.brackets(tree)}" for tree in trees)
    text = "".join("\n" + " " * chance.randint(0, 2) if c == " " and chance.random() < 0.3 else c for c in text)
    found = trees_from_lines(numbered_lines(io.BytesIO(text.encode()), Mark()))
    assert [parsers.tree_from_brackets(one.content) for one in found] == [
        parsers.tree_from_brackets(parsers.brackets(tree)) for tree in trees
    ]


WRONG = {
    "bad.txt": (b"a\n\xff\nb\n\0c\0\n", {1: "not UTF-8", 3: "a NUL"}, 4),
    "bad.jsonl": (
        b'{"text": "a"}\n{"text":\n[1]\n{"t": 1}\n{"text": 1}\n{"text": null}\n{"text": "\\ud800"}\n{"text": "b"}\n',
        {1: "not JSON", 2: "a JSON object", 3: "no column 'text'", 4: "got int '1'", 5: "got null", 6: "not UTF-8"},
        8,
    ),
    "bad.csv": (
        b'n,text\n1,a\n2\n3,"x"y\n4,\xff\n\n5,b\n6,"never closed\n7,"c"\n8,d\n9,"not this one\n10,"f"\n11,e\n',
        {1: "expected 2 columns, found 1", 2: "not CSV", 3: "not UTF-8", 5: "not CSV", 8: "not CSV"},
        11,
    ),
    "bad.mrg": (b"(X a)\nd (X e)\n(X f))\n(X (Y b)\n(X c)\n(X \xff\n(X g)", {6: "not UTF-8"}, 8),
    "bad.conllu": (conllu("ab").encode() + b"\n1\t\xff\n2\n\n" + conllu("c").encode(), {1: "not UTF-8"}, 3),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_costs_itself_alone(tmp_path, name):
    content, errors, number = WRONG[name]
    (tmp_path / name).write_bytes(content)
    files = corpus_files([str(tmp_path / name)])
    found = [record.content for record in read_records(files, RecordColumns())]
    assert {index for index, one in enumerate(found) if isinstance(one, InputError)} == set(errors)
    assert [message in str(found[index]) for index, message in errors.items()] == [True] * len(errors)
    assert len(found) == number == count_records(files, RecordColumns(), 2)[0]


def test_parquet_with_text_that_is_not_utf8(tmp_path):
    raw = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.array([0, 1, 2, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xffb")]
    )
    pq.write_table(pa.table({"text": raw}), tmp_path / "x.parquet")
    found = [record.content for record in read_records(corpus_files([str(tmp_path / "x.parquet")]), RecordColumns())]
    assert (found[0], found[2]) == ("a", "b")
    assert "not UTF-8" in str(found[1])


def test_parquet_with_dates_that_python_does_not_have(tmp_path):
    dates = pa.array([0, 1 << 60], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["a", "b"], "date": dates}), tmp_path / "x.parquet")
    found = read_records(corpus_files([str(tmp_path / "x.parquet")]), RecordColumns(id="date"))
    assert [record.id for record in found] == ["1970-01-01 00:00:00", dates[1].cast("string").as_py()]


def test_a_field_of_csv_may_be_long_and_a_record_has_no_id(tmp_path):
    long = 'some,\n"lines"\n' * 20_000
    with open(tmp_path / "x.csv", "w", newline="") as file:
        csv.writer(file).writerows([["key", "text"], ["", "a"], ["x", long], ["y", "b"]])
    (tmp_path / "y.jsonl").write_text('{"text": "c"}')
    files = corpus_files([str(tmp_path)])
    found = list(read_records(files, RecordColumns(id="key")))
    assert [record.content for record in found] == ["a", long.strip(), "b", "c"]
    assert [record.id for record in found] == ["", "x", "y", None]


BROKEN = {
    "cut.parquet": (as_parquet()[:-20], "not a Parquet file"),
    "cut.txt.gz": (
        gzip.compress(random.Random(0).randbytes(9000))[:-2000],
        "not a gzip file that can be read to its end",
    ),
    "no.csv": (b"a,b\n1,2\n", "no column 'text'; columns there: a, b"),
    "two.csv": (b"text,text\n1,2\n", "2 columns 'text'"),
    "two.parquet": (as_parquet_of(["text", "text"]), "2 columns 'text'"),
    "no.parquet": (b"PAR1", "not a Parquet file"),
    "x.parquet.gz": (b"", "cannot be read; decompress it"),
    "x.doc": (b"", "the name does not say the format"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_broken_is_one_line(tmp_path, name):
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.*{message}") as caught:
        count_records(corpus_files([str(tmp_path / name)]), RecordColumns(), 2)
    assert "\n" not in str(caught.value)


def test_files_of_other_systems(folder):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in ("f.txt.gz", "e.parquet"):
        expected = list(read_records(corpus_files([str(folder / name)]), RecordColumns()))
        memory.pipe(f"/corpus/{name}", FILES[name])
        for address in (f"memory://corpus/{name}", (folder / name).as_uri()):
            files = corpus_files([address])
            assert files[0].size == len(FILES[name])
            found = list(read_records(files, RecordColumns()))
            assert [record.content for record in found] == [record.content for record in expected]
            assert count_records(files, RecordColumns(), 5)[0] == len(expected)
    for address, message in (
        ("memory://corpus/no.txt", "no such file"),
        ("nothing://a.txt", "no package is installed"),
    ):
        with pytest.raises((InputError, FileNotFoundError), match=message):
            corpus_files([address])
    with pytest.raises(FileNotFoundError):
        corpus_files([(folder / "no.txt").as_uri()])


def test_a_folder_is_all_its_files(folder):
    assert [file.path for file in corpus_files([str(folder)])] == sorted(map(str, folder.iterdir()))


def test_a_tree_that_is_never_closed_ends_at_the_next_one():
    lines = numbered_lines(io.BytesIO(b"(A a)\n(B (C c)\n  d\n(D\n  e)\n"), Mark())
    assert [one.content for one in trees_from_lines(lines)] == ["(A a)", "(B (C c)\n  d", "(D\n  e)"]
    assert Tree.fromstring("(D\n e)").leaves() == ["e"]
