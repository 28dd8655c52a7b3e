"""Engines: loops that apply a cell to all nodes of a forest."""
