"""Sums and products in lanes against NumPy: one operation on each number, so the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.base.arrays import Array
from npnet.kernels._jit import set_num_threads
from npnet.ops.arithmetic import Add, Mul, Scale
from tests.lanes import by_lanes

FACTOR = np.float32(0.3)


def run(a: Array, b: Array, gy: Array) -> list[Array]:
    """The sum, the product and the multiple, and after each the gradients of its inputs."""
    return [
        *by_lanes.run(Add(), a, b, gy=gy),
        *by_lanes.run(Mul(), a, b, gy=gy),
        *by_lanes.run(Scale(float(FACTOR)), a, gy=gy),
    ]


def check(a: Array, b: Array, gy: Array) -> None:
    with np.errstate(all="ignore"):
        want = a + b, gy, gy, a * b, gy * b, gy * a, a * FACTOR, gy * FACTOR
    for x, y in zip(run(a, b, gy), want, strict=True):
        np.testing.assert_array_equal(x, y)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.sampled_from([1, 15, 16, 17, 127]), st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_random_shapes(n: int, axes: list[int]) -> None:
    rng = np.random.default_rng(n)
    check(*rng.standard_normal((3, n, *axes), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(value: float) -> None:
    a, b, gy = np.random.default_rng(0).standard_normal((3, 17, 3, 2), np.float32)
    a[3, 0, 1] = b[5] = gy[7, 2] = value
    check(a, b, gy)


def test_same_bits_for_any_number_of_threads() -> None:
    arrays = np.random.default_rng(0).standard_normal((3, 100, 3, 17, 17), np.float32)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(run(*arrays))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
