"""Text as it is printed: without control characters, and of bounded length."""

import re
from collections.abc import Sequence

MOST_WORDS = 100
"""Number of words of a phrase that are shown: all words of all phrases of a deep tree are quadratic in its size."""

# Control characters (C0, DEL, C1), line and paragraph separators, overrides of the direction of text, surrogates and
# noncharacters: they control a terminal, break a line, or are not allowed in XML or UTF-8.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def code(character: str) -> str:
    r"""Return the escape of a character.

    >>> print(code("("), code("\u3000"), code("\U0001f986"))
    \x28 \u3000 \U0001f986
    """
    number = ord(character)
    return f"\\x{number:02x}" if number < 1 << 8 else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def printable(text: str, keep: str = "") -> str:
    r"""Escape the characters of ``text`` that control a terminal, break a line, or are not allowed in XML.

    Args:
        text: any text.
        keep: characters that are not escaped, such as a line feed.

    >>> print(printable("a\x1b[31mb\u2028\n"), printable("a\nb", keep="\n") == "a\nb")
    a\x1b[31mb\u2028\x0a True
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else code(found[0]), text)


def printable_json(text: str) -> str:
    r"""Escape the same characters of a JSON text without line breaks, where they can only be within strings.

    >>> print(printable_json('["\x7f"]'))
    ["\u007f"]
    """
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown_words(words: Sequence[str], start: int, end: int) -> str:
    """Join the words ``start`` to ``end``, from 1; of more than `MOST_WORDS`, the first."""
    shown = words[start - 1 : min(end, start - 1 + MOST_WORDS)]
    return " ".join(shown) + (" ..." if end - start >= MOST_WORDS else "")
