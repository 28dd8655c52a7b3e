from itertools import islice

import numpy as np
import pytest

from corpora.echo import generate_echo


def test_the_signal_is_the_source_and_its_echo():
    examples = list(generate_echo(50, 1, 40, [2, 5, 9], strength=0.5))
    assert {example.lag for example in examples} == {2, 5, 9}
    for signal, lag, _ in examples:
        source = signal.astype(np.float64)
        for step in range(lag, 40):
            source[step] -= 0.5 * source[step - lag]
        assert np.abs(source).max() < 3**0.5 + 1e-5  # with another lag, the source would be larger somewhere


def test_the_lag_can_be_recovered():
    lags = [3, 4, 7]
    right = 0
    for signal, lag, _ in generate_echo(200, 2, 200, lags, noise=0.3):
        right += lags[int(np.argmax([signal[k:] @ signal[:-k] / len(signal[k:]) for k in lags]))] == lag
    assert right > 190


@pytest.mark.parametrize("bits", [True, False])
def test_the_aligned_target_is_the_signal_late(bits):
    for signal, lag, delayed in generate_echo(20, 3, 12, range(1, 12), strength=0, bits=bits):
        assert signal.dtype == delayed.dtype == np.float32
        np.testing.assert_array_equal(delayed, [*[0] * lag, *signal[: 12 - lag]])
        assert not bits or set(signal.tolist()) <= {0, 1}


def test_moments_are_as_promised():
    examples = list(generate_echo(300, 4, 200, [1], strength=0))
    signals = np.stack([example.signal for example in examples])
    assert abs(signals.mean()) < 0.02
    assert abs(signals.var() - 1) < 0.02
    noisy = np.stack([example.signal for example in generate_echo(300, 4, 200, [1], strength=0, noise=0.5)])
    assert abs((noisy - signals).std() - 0.5) < 0.01
    bits = np.stack([example.signal for example in generate_echo(300, 4, 200, [1], strength=0, bits=True)])
    assert abs(bits.mean() - 0.5) < 0.01


def test_a_seed_gives_these_examples_everywhere():
    first, second = generate_echo(2, 7, 4, [1, 2, 3], noise=0.1)
    again = list(islice(generate_echo(9, 7, 4, [1, 2, 3], noise=0.1), 2))
    assert [e.lag for e in again] == [first.lag, second.lag]
    np.testing.assert_array_equal([e.signal for e in again], [first.signal, second.signal])
    assert [first.lag, second.lag] == [3, 3]
    written = [
        [0.3641189932823181, 1.5053917169570923, 0.783622145652771, -0.6239617466926575],
        [-0.1301027089357376, -0.6807401180267334, -0.7490241527557373, -0.7330486178398132],
    ]
    np.testing.assert_array_equal([first.signal, second.signal], np.float32(written))
    other = next(generate_echo(1, 8, 4, [1, 2, 3], noise=0.1))
    assert not np.array_equal(other.signal, first.signal)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": -1}, "count=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"lags": []}, r"distinct lags from 1 to 9 \(length - 1\), got \(\)"),
        ({"lags": [0]}, "distinct lags"),
        ({"lags": [10]}, "distinct lags"),
        ({"lags": [3, 3]}, "distinct lags"),
    ],
)
def test_wrong_arguments_are_named_at_once(change, message):
    with pytest.raises(ValueError, match=message):
        generate_echo(**{"count": 1, "seed": 1, "length": 10, "lags": [1], **change})
