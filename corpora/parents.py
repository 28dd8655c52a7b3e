"""Dependency trees in the files of Tai, Socher and Manning 2015: a line of words, and a line of heads, per sentence."""

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from corpora.conllu import Dependencies
from corpora.errors import error_at, quoted
from corpora.text import lines
from parsers.dependency_trees import head_problem

_NUMBER = re.compile(r"-1|0|[1-9][0-9]{0,8}")


def read_parents(path: str | Path) -> Iterator[Dependencies]:
    """Read the sentences of a file ``NAME.parents``, one by one.

    A line has the position of the head of each word of a sentence: 0 for the root, and -1 for a word that is not in the
    tree, such as punctuation, and is left out. The words are in the same line of ``NAME.toks``, with blanks between
    them, and their relations in that of ``NAME.rels``, if there is such a file; without, relations are empty.

    The files are those of the preprocessing of https://github.com/stanfordnlp/treelstm.

    Raises:
        CorpusError: there is no sentence, the files do not have equally many lines, or a line not as many entries as
            words, a head is not a number or not in the tree, or the heads have two roots or a cycle. All sentences
            before it have been yielded.
        OSError: a file cannot be read.
    """
    files = [Path(path).with_suffix(suffix) for suffix in (Path(path).suffix, ".toks", ".rels")]
    found = 0
    for number, rows in enumerate(zip_longest(*map(lines, files[: 2 + files[2].exists()])), 1):
        for file, row in zip(files, rows, strict=False):
            if row is None:
                raise error_at(file, number, 1, "no line for this sentence, which other files have")
        yield _sentence(files, number, [text for _, text in rows])
        found += 1
    if not found:
        raise error_at(path, 1, 1, "no sentence in this file")


def _sentence(files: list[Path], number: int, texts: list[str]) -> Dependencies:
    entries = list(re.finditer(r"\S+", texts[0]))
    words, relations = texts[1].split(), texts[2].split() if len(texts) > 2 else None
    if not words:
        raise error_at(files[1], number, 1, "a sentence without words")
    for file, text, count in ((files[0], texts[0], len(entries)), (files[2], texts[-1], len(relations or words))):
        if count != len(words):
            problem = f"expected an entry for each of {len(words)} words, found {count}"
            raise error_at(file, number, len(text) + 1, problem)
    for entry in entries:
        if not _NUMBER.fullmatch(entry[0]):
            raise error_at(files[0], number, entry.start() + 1, f"the head {quoted(entry[0])} is not a number")
    heads = [int(entry[0]) for entry in entries]
    kept = [index for index, head in enumerate(heads) if head >= 0]
    if not kept:
        raise error_at(files[0], number, 1, "no word is in the tree")
    place = {0: 0} | {index + 1: position for position, index in enumerate(kept, 1)}
    for index in kept:
        if heads[index] not in place:
            end = f"beyond the last word, {len(words)}" if heads[index] > len(words) else "not in the tree"
            raise error_at(files[0], number, entries[index].start() + 1, f"the head {heads[index]} is {end}")
    sentence = Dependencies(
        tuple(words[index] for index in kept),
        tuple(place[heads[index]] for index in kept),
        tuple(relations[index] if relations else "" for index in kept),
    )
    if found := head_problem(sentence.words, sentence.heads):
        raise error_at(files[0], number, entries[kept[found[0]]].start() + 1, found[1])
    return sentence
