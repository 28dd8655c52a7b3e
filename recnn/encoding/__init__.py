"""Vectors of the sentences of whole corpora: files -> records -> rows -> shards of Parquet."""
