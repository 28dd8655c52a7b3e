import errno
import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import CorpusError, translation
from corpora.translation import Translation, join_words, normalise, read_translations, split_pairs, split_words

GOOD = "Go.\tVa !\tCC-BY\n"


@pytest.fixture
def archive(tmp_path):
    def archive(**files):
        path = tmp_path / "pairs.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(f"{name}.txt", content)
        return path

    return archive


def test_two_or_three_columns_and_plain_spaces(write):
    path = write("Run!\tCours\u202f!\nHe said it.\tIl l'a dit\u00a0 :\u2009\u00ab\u200b oui\u00ad \u00bb.\t CC-BY x \n")
    assert list(read_translations(path)) == [
        Translation("Run!", "Cours !", ""),
        Translation("He said it.", "Il l'a dit : « oui ».", " CC-BY x "),
    ]


def test_line_ends_and_byte_order_marks_do_not_matter(write, archive):
    content = GOOD + "Run!\tCours !\t\n"
    items = list(read_translations(write(content)))
    assert len(items) == 2
    for variant in (content.replace("\n", "\r\n"), "\ufeff" + content, content.rstrip("\n")):
        assert list(read_translations(write(variant))) == items
        assert list(read_translations(archive(_about="Not\nthis", fra=variant))) == items


CASES = [
    ("", 0, (1, 1), "no sentence pair in this file"),
    (GOOD + "Go.\n", 1, (2, 4), "expected English, a tab, French and optionally a tab and a source, found columns: 1"),
    (GOOD + "\n", 1, (2, 1), "expected English, a tab, French and optionally a tab and a source, found columns: 1"),
    (
        GOOD + "a\tb\tc\td\n",
        1,
        (2, 8),
        "expected English, a tab, French and optionally a tab and a source, found columns: 4",
    ),
    (GOOD + " \tVa !\n", 1, (2, 1), "an empty sentence"),
    (GOOD + "Run \u202f!\t\u202f\u200b\n", 1, (2, 8), "an empty sentence"),
    ("Go.\t\tCC-BY\n", 0, (1, 5), "an empty sentence"),
    (GOOD.encode() + b"Go.\tV\xe0 !\n", 1, (2, 6), "not UTF-8 text"),
    (GOOD + "Go.\tVa\0\n", 1, (2, 7), "a NUL character"),
    (GOOD + "Go.\tVa\rGo.\tVa", 1, (2, 7), "a carriage return without a line feed"),
]


@pytest.mark.parametrize(("content", "before", "place", "problem"), CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("zipped", [True, False])
def test_malformed_files_say_where(write, archive, zipped, content, before, place, problem):
    path = archive(fra=content) if zipped else write(content)
    items = []
    with pytest.raises(CorpusError) as caught:
        items.extend(read_translations(path))
    shown = f"{path}/fra.txt" if zipped else path
    assert str(caught.value) == f"{shown}, line {place[0]}, column {place[1]}: {problem}"
    assert caught.value.__cause__ is None
    assert len(items) == before


def test_broken_archives_are_named(archive, tmp_path):
    def problem(path):
        with pytest.raises(CorpusError) as caught:
            next(read_translations(path))
        start = f"{path}, line 1, column 1: "
        assert str(caught.value).startswith(start)
        return str(caught.value).removeprefix(start)

    assert problem(archive(_about="x")) == "expected one .txt in this archive, found 0"
    assert problem(archive(fra=GOOD, deu=GOOD)) == "expected one .txt in this archive, found 2"
    path = archive(fra=GOOD * 1000)
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * 8 + content[48:])
    assert problem(path).startswith("not a readable zip archive: ")
    path.write_bytes(content[:-30])
    assert problem(path).startswith("not a readable zip archive: ")
    (tmp_path / "text.zip").write_text(GOOD)
    assert problem(tmp_path / "text.zip") == "not a readable zip archive: File is not a zip file"
    with pytest.raises(FileNotFoundError):
        next(read_translations(tmp_path / "nowhere.zip"))
    with pytest.raises(FileNotFoundError):
        next(read_translations(tmp_path / "nowhere.txt"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_any_damage_to_an_archive_is_one_line(tmp_path, method):
    path, random = tmp_path / "pairs.zip", Random(1)
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("fra.txt", GOOD * 500)
    whole, refused = path.read_bytes(), []
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 1, 3, 30))):
            damaged[random.randrange(len(damaged))] = random.choice((0, 1, 127, 255, random.randrange(256)))
        path.write_bytes(damaged[: random.choice((None, None, random.randrange(len(damaged))))])
        try:
            assert list(read_translations(path)) == [Translation("Go.", "Va !", "CC-BY")] * 500
        except CorpusError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(message.startswith(f"{path}, line 1, column 1: ") and "\n" not in message for message in refused)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("fra.txt", GOOD * 10_000)
    assert len(list(read_translations(path))) == 10_000
    with monkeypatch.context() as patch:
        patch.setattr(translation, "UNPACKED_LIMIT", 1000)
        problem = "not a readable zip archive: fra.txt has 150,000 bytes, more than 1,000"
        with pytest.raises(CorpusError, match=f"^{path}, line 1, column 1: {problem}$"):
            next(read_translations(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_says_it_is_small(tmp_path, method):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("fra.txt", bytes(5_000_000))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"not a readable zip archive: Bad CRC-32 for file 'fra\.txt'"):
        next(read_translations(path))


def test_a_full_disk_of_temporary_files_is_named(archive, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(translation, "open", Full, raising=False)
    with pytest.raises(OSError, match="No space left on device") as caught:
        next(read_translations(archive(fra=GOOD)))
    assert str(caught.value.filename).startswith(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.zip"]


pairs = st.lists(
    st.builds(Translation, st.text("abAB ", min_size=1, max_size=3), st.text("xy", min_size=1), st.just("")),
    max_size=60,
)


@given(pairs, pairs, st.integers(0, 3))
def test_no_english_sentence_is_in_two_parts_and_parts_stay(some, more, seed):
    parts = split_pairs(some, {"train": 0.5, "dev": 0.25, "test": 0.25}, seed)
    assert list(parts) == ["train", "dev", "test"]
    assert sorted(pair for part in parts.values() for pair in part) == sorted(some)
    english = [{pair.english.lower() for pair in part} for part in parts.values()]
    assert sum(map(len, english)) == len(set().union(*english))
    later = split_pairs([*more, *some], {"train": 0.5, "dev": 0.25, "test": 0.25}, seed)
    assert all(set(parts[name]) <= set(later[name]) for name in parts)


def test_shares_and_seeds_are_met():
    some = [Translation(f"sentence {number}", "phrase", "") for number in range(5_000)]
    parts = split_pairs(some)
    assert {name: round(len(part) / 5_000, 1) for name, part in parts.items()} == {
        "train": 0.8,
        "dev": 0.1,
        "test": 0.1,
    }
    assert split_pairs(some)["dev"] == parts["dev"] != split_pairs(some, seed=1)["dev"]
    assert parts["dev"][0].english == "sentence 2"
    thirds = split_pairs(some, {"a": 0.1, "b": 0.7, "c": 0.2, "none": 0})
    assert thirds["none"] == []
    assert len(split_pairs(some, {"all": 1})["all"]) == 5_000


@pytest.mark.parametrize("shares", [{}, {"train": 0.5}, {"train": 1.5, "dev": -0.5}, {"train": float("nan")}])
def test_shares_add_up(shares):
    with pytest.raises(ValueError, match="expected shares >= 0 that add up to 1"):
        split_pairs([], shares)


@dataclass
class Sentence:
    language: str
    text: str
    words: str


SENTENCES = [
    Sentence("french", "L'eau n'est pas à moi, n'est-ce pas ?", "L' eau n' est pas à moi , n' est-ce pas ?"),
    Sentence("french", "Aujourd'hui, j’irai jusqu'à Lyon.", "Aujourd'hui , j’ irai jusqu' à Lyon ."),
    Sentence("french", "Va-t'en ! C'est « lui » : 3,5 € (ou 10 %)…", "Va-t' en ! C' est « lui » : 3,5 € ( ou 10 % ) …"),
    Sentence("french", 'Il dit "oui", puis "non".', 'Il dit " oui " , puis " non " .'),
    Sentence("french", "Quelqu'un a dit qu'il l'a vu d'aujourd'hui", "Quelqu' un a dit qu' il l' a vu d' aujourd'hui"),
    Sentence("english", "I can't say it isn't Tom's.", "I ca n't say it is n't Tom 's ."),
    Sentence("english", "It's 6:30 p.m., he'd've said.", "It 's 6:30 p.m. , he'd 've said ."),
    Sentence("english", '"Look," she said; "it’s $10 (20%)!"', '" Look , " she said ; " it ’s $ 10 ( 20 % ) ! "'),
    Sentence("english", "The boys' 30-year-old club... Mr. O'Brien?", "The boys ' 30-year-old club ... Mr . O'Brien ?"),
    Sentence("english", "The 1970's and the 2nd", "The 1970 's and the 2nd"),
    Sentence("english", "", ""),
]


@pytest.mark.parametrize("sentence", SENTENCES, ids=range(len(SENTENCES)))
def test_sentences_become_words_and_sentences_again(sentence):
    words = split_words(sentence.text, sentence.language)
    assert words == sentence.words.split()
    assert join_words(words, sentence.language) == sentence.text
    assert split_words(sentence.text, sentence.language, lower=True) == sentence.words.lower().split()


@given(st.text("ab'’.?!-«\"1,:%$ é\u00a0\u200b"), st.sampled_from(["english", "french"]))
def test_no_character_is_lost(text, language):
    words = split_words(normalise(text), language)
    assert "".join(words) == normalise(text).replace(" ", "")
    assert all(words)
    assert join_words(words, language).replace(" ", "") == "".join(words)


def test_the_published_pairs(data):
    pairs = list(read_translations(data / "fra_eng" / "fra-eng.zip"))
    assert len(pairs) == 142_787
    assert len({pair.english for pair in pairs}) == 98_659
    assert not {"\u202f", "\u00a0", "\u2009"} & set("".join(pair.french for pair in pairs))
    some = pairs[::10]  # of all lengths: the file goes from short sentences to long ones
    same = sum(
        join_words(split_words(pair.english, "english"), "english") == pair.english
        and join_words(split_words(pair.french, "french"), "french") == pair.french
        for pair in some
    )
    assert same / len(some) > 0.99
    parts = split_pairs(pairs)
    assert {name: len(part) for name, part in parts.items()} == {"train": 114_295, "dev": 14_054, "test": 14_438}
    assert not {p.english.lower() for p in parts["test"]} & {p.english.lower() for p in parts["train"] + parts["dev"]}
