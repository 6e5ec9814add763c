"""Convolution as im2col and a matrix product, its three backward passes, and im2col as an op."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_axes
from npnet.base.threads import map_in_order
from npnet.ops import _sums, windows
from npnet.ops.dtypes import check_dtypes
from npnet.ops.windows import Pair, Window
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["conv2d", "unfold"]


class Conv2d(Function):
    """y = weight * columns(x) + bias, where columns (im2col) holds the window of each pixel.

        gx = col2im(weight^T gy),  gweight = gy columns(x)^T,  gbias = sum of gy

    The columns are made anew in backward, chunk by chunk of the batch: keeping them would take
    KH*KW times the memory of x.
    """

    def __init__(self, window: Window, groups: int) -> None:
        self.window, self.groups = window, groups

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        self.save_for_backward(x, weight)
        n, (oh, ow) = x.shape[0], self.window.output_size(x.shape[2:])
        y = np.empty((n, weight.shape[0], oh, ow), x.dtype)
        w = self._matrices(weight)

        def compute(chunk: slice) -> None:
            out = np.matmul(w, self._columns(x[chunk]))  # (G, O/G, n*OH*OW)
            y[chunk] = out.reshape(-1, y[chunk].shape[0], oh, ow).swapaxes(0, 1)
            if bias is not None:
                y[chunk] += bias[:, None, None]

        map_in_order(compute, self._chunks(x.shape, weight))
        return y

    def backward(self, gy: Array) -> tuple[Array | None, ...]:
        x, weight = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        gx = np.empty(x.shape, x.dtype) if needs_x else None

        def compute(chunk: slice) -> list[Array]:
            g = self._by_group(gy[chunk])
            if gx is not None:
                gx[chunk] = self._backward_data(g, weight, x[chunk].shape)
            return (
                [_sums.multiply(g, self._columns(x[chunk]).swapaxes(1, 2))] if needs_weight else []
            )

        # In the order of the chunks, whichever thread was first.
        parts = itertools.chain.from_iterable(map_in_order(compute, self._chunks(x.shape, weight)))
        gw = _sums.add_parts(parts, self._matrices(weight).shape, weight.dtype)
        gweight = gw.reshape(weight.shape) if needs_weight else None
        gbias = _sums.add_up(gy, (0, 2, 3)) if any(needs_bias) else None
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]

    def _backward_data(self, g: Array, weight: Array, shape: tuple[int, ...]) -> Array:
        oh, ow = self.window.output_size(shape[2:])
        columns = np.matmul(self._matrices(weight).swapaxes(1, 2), g)  # (G, C/G*KH*KW, n*OH*OW)
        columns = columns.reshape(shape[1], *self.window.kernel, shape[0], oh, ow)
        return windows.col2im(columns, self.window, shape)

    def _matrices(self, weight: Array) -> Array:  # (O, C/G, KH, KW) -> (G, O/G, C/G*KH*KW)
        out, rows = weight.shape[0] // self.groups, math.prod(weight.shape[1:])
        return weight.reshape(self.groups, out, rows)

    def _columns(self, x: Array) -> Array:  # (n, C, H, W) -> (G, C/G*KH*KW, n*OH*OW)
        columns = windows.im2col(x, self.window)
        rows = math.prod(columns.shape[:3]) // self.groups
        return columns.reshape(self.groups, rows, math.prod(columns.shape[3:]))

    def _by_group(self, gy: Array) -> Array:  # (n, O, OH, OW) -> (G, O/G, n*OH*OW)
        n, o, oh, ow = gy.shape
        return gy.swapaxes(0, 1).reshape(self.groups, o // self.groups, n * oh * ow)

    def _chunks(self, shape: tuple[int, ...], weight: Array) -> Iterator[slice]:
        oh, ow = self.window.output_size(shape[2:])
        columns = shape[1] * math.prod(self.window.kernel) * oh * ow * weight.itemsize
        # Each chunk has a weight gradient of its own: let it not outgrow the chunk's columns.
        return windows.batch_chunks(shape[0], columns, weight.nbytes)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images with a bank of filters, which networks call convolution.

        y[n, o, i, j] = bias[o] + sum over c, u, v of
            weight[o, c, u, v] * x[n, c, i*SH - PT + u*DH, j*SW - PL + v*DW]

    and x is 0 outside. With `groups` G, output channels of the g-th of G equal runs see the input
    channels of the g-th run alone.

    Args:
        stride, dilation: (SH, SW) and (DH, DW), or one number for both.
        padding: zeros around: a number, (vertical, horizontal), "valid" (0), or "same" (OH = H).

    Shape: input (N, C, H, W), weight (O, C/G, KH, KW), bias (O,) -> (N, O, OH, OW),
        OH = floor((H + 2*PH - DH*(KH - 1) - 1) / SH) + 1, OW alike; N may be 0.

    Raises:
        ShapeError: the channels of input and weight do not fit, or the kernel is larger than the
            padded input.

    Source: LeCun et al. (1998), section II; Dumoulin and Visin (2016), arXiv:1603.07285.
    """
    inputs = (input, weight) if bias is None else (input, weight, bias)
    check_dtypes("conv2d", *inputs)
    check_axes("conv2d", "input", input.shape, ("N", "C", "H", "W"))
    check_axes("conv2d", "weight", weight.shape, ("O", "C/groups", "KH", "KW"))
    _check_channels(input.shape, weight.shape, groups)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"conv2d: bias must be ({weight.shape[0]},), got {bias.shape}")
    kernel = (weight.shape[2], weight.shape[3])
    window = Window.checked("conv2d", input.shape, kernel, stride, padding, dilation)
    return Conv2d(window, groups)(*inputs)


def _check_channels(x: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    if groups < 1 or weight[0] % groups:
        raise ValueError(
            f"conv2d: groups must be >= 1 and divide the {weight[0]} output channels, got {groups}"
        )
    if x[1] != weight[1] * groups:
        channels = "1 channel" if x[1] == 1 else f"{x[1]} channels"
        of_groups = "" if groups == 1 else f" in each of {groups} groups"
        raise ShapeError(
            f"conv2d: x has {channels} but weight takes {weight[1]}{of_groups}; "
            f"got x {x}, weight {weight}"
        )


class Unfold(Function):
    """Windows as columns (im2col); the gradient is added up where they overlap (col2im)."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C*KH*KW, OH*OW)
        self.x_shape = x.shape
        columns = windows.im2col(x, self.window)  # (C, KH, KW, N, OH, OW)
        rows, places = math.prod(columns.shape[:3]), math.prod(columns.shape[4:])
        return columns.reshape(rows, x.shape[0], places).transpose(1, 0, 2).copy()

    def backward(self, gy: Array) -> tuple[Array]:
        n, c, h, w = self.x_shape
        oh, ow = self.window.output_size((h, w))
        columns = gy.transpose(1, 0, 2).reshape(c, *self.window.kernel, n, oh, ow)
        return (windows.col2im(columns, self.window, self.x_shape),)


def unfold(
    input: Tensor,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """The windows of an image as columns: im2col.

        y[n, (c*KH + u)*KW + v, i*OW + j] = x[n, c, i*SH - PH + u*DH, j*SW - PW + v*DW]

    Shape: (N, C, H, W) -> (N, C*KH*KW, L), L = OH * OW windows in row-major order.
    """
    window = Window.checked("unfold", input.shape, kernel_size, stride, padding, dilation)
    return Unfold(window)(input)
