"""Training models with Lightning, whose import takes seconds: `recnn.training.run` is imported only to train."""
