"""Requests that come together are computed together; none waits for ever, and none costs another."""

import asyncio
import threading

import pytest

from recnn.serve.batching import BusyError, LateError, RequestBatches


class Slow:
    """Doubles numbers, once it may; keeps the batches."""

    def __init__(self):
        self.batches, self.go, self.begun = [], threading.Event(), threading.Event()

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.begun.set()
        self.go.wait(10)
        if any(number < 0 for number in numbers):
            raise ArithmeticError(f"negative: {numbers}")
        return [2 * number for number in numbers]


async def begun(compute):
    await asyncio.get_running_loop().run_in_executor(None, compute.begun.wait)


def asked(scenario, **options):
    """Run a scenario with a queue over `Slow`; return what it returns and the batches."""
    compute = Slow()
    batches = RequestBatches(compute, **{"most_waiting": 20, "batch_size": 4, "timeout": 10, **options})

    async def run():
        try:
            return await scenario(batches, compute)
        finally:
            compute.go.set()

    found = asyncio.run(run())
    batches.close()
    return found, compute.batches


def test_what_comes_during_a_batch_is_the_next_one():
    async def scenario(batches, compute):
        first = asyncio.create_task(batches.answer(0))
        await begun(compute)
        rest = [asyncio.create_task(batches.answer(number)) for number in range(1, 7)]
        await asyncio.sleep(0)
        compute.go.set()
        return await asyncio.gather(first, *rest)

    assert asked(scenario) == ([0, 2, 4, 6, 8, 10, 12], [[0], [1, 2, 3, 4], [5, 6]])


def test_an_error_costs_its_request_alone():
    async def scenario(batches, compute):
        compute.go.set()
        requests = [batches.answer(number) for number in (1, -2, 3)]
        return await asyncio.gather(*requests, return_exceptions=True)

    (one, wrong, three), computed = asked(scenario)
    assert (one, three) == (2, 6)
    assert isinstance(wrong, ArithmeticError)
    assert computed == [[1, -2, 3], [1], [-2], [3]]


def test_a_late_request_is_given_up_and_not_computed():
    async def scenario(batches, compute):
        first = asyncio.create_task(batches.answer(1))
        await begun(compute)
        late = await asyncio.gather(first, batches.answer(2), return_exceptions=True)
        compute.go.set()
        return [*map(type, late), await batches.answer(3)]

    assert asked(scenario, timeout=0.2) == ([LateError, LateError, 6], [[1], [3]])


def test_too_many_are_refused():
    async def scenario(batches, compute):
        first = [asyncio.create_task(batches.answer(number)) for number in range(3)]
        await begun(compute)
        with pytest.raises(BusyError):
            await batches.answer(4)
        compute.go.set()
        return [*await asyncio.gather(*first), await batches.answer(5)]

    assert asked(scenario, most_waiting=3)[0] == [0, 2, 4, 10]
