"""Windows, promotion, broadcasting and indexing for shapes and options that nobody picked."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.ops import windows
from npnet.ops.windows import Window

# float64, sums of at most some hundred terms around 1, in another order than PyTorch.
RTOL = ATOL = 1e-10

small = st.integers(1, 3)
pairs = st.tuples(small, small)


def numbers(*shape: int) -> Array:
    """Normally distributed, the same for the same shape."""
    rng = np.random.default_rng([*shape, len(shape)])
    return np.asarray(rng.standard_normal(shape))


@st.composite
def windowed(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Images (N, C, H, W) and kernel, stride, padding, dilation that fit them."""
    kernel, dilation, stride = draw(pairs), draw(pairs), draw(st.tuples(*[st.integers(1, 4)] * 2))
    padding = draw(st.tuples(*[st.integers(0, 2)] * 2))
    room = [
        max(d * (k - 1) + 1 - 2 * p, 1) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    n, c = draw(st.integers(0, 2)), draw(small)
    h, w = (least + draw(st.integers(0, 5)) for least in room)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    return (n, c, h, w), {"kernel_size": kernel, **options}


def compare(name: str, arrays: list[Array], *args: Any, **options: Any) -> None:
    """Output and all gradients of a function of both libraries' `functional`."""
    ours = [npnet.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = getattr(F, name)(*ours, *args, **options)
    expected = getattr(torch.nn.functional, name)(*theirs, *args, **options)
    assert_allclose(y.detach().numpy(), expected.detach(), rtol=RTOL, atol=ATOL)
    gy = numbers(*y.shape)
    y.backward(npnet.as_tensor(gy))
    expected.backward(torch.tensor(gy))
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert_allclose(a.grad.numpy(), b.grad, rtol=RTOL, atol=ATOL)


@given(windowed(), small, small, st.booleans())
def test_conv2d(case: Any, groups: int, outputs: int, bias: bool) -> None:
    (n, c, h, w), options = case
    weight = numbers(groups * outputs, c, *options.pop("kernel_size"))
    arrays = [numbers(n, groups * c, h, w), weight, numbers(groups * outputs)]
    compare("conv2d", arrays if bias else arrays[:2], groups=groups, **options)


def fits_a_pool(size: tuple[int, int], options: dict[str, Any], ceil_mode: bool) -> bool:
    """Whether there are windows, and each holds a pixel.

    A window of padding alone has no maximum: there PyTorch writes outside its memory.
    """
    rules = (options[k] for k in ("kernel_size", "stride", "padding", "dilation"))
    for n, k, s, p, d in zip(size, *rules, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        if room < 0:
            return False
        last = -(-room // s) if ceil_mode else room // s
        taps = np.arange(last + 1)[:, None] * s - p + np.arange(k) * d
        if not ((taps >= 0) & (taps < n)).any(1).all():
            return False
    return True


def limit_padding(options: dict[str, Any]) -> None:
    """Pools take at most half the kernel."""
    limits = zip(options["padding"], options["kernel_size"], strict=True)
    options["padding"] = tuple(min(p, k // 2) for p, k in limits)


@given(windowed(), st.booleans())
def test_max_pool2d(case: Any, ceil_mode: bool) -> None:
    (n, c, h, w), options = case
    limit_padding(options)
    assume(fits_a_pool((h, w), options, ceil_mode))
    compare("max_pool2d", [numbers(n, c, h, w)], ceil_mode=ceil_mode, **options)


@given(windowed(), st.booleans(), st.booleans(), st.sampled_from([None, 3]))
def test_avg_pool2d(case: Any, ceil_mode: bool, counting: bool, divisor: int | None) -> None:
    (n, c, h, w), options = case
    limit_padding(options)
    assume(fits_a_pool((h, w), options | {"dilation": (1, 1)}, False))
    del options["dilation"]
    options |= {"ceil_mode": ceil_mode, "count_include_pad": counting, "divisor_override": divisor}
    compare("avg_pool2d", [numbers(n, c, h, w)], **options)


@given(st.integers(0, 2), small, st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[small] * 2))
def test_adaptive_avg_pool2d(n: int, c: int, size: tuple[int, int], out: tuple[int, int]) -> None:
    compare("adaptive_avg_pool2d", [numbers(n, c, *size)], out)


@given(windowed())
def test_unfold(case: Any) -> None:
    shape, options = case
    compare("unfold", [numbers(*shape)], **options)


@given(windowed())
def test_col2im_of_unfold_is_the_transpose_of_im2col(case: Any) -> None:
    """<im2col x, y> = <x, col2im y>, and both are linear."""
    shape, options = case
    window = Window.checked("test", shape, *options.values())
    x, other = numbers(*shape), numbers(*shape)[..., ::-1]
    columns = windows.im2col(x, window)
    y = numbers(*columns.shape)
    back = windows.col2im(y, window, shape)
    assert back.shape == shape
    assert math.isclose(np.vdot(columns, y), np.vdot(x, back), rel_tol=RTOL, abs_tol=ATOL)
    both = windows.im2col(2 * x - other, window)
    assert_allclose(both, 2 * columns - windows.im2col(other, window), rtol=RTOL, atol=ATOL)
    both = windows.col2im(2 * y - y[..., ::-1], window, shape)
    assert_allclose(
        both, 2 * back - windows.col2im(y[..., ::-1], window, shape), rtol=RTOL, atol=ATOL
    )


@given(windowed(), st.integers(1, 10**5))
def test_chunks_do_not_change_conv2d(case: Any, size: int) -> None:
    (n, c, h, w), options = case
    x = npnet.tensor(numbers(n, c, h, w), requires_grad=True)
    weight = npnet.tensor(numbers(2, c, *options.pop("kernel_size")), requires_grad=True)
    results: list[list[Array]] = []
    with pytest.MonkeyPatch.context() as patch:
        for chunk_bytes in (windows.CHUNK_BYTES, size):
            patch.setattr(windows, "CHUNK_BYTES", chunk_bytes)
            x.grad = weight.grad = None
            y = F.conv2d(x, weight, **options)
            y.backward(npnet.as_tensor(numbers(*y.shape)))
            assert x.grad is not None
            assert weight.grad is not None
            results.append([y.detach().numpy(), x.grad.numpy(), weight.grad.numpy()])
    for a, b in zip(*results, strict=True):
        assert_allclose(a, b, rtol=RTOL, atol=ATOL)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64"]
operands = st.one_of(
    st.tuples(st.sampled_from(DTYPES), st.sampled_from([(), (2,), (2, 1), (0,)])),
    st.sampled_from([True, 3, 2.5]),
)


@given(operands, operands)
@example(("int64", (2,)), 2.5)
@example(("float32", ()), ("int64", (2,)))
def test_result_type(first: Any, second: Any) -> None:
    def tensor(library: Any, operand: Any) -> Any:
        if not isinstance(operand, tuple):
            return operand
        dtype, shape = operand
        return library.zeros(shape, dtype=getattr(library, dtype))

    assume(isinstance(first, tuple) or isinstance(second, tuple))
    ours = [tensor(npnet, x) for x in (first, second)]
    theirs = [tensor(torch, x) for x in (first, second)]
    expected = str(torch.result_type(*theirs)).removeprefix("torch.")
    assert str(npnet.result_type(*ours)) == expected
    if expected != "bool":
        total = ours[0] + ours[1]
        assert str(total.dtype) == expected
        assert total.shape == tuple((theirs[0] + theirs[1]).shape)


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    whole = draw(st.lists(st.integers(0, 3), max_size=4))
    shapes = []
    for _ in range(2):
        kept = whole[draw(st.integers(0, len(whole))) :]
        shapes.append(tuple(1 if draw(st.booleans()) else n for n in kept))
    return shapes[0], shapes[1]


@given(broadcastable(), st.sampled_from(["add", "sub", "mul", "div", "maximum", "minimum", "pow"]))
def test_broadcasting(shapes: Any, name: str) -> None:
    arrays = [np.abs(numbers(*shape)) + i for i, shape in enumerate(shapes, start=1)]
    ours = [npnet.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, expected = getattr(npnet, name)(*ours), getattr(torch, name)(*theirs)
    assert_allclose(y.detach().numpy(), expected.detach(), rtol=RTOL)
    gy = numbers(*y.shape)
    y.backward(npnet.as_tensor(gy))
    expected.backward(torch.tensor(gy))
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert_allclose(a.grad.numpy(), b.grad, rtol=RTOL, atol=ATOL)


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Numbers, slices, None, ... and index arrays of one shape, for an array of `shape`."""
    picked = draw(st.sampled_from([(), (2,), (2, 3)]))
    index: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        if draw(st.integers(0, 4)) == 0:
            index.append(None)
        kind = draw(st.sampled_from(["number", "slice", "array", "mask"]))
        if kind == "number":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            start, stop = draw(st.integers(-size, size)), draw(st.integers(-size, size))
            index.append(slice(start, stop, draw(small)))
        elif kind == "array" or picked != (2,):
            values = draw(st.lists(st.integers(-size, size - 1), min_size=6, max_size=6))
            index.append(np.array(values)[: math.prod(picked)].reshape(picked))
        else:
            index.append(np.arange(size) < 2)  # two of three or more
    if draw(st.booleans()):
        whole = sum(part is not None for part in index) == len(shape)
        index.insert(draw(st.integers(0, len(index))) if whole else len(index), ...)
    return tuple(index)


@given(indices((4, 3, 5)))
def test_indexing(index: tuple[Any, ...]) -> None:
    def of(library: Any) -> tuple[Any, ...]:
        return tuple(library.tensor(i) if isinstance(i, np.ndarray) else i for i in index)

    x, reference = npnet.tensor(numbers(4, 3, 5)), torch.tensor(numbers(4, 3, 5))
    x.requires_grad = reference.requires_grad = True
    y, expected = x[of(npnet)], reference[of(torch)]
    assert y.shape == tuple(expected.shape)
    assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    gy = numbers(*y.shape)
    y.backward(npnet.as_tensor(gy))
    expected.backward(torch.tensor(gy))  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert reference.grad is not None
    assert_allclose(x.grad.numpy(), reference.grad, rtol=RTOL, atol=ATOL)


@given(indices((4, 3, 5)))
def test_writing_at_an_index(index: tuple[Any, ...]) -> None:
    places = np.arange(60).reshape(4, 3, 5)
    ours = npnet.tensor(places)[index]
    assume(len(np.unique(ours.numpy())) == ours.numel())  # else the last write wins, or any
    x, reference = npnet.tensor(numbers(4, 3, 5)), torch.tensor(numbers(4, 3, 5))
    value = numbers(*ours.shape)
    x[index] = npnet.tensor(value)
    reference[tuple(torch.tensor(i) if isinstance(i, np.ndarray) else i for i in index)] = (
        torch.tensor(value)
    )
    assert_array_equal(x.numpy(), reference.numpy())
