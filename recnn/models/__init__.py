"""Models: networks with words and an answer, each of which can be written to a folder and read back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
