"""Parse trees of sentences, and their production rules, with NLTK's grammars and trees."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
