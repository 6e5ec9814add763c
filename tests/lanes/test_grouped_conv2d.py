"""Convolutions in lanes with groups and dilation, and transposed ones, against the NumPy ops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels._jit import set_num_threads
from npnet.ops.conv import Conv2d
from npnet.ops.conv_transpose import ConvTranspose2d
from npnet.ops.windows import Window
from npnet.tape import Function
from tests.kernels import oracle
from tests.lanes import by_lanes

DEPTHWISE = (1, 1)  # channels of a group that are seen, and that are made


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Those whose stride and dilation have no common divisor."""
    kernel, stride, dilation = (
        draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (4, 3, 3)
    )
    stride = tuple(s if math.gcd(s, d) == 1 else 1 for s, d in zip(stride, dilation, strict=True))
    around = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return Window(kernel, stride, (draw(around), draw(around)), dilation)  # type: ignore[arg-type] # pairs


@st.composite
def cases(draw: st.DrawFn) -> tuple[Window, int, tuple[int, int], tuple[int, ...]]:
    """A window, groups, channels of a group, and the images' shape without channels."""
    window = draw(windows())
    size = tuple(
        draw(st.integers(max(1, reach - sum(around)), 14))
        for reach, around in zip(window.extent, window.padding, strict=True)
    )
    channels = draw(st.sampled_from([DEPTHWISE, (1, 2), (3, 1), (5, 9), (17, 6)]))
    n = draw(st.sampled_from([1, 15, 16, 17, 33]))
    return window, draw(st.integers(1, 5)), channels, (n, *size)


def draw_arrays(
    window: Window, groups: int, channels: tuple[int, int], images: tuple[int, ...]
) -> list[oracle.Array]:
    """x, weight, bias, gy."""
    rng, (seen, made), (n, *size) = np.random.default_rng(0), channels, images
    shapes: list[tuple[int, ...]] = [
        (n, groups * seen, *size),
        (groups * made, seen, *window.kernel),
        (groups * made,),
        (n, groups * made, *window.output_size(tuple(size))),
    ]
    return [rng.standard_normal(s, dtype=np.float32) for s in shapes]


def assert_close(op: Function, *inputs: oracle.Array, gy: oracle.Array) -> None:
    got = by_lanes.run(op, *inputs, gy=gy, **({"fast": False} if type(op) is Conv2d else {}))
    exact = [a.astype(np.float64) for a in (*inputs, gy)]
    oracle.check(got, oracle.apply(op, *exact[:-1], gy=exact[-1]))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cases())
def test_groups_and_dilation(
    case: tuple[Window, int, tuple[int, int], tuple[int, ...]],
) -> None:
    window, groups, _, _ = case
    x, weight, bias, gy = draw_arrays(*case)
    assert_close(Conv2d(window, groups), x, weight, bias, gy=gy)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cases())
def test_transposed_ones_are_the_gradients(
    case: tuple[Window, int, tuple[int, int], tuple[int, ...]],
) -> None:
    window, groups, (seen, _), (_, *size) = case
    x, weight, _, gy = draw_arrays(*case)
    bias = np.linspace(-1, 1, groups * seen, dtype=np.float32)
    op = ConvTranspose2d(window, groups, tuple(size))  # type: ignore[arg-type] # a pair
    assert_close(op, gy, weight, bias, gy=x)


@pytest.mark.parametrize("n", [16, 40])
@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, 32), (3, 2, 15), (5, 1, 8)])
def test_depthwise_layers_of_networks(n: int, kernel: int, stride: int, size: int) -> None:
    around = (kernel // 2,) * 2
    window = Window((kernel, kernel), (stride, stride), (around, around))
    x, weight, bias, gy = draw_arrays(window, 20, DEPTHWISE, (n, size, size))
    assert_close(Conv2d(window, 20), x, weight, bias, gy=gy)


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(where: int, value: float) -> None:
    window = Window((3, 3), (2, 1), ((1, 1), (0, 0)), (1, 2))
    arrays = draw_arrays(window, 4, DEPTHWISE, (17, 6, 7))
    arrays[where].flat[7 % arrays[where].size] = value
    assert_close(Conv2d(window, 4), *arrays[:3], gy=arrays[3])


def test_same_bits_for_any_number_of_threads() -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    *inputs, gy = draw_arrays(window, 6, (2, 3), (200, 9, 9))
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(by_lanes.run(Conv2d(window, 6), *inputs, gy=gy, fast=False))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
