"""PReLU in lanes against the NumPy op in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.base.arrays import Array
from npnet.kernels._jit import set_num_threads
from npnet.ops.piecewise import PReLU
from tests.kernels import oracle
from tests.lanes import by_lanes

# The slopes' gradients are sums of up to some ten thousand products, relative to their sizes' sum.
FLOAT32 = 1e-6


def check(x: Array, weight: Array, gy: Array) -> None:
    y, gx, gweight = by_lanes.run(PReLU(), x, weight, gy=gy)
    with np.errstate(all="ignore"):
        slope = weight.reshape(-1, *[1] * (x.ndim - 2)) if weight.size > 1 else weight.reshape(())
        np.testing.assert_array_equal(y, np.where(x > 0, x, x * slope))
        np.testing.assert_array_equal(gx, np.where(x > 0, gy, gy * slope))
    wide = [a.astype(np.float64) for a in (x, weight)]
    want = oracle.apply(PReLU(), *wide, gy=gy.astype(np.float64))[2]
    assert gweight.shape == weight.shape
    products = np.abs(wide[0] * gy)
    scale = float(products[np.isfinite(products)].sum()) / weight.size
    np.testing.assert_allclose(gweight, want, rtol=0, atol=FLOAT32 * scale)


def draw(n: int, *axes: int) -> tuple[Array, Array]:
    x, gy = np.random.default_rng(n).standard_normal((2, n, *axes), np.float32)
    x.flat[0], x.flat[-1] = 0.0, -0.0
    return x, gy


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.sampled_from([1, 15, 16, 17, 127]),
    st.integers(1, 9),
    st.sampled_from([[], [5], [9, 5], [70, 5]]),
    st.booleans(),
)
def test_random_shapes(n: int, channels: int, pixels: list[int], shared: bool) -> None:
    x, gy = draw(n, channels, *pixels)
    weight = np.linspace(-1, 2, 1 if shared else channels, dtype=np.float32)
    check(x, weight, gy)


def test_a_slope_that_is_a_number() -> None:
    x, gy = draw(17, 3, 4, 4)
    check(x, np.array(0.25, np.float32), gy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shared", [False, True])
def test_what_is_not_finite_comes_through(value: float, shared: bool) -> None:
    x, gy = draw(17, 3, 2, 2)
    x[3, 0, 1, 0] = gy[5, 1, 0, 0] = value
    weight = np.full(1 if shared else 3, 0.5, np.float32)
    check(x, weight, gy)
    weight[-1] = value
    check(x, weight, gy)


def test_same_bits_for_any_number_of_threads() -> None:
    x, gy = draw(100, 3, 17, 17)
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(by_lanes.run(PReLU(), x, np.full(3, 0.3, np.float32), gy=gy))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
