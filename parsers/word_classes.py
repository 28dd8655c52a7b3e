"""Classes of words by their shape and suffix, which stand for the words that a grammar does not have.

A class is a terminal in angle brackets, so a grammar has rules such as ``NN-NP -> '<lower-ness>' [0.01]``.
"""

import re
from collections.abc import Container

ANY = "<word>"
"""The class of words of which not even the shape is known."""
_CLASS = re.compile(r"<(word|(number|mixed|symbol|upper|initial|capital|lower)(-dash)?(-[^\W\d_]{1,3})?)>")


def word_classes(word: str, first: bool) -> list[str]:
    """Return the classes of a word, the most specific one first.

    Args:
        word: the word.
        first: whether the word begins a sentence, where a capital letter says less.

    >>> word_classes("Kindness", first=False)
    ['<capital-ess>', '<capital-ss>', '<capital-s>', '<capital>', '<word>']
    >>> word_classes("Kindness", first=True)[0], word_classes("1,200", first=False)
    ('<initial-ess>', ['<number>', '<word>'])

    Source: as the signatures of the Berkeley parser (S. Petrov et al., "Learning accurate, compact, and interpretable
    tree annotation", ACL 2006), in a simpler form.
    """
    letters, digits = any(map(str.isalpha, word)), any(map(str.isdigit, word))
    if digits:
        shape = "mixed" if letters else "number"
    elif not letters:
        shape = "symbol"
    elif word.isupper() and len(word) > 1:
        shape = "upper"
    elif word[0].isupper():
        shape = "initial" if first else "capital"
    else:
        shape = "lower"
    if letters and "-" in word:
        shape += "-dash"
    suffix = word[-3:].lower()
    endings = [suffix, suffix[1:], suffix[2:]] if len(word) >= 5 and suffix.isalpha() else []
    return [*(f"<{shape}-{ending}>" for ending in endings), f"<{shape}>", ANY]


def class_of(word: str, first: bool, known: Container[str]) -> str:
    """Return the most specific class of a word that is among the ``known`` ones, or else `ANY`."""
    return next((name for name in word_classes(word, first) if name in known), ANY)


def is_class(terminal: str) -> bool:
    """Return whether a terminal of a grammar is a class of words."""
    return _CLASS.fullmatch(terminal) is not None
