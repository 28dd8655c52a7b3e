import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corpora import Vocabulary, read_vectors
from corpora.vectors import vector_words

words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n \ufeff"), min_size=1, max_size=5)
rows = arrays(np.float32, (4, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@given(st.lists(words, min_size=4, max_size=4, unique=True), rows, st.booleans())
def test_vectors_survive_a_file(tmp_path_factory, known, numbers, header):
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    end = " \n" if header else "\n"  # as word2vec writes its lines
    text = "".join(" ".join([word, *map(repr, row.tolist())]) + end for word, row in zip(known, numbers, strict=True))
    path.write_bytes((("4 3\n" if header else "") + text).encode())
    assert list(vector_words(path)) == known
    read = read_vectors(path, [known[2], "no word", known[0], known[2]])
    assert read.rows.dtype == np.float32
    np.testing.assert_array_equal(read.rows, [numbers[2], np.zeros(3), numbers[0], numbers[2]])
    assert read.found.tolist() == [True, False, True, True]


def test_a_vocabulary_of_the_vectors_is_aligned_with_them(write):
    path = write("the 1 2\n. . 3 4\nthe 5 6\nboy -1e-3 .5\n")
    vocabulary = Vocabulary(vector_words(path))
    assert list(vocabulary) == ["<unk>", "the", ". .", "boy"]
    vectors = read_vectors(path, vocabulary)
    np.testing.assert_array_equal(vectors.rows, np.float32([[0, 0], [1, 2], [3, 4], [-1e-3, 0.5]]))
    assert vectors.found.tolist() == [False, True, True, True]


def test_a_header_has_two_whole_numbers(write):
    assert list(vector_words(write("2 1\n7 1\n8 2\n"))) == ["7", "8"]
    assert list(vector_words(write("2 1.0\n7 1.0\n"))) == ["2", "7"]


@pytest.mark.parametrize("header", ["", "20000 50\n"])
def test_only_wanted_rows_are_in_memory(write, header):
    row = " ".join(f"{i / 7:.5f}" for i in range(50))
    path = write(header + "".join(f"word{i} {row}\n" for i in range(20_000)))
    tracemalloc.start()
    vectors = read_vectors(path, [f"word{i}" for i in range(0, 20_000, 200)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert vectors.rows.shape == (100, 50)
    assert vectors.found.all()
    assert peak < 300_000  # bytes; all rows take 4,000,000


def test_equivalent_words_are_one(write):
    path = write("re\u0301sume\u0301 1 2\n\u00c5 3 4\n")
    for words in (["r\u00e9sum\u00e9", "\u212b"], ["re\u0301sum\u00e9", "A\u030a"]):
        assert read_vectors(path, words).rows.tolist() == [[1, 2], [3, 4]]
