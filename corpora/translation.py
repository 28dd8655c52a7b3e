"""English sentences with French translations, in the files of manythings.org, and their words.

A line has the English sentence, a tab, the French one and, in later files, another tab and whose they are; they come
from tatoeba.org. A sentence has several translations, each on a line of its own.
"""

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from importlib.resources import as_file, files
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from corpora.errors import CorpusError, error_at
from corpora.text import fields, lines

Language = Literal["english", "french"]

TRANSLATION_SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}

# French sets a space before "?", here one of three kinds, that is not to break; soft hyphens and spaces of no width are
# remnants of web pages.
_CHARACTERS = {0x202F: " ", 0x00A0: " ", 0x2009: " ", 0x00AD: None, 0x200B: None}

_APOSTROPHES = "'’‘"
_TOKEN = re.compile(
    rf"""
      (?:[^\W\d_]\.){{2,}}                                   # an abbreviation: p.m.
    | \d+(?:[.,:]\d+)*(?![-\w{_APOSTROPHES}])                # a number: 6:30, 10,000
    | \w+(?:[-‐{_APOSTROPHES}]\w+)*                          # a word, with all that hangs on it
    | \.{{2,}}                                               # an ellipsis
    | \S
    """,
    re.VERBOSE,
)
_ENGLISH_ENDING = re.compile(rf"(?:n[{_APOSTROPHES}]t|[{_APOSTROPHES}](?:s|m|d|re|ve|ll))$", re.IGNORECASE)
_FRENCH_PARTS = re.compile(rf"aujourd[{_APOSTROPHES}]hui|[^{_APOSTROPHES}]+[{_APOSTROPHES}]?|.", re.IGNORECASE)

# Words before which, and after which, there is no space.
_CLOSING = {
    "english": frozenset("?!;:%.,)]…'’") | {"...", ".."},
    "french": frozenset(".,)]…") | {"...", ".."},
}
_OPENING = {"english": frozenset("$€£(["), "french": frozenset("([")}


class Translation(NamedTuple):
    """An English sentence, its French translation, and whose they are; that is empty if the file does not say."""

    english: str
    french: str
    attribution: str


def normalise(sentence: str) -> str:
    r"""A sentence with plain spaces, single ones, and without characters that nobody sees.

    U+202F, U+00A0 and U+2009, the spaces that do not break and the thin one, become spaces; U+00AD, the soft hyphen,
    and U+200B, the space of no width, are left out.

    >>> normalise("Courez\u202f!")
    'Courez !'
    """
    return " ".join(sentence.translate(_CHARACTERS).split())


def read_translations(path: str | Path) -> Iterator[Translation]:
    """The pairs of a file, one by one and `normalise`d; of a ``.zip``, those of the one ``.txt`` that is no ``_about``.

    Columns in errors are those of the file, before it was normalised.

    Raises:
        CorpusError: a line without two or three columns, an empty sentence, or a broken archive; all pairs before it
            have been yielded.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        yield from _read(path)
        return
    with _extracted(path) as (text, name):
        try:
            yield from _read(text)
        except CorpusError as error:
            raise CorpusError(str(error).replace(str(text), f"{path}/{name}", 1)) from None


def _read(path: Path) -> Iterator[Translation]:
    found = 0
    for number, line in lines(path):
        row = fields(line)
        if len(row) not in (2, 3):
            problem = f"expected English, a tab and French, perhaps a tab and a source; columns: {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        english, french = (normalise(sentence) for _, sentence in row[:2])
        for (column, _), sentence in zip(row, (english, french), strict=False):
            if not sentence:
                raise error_at(path, number, column, "an empty sentence")
        found += 1
        yield Translation(english, french, row[2][1] if len(row) == 3 else "")
    if not found:
        raise error_at(path, 1, 1, "no sentence pair in this file")


@contextmanager
def _extracted(path: Path) -> Iterator[tuple[Path, str]]:
    """A file with the text of an archive, and the name that it has there."""
    with TemporaryDirectory() as folder:
        text = Path(folder, "text")
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if re.search(r"(^|/)[^_/][^/]*\.txt$", name)]
                if len(names) != 1:
                    raise error_at(path, 1, 1, f"expected one .txt in this archive, found {len(names)}")
                with archive.open(names[0]) as source, open(text, "wb") as target:
                    shutil.copyfileobj(source, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise error_at(path, 1, 1, f"no zip archive that can be read: {error}") from None
        yield text, names[0]


def split_pairs(
    pairs: Iterable[Translation], shares: Mapping[str, float] = TRANSLATION_SHARES, seed: int = 0
) -> dict[str, list[Translation]]:
    """The pairs by part, those of one English sentence in one part, whether it is in capitals or not.

    The part follows from a hash of the English sentence and of the seed alone: it stays what it is if pairs are added,
    and the shares are met but approximately. One French sentence may still be in several parts.

    Raises:
        ValueError: the shares are negative or add up to something else than 1.
    """
    ends = list(accumulate(shares.values()))
    if not ends or min(shares.values()) < 0 or not abs(ends[-1] - 1) < 1e-9:
        raise ValueError(f"expected shares that add up to 1, got {dict(shares)}")
    parts: dict[str, list[Translation]] = {name: [] for name in shares}
    last = [name for name, share in shares.items() if share][-1]  # has the rest, if the sum is just below 1
    for pair in pairs:
        digest = blake2b(f"{seed}\t{pair.english.lower()}".encode(), digest_size=6).digest()
        place = int.from_bytes(digest, "big") / 2**48
        parts[next((name for name, end in zip(shares, ends, strict=True) if place < end), last)].append(pair)
    return parts


def bundled_translations(part: str) -> list[Translation]:
    """The pairs of a part of the bundled sample, ``train``, ``dev`` or ``test``: 1,592 of short sentences in all.

    >>> bundled_translations("train")[0].french
    'Je sais.'
    """
    if part not in TRANSLATION_SHARES:
        raise ValueError(f"the bundled sample has no part {part!r}, only {', '.join(TRANSLATION_SHARES)}")
    with as_file(files("corpora") / "data" / "translation" / "pairs.tsv") as path:
        return split_pairs(read_translations(path))[part]


def split_words(sentence: str, language: Language, lower: bool = False) -> list[str]:
    """The words of a normalised sentence, with punctuation, English endings and French elisions apart.

    >>> split_words("He doesn't know Tom's name.", "english")
    ['He', 'does', "n't", 'know', 'Tom', "'s", 'name', '.']
    >>> split_words("Qu'est-ce que c'est ?", "french", lower=True)
    ["qu'", 'est-ce', 'que', "c'", 'est', '?']
    """
    words: list[str] = []
    for word in _TOKEN.findall(sentence.lower() if lower else sentence):
        if language == "english":
            ending = _ENGLISH_ENDING.search(word)
            words += [word[: ending.start()], ending[0]] if ending and ending.start() else [word]
        else:
            words += _FRENCH_PARTS.findall(word)
    return words


def join_words(words: Sequence[str], language: Language) -> str:
    r"""The sentence with these words, as it is usually written: for nearly all sentences what `split_words` undid.

    >>> join_words(["He", "does", "n't", "know", "Tom", "'s", "name", "."], "english")
    "He doesn't know Tom's name."
    >>> join_words(["qu'", "est-ce", "que", "c'", "est", "?"], "french")
    "qu'est-ce que c'est ?"
    """
    sentence = ""
    joined = True  # whether the next word follows without a space, as the first does
    quotes = 0
    for word in words:
        closing = word in _CLOSING[language] or (language == "english" and _ENGLISH_ENDING.fullmatch(word))
        opening = word in _OPENING[language]
        if word == '"':
            quotes += 1
            opening, closing = quotes % 2 == 1, quotes % 2 == 0
        elif language == "french" and len(word) > 1 and word[-1] in _APOSTROPHES:
            opening = True
        sentence += word if joined or closing else f" {word}"
        joined = opening
    return sentence
