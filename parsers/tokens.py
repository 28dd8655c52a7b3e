"""Tokenisation of sentences, and the lookup of tokens in a lexicon."""

import re
import unicodedata
from collections.abc import Container, Iterable, Sequence
from functools import cache
from typing import Any

from parsers.errors import EmptySentenceError, SentenceError

_QUOTES = re.compile(r"``|''|\"")


@cache
def _tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def tokenize(sentence: str | Sequence[str]) -> list[str]:
    """Split ``sentence`` into tokens by the Penn Treebank's conventions; a list of tokens is returned unchanged.

    Raises:
        SentenceError: the string is too long for NLTK's tokenizer.
    """
    if not isinstance(sentence, str):
        return list(sentence)
    try:
        return list(_tokenizer().tokenize(sentence))
    except TimeoutError:  # of the regular expressions of NLTK 3.10
        raise SentenceError(f"a sentence of {len(sentence):,} characters is too long for NLTK's tokenizer") from None


def typed_quotes(sentence: str, tokens: Sequence[str]) -> list[str]:
    r"""Return the tokens of ``sentence`` with the quotes as they were typed; `tokenize` makes \`\` and '' of ".

    >>> sentence = 'say "a" twice'
    >>> tokenize(sentence), typed_quotes(sentence, tokenize(sentence))
    (['say', '``', 'a', "''", 'twice'], ['say', '"', 'a', '"', 'twice'])
    """
    typed = _QUOTES.findall(sentence)
    if len(typed) != sum(token in ("``", "''") for token in tokens):
        return list(tokens)
    quotes = iter(typed)
    return [next(quotes) if token in ("``", "''") else token for token in tokens]


def tokens_and_words(sentence: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words of a sentence as `tokenize` writes them, and as they were typed.

    Raises:
        EmptySentenceError: the sentence has no words.
        SentenceError: the string is too long for NLTK's tokenizer.
    """
    words = tokenize(sentence)
    if not words:
        raise EmptySentenceError(f"sentence {sentence!r}: no words")
    return words, typed_quotes(sentence, words) if isinstance(sentence, str) else words


def is_sentence_punctuation(token: str) -> bool:
    """Return whether ``token`` consists of full stops, commas, semicolons, colons, ``?``, ``!`` and quotes only."""
    return all(c in ".,;:?!…'\"`‚„" or unicodedata.category(c) in ("Pi", "Pf") for c in token)


def known_form(token: str, lexicon: Container[str]) -> str | None:
    """Return the first of ``token``, its lower-case and its capitalised form that is in ``lexicon``, or None."""
    for form in (token, token.lower(), token.capitalize()):
        if form in lexicon:
            return form
    return None


class Spellings:
    """The spellings in which the words of a lexicon can be written in a sentence.

    A word is looked up as written, in lower case and capitalised; composed and decomposed characters (Unicode's NFC and
    NFD) are the same.

    Args:
        lexicon: the words.

    >>> Spellings(["May", "may", "dogs"]).of("May"), Spellings(["May"]).of("MAY"), Spellings(["May"]).of("June")
    (['May', 'may'], ['May'], [])
    """

    def __init__(self, lexicon: Iterable[str]) -> None:
        self._words: dict[str, list[str]] = {}
        for word in sorted(lexicon):
            self._words.setdefault(unicodedata.normalize("NFC", word), []).append(word)

    def of(self, token: str) -> list[str]:
        """Return the words of the lexicon that ``token`` can stand for, the one as written first."""
        composed = unicodedata.normalize("NFC", token)
        forms = dict.fromkeys((composed, composed.lower(), composed.capitalize()))
        return sorted((word for form in forms for word in self._words.get(form, ())), key=lambda word: word != token)
