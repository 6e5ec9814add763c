"""Pooling in lanes against the NumPy ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.kernels._jit import set_num_threads
from npnet.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from npnet.ops.windows import Pair, Window
from tests.kernels import oracle
from tests.lanes import by_lanes

# Sums of a hundred numbers near 1 in another order, and a division by way of the reciprocal.
FLOAT32 = 1e-5

batches = st.sampled_from([1, 15, 16, 17, 127])
sizes = st.tuples(st.integers(1, 11), st.integers(1, 11))


@st.composite
def windows(draw: Any, dilated: bool) -> tuple[Window, Pair]:
    """A window as max_pool2d and avg_pool2d accept it, and an image that holds one."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    pads = [draw(st.integers(0, k // 2)) for k in kernel]
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilated else (1, 1)
    around = ((pads[0], pads[0]), (pads[1], pads[1]))
    window = Window(kernel, stride, around, dilation, draw(st.booleans()))
    more = draw(sizes)
    size = tuple(
        max(1, e - 2 * p) + m - 1 for e, p, m in zip(window.extent, pads, more, strict=True)
    )
    return window, (size[0], size[1])


def draw_arrays(op: Any, n: int, channels: int, size: Pair) -> tuple[oracle.Array, oracle.Array]:
    rng = np.random.default_rng(n)
    x = rng.integers(-3, 4, (n, channels, *size)).astype(np.float32)  # ties are frequent
    return x, rng.standard_normal(op(npnet.as_tensor(x)).shape, np.float32)


def check(op: Any, x: oracle.Array, gy: oracle.Array) -> None:
    got = by_lanes.run(op, x, gy=gy)
    for a, b in zip(got, oracle.apply(op, x, gy=gy), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=FLOAT32, atol=FLOAT32)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(batches, st.integers(1, 3), windows(True))
def test_max_pool2d(n: int, channels: int, where: tuple[Window, Pair]) -> None:
    window, size = where
    x, gy = draw_arrays(MaxPool2d(window), n, channels, size)
    check(MaxPool2d(window), x, gy)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(batches, st.integers(1, 3), windows(False), st.booleans(), st.sampled_from([None, 3, -2]))
def test_avg_pool2d(
    n: int, channels: int, where: tuple[Window, Pair], pads: bool, divisor: int | None
) -> None:
    window, size = where
    op = AvgPool2d(window, pads, divisor)
    x, gy = draw_arrays(op, n, channels, size)
    check(op, x, gy)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(batches, st.integers(1, 3), sizes, sizes)
def test_adaptive_avg_pool2d(n: int, channels: int, size: Pair, wanted: Pair) -> None:
    op = AdaptiveAvgPool2d(wanted)
    x, gy = draw_arrays(op, n, channels, size)
    check(op, x, gy)


def test_max_pool2d_of_a_window_of_more_places_than_a_byte_counts() -> None:
    window = Window((17, 18), (2, 3))
    x = np.random.default_rng(0).standard_normal((3, 2, 21, 24), np.float32)
    _, gy = draw_arrays(MaxPool2d(window), 3, 2, (21, 24))
    check(MaxPool2d(window), x, gy)


def test_planes_whose_next_rows_are_fetched_early() -> None:
    window = Window((3, 3), (2, 2), ((1, 1), (1, 1)))
    x, gy = draw_arrays(MaxPool2d(window), 17, 2, (47, 50))
    check(MaxPool2d(window), x, gy)


SPECIAL = (np.nan, np.inf, -np.inf)


POOLS: dict[str, Any] = {
    "max_pool2d": MaxPool2d,
    "avg_pool2d": lambda window: AvgPool2d(window, True, None),
}


@pytest.mark.parametrize(
    "window", [Window((2, 2), (2, 2)), Window((3, 3), (2, 2), ((1, 1), (1, 1)))], ids=["2x2", "3x3"]
)
@pytest.mark.parametrize("name", POOLS)
def test_what_is_not_finite_comes_through(name: str, window: Window) -> None:
    rng = np.random.default_rng(0)
    x = rng.choice([*SPECIAL, 0.0, 1.0], (17, 2, 6, 6)).astype(np.float32)
    x[3] = -np.inf
    x[4] = np.nan
    gy = rng.choice([*SPECIAL, 1.0], MaxPool2d(window)(npnet.as_tensor(x)).shape).astype(np.float32)
    check(POOLS[name](window), x, gy)


@pytest.mark.parametrize("name", POOLS)
def test_same_bits_for_any_number_of_threads(name: str) -> None:
    window = Window((3, 3), (2, 2), ((1, 1), (1, 1)))
    x = np.random.default_rng(0).standard_normal((100, 3, 17, 17), np.float32)
    _, gy = draw_arrays(MaxPool2d(window), 100, 3, (17, 17))
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(by_lanes.run(POOLS[name](window), x, gy=gy))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
