"""Requests that come together are computed together, one batch after the other, in one thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

_Q = TypeVar("_Q")
_A = TypeVar("_A")


class BusyError(Exception):
    """Too many requests are waiting."""


class LateError(Exception):
    """An answer has taken too long."""


class RequestBatches(Generic[_Q, _A]):
    """A queue of requests, of which those that are waiting are computed together.

    While a batch is computed, the requests that come wait, and form the next one; so a single request is not delayed.

    Args:
        compute: function from requests to as many answers; it runs in a thread of its own, never twice at once.
        most_waiting: largest number of requests that wait or are computed.
        batch_size: largest number of requests in a batch.
        timeout: seconds until an answer is given up.
    """

    def __init__(
        self, compute: Callable[[Sequence[_Q]], Sequence[_A]], most_waiting: int, batch_size: int, timeout: float
    ) -> None:
        self.compute, self.most_waiting, self.batch_size, self.timeout = compute, most_waiting, batch_size, timeout
        self._waiting: deque[tuple[_Q, asyncio.Future[_A]]] = deque()
        self._computed: list[tuple[_Q, asyncio.Future[_A]]] = []
        self._thread = ThreadPoolExecutor(1, "recnn-serve")
        self._runner: asyncio.Task[None] | None = None

    async def answer(self, request: _Q) -> _A:
        """Return the answer to a request.

        Raises:
            BusyError: too many requests are waiting.
            LateError: the answer has taken longer than ``timeout``. Its computation is not begun any more, or ends
                unheard.
        """
        if len(self._waiting) + len(self._computed) >= self.most_waiting:
            raise BusyError
        future: asyncio.Future[_A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        try:
            return await asyncio.wait_for(future, self.timeout)
        except TimeoutError:
            raise LateError from None

    def close(self) -> None:
        """Wait for the batch that is computed, and end the thread."""
        self._thread.shutdown()

    async def _run(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(self.batch_size, len(self._waiting)))]
            self._computed = [(request, future) for request, future in taken if not future.done()]
            if self._computed:
                await self._compute(self._computed)
            self._computed = []

    async def _compute(self, batch: Sequence[tuple[_Q, asyncio.Future[_A]]]) -> None:
        """Compute a batch; if that fails, each request alone, so that an error costs its request alone."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self.compute, [request for request, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                if not batch[0][1].done():
                    batch[0][1].set_exception(error)
                return
            for one in batch:
                await self._compute([one])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
