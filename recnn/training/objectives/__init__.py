"""Objectives: what a run learns, of which data, by which loss, and what is measured on data held out."""
