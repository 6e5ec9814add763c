"""A convolution forward: which way, of those that kernels know, and its calls.

Where each window covers the whole image it is a product with a matrix, which `dense` makes; 3x3
windows are Winograd's where there are channels enough; all others are walked by `correlate`. Some
of these ways want the whole batch, as the loop has it: programs have the others.
"""

from __future__ import annotations

import math

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import activation, elementwise, lanes
from npnet.kernels._arguments import row_major
from npnet.kernels.linear import NO_BIAS
from npnet.kernels.program import SLOT
from npnet.lanes import dense, packed, winograd
from npnet.lanes.correlate import Epilogue, activate, correlate
from npnet.lanes.linear import multiply
from npnet.lanes.plan import Buffer, Calls, Shape
from npnet.lanes.unsuited import Layered
from npnet.ops.windows import Pair, Window

__all__ = ["convolve", "suits_dense", "suits_winograd", "tile_rows", "walk"]

# With fewer channels Winograd's transforms cost more than they save. Forward, where an error can
# flip the sign at a ReLU, few channels go by tiles of two rows: with those of four, ResNet-20's
# gradients are five times as far from exact ones as PyTorch's.
LEAST_CHANNELS, LEAST_TALL = 16, 24


def convolve(
    x: Buffer,
    weight: Array,
    bias: Array | None,
    window: Window,
    fast: bool,
    out: Calls,
    residual: Array | None = None,
    relu: bool = False,
    groups: int = 1,
    epilogue: Epilogue | None = None,
) -> Buffer:
    """y[o, i, j] = bias[o] + sum over c, u, v of
        weight[o, c, u, v] * x[c, i*SH - PT + u*DH, j*SW - PL + v*DW],

    then y + residual, then max(y, 0), while what is stored is still in registers; or an epilogue.

    Args:
        window: which `correlate.walks`.
        fast: whether Winograd's algorithm may be used, which is less exact (see winograd.py).

    Shape: x (C, H, W) of an image, weight (O, C/groups, KH, KW), bias (O,) -> (O, OH, OW); residual
        (B, O, OH, OW, 16).
    """
    weight, size = row_major("conv2d", "weight", weight), window.output_size(x.size)
    bias = NO_BIAS if bias is None else row_major("conv2d", "bias", bias)
    if out.whole and window.is_padded and not np.isfinite(weight.sum()):
        # 0 * inf is NaN: the zeros around, which the kernel leaves out, count for once
        x = _padded(x, window)
        window = Window(window.kernel, window.stride, dilation=window.dilation)
    if suits_dense(window, x.size, weight.shape, groups, out):
        biases = bias if size == (1, 1) or bias is NO_BIAS else np.repeat(bias, math.prod(size))
        y = multiply(x.flattened, dense.gather(weight, window, x.size), biases, out)
        _finish(y, residual, relu)
        if epilogue is not None:
            activate(y, epilogue.activation, out)
        return y.viewed((len(weight), *size))
    by_winograd = fast and suits_winograd(window, min(weight.shape[:2]), groups)
    if by_winograd and not out.whole:
        raise Layered("Winograd's algorithm wants the whole batch")
    y = out.empty((len(weight), *size), SLOT)
    before = (window.padding[0][0], window.padding[1][0])
    tall = tile_rows(weight.shape)
    if not (
        by_winograd
        and winograd.correlate(x, weight, bias, before, y, False, out, residual, relu, tall)
    ):
        walk(x, weight, bias, window, y, False, fast, out, residual, relu, groups, epilogue)
    return y


def walk(
    x: Buffer,
    weight: Array,
    bias: Array,
    window: Window,
    y: Buffer,
    transposed: bool,
    fast: bool,
    out: Calls,
    residual: Array | None = None,
    relu: bool = False,
    groups: int = 1,
    epilogue: Epilogue | None = None,
) -> None:
    """Fill y by walking the windows, see `lanes.correlate.correlate`; packed, where that is faster.

    Args:
        fast: as of `convolve`.
    """
    arguments = x, weight, bias, window, y, transposed, out, residual, relu
    if not packed.suits_packed(window, x.shape[0], y.shape[0], groups):
        correlate(*arguments, groups, epilogue)
        return
    if not (
        fast
        and out.whole
        and packed.suits_phases(window, x.shape[0], y.shape[0], y.size)
        and packed.correlate_phases(*arguments)
    ):
        packed.correlate(*arguments)
    if epilogue is not None:
        activate(y, epilogue.activation, out)


def _finish(y: Buffer, residual: Array | None, relu: bool) -> None:
    """y + residual, then max(y, 0), in place, where the loop asks for them."""
    if residual is not None:
        elementwise.add_span(y.flat, residual.reshape(-1), y.flat, activation.SPAN)
    if relu:
        activation.relu_span(y.flat, y.flat, activation.SPAN)


def suits_dense(window: Window, size: Pair, weight: Shape, groups: int, out: Calls) -> bool:
    """Whether a convolution is a product with a matrix, for which a program has no copy of it."""
    if groups > 1 or window.dilation != (1, 1):
        return False
    if not (out.whole or dense.is_linear(window, size)):
        return False
    return dense.suits_dense(window, size, *weight[:2])


def suits_winograd(window: Window, channels: int, groups: int) -> bool:
    """Whether Winograd's algorithm is faster, where it may be used."""
    return (
        groups == 1
        and window.kernel == (3, 3)
        and window.stride == window.dilation == (1, 1)
        and max(map(max, window.padding)) <= 2
        and channels >= LEAST_CHANNELS
    )


def tile_rows(weight: Shape) -> int:
    """How many rows of results one of Winograd's tiles has, forward."""
    return winograd.TALL if min(weight[:2]) >= LEAST_TALL else winograd.SHORT


def _padded(x: Buffer, window: Window) -> Buffer:
    (top, bottom), (left, right) = window.reach(x.size)
    around = ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0))
    y = lanes.empty(tuple(n + sum(p) for n, p in zip(x.array.shape, around, strict=True)))
    y[...] = np.pad(x.array, around)
    return Buffer(y)
