"""Parsing of sentences with NLTK's grammars: all parses, lazily and best first, or the best one."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.resources import files
from math import fsum
from pathlib import Path

from nltk import CFG, PCFG, ChartParser, Nonterminal, Tree
from nltk.grammar import is_terminal
from nltk.parse.chart import Chart

from parsers.errors import EmptySentenceError, GrammarError, NoParseError, UnknownWordError
from parsers.forest import derivations
from parsers.tokens import is_punctuation, known_form, tokenize

_BUNDLED = files("parsers") / "grammars"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PROBABILITY = re.compile(r"\[\s*[\d.]+\s*\]")


def bundled_grammars() -> list[str]:
    """Return the names of the bundled grammars, for `load_grammar`."""
    return sorted(entry.name.removesuffix(".cfg") for entry in _BUNDLED.iterdir() if entry.name.endswith(".cfg"))


def load_grammar(source: str | Path) -> CFG:
    """Load a context-free grammar.

    The start symbol is the left side of the first rule, unless a line ``%start S`` sets another.

    Args:
        source: the name of a bundled grammar, the path of a UTF-8 file, or the text of a grammar (any string that
            contains ``->``).

    Returns:
        An `nltk.PCFG` if the rules have probabilities (``NP -> Det Noun [0.7]``), otherwise an `nltk.CFG`.

    Raises:
        GrammarError: the grammar cannot be found or read, or is malformed; the message has the line number.
    """
    if "->" in str(source):
        return _parse_grammar(str(source), "grammar text")
    if str(source) in bundled_grammars():
        return _parse_grammar((_BUNDLED / f"{source}.cfg").read_text("utf-8"), f"grammar '{source}'")
    try:
        return _parse_grammar(Path(source).read_text("utf-8-sig"), f"grammar {source}")
    except (FileNotFoundError, NotADirectoryError):
        names = ", ".join(bundled_grammars())
        raise GrammarError(f"grammar {source}: no such file, and no bundled grammar of that name ({names})") from None
    except UnicodeDecodeError as error:
        raise GrammarError(f"grammar {source}: not UTF-8 text (byte {error.start + 1})") from None
    except (OSError, ValueError) as error:
        if isinstance(error, GrammarError):
            raise
        raise GrammarError(f"grammar {source}: {getattr(error, 'strerror', None) or error}") from None


def _parse_grammar(text: str, name: str) -> CFG:
    bare = "\n".join(_QUOTED.sub("", line).split("#")[0] for line in text.splitlines())
    try:
        return PCFG.fromstring(text) if _PROBABILITY.search(bare) else CFG.fromstring(text)
    except ValueError as error:
        raise GrammarError(f"{name}, {_complaint(str(error), bare)}") from None


def _complaint(message: str, text: str) -> str:
    """Reword NLTK's error message about a grammar, with the line number."""
    if match := re.match(r"Unable to parse line (\d+): (.*)\n(.*)", message):
        number, line, reason = match.groups()
        return f"line {number}: {reason[0].lower()}{reason[1:]} (in: {line})"
    if match := re.match(r"Productions for (\S+) do not sum to 1", message):
        symbol = match.group(1)
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.split("->")[0].strip() == symbol]
        total = fsum(float(p.strip("[] ")) for _, line in lines for p in _PROBABILITY.findall(line))
        return f"line {lines[0][0] if lines else 1}: the probabilities of {symbol} sum to {total:g}, not to 1"
    return f"line 1: {message[0].lower()}{message[1:].rstrip('!')}"


class GrammarParser:
    """Parser for a context-free grammar, plain (`nltk.CFG`) or probabilistic (`nltk.PCFG`).

    A sentence is a string, which is split into words by the Penn Treebank's conventions, or a list of tokens. A word
    is looked up in the grammar as written, then in lower case, then capitalised; the trees have the words as written.
    Punctuation that is not in the grammar is dropped from a string, but not from a list.

    Args:
        grammar: the grammar, see `load_grammar`.

    >>> from parsers import brackets
    >>> parser = GrammarParser(load_grammar("duck"))
    >>> for tree in parser.parses("The boy saw her duck."):
    ...     print(f"{tree.prob():.6f}", brackets(tree))
    0.002881 (S (NP (Det The) (Noun boy)) (VP (Verb saw) (NP (Det her) (Noun duck))))
    0.002117 (S (NP (Det The) (Noun boy)) (VP (Verb saw) (SC (NP (Pron her)) (Bare duck))))
    """

    def __init__(self, grammar: CFG) -> None:
        self.grammar = grammar
        self.start: Nonterminal = grammar.start()
        self.lexicon = frozenset(s for p in grammar.productions() for s in p.rhs() if is_terminal(s))
        self._parser = ChartParser(grammar)

    def parses(self, sentence: str | Sequence[str]) -> Iterator[Tree]:
        """Return an iterator over all parses of ``sentence``.

        The trees are built one by one, so that the first few of a highly ambiguous sentence are cheap. With a PCFG
        they are `nltk.ProbabilisticTree` objects, most probable first. Errors are raised by the call itself, not by the
        iteration.

        Raises:
            EmptySentenceError: the sentence has no words.
            UnknownWordError: words are not in the grammar.
            NoParseError: the words cannot be derived from the start symbol.
        """
        tokens, forms = self._look_up(sentence)
        chart = self._parser.chart_parse(forms)
        roots = list(chart.select(start=0, end=len(forms), lhs=self.start, is_complete=True))
        if not roots:
            raise NoParseError(self._why_not(tokens, chart))
        return derivations(chart, roots, tokens, self.grammar)

    def parse(self, sentence: str | Sequence[str]) -> Tree:
        """Return the first tree of `parses`, with a PCFG the most probable one; raises the same errors."""
        return next(self.parses(sentence))

    def _look_up(self, sentence: str | Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the tokens to parse, as written and in the form in which they are in the grammar."""
        tokens = tokenize(sentence)
        forms = [known_form(token, self.lexicon) for token in tokens]
        if isinstance(sentence, str):
            kept = [i for i, token in enumerate(tokens) if forms[i] is not None or not is_punctuation(token)]
            tokens, forms = [tokens[i] for i in kept], [forms[i] for i in kept]
        shown = _shown(sentence)
        if not tokens:
            raise EmptySentenceError(f"sentence {shown}: no words")
        unknown = [self._unknown(token, i) for i, token in enumerate(tokens) if forms[i] is None]
        if unknown:
            raise UnknownWordError(f"sentence {shown}: the grammar has no word {', '.join(unknown)}")
        return tokens, [form for form in forms if form is not None]

    def _unknown(self, token: str, index: int) -> str:
        near = get_close_matches(token, self.lexicon, n=1)
        return f"{token!r} (word {index + 1}{f', did you mean {near[0]!r}?' if near else ''})"

    def _why_not(self, tokens: list[str], chart: Chart) -> str:
        phrases = [edge for edge in chart.select(is_complete=True) if not is_terminal(edge.lhs())]
        longest = max((edge.length() for edge in phrases), default=0)
        found = ", ".join(
            sorted({f"{e.lhs()} {' '.join(tokens[e.start() : e.end()])!r}" for e in phrases if e.length() == longest})
        )
        left = {p.lhs() for p in self.grammar.productions()}
        unruled = sorted(
            {str(s) for p in self.grammar.productions() for s in p.rhs() if not is_terminal(s) and s not in left}
        )
        return (
            f"sentence {_shown(tokens)}: no parse as {self.start}, the start symbol of the grammar; "
            f"longest phrases found: {found or 'none'}"
            + (f"; the grammar has no rule for {', '.join(unruled)}" if unruled else "")
        )


def _shown(sentence: str | Sequence[str]) -> str:
    text = sentence if isinstance(sentence, str) else " ".join(sentence)
    return repr(text if len(text) <= 80 else text[:77] + "...")
