"""Bounds on the size of a model while it is built."""

import os
import threading

import pytest
import torch
from torch import nn

from parsers import InputError
from recnn.models.bounds import at_most, countable, within_memory


def test_the_number_of_parameters():
    made = []
    with pytest.raises(ValueError, match=r"^too many$"), at_most(7, "too many"):
        made.extend(nn.Linear(2, 2) for _ in range(100))
    assert len(made) == 3
    with at_most(7, "too many"):
        nn.Sequential(*made)
        other = threading.Thread(target=lambda: made.extend(nn.Linear(2, 2) for _ in range(100)))
        other.start()
        other.join()
    assert len(made) == 103
    nn.Sequential(*(nn.Linear(2, 2) for _ in range(10)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(1 << 20, 1 << 24),
        lambda: [nn.ParameterList([torch.empty(1 << 28)]) for _ in range(100_000)],
        lambda: nn.Embedding(1 << 40, 1 << 40),
        lambda: nn.Embedding(1 << 70, 1),
        lambda: bytearray(1 << 60),
    ],
)
def test_more_than_the_memory(make):
    with pytest.raises(InputError, match="use smaller sizes") as caught, within_memory():
        make()
    assert "\n" not in str(caught.value)


def test_parameters_that_fit_and_other_errors():
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with within_memory():
        nn.Linear(memory, 1, device="meta")
        nn.Linear(10, 10)
    for error in (RuntimeError("other"), TypeError("other")):
        for bound in (within_memory, countable):
            with pytest.raises(type(error), match=r"^other$"), bound():
                raise error
    with pytest.raises(InputError), countable(), torch.device("meta"):
        torch.empty(1 << 40, 1 << 40)
