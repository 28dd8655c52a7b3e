"""Tokenisation of sentences, and the lookup of tokens in a lexicon."""

import unicodedata
from collections.abc import Container, Sequence
from functools import cache
from typing import Any


@cache
def _tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def tokenize(sentence: str | Sequence[str]) -> list[str]:
    """Split ``sentence`` into tokens by the Penn Treebank's conventions; a list of tokens is returned unchanged."""
    if isinstance(sentence, str):
        return list(_tokenizer().tokenize(sentence))
    return list(sentence)


def is_punctuation(token: str) -> bool:
    """Return whether ``token`` is all punctuation, such as ``.``, ``?!`` or ``--``; symbols (``$``, ``+``) are not."""
    return all(unicodedata.category(character)[0] == "P" or character == "`" for character in token)


def known_form(token: str, lexicon: Container[str]) -> str | None:
    """Return the first of ``token``, its lower-case and its capitalised form that is in ``lexicon``, or None."""
    for form in (token, token.lower(), token.capitalize()):
        if form in lexicon:
            return form
    return None
