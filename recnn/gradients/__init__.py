"""Norms of gradients over steps and nodes, gradient clipping, and backpropagation written out by hand."""
