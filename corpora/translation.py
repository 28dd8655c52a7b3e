"""English sentences with French translations, in the format of manythings.org, and their tokenisation.

A line has the English sentence, a tab and the French sentence; later files add a tab and the attribution. The sentences
are from tatoeba.org. A sentence may have several translations, on separate lines.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from importlib.resources import as_file, files
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from corpora.archives import ArchiveError, open_archive, unpacked
from corpora.errors import CorpusError, error_at
from corpora.text import fields, lines

Language = Literal["english", "french"]

UNPACKED_LIMIT = 1 << 28
"""Largest number of bytes of a text in an archive, ten times the size of the largest file of manythings.org."""

TRANSLATION_SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}

# French has a space before "?", which is one of three kinds in these files; soft hyphens and zero-width spaces are
# remnants of web pages.
_CHARACTERS = {0x202F: " ", 0x00A0: " ", 0x2009: " ", 0x00AD: None, 0x200B: None}

_APOSTROPHES = "'’‘"
_TOKEN = re.compile(
    rf"""
      (?:[^\W\d_]\.){{2,}}                                   # an abbreviation: p.m.
    | \d+(?:[.,:]\d+)*(?![-\w{_APOSTROPHES}])                # a number: 6:30, 10,000
    | \w+(?:[-‐{_APOSTROPHES}]\w+)*                          # a word with its hyphens and apostrophes
    | \.{{2,}}                                               # an ellipsis
    | \S
    """,
    re.VERBOSE,
)
_ENGLISH_ENDING = re.compile(rf"(?:n[{_APOSTROPHES}]t|[{_APOSTROPHES}](?:s|m|d|re|ve|ll))$", re.IGNORECASE)
_FRENCH_PARTS = re.compile(rf"aujourd[{_APOSTROPHES}]hui|[^{_APOSTROPHES}]+[{_APOSTROPHES}]?|.", re.IGNORECASE)

# Tokens without a space before them (closing), and without a space after them (opening).
_CLOSING = {
    "english": frozenset("?!;:%.,)]…'’") | {"...", ".."},
    "french": frozenset(".,)]…") | {"...", ".."},
}
_OPENING = {"english": frozenset("$€£(["), "french": frozenset("([")}


class Translation(NamedTuple):
    """An English sentence, its French translation, and their attribution (empty if the file has none)."""

    english: str
    french: str
    attribution: str


def normalise(sentence: str) -> str:
    r"""Normalise the spaces of a sentence to single plain ones, and remove invisible characters.

    The no-break and thin spaces U+00A0, U+202F and U+2009 become plain spaces; the soft hyphen U+00AD and the
    zero-width space U+200B are removed.

    >>> normalise("Courez\u202f!")
    'Courez !'
    """
    return " ".join(sentence.translate(_CHARACTERS).split())


def read_translations(path: str | Path) -> Iterator[Translation]:
    """Read the sentence pairs of a file, one by one; the sentences are normalised, see `normalise`.

    Args:
        path: a text file, or a ``.zip`` with exactly one ``.txt`` whose name does not begin with an underscore (as that
            of ``_about.txt`` does).

    Raises:
        CorpusError: there is no pair, a line does not have two or three columns, a sentence is empty, or the archive is
            broken or unpacks to more than `UNPACKED_LIMIT` bytes. All pairs before it have been yielded. The column is
            that of the file, before normalisation.
        OSError: the file cannot be read.
    """
    return (pair for _, pair in placed_translations(path))


def placed_translations(path: str | Path) -> Iterator[tuple[int, Translation]]:
    """Read sentence pairs as `read_translations` does, each with its line."""
    path = Path(path)
    if path.suffix.lower() != ".zip":
        yield from _read(path)
        return
    with _extracted(path) as (text, name):
        try:
            yield from _read(text)
        except CorpusError as error:
            raise CorpusError(str(error).replace(str(text), f"{path}/{name}", 1)) from None


def _read(path: Path) -> Iterator[tuple[int, Translation]]:
    found = 0
    for number, line in lines(path):
        row = fields(line)
        if len(row) not in (2, 3):
            problem = f"expected English, a tab, French and optionally a tab and a source, found columns: {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        english, french = (normalise(sentence) for _, sentence in row[:2])
        for (column, _), sentence in zip(row, (english, french), strict=False):
            if not sentence:
                raise error_at(path, number, column, "an empty sentence")
        found += 1
        yield number, Translation(english, french, row[2][1] if len(row) == 3 else "")
    if not found:
        raise error_at(path, 1, 1, "no sentence pair in this file")


@contextmanager
def _extracted(path: Path) -> Iterator[tuple[Path, str]]:
    """Extract the text of an archive to a temporary file; yield its path and its name in the archive."""
    with TemporaryDirectory() as folder:
        text = Path(folder, "text")
        try:
            with open_archive(path) as archive:
                names = [name for name in archive.namelist() if re.search(r"(^|/)[^_/][^/]*\.txt$", name)]
                if len(names) != 1:
                    raise error_at(path, 1, 1, f"expected one .txt in this archive, found {len(names)}")
                with open(text, "wb") as target:
                    for chunk in unpacked(archive, archive.getinfo(names[0]), UNPACKED_LIMIT):
                        target.write(chunk)
        except ArchiveError as error:
            raise error_at(path, 1, 1, f"not a readable zip archive: {error}") from None
        except OSError as error:
            error.filename = error.filename or str(text)  # the disk that is full is that of temporary files
            raise
        yield text, names[0] if names[0].isprintable() else repr(names[0])


def split_pairs(
    pairs: Iterable[Translation], shares: Mapping[str, float] = TRANSLATION_SHARES, seed: int = 0
) -> dict[str, list[Translation]]:
    """Split pairs into parts by a hash of the English sentence, ignoring case, and the seed.

    All translations of an English sentence are in the same part, and it stays in that part if pairs are added. The
    shares are met approximately. A French sentence may be in several parts.

    Args:
        pairs: the pairs.
        shares: share of each part; they add up to 1.
        seed: seed of the hash.

    Returns:
        The pairs of each part.

    Raises:
        ValueError: a share is negative, or they do not add up to 1.
    """
    ends = list(accumulate(shares.values()))
    if not ends or min(shares.values()) < 0 or not abs(ends[-1] - 1) < 1e-9:
        raise ValueError(f"expected shares >= 0 that add up to 1, got {dict(shares)}")
    parts: dict[str, list[Translation]] = {name: [] for name in shares}
    last = [name for name, share in shares.items() if share][-1]  # gets the rest if the sum is rounded to below 1
    for pair in pairs:
        digest = blake2b(f"{seed}\t{pair.english.lower()}".encode(), digest_size=6).digest()
        place = int.from_bytes(digest, "big") / 2**48
        parts[next((name for name, end in zip(shares, ends, strict=True) if place < end), last)].append(pair)
    return parts


def bundled_translations(part: str) -> list[Translation]:
    """Read a part of the bundled pairs, "train", "dev" or "test"; together these are 1,592 pairs of short sentences.

    >>> bundled_translations("train")[0].french
    'Je sais.'

    Raises:
        ValueError: there is no such part.
    """
    if part not in TRANSLATION_SHARES:
        raise ValueError(f"the bundled sample has no part {part!r}, expected one of {', '.join(TRANSLATION_SHARES)}")
    with as_file(files("corpora") / "data" / "translation" / "pairs.tsv") as path:
        return split_pairs(read_translations(path))[part]


def split_words(sentence: str, language: Language, lower: bool = False) -> list[str]:
    """Split a normalised sentence into words, with punctuation, English endings and French elisions separate.

    Args:
        sentence: the sentence, see `normalise`.
        language: "english" or "french".
        lower: convert to lower case.

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
    r"""Join words to a sentence with the usual spacing; for nearly all sentences the inverse of `split_words`.

    >>> join_words(["He", "does", "n't", "know", "Tom", "'s", "name", "."], "english")
    "He doesn't know Tom's name."
    >>> join_words(["qu'", "est-ce", "que", "c'", "est", "?"], "french")
    "qu'est-ce que c'est ?"
    """
    sentence = ""
    joined = True  # no space before the next word
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
