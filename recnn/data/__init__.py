"""Data sets of graphs, their batches, and pieces of words."""
