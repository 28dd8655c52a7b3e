"""Encoding of data sets and corpora on a Ray cluster (https://docs.ray.io)."""
