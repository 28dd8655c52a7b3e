"""Two nodes of Ray on this machine: the same rows and files as without it, lost nodes, and errors.

They run where Ray is installed.
"""

import os
import random
import signal
import time
from itertools import count, takewhile

import numpy as np
import pyarrow as pa
import pytest

from parsers.errors import InputError
from recnn import encode_batch
from tests.command_line import process, recnn

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("ray.data")

from ray.cluster_utils import Cluster  # noqa: E402

from recnn.ray import encode_dataset, ray_workers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's
SENTENCES = [" ".join(random.Random(n).choices(["a", "fine", "film"], k=1 + n % 9)) for n in range(3000)]


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, with two CPUs and one."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_a_data_set_has_the_rows_of_its_batches(cluster):
    table = pa.table({"n": range(3000), "text": SENTENCES})
    found = encode_dataset(ray.data.from_arrow(table), parser="balanced", concurrency=2).to_pandas().sort_values("n")
    expected = encode_batch(table, parser="balanced")
    assert list(found.columns) == expected.column_names
    assert list(found["tree"]) == expected.column("tree").to_pylist()
    np.testing.assert_allclose(np.stack(found["vector"]), expected.column("vector").to_pylist(), rtol=1e-4, atol=1e-6)


def test_files_are_those_of_one_process(cluster, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(SENTENCES))
    for name, more in (("local", []), ("ray", ["--engine", "ray", "--workers", 3])):
        arguments = ["--parser", "balanced", "--shard-size", 1500, *more]
        status, out, err = recnn("encode-corpus", tmp_path / "a.txt", "--out", tmp_path / name, *arguments)
        assert (status, out, err) == (0, f"{tmp_path / name}: 3000 rows\n", "")
    for name in os.listdir(tmp_path / "local"):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()


class Work:
    """Squares a number; the first time at 5, the process ends."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, number):
        if number == 5 and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == -1:
            raise InputError("a negative number")
        return number * number


def test_pieces_of_an_actor_that_died_are_done_again(cluster, tmp_path):
    with ray_workers(lambda: Work(tmp_path), 2) as each:
        assert list(each(range(20))) == [number * number for number in range(20)]
        with pytest.raises(InputError, match=r"^a negative number$"):
            list(each([1, -1, 2]))


def test_one_cpu_is_left_for_reading(cluster, tmp_path):
    with pytest.raises(InputError, match="has 3 CPUs, but this needs 3 of them for actors and one for reading"):
        encode_dataset(ray.data.range(3), concurrency=3)
    with pytest.raises(InputError, match="has 3 CPUs, fewer than the 4"), ray_workers(lambda: Work(tmp_path), 4):
        pass


@pytest.mark.parametrize("address", ["here", "127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_without_a_cluster_is_one_line(tmp_path, monkeypatch, address):
    (tmp_path / "a.txt").write_text("a film")
    monkeypatch.setenv("RAY_ADDRESS", address)
    arguments = [tmp_path / "a.txt", "--out", tmp_path / "out", "--engine", "ray"]
    status, _, err = process("encode-corpus", *arguments)
    assert status == 1
    assert err.startswith(f"recnn: no Ray cluster at RAY_ADDRESS={address}: ")
    assert err.count("\n") == 1


def test_the_work_of_a_node_that_is_lost_is_done_by_the_others(cluster):
    node = cluster.add_node(num_cpus=1)
    lost = False

    def pieces():
        yield from takewhile(lambda _: not lost, count())
        yield from range(50)

    def where(_):
        time.sleep(0.01)
        return ray.get_runtime_context().get_node_id()

    with ray_workers(lambda: where, 4) as each:  # all CPUs: there is none for a new actor
        for done, place in enumerate(each(pieces())):
            if place == node.node_id and not lost:
                cluster.remove_node(node, allow_graceful=False)
                lost, before = True, done
    assert done >= before + 50
