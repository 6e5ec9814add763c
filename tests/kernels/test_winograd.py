"""Winograd kernels against the NumPy op, and the direct kernels where Winograd's are of no use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes
from npnet.kernels._jit import set_num_threads
from npnet.kernels.linear import NO_BIAS
from npnet.lanes import weight_gradient, winograd
from npnet.lanes.plan import Buffer, Loop
from npnet.ops.windows import Window
from tests.kernels import oracle
from tests.lanes.test_conv2d import draw_arrays, kernels

# The transforms' coefficients reach 8 and cancel: up to ten times a direct convolution's error.
WINOGRAD = 1e-4


def run(arrays: list[oracle.Array], window: Window) -> tuple[oracle.Array, ...]:
    """y, gx, gweight, gbias by Winograd's kernels themselves, whatever the number of channels."""
    x, weight, bias, gy = arrays
    n, (top, left) = len(x), (window.padding[0][0], window.padding[1][0])
    y, gx = lanes.to_lanes(np.zeros_like(gy)), lanes.to_lanes(np.zeros_like(x))
    x, gy = lanes.to_lanes(x), lanes.to_lanes(gy)
    out, before = Loop(n), (2 - top, 2 - left)
    assert winograd.correlate(Buffer(x), weight, bias, (top, left), Buffer(y), False, out)
    assert winograd.correlate(Buffer(gy), weight, NO_BIAS, before, Buffer(gx), True, out)
    images = Buffer(oracle.spoiled(lanes.from_lanes(x, n)))
    gradients = Buffer(oracle.spoiled(lanes.from_lanes(gy, n)))
    chunks = min(2, len(x))
    gweight = winograd.backward_weight(images, gradients, (top, left), chunks, out)
    _, gbias = weight_gradient.backward_weight(images, gradients, window, out)
    return lanes.from_lanes(y, n), lanes.from_lanes(gx, n), gweight, gbias


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    n=st.sampled_from([1, 15, 16, 17, 33]),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 40),
    size=st.tuples(st.integers(3, 11), st.integers(3, 11)),
    padding=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
)
def test_random_sizes(
    n: int,
    channels: int,
    outputs: int,
    size: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    window = Window((3, 3), (1, 1), padding)
    arrays = draw_arrays((n, channels, *size), outputs, window)
    oracle.check(run(arrays, window), oracle.conv2d(*arrays, window), WINOGRAD)


@pytest.mark.parametrize(("channels", "size"), [(16, 16), (32, 16), (64, 8), (128, 7)])
def test_layers_of_networks(channels: int, size: int) -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    arrays = draw_arrays((32, channels, size, size), channels, window)
    got = kernels(*arrays, window, fast=True)
    oracle.check(got, oracle.conv2d(*arrays, window), WINOGRAD)


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(where: int, value: float) -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    arrays = draw_arrays((17, 24, 6, 6), 24, window)
    arrays[where].flat[7] = value
    got = kernels(*arrays, window, fast=True)
    oracle.check(got, oracle.conv2d(*arrays, window), WINOGRAD)


def test_same_bits_for_any_number_of_threads() -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    arrays = draw_arrays((100, 24, 9, 9), 32, window)
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(kernels(*arrays, window, fast=True))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
