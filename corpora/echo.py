"""Echo detection: a random signal with its own echo, made from a seed.

Two tasks are in one example. Many to one: recover from the signal x the lag at which its echo comes back, where
``x[t] = s[t] + strength * s[t - lag] + noise`` of a random source s. Many to many, aligned: give back at each step what
came ``lag`` steps before, ``y[t] = x[t - lag]``; it is the usual test of memory with one lag, no echo in the signal and
bits for a source, as of ``generate_echo(count, seed, 50, [3], strength=0, bits=True)``.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROOT_OF_THREE = 3.0**0.5  # uniform numbers from minus this to this have a variance of 1


class Echo(NamedTuple):
    """A signal of T steps, (T,) in float32, the lag of its echo, and the signal ``lag`` steps late, 0 before it."""

    signal: NDArray[np.float32]
    lag: int
    delayed: NDArray[np.float32]


def generate_echo(
    count: int,
    seed: int,
    length: int,
    lags: Sequence[int],
    *,
    strength: float = 0.5,
    noise: float = 0.0,
    bits: bool = False,
) -> Iterator[Echo]:
    """``count`` examples; the same for the same arguments, everywhere.

    The lags are equally likely, and the class of an example is ``lags.index(example.lag)``.

    Args:
        count: how many.
        seed: of the random numbers, 0 or more.
        length: how many steps a signal has.
        lags: those that there may be, each from 1 to ``length - 1``.
        strength: of the echo, as a multiple of the source.
        noise: the standard deviation of what is added to the signal, uniformly distributed.
        bits: whether the source is of zeros and ones; if not, it is uniform with mean 0 and variance 1.

    Raises:
        ValueError: a negative count, seed or noise, or no lags, the same one twice, or one that the signal is too
            short for.
    """
    lags = tuple(lags)
    if count < 0 or seed < 0 or not noise >= 0:
        raise ValueError(f"expected count, seed and noise >= 0, got count={count}, seed={seed}, noise={noise}")
    if not lags or len(set(lags)) < len(lags) or not all(0 < lag < length for lag in lags):
        raise ValueError(f"expected distinct lags from 1 to {length - 1}, one less than the length, got {lags}")
    return _generate(count, seed, length, lags, strength, noise, bits)


def _generate(
    count: int, seed: int, length: int, lags: tuple[int, ...], strength: float, noise: float, bits: bool
) -> Iterator[Echo]:
    # NumPy promises the same raw words of PCG64 in every version, but not the same numbers made from them.
    words = np.random.PCG64(seed)
    for _ in range(count):
        uniform = (words.random_raw(2 * length + 1) >> np.uint64(11)) * 2.0**-53  # 0 <= uniform < 1
        lag = lags[int(len(lags) * uniform[-1])]
        source = np.floor(2 * uniform[:length]) if bits else _ROOT_OF_THREE * (2 * uniform[:length] - 1)
        added = noise * (_ROOT_OF_THREE * (2 * uniform[length:-1] - 1))
        signal = (source + strength * _late(source, lag) + added).astype(np.float32)
        yield Echo(signal, lag, _late(signal, lag))


def _late(signal: NDArray, lag: int) -> NDArray:
    result = np.zeros_like(signal)
    result[lag:] = signal[:-lag]
    return result
