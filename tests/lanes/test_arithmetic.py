"""Sums and products in lanes against NumPy: one operation on each number, so the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.base.arrays import Array
from npnet.kernels._jit import set_num_threads
from npnet.ops.arithmetic import Add, Gate, Mul, Scale
from tests.kernels import oracle
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


# ---- a number for each channel of an image -----------------------------------------------------

# Sums of some thousand products in float32, relative to the largest.
FLOAT32 = 1e-6


def check_gate(x: Array, gate: Array, gy: Array) -> None:
    y, gx, ggate = by_lanes.run(Gate(), x, gate, gy=gy)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(y, x * gate)
        np.testing.assert_array_equal(gx, gy * gate)
    want = oracle.apply(Gate(), *(a.astype(np.float64) for a in (x, gate)), gy=gy)[2]
    largest = np.abs(gy.astype(np.float64) * x).sum((2, 3))
    scale = float(largest[np.isfinite(largest)].max(initial=0))
    np.testing.assert_allclose(ggate, want, rtol=0, atol=FLOAT32 * scale)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.sampled_from([1, 15, 16, 17, 127]), st.integers(1, 9), st.integers(1, 70))
def test_gates_of_random_shapes(n: int, channels: int, height: int) -> None:
    rng = np.random.default_rng(n)
    x, gy = rng.standard_normal((2, n, channels, height, 7), np.float32)
    check_gate(x, rng.standard_normal((n, channels, 1, 1), np.float32), gy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through_gates(value: float) -> None:
    x, gy = np.random.default_rng(0).standard_normal((2, 17, 3, 2, 2), np.float32)
    gate = np.ones((17, 3, 1, 1), np.float32)
    x[3, 0, 1, 0] = gy[5, 1, 0, 0] = gate[16, 2] = value
    check_gate(x, gate, gy)


def test_gates_have_the_same_bits_for_any_number_of_threads() -> None:
    x, gy = np.random.default_rng(0).standard_normal((2, 100, 3, 17, 17), np.float32)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(by_lanes.run(Gate(), x, x[..., :1, :1], gy=gy))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
