"""Exceptions for invalid input; each message names the input and the position of the problem."""


class InputError(ValueError):
    """Base class of errors in the user's input; the command line prints the message and exits with status 1."""


class GrammarError(InputError):
    """A grammar that cannot be found or read."""


class SentenceError(InputError):
    """A sentence that a grammar cannot parse; base class of the possible reasons."""


class EmptySentenceError(SentenceError):
    """A sentence without words."""


class UnknownWordError(SentenceError):
    """A sentence with words that are not in the grammar."""


class NoParseError(SentenceError):
    """A sentence of known words that cannot be derived from the start symbol."""


class LimitError(SentenceError):
    """A sentence whose chart, or the search in it, is too large or takes too long."""


class TreeError(InputError):
    """An nltk.Tree that is not a parse tree, for example with an empty phrase or a label that is not a string."""


class ProductionError(InputError):
    """A set of production rules that do not form a tree."""
