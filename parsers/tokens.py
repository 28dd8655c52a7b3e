"""From a sentence to tokens, and from a token to the form of it that a lexicon knows."""

import unicodedata
from collections.abc import Container, Sequence
from functools import cache
from typing import Any


@cache
def _tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def tokenize(sentence: str | Sequence[str]) -> list[str]:
    """The tokens of ``sentence`` by the Penn Treebank's conventions; a list of tokens is taken as it is."""
    if isinstance(sentence, str):
        return list(_tokenizer().tokenize(sentence))
    return list(sentence)


def is_punctuation(token: str) -> bool:
    """Whether ``token`` has no letter, digit or symbol: ``.``, ``?!``, ``--``, but neither ``$`` nor ``+``."""
    return all(unicodedata.category(character)[0] == "P" or character == "`" for character in token)


def known_form(token: str, lexicon: Container[str]) -> str | None:
    """The form under which ``lexicon`` holds ``token``: itself, or lower-cased, or capitalised; None if it has none."""
    for form in (token, token.lower(), token.capitalize()):
        if form in lexicon:
            return form
    return None
