"""Pooling: the largest value or the mean of each window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops import _sums, windows
from npnet.ops.dtypes import check_dtypes
from npnet.ops.images import check_numbers, from_images, to_images
from npnet.ops.masks import kept
from npnet.ops.windows import Pair, Window, as_pair
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]


class MaxPool2d(Function):
    """The first maximum of a window, in row-major order, receives the whole gradient.

    Args:
        return_indices: whether `indices` will be asked for.
    """

    def __init__(self, window: Window, return_indices: bool = False) -> None:
        self.window, self.return_indices = window, return_indices

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_shape = x.shape
        counts = self.window.output_size(x.shape[2:])
        image = windows.padded(x, self.window, _lowest(x.dtype))
        y = np.full((*x.shape[:2], *counts), _lowest(x.dtype), x.dtype)
        # The place of each maximum in its window; where all are -inf, the first inside the image.
        first = np.broadcast_to(self._first_inside(counts), y.shape)
        dtype = np.min_scalar_type(math.prod(self.window.kernel) - 1)
        self.winner = first.astype(dtype, order="C")  # not in the order of broadcast memory
        for place, pixels in self._taps(image, counts):
            self._move(pixels > y, place)
            np.maximum(y, pixels, out=y)
        if np.isnan(y).any():  # NaN is larger than everything; of several the last counts
            for place, pixels in self._taps(image, counts):
                self._move(np.isnan(pixels), place)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        gx = windows.Scatter(self.window, self.x_shape, gy.dtype)
        for place, pixels in self._taps(gx.image, gy.shape[2:]):
            pixels += kept(gy, self.winner == place)
        return (gx.inner(),)

    def _move(self, there: Array, place: int) -> None:
        """Let `place`, which is larger than all before, be the winner where `there` holds."""
        np.maximum(self.winner, there * self.winner.dtype.type(place), out=self.winner)

    def _taps(self, image: Array, counts: Pair) -> Iterator[tuple[int, Array]]:
        """For each place in the window, its number and that pixel of every window."""
        for u, v, index in windows.taps(self.window, counts):
            yield u * self.window.kernel[1] + v, image[index]

    def _first_inside(self, counts: Pair) -> Array:  # (OH, OW)
        """The first place of each window that lies inside the image."""
        rows, columns = (
            np.maximum(
                -(np.arange(counts[a]) * self.window.stride[a] - self.window.padding[a][0]), 0
            )
            for a in (0, 1)
        )
        (dh, dw), kw = self.window.dilation, self.window.kernel[1]
        return np.add.outer(-(-rows // dh) * kw, -(-columns // dw))

    def indices(self) -> Array:  # (N, C, OH, OW), int64
        """Where each maximum stands in its plane: row * W + column."""
        oh, ow = self.winner.shape[2:]
        u, v = np.divmod(self.winner.astype(np.int64), self.window.kernel[1])
        row = np.arange(oh)[:, None] * self.window.stride[0] + u * self.window.dilation[0]
        column = np.arange(ow) * self.window.stride[1] + v * self.window.dilation[1]
        (top, _), (left, _) = self.window.padding
        return (row - top) * self.x_shape[3] + column - left


def _lowest(dtype: np.dtype[Any]) -> float:
    """What pads images for a maximum: nothing is smaller."""
    return -np.inf if dtype.kind in FLOATS else int(np.iinfo(dtype).min)


def max_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window.

        y[n, c, i, j] = max over u, v of x[n, c, i*SH - PH + u*DH, j*SW - PW + v*DW]

    over the places inside the image. The first maximum in row-major order receives the whole
    gradient, and NaN is larger than everything, both as in PyTorch.

    Args:
        stride: default the kernel's size.
        padding: at most half the kernel's size.
        ceil_mode: also windows that begin inside the image and reach out of it.
        return_indices: also return where each maximum stands in its plane, row * W + column.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW),
        OH = floor((H + 2*PH - DH*(KH - 1) - 1) / SH) + 1, OW alike; ceil in place
        of floor with `ceil_mode`.

    Raises:
        ShapeError: the kernel is larger than the padded input, or `padding` than half the kernel.
        ValueError: kernel_size, stride or dilation is less than 1.

    Example:
        >>> x = npnet.arange(16.0).reshape(1, 1, 4, 4)
        >>> npnet.max_pool2d(x, 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
        >>> npnet.max_pool2d(x, 3, stride=2, padding=1).shape
        (1, 1, 2, 2)

    Source: Riesenhuber and Poggio (1999), Nature Neuroscience 2(11).
    """
    x = to_images("max_pool2d", input, 2)
    windows = kernel_size, stride, padding, dilation, ceil_mode
    y = pool_largest("max_pool2d", x, *windows, return_indices)
    if isinstance(y, tuple):
        return from_images(y[0], input, 2), from_images(y[1], input, 2)
    return from_images(y, input, 2)


def pool_largest(
    op: str,
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None,
    padding: int | Pair,
    dilation: int | Pair,
    ceil_mode: bool,
    return_indices: bool,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of images, for the op that is named."""
    window = Window.checked(op, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    check_padding(op, window)
    function = MaxPool2d(window, return_indices)
    y = function(x)
    return (y, result(function.indices())) if return_indices else y


def check_padding(op: str, window: Window) -> None:
    """Raise ShapeError if padding is more than half the kernel."""
    halves = tuple(k // 2 for k in window.kernel)
    if any(p[0] > half for p, half in zip(window.padding, halves, strict=True)):
        padding = tuple(p[0] for p in window.padding)
        raise ShapeError(f"{op}: padding must be at most half the kernel, {halves}; got {padding}")


class AvgPool2d(Function):
    """gx = gy / divisor, added up over the windows that a pixel lies in."""

    def __init__(self, window: Window, count_include_pad: bool, divisor: int | None) -> None:
        self.window, self.count_include_pad, self.divisor = window, count_include_pad, divisor

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_shape = x.shape
        image = windows.padded(x, self.window)
        counts = self.window.output_size(x.shape[2:])
        taps = (image[place] for _, _, place in windows.taps(self.window, counts))
        y = _sums.add_parts(taps, (*x.shape[:2], *counts), x.dtype)
        divisors = self._divisors(x.shape).astype(x.dtype)
        if x.dtype.kind not in FLOATS:  # towards 0
            return np.sign(divisors) * np.sign(y) * (np.abs(y) // np.abs(divisors))
        y /= divisors
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        share = gy / self._divisors(self.x_shape).astype(gy.dtype)
        gx = windows.Scatter(self.window, self.x_shape, gy.dtype)
        for _, _, place in windows.taps(self.window, gy.shape[2:]):
            gx.image[place] += share
        return (gx.inner(),)

    def _divisors(self, shape: tuple[int, ...]) -> Array:  # (OH, OW)
        """How many pixels count in each window: padding if it should, what ceil adds never."""
        counts = self.window.output_size(shape[2:])
        if self.divisor is not None:
            return np.full(counts, self.divisor)
        pads = self.window.padding if self.count_include_pad else ((0, 0), (0, 0))
        inside = []
        for a in (0, 1):
            first = np.arange(counts[a]) * self.window.stride[a] - self.window.padding[a][0]
            last = np.minimum(first + self.window.kernel[a], shape[2 + a] + pads[a][1])
            inside.append(last - np.maximum(first, -pads[a][0]))
        return np.outer(*inside)


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

        y[n, c, i, j] = 1 / divisor * sum over u, v of x[n, c, i*SH - PH + u, j*SW - PW + v]

    Args:
        stride: default the kernel's size.
        padding: zeros around, at most half the kernel's size.
        ceil_mode: also windows that begin inside the image and reach out of it.
        count_include_pad: whether the divisor counts padding: KH * KW then, else the pixels.
        divisor_override: the divisor, in place of the count.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW),
        OH = floor((H + 2*PH - KH) / SH) + 1, OW alike.

    Raises:
        ShapeError: the kernel is larger than the padded input, or `padding` than half the kernel.
        ValueError: kernel_size or stride is less than 1.
        RuntimeError: `divisor_override` is 0.

    Example:
        >>> x = npnet.tensor([[[1.0, 2.0], [3.0, 6.0]]])
        >>> F.avg_pool2d(x, 2), F.avg_pool2d(x, 2, padding=1)
        (tensor([[[3.]]]), tensor([[[0.2500, 0.5000],
                 [0.7500, 1.5000]]]))

    Source: LeCun et al. (1998), section II.B; there with a weight and a bias.
    """
    if divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor_override must not be 0")
    x = to_images("avg_pool2d", input, 2)
    windows = kernel_size, stride, padding, ceil_mode
    y = pool_means("avg_pool2d", x, *windows, count_include_pad, divisor_override)
    return from_images(y, input, 2)


def pool_means(
    op: str,
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None,
    padding: int | Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None = None,
) -> Tensor:
    """The mean of each window of images, for the op that is named."""
    window = Window.checked(op, x.shape, kernel_size, stride, padding, 1, ceil_mode)
    check_padding(op, window)
    check_numbers(op, x)
    return AvgPool2d(window, count_include_pad, divisor)(x)


class AdaptiveAvgPool2d(Function):
    """Means along columns, then along rows: bins are rectangles.  gx shares gy out over its bin."""

    def __init__(self, size: Pair) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_shape = x.shape
        return _bin_means(_bin_means(x, self.size[0], 2), self.size[1], 3)

    def backward(self, gy: Array) -> tuple[Array]:
        rows = _bin_shares(gy, self.x_shape[3], 3)
        return (_bin_shares(rows, self.x_shape[2], 2),)


def bins(size: int, count: int) -> list[slice]:
    """`count` bins that cover `size` pixels: from floor(i*size/count) to ceil((i+1)*size/count)."""
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _bin_means(x: Array, count: int, axis: int) -> Array:
    """The mean of each bin along an axis."""
    y = np.empty((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype)
    for i, place in enumerate(bins(x.shape[axis], count)):
        before: tuple[Any, ...] = (slice(None),) * axis
        y[(*before, i)] = _sums.mean(x[(*before, place)], (axis,))
    return y


def _bin_shares(gy: Array, size: int, axis: int) -> Array:
    """The transpose of `_bin_means`."""
    gx = np.zeros((*gy.shape[:axis], size, *gy.shape[axis + 1 :]), gy.dtype)
    for i, place in enumerate(bins(size, gy.shape[axis])):
        before: tuple[Any, ...] = (slice(None),) * axis
        share = gy[(*before, slice(i, i + 1))] / gy.dtype.type(place.stop - place.start)
        gx[(*before, place)] += share
    return gx


def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """The mean of OH x OW bins that cover the image; neighbours may overlap by a pixel.

    Bin i of OH covers the rows from floor(i * H / OH) to ceil((i + 1) * H / OH).

    Args:
        output_size: (OH, OW), or one number for both; None keeps the input's.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: the input has other axes, or no pixels.
        ValueError: `output_size` is negative.

    Example:
        >>> F.adaptive_avg_pool2d(npnet.arange(9.0).reshape(1, 3, 3), 2)
        tensor([[[2., 3.],
                 [5., 6.]]])
        >>> F.adaptive_avg_pool2d(npnet.zeros(8, 16, 7, 5), 1).shape
        (8, 16, 1, 1)

    Source: Lin, Chen, Yan (2014), arXiv:1312.4400, section 3.2, for a single bin.
    """
    check_dtypes("adaptive_avg_pool2d", input)
    x = to_images("adaptive_avg_pool2d", input, 2)
    size = bin_counts("adaptive_avg_pool2d", x, output_size)
    return from_images(AdaptiveAvgPool2d(size)(x), input, 2)


def bin_counts(op: str, x: Tensor, output_size: int | Sequence[int | None] | None) -> Pair:
    """How many bins an adaptive pool makes along each axis of images."""
    wanted = tuple(output_size) if isinstance(output_size, Sequence) else (output_size, output_size)
    if len(wanted) != 2:
        raise TypeError(f"{op}: output_size must be two numbers, got {output_size}")
    size = tuple(
        n if count is None else count for n, count in zip(x.shape[2:], wanted, strict=True)
    )
    if not all(x.shape[2:]):
        raise ShapeError(f"{op}: the image has no pixels; got {x.shape}")
    return as_pair(op, "output_size", size, 0)  # type: ignore[arg-type] # which checks it
