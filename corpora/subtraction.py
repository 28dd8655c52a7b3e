"""Subtraction of binary numbers as sequences of bits, least significant first, so that borrows propagate forward."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpora.errors import quoted


class Subtraction(NamedTuple):
    """A subtraction of two numbers of T bits, least significant bit first.

    Attributes:
        numbers: (T, 2) bits of both numbers; the first number is not the smaller one.
        difference: (T,) bits of the difference.
    """

    numbers: NDArray[np.int64]
    difference: NDArray[np.int64]


def to_bits(number: int, length: int) -> NDArray[np.int64]:
    """Convert a number to ``length`` bits, least significant first.

    >>> to_bits(6, 4).tolist()
    [0, 1, 1, 0]

    Raises:
        ValueError: the number is negative, or has more than ``length`` bits.
    """
    if number < 0 or number.bit_length() > length:
        raise ValueError(f"expected a number from 0 to 2 ** {length} - 1, got {quoted(hex(number))}")
    content = np.frombuffer(number.to_bytes((length + 7) // 8, "little"), np.uint8)
    return np.unpackbits(content, count=length, bitorder="little").astype(np.int64)


def from_bits(bits: Sequence[int] | NDArray) -> int:
    """Convert bits, least significant first, to a number; the inverse of `to_bits`.

    >>> from_bits([0, 1, 1, 0])
    6

    Raises:
        ValueError: ``bits`` is not one-dimensional or has values other than 0 and 1.
    """
    row = np.asarray(bits)
    if row.ndim != 1 or not np.isin(row, (0, 1)).all():
        raise ValueError(f"expected a one-dimensional sequence of zeros and ones, got {quoted(str(bits))}")
    return int.from_bytes(np.packbits(row.astype(np.bool_), bitorder="little").tobytes(), "little")


def subtraction_of(first: int, second: int, length: int) -> Subtraction:
    """Make the example of ``first - second``.

    >>> example = subtraction_of(6, 1, 4)
    >>> example.numbers.tolist(), example.difference.tolist()
    ([[0, 1], [1, 0], [1, 0], [0, 0]], [1, 0, 1, 0])

    Raises:
        ValueError: the difference is negative, or a number is negative or has more bits than ``length``.
    """
    numbers = np.stack([to_bits(first, length), to_bits(second, length)], axis=1)
    return Subtraction(numbers, to_bits(first - second, length))


def generate_subtraction(count: int, seed: int, length: int) -> Iterator[Subtraction]:
    """Generate distinct random subtractions; reproducible by the seed on every Python version.

    Both numbers are uniform, and exchanged if the first is the smaller one. Borrows then seldom propagate further than
    some log2(length) bits, so long numbers take many short steps rather than long memory.

    Args:
        count: number of examples.
        seed: random seed.
        length: number T of bits.

    Raises:
        ValueError: ``count`` is negative or larger than the number of different examples, or ``length`` is below 1.
    """
    if count < 0 or length < 1:
        raise ValueError(f"expected count >= 0 and length >= 1, got count={count}, length={length}")
    if count > (there := 2 ** (length - 1) * (2**length + 1)):
        raise ValueError(f"expected a count of at most {there:,}, the examples of {length} bits, got {count:,}")
    return _generate(count, Random(seed), length)


def _generate(count: int, random: Random, length: int) -> Iterator[Subtraction]:
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        one, other = _draw(random, length), _draw(random, length)
        pair = max(one, other), min(one, other)
        if pair not in seen:
            seen.add(pair)
            yield subtraction_of(*pair, length)


def _draw(random: Random, length: int) -> int:
    # Of `Random`, Python guarantees only the seeding and `random()` to be the same in every version.
    return int("".join("01"[random.random() < 0.5] for _ in range(length)), 2)
