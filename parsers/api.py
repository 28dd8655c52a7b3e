"""What every parser offers, whether it has a grammar or a network."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from nltk import Tree

from parsers.errors import SentenceError


class Parses(Iterator[Tree]):
    """Iterator over the parses of a sentence.

    Attributes:
        words: the words of the sentence, which are the leaves of the trees.
        dropped: punctuation that is not in the grammar and so in none of the trees.
    """

    def __init__(self, trees: Iterator[Tree], words: list[str], dropped: list[str]) -> None:
        self._trees, self.words, self.dropped = trees, words, dropped

    def __next__(self) -> Tree:
        return next(self._trees)

    def ahead(self, count: int) -> list[Tree]:
        """Return the next ``count`` parses, if there are so many, and leave them in the iterator."""
        found = list(islice(self._trees, count))
        self._trees = chain(found, self._trees)
        return found


class Parser(ABC):
    """Base class of parsers; a subclass defines `parses`, and `parse_each` where batches are faster.

    A sentence is a string, which is split into words by the Penn Treebank's conventions, or a list of words.
    """

    @abstractmethod
    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the parses of a sentence, the best first.

        Raises:
            SentenceError: the sentence has no words or no parse.
        """

    def parse(self, sentence: str | Sequence[str]) -> Tree:
        """Return the best parse of a sentence; raises the errors of `parses`."""
        return next(self.parses(sentence))

    def parse_each(self, sentences: Iterable[str | Sequence[str]]) -> Iterator[Tree | SentenceError]:
        """Yield the best parse of each sentence, in their order, or the error where there is none."""
        for sentence in sentences:
            try:
                yield self.parse(sentence)
            except SentenceError as error:
                yield error
