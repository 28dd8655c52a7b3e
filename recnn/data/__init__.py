"""Data sets of graphs, batches, sources of data, and character n-grams of words."""
