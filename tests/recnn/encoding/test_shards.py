"""Shards: the pieces of work that they are made of, and the piece that no process survives."""

import os
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest

from parsers.errors import InputError
from recnn.data.workers import workers
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import corpus_files
from recnn.encoding.rows import RowSettings
from recnn.encoding.shards import EncodingJob, encode_shards


def job_of(folder, lines, shard_size):
    (folder / "a.txt").write_text("\n".join(lines))
    files = corpus_files([str(folder / "a.txt")])
    return EncodingJob(files, RecordColumns(), RowSettings(parser="balanced"), shard_size)


def test_long_records_are_few_in_a_piece(tmp_path):
    """1,024 records, or those with a million characters; a piece is a row group."""
    job = job_of(tmp_path, ["a"] * 1025 + ["b" * 9000 + " c" * 150_000] * 9, 2000)
    _, written = encode_shards(job, tmp_path / "out", lambda make: workers(make, 1))
    assert sum(some.number for some in written) == 1034
    found = pq.read_metadata(tmp_path / "out" / "part-00000-of-00001.parquet")
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [1024, 5, 4, 1]


class Ends:
    """Work that no process survives."""

    def __call__(self, piece):
        os._exit(1)


def test_the_place_of_a_piece_that_no_process_survives_is_named(tmp_path):
    @contextmanager
    def engine(make):
        with workers(Ends, 2) as each:
            yield each

    _, written = encode_shards(job_of(tmp_path, ["a"] * 1500, 1000), tmp_path / "out", engine)
    with pytest.raises(InputError, match=r"a\.txt, line 1(001)? to .*a\.txt, line 1[05]00: a process ended 3 times"):
        list(written)
    assert os.listdir(tmp_path / "out") == ["_manifest.json"]
