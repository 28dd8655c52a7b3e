"""How far gradients reach, what bounds them, and backpropagation written out by hand."""
