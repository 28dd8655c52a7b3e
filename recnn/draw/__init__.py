"""Pictures of trees, sequences, states and training: SVG for notebooks, pages and files; lines for terminals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
