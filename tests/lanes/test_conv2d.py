"""Convolution in lanes against the NumPy op."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.kernels import activation, elementwise, lanes
from npnet.kernels._jit import set_num_threads
from npnet.lanes.convolve import convolve
from npnet.lanes.plan import Buffer, Loop, by_spans
from npnet.ops.conv import Conv2d
from npnet.ops.windows import Window
from tests.kernels import oracle
from tests.lanes import by_lanes


def kernels(
    x: oracle.Array,
    weight: oracle.Array,
    bias: oracle.Array,
    gy: oracle.Array,
    window: Window,
    fast: bool = False,
) -> tuple[oracle.Array, ...]:
    """y, gx, gweight, gbias."""
    return by_lanes.run(Conv2d(window, 1), x, weight, bias, gy=gy, fast=fast)


def draw_arrays(shape: tuple[int, ...], outputs: int, window: Window, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    n, channels, *size = shape
    shapes = [
        shape,
        (outputs, channels, *window.kernel),
        (outputs,),
        (n, outputs, *window.output_size(tuple(size))),
    ]
    return [rng.standard_normal(s, dtype=np.float32) for s in shapes]


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], int, Window]:
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    around = st.tuples(st.integers(0, 4), st.integers(0, 4))
    padding = (draw(around), draw(around))
    size = tuple(
        draw(st.integers(max(1, k - sum(p)), 12)) for k, p in zip(kernel, padding, strict=True)
    )
    n, channels = draw(st.sampled_from([1, 2, 15, 16, 17, 33])), draw(st.integers(1, 20))
    outputs = draw(st.integers(1, 20))
    return (n, channels, *size), outputs, Window(kernel, stride, padding)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cases())
def test_random_windows(case: tuple[tuple[int, ...], int, Window]) -> None:
    shape, outputs, window = case
    arrays = draw_arrays(shape, outputs, window)
    oracle.check(kernels(*arrays, window), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize(
    ("channels", "size", "outputs", "kernel", "stride", "padding"),
    [
        (1, 32, 6, 5, 1, 0),
        (6, 14, 16, 5, 1, 0),
        (16, 5, 120, 5, 1, 0),
        (3, 16, 16, 7, 2, 3),
        (16, 8, 32, 3, 2, 1),
        (32, 8, 32, 3, 1, 1),
        (16, 8, 32, 1, 2, 0),
        (40, 9, 9, 3, 2, 1),  # half a tile of channels, and a part of one
        (32, 9, 20, 1, 3, 0),  # most pixels are in no window
        (16, 30, 5, 3, 2, 1),  # strips of which the last is shorter
    ],
)
def test_layers_of_networks(
    n: int, channels: int, size: int, outputs: int, kernel: int, stride: int, padding: int
) -> None:
    window = Window((kernel, kernel), (stride, stride), ((padding, padding),) * 2)
    arrays = draw_arrays((n, channels, size, size), outputs, window)
    oracle.check(kernels(*arrays, window), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize(
    ("channels", "kernel", "stride"),
    [(3, 5, 2), (16, 3, 2), (16, 2, 1), (33, 3, 2), (33, 5, 3), (64, 1, 2), (70, 3, 1)],
)
def test_weight_gradients_of_images_in_many_parts(channels: int, kernel: int, stride: int) -> None:
    window = Window((kernel, kernel), (stride, stride), ((1, 1), (1, 1)))
    arrays = draw_arrays((3, channels, 46, 61), 9, window)
    oracle.check(kernels(*arrays, window), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_through(where: int, value: float) -> None:
    window = Window((3, 3), (2, 1), ((1, 1), (0, 0)))
    arrays = draw_arrays((17, 3, 6, 6), 5, window)
    arrays[where].flat[7 % arrays[where].size] = value
    oracle.check(kernels(*arrays, window), oracle.conv2d(*arrays, window))


@pytest.mark.parametrize("channels", [5, 33])
@pytest.mark.parametrize("n", [16, 40, 200])
def test_same_bits_for_any_number_of_threads(n: int, channels: int) -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    arrays = draw_arrays((n, channels, 9, 9), 7, window)
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(kernels(*arrays, window))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(cases())
def test_residual_and_relu_as_by_kernels_of_their_own(
    case: tuple[tuple[int, ...], int, Window],
) -> None:
    assert_epilogue(*case, fast=False)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 127])
@pytest.mark.parametrize(("channels", "size"), [(24, 7), (32, 12)])
def test_residual_and_relu_by_winograd(n: int, channels: int, size: int) -> None:
    window = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    assert_epilogue((n, channels, size, size), channels, window, fast=True)


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("where", [0, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_residual_and_relu_of_what_is_not_finite(where: int, value: float, size: int) -> None:
    """By the direct kernels, by Winograd's, which give up, and by those of linear layers."""
    for fast in (False, True):
        assert_epilogue((17, 24, size, size), 24, Window((3, 3)), fast, {where: value})


def assert_epilogue(
    shape: tuple[int, ...],
    outputs: int,
    window: Window,
    fast: bool,
    values: dict[int, float] | None = None,
) -> None:
    """The same bits, for one thread and two, as a convolution and then the other ops."""
    arrays = draw_arrays(shape, outputs, window)
    for where, value in (values or {}).items():
        arrays[where].flat[7] = value
    x, residual = oracle.spoiled(arrays[0]), oracle.spoiled(arrays[3])

    def run(*epilogue: Any) -> oracle.Array:
        out = Loop(shape[0])
        return convolve(Buffer(x), *arrays[1:3], window, fast, out, *epilogue).array

    y = run()
    total = by_spans(elementwise.add_span, y, residual)
    cases = [
        (None, True, by_spans(activation.relu_span, y)),
        (residual, False, total),
        (residual, True, by_spans(activation.relu_span, total)),
    ]
    for threads in (1, 2):
        set_num_threads(threads)
        for added, relu, want in cases:
            got, want = (lanes.from_lanes(v, shape[0]) for v in (run(added, relu), want))
            np.testing.assert_array_equal(got, want)


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("biased", [False, True])
def test_no_images(biased: bool) -> None:
    """They never come into lanes, where a kernel would refuse them."""
    arrays = draw_arrays((0, 2, 5, 5), 4, Window((3, 3)))[: 2 + biased]
    leaves = [npnet.tensor(a, requires_grad=True) for a in arrays]
    y = npnet.nn.functional.conv2d(*leaves)
    assert y.shape == (0, 4, 3, 3)
    y.backward(y.detach())
    for leaf in leaves:
        assert leaf.grad is not None
        np.testing.assert_array_equal(leaf.grad.numpy(), np.zeros(leaf.shape))


def test_inputs_are_not_written_to_and_may_be_strided_or_read_only() -> None:
    window = Window((3, 3))
    x, weight, bias, gy = draw_arrays((16, 2, 6, 6), 4, window)
    strided = np.asfortranarray(weight)
    strided.flags.writeable = bias.flags.writeable = False
    want = kernels(x, weight, bias, gy, window)
    for a, b in zip(kernels(x, strided, bias, gy, window), want, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(strided, weight)


CODE = """
import npnet
npnet.set_backend("numba")
npnet.manual_seed(0)
x, weight, bias = npnet.randn(100, 3, 8, 8), npnet.randn(8, 3, 3, 3), npnet.zeros(8)
y = npnet.nn.functional.conv2d(x, weight.requires_grad_(), bias.requires_grad_(), padding=1)
y.backward(y.detach())
for values in (y.detach()[:10], weight.grad, bias.grad):
    print(values.numpy().tobytes().hex())
"""


@pytest.mark.slow
def test_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    results = set()
    for threads in ("1", "4"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
        results.add(run.stdout)
    assert len(results) == 1
