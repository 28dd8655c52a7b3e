"""Corpora and vocabularies, on NLTK's trees: read from files, generated or bundled; only `download` downloads."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
