"""Models: networks with their vocabularies and output layers, which can be saved to a folder and loaded from it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
