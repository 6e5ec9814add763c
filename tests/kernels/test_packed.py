"""Convolutions with packed pixels, direct and by phases, against the NumPy op and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes
from npnet.kernels._jit import set_num_threads
from npnet.kernels.linear import NO_BIAS
from npnet.lanes import packed
from npnet.lanes.plan import Buffer, Loop
from npnet.ops.windows import Window
from tests.kernels import oracle
from tests.lanes.test_conv2d import assert_epilogue, draw_arrays, kernels

HALVES = Window((3, 3), (2, 2), ((1, 1), (1, 1)))

# By phases, weights and pixels are added up before they are multiplied, and sums cancel: the root
# of the mean square of errors is twice that of direct sums in short runs.
MORE = 2.5


def run(
    arrays: list[oracle.Array], window: Window, by_phases: bool
) -> tuple[oracle.Array, oracle.Array]:
    """y and gx by the kernels themselves, whatever the number of channels."""
    x, weight, bias, gy = arrays
    n = len(x)
    y, gx = (Buffer(lanes.to_lanes(np.full_like(a, np.nan))) for a in (gy, x))
    out, images, gradients = Loop(n), Buffer(lanes.to_lanes(x)), Buffer(lanes.to_lanes(gy))
    if by_phases:
        assert packed.correlate_phases(images, weight, bias, window, y, False, out)
        assert packed.correlate_phases(gradients, weight, NO_BIAS, window, gx, True, out)
    else:
        packed.correlate(images, weight, bias, window, y, False, out)
        packed.correlate(gradients, weight, NO_BIAS, window, gx, True, out)
    return lanes.from_lanes(y.array, n), lanes.from_lanes(gx.array, n)


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], int, Window]:
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    around = st.tuples(st.integers(0, 3), st.integers(0, 3))
    padding = (draw(around), draw(around))
    size = tuple(
        draw(st.integers(max(1, k - sum(p)), 11)) for k, p in zip(kernel, padding, strict=True)
    )
    n = draw(st.sampled_from([1, 15, 16, 17, 33, 127]))
    channels, outputs = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return (n, channels, *size), outputs, Window(kernel, stride, padding)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(cases())
def test_random_windows(case: tuple[tuple[int, ...], int, Window]) -> None:
    shape, outputs, window = case
    arrays = draw_arrays(shape, outputs, window)
    oracle.check(run(arrays, window, False), oracle.conv2d(*arrays, window)[:2])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    n=st.sampled_from([1, 15, 16, 17, 33]),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 40),
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    padding=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
)
def test_random_sizes_by_phases(
    n: int,
    channels: int,
    outputs: int,
    size: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    window = Window((3, 3), (2, 2), padding)
    arrays = draw_arrays((n, channels, *size), outputs, window)
    oracle.check(run(arrays, window, True), oracle.conv2d(*arrays, window)[:2])


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(
    ("n", "channels", "size", "outputs"),
    [
        (16, 300, 7, 40),  # several runs of channels
        (3, 64, 40, 136),  # several parts of a block
        (100, 16, 32, 32),
        (17, 40, 15, 24),
    ],
)
def test_layers_of_networks(n: int, channels: int, size: int, outputs: int, kernel: int) -> None:
    window = Window((kernel, kernel), (2, 2), ((kernel // 2, kernel // 2),) * 2)
    arrays = draw_arrays((n, channels, size, size), outputs, window)
    for fast in (False, True):
        got = kernels(*arrays, window, fast=fast)
        oracle.check(got, oracle.conv2d(*arrays, window))
    got = run(arrays, window, kernel == 3)
    oracle.check(got, oracle.conv2d(*arrays, window)[:2])


def test_as_pytorch() -> None:
    arrays = draw_arrays((17, 48, 14, 14), 32, HALVES)
    x, weight, bias, gy = (torch.from_numpy(a) for a in arrays)
    x.requires_grad_()
    y = torch.nn.functional.conv2d(x, weight, bias, 2, 1)
    (gx,) = torch.autograd.grad(y, x, gy)
    want = y.detach().numpy(), gx.numpy()
    for by_phases in (False, True):
        oracle.check(run(arrays, HALVES, by_phases), want)


def test_errors_by_phases_are_little_more_than_those_of_direct_sums() -> None:
    arrays = draw_arrays((16, 96, 12, 12), 96, HALVES)
    want = oracle.conv2d(*arrays, HALVES)[:2]
    errors = [
        [float(np.sqrt(np.mean((a - b) ** 2))) for a, b in zip(got, want, strict=True)]
        for got in (run(arrays, HALVES, False), run(arrays, HALVES, True))
    ]
    for direct, by_phases in zip(*errors, strict=True):
        assert by_phases <= MORE * direct


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(where: int, value: float, fast: bool) -> None:
    arrays = draw_arrays((17, 32, 6, 6), 32, HALVES)
    arrays[where].flat[7] = value
    got = kernels(*arrays, HALVES, fast=fast)
    oracle.check(got, oracle.conv2d(*arrays, HALVES))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("n", [16, 17, 100])
@pytest.mark.parametrize("channels", [24, 40])
def test_residual_and_relu(n: int, channels: int, fast: bool) -> None:
    assert_epilogue((n, channels, 9, 9), 26, HALVES, fast)


@pytest.mark.parametrize("by_phases", [False, True])
@pytest.mark.parametrize("n", [16, 40, 200])
def test_same_bits_for_any_number_of_threads(n: int, by_phases: bool) -> None:
    arrays = draw_arrays((n, 40, 13, 13), 33, HALVES)
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(run(arrays, HALVES, by_phases))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
