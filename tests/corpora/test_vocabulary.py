import sys
import tracemalloc
import unicodedata

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


@pytest.mark.parametrize("unknown", ["<unk>", None])
@pytest.mark.parametrize("word", ["é", "naïve", "Ç", "Å", "한국", "ệ"])
def test_equivalent_words_are_one(word, unknown):
    nfc, nfd = unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)
    assert nfc != nfd
    for first, second in ((nfc, nfd), (nfd, nfc)):
        vocabulary = Vocabulary(["a", first, second, "b"], unknown)
        assert list(vocabulary)[-3:] == ["a", first, "b"]
        assert vocabulary.index(first) == vocabulary.index(second) == len(vocabulary) - 2
        assert first in vocabulary
        assert second in vocabulary
        assert list(Vocabulary.of(["a", first, second], min_count=2, unknown=unknown))[-1:] == [nfc]
        assert list(Vocabulary.of([second], unknown=first, specials=[second])) == [first]


def test_equivalent_words_in_other_cases_and_mixed_forms():
    vocabulary = Vocabulary(["e\u0301te\u0301", "\u00c5ngstro\u0308m"])
    assert vocabulary.index("\u00c9t\u00e9") == 1
    assert vocabulary.index("\u00e9te\u0301") == 1
    assert vocabulary.index("\u00e5ngstr\u00f6m") == 2
    assert vocabulary.index("A\u030angstr\u00f6m") == 2
    assert vocabulary.index("ete") == 0


def test_a_file_with_equivalent_words_keeps_their_indices(tmp_path):
    path = tmp_path / "words.jsonl"
    path.write_text('{"unknown": null, "specials": 0, "size": 2}\n"\\u00e9"\n"e\\u0301"\n')
    for _ in range(2):
        vocabulary = Vocabulary.load(path)
        assert list(vocabulary) == ["\u00e9", "e\u0301"]
        assert [vocabulary.index(word) for word in vocabulary] == [0, 1]
        vocabulary.save(path)


@given(st.integers(-6, 6), st.integers(-6, 6) | st.just(sys.maxsize))
def test_bounds_of_an_index_are_those_of_a_tuple(start, stop):
    vocabulary = Vocabulary("abc")
    for word in vocabulary:
        try:
            expected = tuple(vocabulary).index(word, start, stop)
        except ValueError:
            with pytest.raises(InputError, match=rf"'{word}' has the index \d, expected one from \d up to \d"):
                vocabulary.index(word, start, stop)
        else:
            assert vocabulary.index(word, start, stop) == expected
            assert vocabulary.index(word, start=start, stop=stop) == expected


def test_bounds_of_an_unknown_word_and_of_other_cases():
    vocabulary = Vocabulary(["the", "boy"])
    assert vocabulary.index("The", 1) == 1
    assert vocabulary.index("zzz", 0, 1) == 0
    assert vocabulary.index("boy", -1, None) == 2
    for word, start in (("zzz", 1), ("The", 2)):
        with pytest.raises(ValueError, match=f"'{word}' has the index"):
            vocabulary.index(word, start)
    with pytest.raises(TypeError):
        vocabulary.index("the", "a")
    with pytest.raises(InputError, match="is not among the 2 entries"):
        Vocabulary("ab", unknown=None).index("c", 0, 2)
    with pytest.raises(TypeError, match="expected a word as a string, got int: 7"):
        vocabulary.index(7)
    with pytest.raises(TypeError, match="expected a word as a string, got int: 7"):
        Vocabulary(["a", 7])


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
