"""Objectives: a model with its data, loss and validation metrics, for each kind of task."""
