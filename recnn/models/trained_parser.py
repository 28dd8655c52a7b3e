"""A trained span parser behind the interface of all parsers, and the one for English that is part of this package."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path

from nltk import Tree

from parsers.api import Parser, Parses
from parsers.errors import LimitError, SentenceError
from parsers.tokens import tokens_and_words
from parsers.transform import copied
from parsers.trees import words_of
from recnn.models.folder import model_in
from recnn.models.span_parser import SpanParser

ENGLISH = Path(str(files("recnn"))) / "pretrained" / "english"
_AT_ONCE = 1024  # sentences; sorted by length, they make batches of similar lengths
_MOST_WORDS = 3000  # memory grows with the square of the length, time faster


class TrainedParser(Parser):
    """Parser that gives every sentence the best tree of a `recnn.SpanParser`.

    Args:
        model: the trained model.
    """

    def __init__(self, model: SpanParser) -> None:
        self.model = model

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the one tree of the sentence.

        Raises:
            EmptySentenceError: the sentence has no words.
            LimitError: the sentence has more than 3,000 words.
            SentenceError: a word is not a string, or the sentence is too long for NLTK's tokenizer.
        """
        (tree,) = self.parse_each([sentence])
        if isinstance(tree, SentenceError):
            raise tree
        return Parses(iter([tree]), words_of(tree), [])

    def parse_each(self, sentences: Iterable[str | Sequence[str]]) -> Iterator[Tree | SentenceError]:
        """Yield the tree of each sentence, in their order, or the error; sentences are parsed in batches."""
        rest = iter(sentences)
        while some := list(islice(rest, _AT_ONCE)):
            split = [_split(sentence) for sentence in some]
            trees = self.model.parse([one[0] for one in split if not isinstance(one, SentenceError)])
            for one in split:
                if isinstance(one, SentenceError):
                    yield one
                    continue
                words, typed = one
                yield next(trees) if typed == words else _with_words(next(trees), typed)


def _split(sentence: str | Sequence[str]) -> tuple[list[str], list[str]] | SentenceError:
    """Return the words as the Penn Treebank writes them, and as they were typed; or what is wrong."""
    try:
        words, typed = tokens_and_words(sentence)
    except SentenceError as error:
        return error
    if len(words) > _MOST_WORDS:
        return LimitError(f"a sentence of {len(words):,} words, more than the {_MOST_WORDS:,} that the parser takes")
    tokens: list[object] = [*words]
    if any(not isinstance(token, str) or not token for token in tokens):
        return SentenceError(f"expected words, not empty strings or other objects, in {str(tokens)[:80]}")
    return words, typed


def _with_words(tree: Tree, words: Sequence[str]) -> Tree:
    """Return a copy of a tree with other words."""
    rest = iter(words)
    return copied(tree, word=lambda word: next(rest))


def english() -> TrainedParser:
    """Load the parser for English that is part of this package."""
    return TrainedParser(SpanParser.load(ENGLISH))


def trained(folder: str) -> TrainedParser:
    """Load the parser in a folder, of a model or of a training run."""
    return TrainedParser(SpanParser.load(model_in(folder)))
