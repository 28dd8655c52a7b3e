"""Subtraction of binary numbers, bit by bit from the least significant, so that a borrow only ever goes forward."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpora.errors import quoted


class Subtraction(NamedTuple):
    """Two numbers of T bits, (T, 2), the first not the smaller, and their difference, (T,); least significant first."""

    numbers: NDArray[np.int64]
    difference: NDArray[np.int64]


def to_bits(number: int, length: int) -> NDArray[np.int64]:
    """The ``length`` bits of a number, least significant first.

    >>> to_bits(6, 4).tolist()
    [0, 1, 1, 0]

    Raises:
        ValueError: the number is negative, or has more bits.
    """
    if number < 0 or number.bit_length() > length:
        raise ValueError(f"expected a number from 0 to 2 ** {length} - 1, got {quoted(hex(number))}")
    content = np.frombuffer(number.to_bytes((length + 7) // 8, "little"), np.uint8)
    return np.unpackbits(content, count=length, bitorder="little").astype(np.int64)


def from_bits(bits: Sequence[int] | NDArray) -> int:
    """The number with these bits, least significant first.

    >>> from_bits([0, 1, 1, 0])
    6

    Raises:
        ValueError: not a row of zeros and ones.
    """
    row = np.asarray(bits)
    if row.ndim != 1 or not np.isin(row, (0, 1)).all():
        raise ValueError("expected a row of zeros and ones")
    return int.from_bytes(np.packbits(row.astype(np.bool_), bitorder="little").tobytes(), "little")


def subtraction_of(first: int, second: int, length: int) -> Subtraction:
    """The example of ``first - second``.

    >>> example = subtraction_of(6, 1, 4)
    >>> example.numbers.tolist(), example.difference.tolist()
    ([[0, 1], [1, 0], [1, 0], [0, 0]], [1, 0, 1, 0])

    Raises:
        ValueError: the difference is negative, or a number is negative or has more bits than ``length``.
    """
    numbers = np.stack([to_bits(first, length), to_bits(second, length)], axis=1)
    return Subtraction(numbers, to_bits(first - second, length))


def generate_subtraction(count: int, seed: int, length: int) -> Iterator[Subtraction]:
    """``count`` distinct examples of ``length`` bits; the same for the same arguments, everywhere.

    Both numbers are drawn from all of that many bits, and exchanged where the first is the smaller. A borrow is then
    seldom carried further than some log2(length) bits: to be right on long numbers is to do a short step often.

    Raises:
        ValueError: a negative count, a length below 1, or more examples than there are of that length.
    """
    if count < 0 or length < 1:
        raise ValueError(f"expected count >= 0 and length >= 1, got count={count}, length={length}")
    if count > (there := 2 ** (length - 1) * (2**length + 1)):
        raise ValueError(f"there are {there:,} examples of {length} bits, not {count:,}")
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
    # Of `Random`, only `random()` and the seeding are promised to give the same on every version of Python.
    return int("".join("01"[random.random() < 0.5] for _ in range(length)), 2)
