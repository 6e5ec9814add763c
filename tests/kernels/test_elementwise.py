"""Sums and products in lanes against NumPy: one operation on each number, so the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import elementwise, lanes
from npnet.kernels._jit import set_num_threads
from tests.kernels import oracle

FACTOR = np.float32(0.3)


def run(a: oracle.Array, b: oracle.Array, bias: oracle.Array) -> list[oracle.Array]:
    x, y = oracle.spoiled(a), oracle.spoiled(b)
    results = [
        elementwise.add(x, y),
        elementwise.multiply(x, y),
        elementwise.scale(x, float(FACTOR)),
        elementwise.add_bias(x, bias),
    ]
    return [lanes.from_lanes(result, len(a)) for result in results]


def check(a: oracle.Array, b: oracle.Array, bias: oracle.Array) -> None:
    by_channel = bias.reshape(-1, *[1] * (a.ndim - 2))
    with np.errstate(all="ignore"):
        want = a + b, a * b, a * FACTOR, a + by_channel
    for x, y in zip(run(a, b, bias), want, strict=True):
        np.testing.assert_array_equal(x, y)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.sampled_from([1, 15, 16, 17, 127]), st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_random_shapes(n: int, axes: list[int]) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal((2, n, *axes), np.float32)
    check(a, b, rng.standard_normal(axes[0], np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(value: float) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 17, 3, 2), np.float32)
    a[3, 0, 1] = b[5] = value
    check(a, b, np.array([value, 0, 1], np.float32))


def test_same_bits_for_any_number_of_threads() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 100, 3, 17, 17), np.float32)
    bias, results = np.arange(3, dtype=np.float32), []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(run(a, b, bias))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
