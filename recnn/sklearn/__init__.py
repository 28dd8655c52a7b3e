"""Estimators and transformers for scikit-learn: sentences or trees in, labels, numbers or vectors out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
