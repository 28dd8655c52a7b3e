"""Loading of grammars: plain, probabilistic and feature grammars, as files or text in NLTK's notation."""

import re
from decimal import Decimal
from importlib.resources import files
from math import fsum
from os.path import exists
from pathlib import Path
from typing import Any
from unicodedata import normalize

from nltk import CFG, PCFG
from nltk.grammar import FeatureGrammar

from parsers.errors import GrammarError

_BUNDLED = files("parsers") / "grammars"
_QUOTED = r"'[^']*'|\"[^\"]*\""
_ARROW = r"[-–—−]+>|=+>|::=|[→↠↣↦⇀⇒⇛⇝⇢⇨⇾⟶⟹⟼⟾➔-➾]"
_QUOTED_OR_ARROW = re.compile(f"({_QUOTED})|{_ARROW}")
_PROBABILITY = re.compile(r"\[\s*(\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?\s*\]")
_PIECES = re.compile(rf"{_QUOTED}|#.*|{_PROBABILITY.pattern}")
_FEATURES = re.compile(r"\[\s*(\]|[-+]\s*[^\W\d]|[^\W\d]\w*\s*=|\*)")
_CODING = re.compile(rb"\A(?:[^\n]*\n)?[ \t]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")


def bundled_grammars() -> list[str]:
    """Return the names of the bundled grammars, for `load_grammar`."""
    return sorted(entry.name.removesuffix(".cfg") for entry in _BUNDLED.iterdir() if entry.name.endswith(".cfg"))


def load_grammar(source: str | Path) -> CFG:
    """Load a context-free grammar.

    The notation is NLTK's. The start symbol is the left side of the first rule, unless a line ``%start S`` sets
    another. Comments begin with ``#``, also after a rule. The arrow can be written ``->``, ``=>``, ``::=`` or ``→``, a
    probability ``[0.00005]`` or ``[5e-05]``. Composed and decomposed characters are the same: the text is normalised to
    NFC.

    Args:
        source: the name of a bundled grammar, the path of a file, or the text of a grammar (any string that contains an
            arrow or a line break). A file is UTF-8, unless one of its first two lines is a comment that names another
            encoding: ``# coding: latin-1``.

    Returns:
        An `nltk.PCFG` if the rules have probabilities (``NP -> Det Noun [0.7]``), an `nltk.grammar.FeatureGrammar` if
        symbols have features (``NP[NUM=?n] -> Det[NUM=?n] Noun[NUM=?n]``), otherwise an `nltk.CFG`.

    Raises:
        GrammarError: the grammar cannot be found or read, or is malformed; the message has the line number.
    """
    if isinstance(source, str) and re.search(rf"[\r\n]|{_ARROW}", source) and not exists(source):
        return _parse_grammar(source, "grammar text")
    if str(source) in bundled_grammars():
        return _parse_grammar((_BUNDLED / f"{source}.cfg").read_text("utf-8"), f"grammar '{source}'")
    shown = str(source) if len(str(source)) <= 200 else f"{str(source)[:200]}..."
    try:
        data = Path(source).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        names = ", ".join(bundled_grammars())
        hint = "; grammar text has rules such as S -> NP VP" if " " in str(source).strip() else ""
        problem = f"no such file, and no bundled grammar of that name ({names}){hint}"
        raise GrammarError(f"grammar {shown}: {problem}") from None
    except (OSError, ValueError) as error:
        raise GrammarError(f"grammar {shown}: {getattr(error, 'strerror', None) or error}") from None
    return _parse_grammar(_decoded(data, f"grammar {shown}"), f"grammar {shown}")


class _LazyLeftCorners:
    """Mixin for NLTK's grammars, whose table of left corners is quadratic in the length of chains of unary rules.

    It is computed when it is used, which only some of NLTK's own parsers do.
    """

    def _calculate_leftcorners(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if "leftcorner" in name:
            super()._calculate_leftcorners()  # type: ignore[misc]
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _CFG(_LazyLeftCorners, CFG):
    pass


class LazyPCFG(_LazyLeftCorners, PCFG):
    """An `nltk.PCFG` that is quick to make."""


class _FeatureGrammar(_LazyLeftCorners, FeatureGrammar):
    pass


def _decoded(data: bytes, name: str) -> str:
    """Decode a file; bytes that are wrong do no harm in a comment."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    declared = _CODING.match(data)
    encoding = declared.group(1).decode() if declared else "utf-8"
    try:
        text = data.decode(encoding, "surrogateescape")
        place = 1
        for line in text.split("\n"):
            if wrong := re.search("[\udc80-\udcff]", _PIECES.sub(_without_comment, line)):
                byte = place + len(line[: wrong.start()].encode(encoding, "surrogateescape"))
                hint = "" if declared else ": name the encoding in the first line, such as # coding: latin-1"
                raise GrammarError(f"{name}: not {encoding.upper()} text (byte {byte}){hint}")
            place += len(line.encode(encoding, "surrogateescape")) + 1
    except (LookupError, UnicodeError) as error:
        raise GrammarError(f"{name}: {error}") from None
    return text


def _without_comment(piece: re.Match[str]) -> str:
    return "" if piece.group().startswith("#") else piece.group()


def _parse_grammar(text: str, name: str) -> CFG:
    lines = [_in_nltks_notation(line) for line in re.split(r"\r\n?|\n", normalize("NFC", text))]
    bare = [re.sub(_QUOTED, "", line) for line in lines]
    probable = next((n for n, line in enumerate(bare, 1) if _PROBABILITY.search(line)), None)
    featured = next((n for n, line in enumerate(bare, 1) if _FEATURES.search(line)), None)
    if probable and featured:
        raise GrammarError(f"{name}, line {probable}: a probability in a grammar with features (line {featured})")
    kind = LazyPCFG if probable else _FeatureGrammar if featured else _CFG
    try:
        return kind.fromstring(lines)
    except (ValueError, RecursionError, TimeoutError) as error:
        raise GrammarError(f"{name}, {_complaint(str(error), bare)}") from None
    except (TypeError, AttributeError, LookupError, AssertionError) as error:  # not foreseen by NLTK
        problem = " ".join(str(error).split())[:200]
        raise GrammarError(f"{name}: NLTK cannot read it ({type(error).__name__}: {problem})") from None


def _in_nltks_notation(line: str) -> str:
    """Remove the comment, write the arrow as `` -> `` and probabilities without an exponent."""
    line = _PIECES.sub(_plain, line)
    arrows = [match for match in _QUOTED_OR_ARROW.finditer(line) if not match.group(1)]
    if arrows and not any(line[max(m.start() - 1, 0) : m.end() + 1].strip(" \t") == "->" for m in arrows):
        line = f"{line[: arrows[0].start()]} -> {line[arrows[0].end() :]}"
    return line


def _plain(piece: re.Match[str]) -> str:
    """Write a piece of a rule in NLTK's notation."""
    if not piece.group().startswith("["):
        return _without_comment(piece)
    number = float(piece.group()[1:-1].strip())
    return f"[{Decimal(repr(number)):f}]"


def _complaint(message: str, bare: list[str]) -> str:
    """Reword NLTK's error message about a grammar, with the line number."""
    if match := re.match(r"(?s)Unable to parse line (\d+): ([^\n]*)\n(.*)", message):
        number, line, reason = match.groups()
        reason = " ".join(reason.split()) or "malformed"
        return f"line {number}: {reason[0].lower()}{reason[1:]} (in: {line[:200]})"
    if match := re.match(r"Productions for (\S+) do not sum to 1", message):
        symbol = match.group(1)
        rules = [(n, line) for n, line in enumerate(bare, 1) if line.split("->")[0].strip() == symbol]
        total = fsum(float(p.group().strip("[] ")) for _, line in rules for p in _PROBABILITY.finditer(line))
        return f"line {rules[0][0] if rules else 1}: the probabilities of {symbol} sum to {total:g}, not to 1"
    return f"line 1: {message[0].lower()}{message[1:].rstrip('!')}"
