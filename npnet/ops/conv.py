"""Convolution as im2col and a matrix product, and its three backward passes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_axes
from npnet.base.threads import map_in_order
from npnet.ops import _sums, shape, windows
from npnet.ops.images import as_row, check_numbers, from_images, to_images
from npnet.ops.windows import Pair, Window
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["conv1d", "conv2d"]


class Conv2d(Function):
    """y = weight * columns(x) + bias, where columns (im2col) holds the window of each pixel.

        gx = col2im(weight^T gy),  gweight = gy columns(x)^T,  gbias = sum of gy

    The columns are made anew in backward, chunk by chunk of the batch: keeping them would take
    KH*KW times the memory of x.
    """

    begins = True

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
        gx, gweight = self.gradients(x, gy, weight, needs_x, needs_weight)
        gbias = _sums.add_up(gy, (0, 2, 3)) if any(needs_bias) else None
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]

    def gradients(
        self, x: Array, gy: Array, weight: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[Array | None, Array | None]:
        """gx and gweight, those of both that are needed."""
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
        return gx, gw.reshape(weight.shape) if needs_weight else None

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
        OH = floor((H + 2*PH - DH*(KH - 1) - 1) / SH) + 1, OW alike; N may be 0. One image
        (C, H, W) gives (O, OH, OW).

    Raises:
        ShapeError: the channels of input and weight do not fit, or the kernel is larger than the
            padded input.
        ValueError: stride or dilation is less than 1, `padding` negative, `groups` does not divide
            the channels, or "same" comes with a stride.
        RuntimeError: input and weight are of different dtypes.

    Example:
        >>> x = npnet.arange(9.0).reshape(1, 1, 3, 3)
        >>> npnet.conv2d(x, npnet.tensor([[[[1.0, 0.0], [0.0, -1.0]]]]), bias=npnet.tensor([10.0]))
        tensor([[[[6., 6.],
                  [6., 6.]]]])
        >>> npnet.conv2d(x, npnet.ones(6, 1, 3, 3), stride=2, padding=1).shape
        (1, 6, 2, 2)

    Source: LeCun et al. (1998), section II; Dumoulin and Visin (2016), arXiv:1603.07285.
    """
    inputs = (input, weight) if bias is None else (input, weight, bias)
    check_numbers("conv2d", *inputs)
    x = to_images("conv2d", input, 2)
    check_axes("conv2d", "weight", weight.shape, ("O", "C/groups", "KH", "KW"))
    y = _convolve("conv2d", x, weight, bias, (stride, padding, dilation), groups)
    return from_images(y, input, 2)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of signals with a bank of filters: `conv2d` on images of one row.

        y[n, o, i] = bias[o] + sum over c, u of weight[o, c, u] * x[n, c, i*S - P + u*D]

    Shape: input (N, C, L) or (C, L), weight (O, C/G, K), bias (O,) -> (N, O, OL) or (O, OL),
        OL = floor((L + 2*P - D*(K - 1) - 1) / S) + 1.

    Raises:
        ShapeError: the channels of input and weight do not fit, or the kernel is larger than the
            padded input.
        ValueError: `groups` does not divide the channels, or "same" comes with a stride.

    Example:
        >>> x = npnet.tensor([[[1.0, 2.0, 4.0, 7.0]]])
        >>> npnet.conv1d(x, npnet.tensor([[[-1.0, 1.0]]]))  # not turned round
        tensor([[[1., 2., 3.]]])

    Source: Waibel et al. (1989), "Phoneme recognition using time-delay neural networks".
    """
    inputs = (input, weight) if bias is None else (input, weight, bias)
    check_numbers("conv1d", *inputs)
    x = to_images("conv1d", input, 1)
    check_axes("conv1d", "weight", weight.shape, ("O", "C/groups", "K"))
    w = shape.unsqueeze(weight, 2)
    step = as_row("conv1d", "stride", stride, 1, 1)
    around = padding if isinstance(padding, str) else as_row("conv1d", "padding", padding, 0, 0)
    apart = as_row("conv1d", "dilation", dilation, 1, 1)
    y = _convolve("conv1d", x, w, bias, (step, around, apart), groups)
    return from_images(y, input, 1)


def _convolve(
    op: str,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[int | Pair, int | Pair | str, int | Pair],
    groups: int,
) -> Tensor:
    """The convolution of images with stride, padding and dilation."""
    _check_channels(op, x.shape, weight.shape, groups)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"{op}: bias must be ({weight.shape[0]},), got {bias.shape}")
    kernel = (weight.shape[2], weight.shape[3])
    window = Window.checked(op, x.shape, kernel, *options)
    return Conv2d(window, groups)(*((x, weight) if bias is None else (x, weight, bias)))


def _check_channels(op: str, x: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    if groups < 1 or weight[0] % groups:
        raise ValueError(
            f"{op}: groups must be >= 1 and divide the {weight[0]} output channels, got {groups}"
        )
    if x[1] != weight[1] * groups:
        channels = "1 channel" if x[1] == 1 else f"{x[1]} channels"
        of_groups = "" if groups == 1 else f" in each of {groups} groups"
        raise ShapeError(
            f"{op}: x has {channels} but weight takes {weight[1]}{of_groups}; "
            f"got x {x}, weight {weight}"
        )
