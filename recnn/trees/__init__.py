"""Trees of typed nodes from Python, JSON, XML, HTML, formulas, parses and any other nested data, and back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
