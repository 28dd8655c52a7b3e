"""Which chains of sequences are kept between batches."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import recnn
from recnn.layers import chains


@pytest.fixture(autouse=True)
def nothing_kept():
    chains._kept.clear()
    yield
    chains._kept.clear()


def kept():
    """Steps and nodes of the chains that are kept."""
    return sum(len(one.schedule.offsets) - 1 for one in chains._kept.values()), sum(
        len(one.schedule.order) for one in chains._kept.values()
    )


def tensors():
    """Number of tensors that are alive, and bytes of their storages."""
    gc.collect()
    found = [one for one in gc.get_objects() if type(one) is torch.Tensor]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in found}
    return torch.tensor([len(found), sum(storages.values())])


def test_what_is_kept_is_bounded_by_its_size():
    network, before = recnn.LSTM(1, 1, engine="levels"), tensors()
    with torch.no_grad():
        network(torch.zeros(3000, 1, 1))
        one = tensors() - before
        for length in range(3001, 3010):
            network(torch.zeros(length, 1, 1))
            steps, nodes = kept()
            assert steps <= chains.MAX_STEPS
            assert nodes <= chains.MAX_NODES
    assert [len(sizes) for sizes in chains._kept] == [3008, 3009]
    assert (one > 3000).all()
    assert (tensors() - before < 2.5 * one).all()


def test_wide_batches_are_bounded_by_their_nodes(monkeypatch):
    monkeypatch.setattr(chains, "MAX_NODES", 1000)
    network = recnn.GRU(1, 1, bidirectional=True, engine="levels")
    with torch.no_grad():
        for batch in range(100, 140):
            network(torch.zeros(3, batch, 1))
            assert kept()[1] <= 1000
    assert len(chains._kept) == 2


def test_many_short_lengths_are_kept():
    network = recnn.RNN(1, 1, engine="levels")
    with torch.no_grad():
        for length in range(1, 41):
            network(torch.zeros(length, 1, 1))
    assert len(chains._kept) == 40


def test_the_least_recently_used_is_dropped_first(monkeypatch):
    monkeypatch.setattr(chains, "MAX_STEPS", 12)
    first, second = chains.chains_of((1,) * 5), chains.chains_of((1,) * 6)
    assert chains.chains_of((1,) * 5) is first
    chains.chains_of((1,) * 4)
    assert list(map(len, chains._kept)) == [5, 4]
    assert chains.chains_of((1,) * 6) is not second


def test_a_batch_beyond_the_bounds_is_kept_alone(monkeypatch):
    monkeypatch.setattr(chains, "MAX_STEPS", 12)
    chains.chains_of((1,) * 5)
    large = chains.chains_of((2,) * 50)
    assert chains.chains_of((2,) * 50) is large
    assert len(chains._kept) == 1
    chains.chains_of((1,) * 5)
    assert list(map(len, chains._kept)) == [5]


def test_threads_share_what_is_kept(monkeypatch):
    monkeypatch.setattr(chains, "MAX_STEPS", 30)
    network = recnn.LSTM(2, 3)
    inputs = [torch.randn(1 + number % 9, 2, 2) for number in range(60)]
    with torch.no_grad():
        expected = [network(x)[0] for x in inputs]

        def run(x):
            with torch.no_grad():
                return network(x)[0]

        with ThreadPoolExecutor(4) as pool:
            for one, other in zip(pool.map(run, inputs), expected, strict=True):
                assert torch.equal(one, other)
    assert kept()[0] <= 30
