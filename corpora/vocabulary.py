"""Vocabularies: words and their indices."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self, overload

from corpora.errors import error_at
from corpora.text import composed, lines, write_lines
from parsers.errors import InputError
from parsers.tokens import known_form


class Vocabulary(Sequence[str]):
    """A mapping between distinct words and indices, in the order in which the words are given.

    An open vocabulary has an unknown word at index 0, for all words that it does not contain: `index` looks a word up
    as written, then in lower case, then capitalised, and otherwise returns 0. A closed one (``unknown=None``) looks
    words up exactly, and raises an error for others. Words that are canonically equivalent in Unicode, such as "é" in
    one character (NFC) or in two (NFD), are the same word, which is kept as it is given first.

    Args:
        words: the words; repetitions are ignored.
        unknown: the unknown word; None for a closed vocabulary.
        specials: further special words, such as for padding or the end of a sentence; they precede ``words``.

    >>> vocabulary = Vocabulary(["the", "boy"])
    >>> [vocabulary.index(word) for word in ["The", "boy", "slept"]], len(vocabulary), vocabulary[2]
    ([1, 2, 0], 3, 'boy')
    >>> list(Vocabulary.of("the boy saw the duck saw the boy".split(), min_count=2, specials=["<pad>"]))
    ['<unk>', '<pad>', 'the', 'boy', 'saw']
    """

    def __init__(self, words: Iterable[str] = (), unknown: str | None = "<unk>", specials: Iterable[str] = ()) -> None:
        self.unknown = unknown
        self._words: list[str] = []
        self._indices: dict[str, int] = {}  # of each word as it was given, and in NFC
        self._extend([*([] if unknown is None else [unknown]), *specials])
        self.specials = tuple(self._words)
        self._extend(words)

    def _extend(self, words: Iterable[str]) -> None:
        for word in words:
            if composed(word) not in self._indices:
                self._add(word)

    def _add(self, word: str) -> None:
        self._indices[word] = len(self._words)
        self._indices.setdefault(composed(word), len(self._words))
        self._words.append(word)

    @classmethod
    def of(
        cls,
        tokens: Iterable[str],
        min_count: int = 1,
        unknown: str | None = "<unk>",
        specials: Iterable[str] = (),
        max_size: int | None = None,
    ) -> Self:
        """Make the vocabulary of a corpus, most frequent words first; equally frequent ones in order of appearance.

        Args:
            tokens: all words of the corpus, with repetitions; iterated once. They are normalised to NFC.
            min_count: frequency below which a word is left out.
            unknown: the unknown word; None for a closed vocabulary.
            specials: further special words.
            max_size: largest number of words, without special ones; None for any.
        """
        counts = Counter(map(composed, tokens))
        special = set(map(composed, [*([] if unknown is None else [unknown]), *(specials := tuple(specials))]))
        words = (word for word, count in counts.most_common() if count >= min_count and word not in special)
        return cls(islice(words, max_size), unknown, specials)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a vocabulary from a file written by `save`.

        Raises:
            CorpusError: the file is malformed or incomplete.
            OSError: the file cannot be read.
        """
        words: list[str] = []
        header: _Header | None = None
        number, line = 1, ""
        for number, line in lines(path):
            entry = _json(path, number, line)
            if header is None:
                header = _header(path, entry)
            elif isinstance(entry, str):
                words.append(entry)
            else:
                raise error_at(path, number, 1, "expected a word as a JSON string")
        if header is None:
            raise error_at(path, 1, 1, "no vocabulary in this file")
        if len(words) != header.size:
            problem = f"expected {header.size} words, as in the first line, found {len(words)}"
            raise error_at(path, number, len(line) + 1, problem)
        vocabulary = cls((), header.unknown, words[: header.specials])
        specials = len(vocabulary)
        for place, word in enumerate(words):
            known = vocabulary._indices.get(word)
            # Files of older versions may have equivalent words: each keeps its index.
            if place >= specials and (known is None or vocabulary[known] != word):
                vocabulary._add(word)
            if place >= len(vocabulary) or vocabulary[place] != word:
                raise error_at(path, place + 2, 1, f"the word {word!r} is repeated or misplaced")
        if len(vocabulary) != len(words):
            raise error_at(path, number, len(line) + 1, f"the unknown word {header.unknown!r} is missing")
        return vocabulary

    def save(self, path: str | Path) -> None:
        """Write the vocabulary as JSON Lines: a header, then one word per line, as a JSON string.

        All words are preserved, even with line breaks. Line ``i + 2`` has the word with index ``i``.
        """
        header = _Header(self.unknown, len(self.specials), len(self))
        write_lines(path, map(json.dumps, [header._asdict(), *self._words]))

    def index(self, word: str, start: int = 0, stop: int | None = None) -> int:
        """Return the index of ``word``.

        Args:
            word: the word.
            start: first index allowed, as in `tuple.index`; a negative one counts from the end.
            stop: end of the indices allowed; None for all.

        Raises:
            InputError: the vocabulary is closed and does not contain the word, or its index is not in the range from
                ``start`` to ``stop``.
        """
        index = self._indices.get(word)
        if index is None:
            index = self._index_of_form(word)
        if (start, stop) != (0, None) and index not in (allowed := range(len(self))[start:stop]):
            bounds = f"{allowed.start} up to {allowed.stop}"
            raise InputError(f"{word!r} has the index {index}, expected one from {bounds}")
        return index

    def _index_of_form(self, word: str) -> int:
        """Look up a word that is not in the vocabulary as it is written."""
        word = composed(word)
        form = known_form(word, self._indices) if self.unknown is not None or word in self._indices else None
        if form is not None:
            return self._indices[form]
        if self.unknown is not None:
            return 0
        shown = ", ".join(self._words[:8]) + (", ..." if len(self) > 8 else "")
        raise InputError(f"{word!r} is not among the {len(self)} entries of the vocabulary: {shown}")

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._words[index]

    def __len__(self) -> int:
        return len(self._words)

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._indices or (isinstance(word, str) and composed(word) in self._indices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self._content() == other._content()

    def _content(self) -> tuple[list[str], str | None, tuple[str, ...]]:
        return self._words, self.unknown, self.specials

    __hash__ = None  # type: ignore[assignment]  # equality is by content

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words, unknown={self.unknown!r})"


class _Header(NamedTuple):
    unknown: str | None
    specials: int  # including the unknown word
    size: int


def _json(path: str | Path, number: int, line: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise error_at(path, number, error.colno, f"invalid JSON: {error.msg[0].lower()}{error.msg[1:]}") from None
    except (ValueError, RecursionError):  # thousands of digits or nested brackets
        raise error_at(path, number, 1, "not the JSON of a vocabulary") from None


def _header(path: str | Path, entry: object) -> _Header:
    match entry:
        case {"unknown": str() | None as unknown, "specials": int(specials), "size": int(size)} if (
            0 <= specials <= size
        ):
            return _Header(unknown, specials, size)
    raise error_at(path, 1, 1, 'expected {"unknown": word or null, "specials": number, "size": number}')
