import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import Vocabulary
from parsers import InputError


def test_open_vocabulary_tries_other_cases_before_the_unknown_word():
    vocabulary = Vocabulary(["the", "Paris", "the", "May", "may"])
    assert list(vocabulary) == ["<unk>", "the", "Paris", "May", "may"]
    assert [vocabulary.index(word) for word in ["The", "PARIS", "paris", "May", "may", "Rome"]] == [1, 2, 2, 3, 4, 0]
    assert [vocabulary[vocabulary.index(word)] for word in vocabulary] == list(vocabulary)
    assert "the" in vocabulary
    assert "The" not in vocabulary


def test_closed_vocabulary_is_exact():
    labels = Vocabulary(["NP", "VP"], unknown=None)
    assert labels.index("VP") == 1
    with pytest.raises(InputError, match="'np' is not among the 2 entries of the vocabulary: NP, VP"):
        labels.index("np")


def test_equality_is_by_content():
    assert Vocabulary("ab") == Vocabulary("ab")
    assert Vocabulary("ab") != Vocabulary("ba")
    assert Vocabulary("ab") != Vocabulary("ab", unknown=None)


def test_special_words_come_first():
    vocabulary = Vocabulary(["a", "<pad>", "b"], specials=["<pad>", "</s>"])
    assert list(vocabulary) == ["<unk>", "<pad>", "</s>", "a", "b"]
    assert vocabulary.specials == ("<unk>", "<pad>", "</s>")
    assert list(Vocabulary("ab", unknown=None, specials=["<pad>"])) == ["<pad>", "a", "b"]
    assert list(Vocabulary("ab", unknown="b", specials="cb")) == ["b", "c", "a"]
    assert Vocabulary("ab", specials="c") != Vocabulary("cab")


def test_counting_a_corpus():
    tokens = ["b", "a", "c", "a", "b", "a", "d", "<unk>", "<unk>", "<unk>"]
    assert list(Vocabulary.of(tokens)) == ["<unk>", "a", "b", "c", "d"]
    assert list(Vocabulary.of(tokens, min_count=2)) == ["<unk>", "a", "b"]
    assert list(Vocabulary.of(tokens, max_size=3)) == ["<unk>", "a", "b", "c"]
    assert list(Vocabulary.of(iter(tokens), min_count=3, unknown=None, specials="d")) == ["d", "a", "<unk>"]
    assert list(Vocabulary.of([], specials=["<pad>"])) == ["<unk>", "<pad>"]


@given(st.lists(st.text()), st.none() | st.text(), st.lists(st.text()))
def test_nothing_is_lost_in_a_file(tmp_path_factory, words, unknown, specials):
    path = tmp_path_factory.mktemp("vocabulary") / "words.jsonl"
    vocabulary = Vocabulary([*words, "\ud800", "a\nb", "a\r\u2028\0"], unknown, specials)
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert [file.name for file in path.parent.iterdir()] == ["words.jsonl"]
    assert len(path.read_bytes().splitlines()) == len(vocabulary) + 1


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "words.jsonl"
    Vocabulary("ab").save(path)
    broken = Vocabulary("ab")
    broken._words.append(object())
    with pytest.raises(TypeError):
        broken.save(path)
    assert Vocabulary.load(path) == Vocabulary("ab")
    assert [file.name for file in tmp_path.iterdir()] == ["words.jsonl"]


def test_a_large_vocabulary_is_lean():
    tracemalloc.start()
    vocabulary = Vocabulary(f"word{i}" for i in range(100_000))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Bytes of a string of ten characters, its index, its entries in a dict of this size and in a list, and a margin.
    assert size / len(vocabulary) < sys.getsizeof("word123456") + 32 + 60 + 8 + 20
