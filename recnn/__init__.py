"""Recursive neural networks over trees and recurrent networks over sequences, on one message-passing loop."""

import os

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

os.environ.setdefault("DGLBACKEND", "pytorch")  # else `import dgl`, by anyone, prints and writes a file
