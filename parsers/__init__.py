"""Sentences to parse trees and production rules, on NLTK's grammars and trees."""

from parsers.errors import EmptySentenceError as EmptySentenceError
from parsers.errors import GrammarError as GrammarError
from parsers.errors import InputError as InputError
from parsers.errors import NoParseError as NoParseError
from parsers.errors import ProductionError as ProductionError
from parsers.errors import SentenceError as SentenceError
from parsers.errors import TreeError as TreeError
from parsers.errors import UnknownWordError as UnknownWordError
from parsers.grammar import GrammarParser as GrammarParser
from parsers.grammar import bundled_grammars as bundled_grammars
from parsers.grammar import load_grammar as load_grammar
from parsers.productions import Rule as Rule
from parsers.productions import productions as productions
from parsers.productions import tree_from_productions as tree_from_productions
from parsers.tokens import known_form as known_form
from parsers.tokens import tokenize as tokenize
from parsers.trees import binarised as binarised
from parsers.trees import brackets as brackets
from parsers.trees import constituents as constituents
from parsers.trees import shaped as shaped
from parsers.trees import words_of as words_of
