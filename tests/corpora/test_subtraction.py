import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.subtraction import from_bits, generate_subtraction, subtraction_of, to_bits

numbers = st.integers(0, 2**300 - 1)


@given(numbers, st.integers(0, 20))
def test_bits_and_back(number, more):
    bits = to_bits(number, number.bit_length() + more)
    assert bits.shape == (number.bit_length() + more,)
    assert bits.tolist() == [number >> place & 1 for place in range(len(bits))]
    assert from_bits(bits) == from_bits(bits.tolist()) == number


@given(numbers, numbers)
def test_the_difference_is_right_bit_by_bit(one, other):
    example = subtraction_of(max(one, other), min(one, other), 300)
    borrow = 0
    for (first, second), bit in zip(example.numbers.tolist(), example.difference.tolist(), strict=True):
        assert bit == (first - second - borrow) % 2
        borrow = int(first - second - borrow < 0)
    assert not borrow
    assert from_bits(example.difference) == abs(one - other)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_all_examples_of_a_length(length):
    count = sum(range(2**length + 1))
    found = {
        tuple(from_bits(column) for column in example.numbers.T) for example in generate_subtraction(count, 1, length)
    }
    assert found == {(first, second) for first in range(2**length) for second in range(first + 1)}
    with pytest.raises(ValueError, match=f"a count of at most {count}, the examples of {length} bits, got {count + 1}"):
        generate_subtraction(count + 1, 1, length)


def test_hundreds_of_bits():
    examples = list(generate_subtraction(100, 2, 512))
    assert all(example.numbers.shape == (512, 2) and example.difference.shape == (512,) for example in examples)
    assert all(example.numbers.dtype == example.difference.dtype == np.int64 for example in examples)
    for example in examples:
        first, second = (from_bits(column) for column in example.numbers.T)
        assert first - second == from_bits(example.difference) >= 0
    assert 0.48 < np.mean([example.numbers for example in examples]) < 0.52


def test_a_seed_gives_these_examples_everywhere():
    pairs = [tuple(from_bits(column) for column in example.numbers.T) for example in generate_subtraction(4, 7, 16)]
    assert pairs == [(55035, 5609), (30408, 23428), (61123, 18971), (40824, 4335)]


@pytest.mark.parametrize(("number", "length"), [(-1, 4), (16, 4), (1, 0)])
def test_numbers_that_do_not_fit(number, length):
    with pytest.raises(ValueError, match=rf"a number from 0 to 2 \*\* {length} - 1, got '{hex(number)}'"):
        to_bits(number, length)


@pytest.mark.parametrize("bits", [[0, 2], [[0, 1]], [0.5]])
def test_what_are_no_bits(bits):
    with pytest.raises(ValueError, match="a one-dimensional sequence of zeros and ones, got"):
        from_bits(bits)


def test_wrong_arguments_are_named_at_once():
    with pytest.raises(ValueError, match="count=-1"):
        generate_subtraction(-1, 1, 4)
    with pytest.raises(ValueError, match="length=0"):
        generate_subtraction(1, 1, 0)
    with pytest.raises(ValueError, match="got '-0x1'"):
        subtraction_of(1, 2, 4)
