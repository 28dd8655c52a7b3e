"""Echo detection: generated random signals with an echo.

The signal of a random source s is ``x[t] = s[t] + strength * s[t - lag] + noise``. Each example serves two tasks:

- many to one: predict the lag from the signal x;
- many to many, aligned: output the signal ``lag`` steps late, ``y[t] = x[t - lag]``. With a single lag, no echo and a
  binary source this is the usual test of memory: ``generate_echo(count, seed, 50, [3], strength=0, bits=True)``.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROOT_OF_THREE = 3.0**0.5  # uniform numbers between -sqrt(3) and sqrt(3) have variance 1


class Echo(NamedTuple):
    """A signal with an echo.

    Attributes:
        signal: (T,) the signal of T steps.
        lag: lag of the echo, in steps.
        delayed: (T,) the signal ``lag`` steps late; 0 in the first ``lag`` steps.
    """

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
    """Generate random signals with an echo; reproducible by the seed on every platform.

    The lags are equally likely; as a class, that of an example is ``lags.index(example.lag)``.

    Args:
        count: number of examples.
        seed: random seed, 0 or more.
        length: number T of steps of a signal.
        lags: possible lags, each from 1 to ``length - 1``.
        strength: amplitude of the echo relative to the source.
        noise: standard deviation of the noise, which is uniform.
        bits: use a source of random bits, 0 and 1; otherwise it is uniform with mean 0 and variance 1.

    Raises:
        ValueError: ``count``, ``seed`` or ``noise`` is negative, or ``lags`` is empty, has repetitions, or a lag below
            1 or not less than ``length``.
    """
    lags = tuple(lags)
    if count < 0 or seed < 0 or not noise >= 0:
        raise ValueError(f"expected count, seed and noise >= 0, got count={count}, seed={seed}, noise={noise}")
    if not lags or len(set(lags)) < len(lags) or not all(0 < lag < length for lag in lags):
        raise ValueError(f"expected distinct lags from 1 to {length - 1} (length - 1), got {lags}")
    return _generate(count, seed, length, lags, strength, noise, bits)


def _generate(
    count: int, seed: int, length: int, lags: tuple[int, ...], strength: float, noise: float, bits: bool
) -> Iterator[Echo]:
    # NumPy keeps the raw output of PCG64 stable across versions, but not the distributions computed from it.
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
