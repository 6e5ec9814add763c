"""Activations in lanes against the NumPy ops, and tanh and sigmoid against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels._jit import set_num_threads
from npnet.ops.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from npnet.ops.piecewise import Hardsigmoid, Hardtanh
from npnet.ops.smooth import SELU_ALPHA, SELU_SCALE, Mish, ScaledELU, Softplus
from tests.kernels import oracle
from tests.lanes import by_lanes

OPS: dict[str, Any] = {
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "relu": ReLU,
    "leaky_relu": lambda: LeakyReLU(0.1),
    "hardtanh": lambda: Hardtanh(-0.5, 2.0),
    "hardsigmoid": Hardsigmoid,
    "celu": lambda: ScaledELU(0.5, 1.0, 2.0),
    "selu": lambda: ScaledELU(SELU_ALPHA, SELU_SCALE, 1.0),
    "softplus": lambda: Softplus(2.0, 3.0),
    "mish": Mish,
}

# 1 - y where y has rounded to just below 1: two units in the last place of y, times gy.
FLOAT32 = 2.5e-7
DENORMAL = float(np.finfo(np.float32).smallest_normal)  # below it, kernels may give zero
ULP = 2.0


def run(name: str, x: oracle.Array, gy: oracle.Array) -> tuple[oracle.Array, ...]:
    """y and gx."""
    return by_lanes.run(OPS[name](), x, gy=gy)


def check(name: str, x: oracle.Array, gy: oracle.Array) -> None:
    want = oracle.apply(OPS[name](), x, gy=gy)
    scale = max(1, np.abs(gy[np.isfinite(gy)]).max())
    for got, reference in zip(run(name, x, gy), want, strict=True):
        np.testing.assert_allclose(got, reference, rtol=FLOAT32, atol=FLOAT32 * scale)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.sampled_from([1, 15, 16, 17, 127]), st.integers(1, 5), st.integers(1, 40))
@pytest.mark.parametrize("name", OPS)
def test_random_shapes(name: str, n: int, channels: int, pixels: int) -> None:
    rng = np.random.default_rng(pixels)
    x, gy = rng.normal(0, 3, (2, n, channels, pixels, 3)).astype(np.float32)
    check(name, x, gy)


@pytest.mark.parametrize("name", OPS)
def test_what_is_not_finite_comes_through(name: str) -> None:
    special = [np.nan, np.inf, -np.inf, 0, -0.0, 3e38, -3e38, 20, -20, 1, -1]
    x, gy = (a.ravel().astype(np.float32) for a in np.meshgrid(special, special))
    check(name, x[:, None], gy[:, None])


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_ulp_over_all_magnitudes(name: str) -> None:
    bits = np.arange(0, 2**32, 509, np.uint64).astype(np.uint32)  # a prime: all last bits occur
    x = bits.view(np.float32)[np.isfinite(bits.view(np.float32))].reshape(-1, 1)
    y, _ = run(name, x, x)
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        want = np.tanh(wide) if name == "tanh" else 1 / (1 + np.exp(-wide))
    ulp = np.ldexp(1.0, np.frexp(want)[1] - 24)
    np.testing.assert_array_less(np.abs(y - want), ULP * ulp + 1.01 * DENORMAL)


@pytest.mark.parametrize("name", OPS)
def test_same_bits_for_any_number_of_threads(name: str) -> None:
    rng = np.random.default_rng(0)
    x, gy = rng.standard_normal((2, 100, 3, 17, 17), np.float32)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(run(name, x, gy))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
