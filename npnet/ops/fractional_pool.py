"""Max pooling by windows that begin at random places, so that any size can result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import _sums
from npnet.ops.adaptive_max_pool import last_largest
from npnet.ops.images import from_images, to_images
from npnet.ops.windows import Pair, as_pair
from npnet.random import default_generator
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["fractional_max_pool2d"]


class FractionalMaxPool2d(Function):
    """The first maximum of a window receives the whole gradient.

    Args:
        rows, columns: where the windows begin, (N, C, OH) and (N, C, OW).
    """

    def __init__(self, kernel: Pair, rows: Array, columns: Array) -> None:
        self.kernel, self.rows, self.columns = kernel, rows, columns

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_shape = x.shape
        u, v = np.divmod(np.arange(self.kernel[0] * self.kernel[1]), self.kernel[1])
        places = (self.rows[:, :, :, None, None] + u) * x.shape[3]
        places = places + self.columns[:, :, None, :, None] + v  # (N, C, OH, OW, KH*KW)
        n, c, *_ = places.shape
        pixels = np.take_along_axis(x.reshape(n, c, -1), places.reshape(n, c, -1), 2)
        at = last_largest(pixels.reshape(places.shape))[..., None]
        self.winner: Array = np.take_along_axis(places, at, 4)[..., 0]
        y: Array = np.take_along_axis(pixels.reshape(places.shape), at, 4)[..., 0]
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        n, c, h, w = self.x_shape
        images, channels = np.ogrid[:n, :c]
        index = images[..., None], channels[..., None], self.winner.reshape(n, c, -1)
        return (_sums.add_at((n, c, h * w), index, gy.reshape(n, c, -1)).reshape(self.x_shape),)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    output_size: int | Pair | None = None,
    output_ratio: float | tuple[float, float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of windows that begin at random places, evenly spread on the whole.

    Along each axis, window i < O - 1 of O begins at int((i + u) * a) - int(u * a), where
    a = (H - K) / (O - 1) and u is drawn evenly from [0, 1); the last one ends with the image.

    Args:
        output_size: (OH, OW), or one number for both.
        output_ratio: in its place, OH / H and OW / W.
        return_indices: also return where each maximum stands in its plane, row * W + column.
        _random_samples: the u of columns and rows, (N, C, 2), in place of drawn ones.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ValueError: neither output_size nor output_ratio is given.
        ShapeError: an output and a kernel do not fit into the image: O + K - 1 > H.

    Example:
        >>> F.fractional_max_pool2d(npnet.zeros(1, 3, 7, 7), 2, output_size=(5, 4)).shape
        (1, 3, 5, 4)

    Source: Graham (2014), arXiv:1412.6071, section 2.
    """
    op = "fractional_max_pool2d"
    x, kernel = to_images(op, input, 2), as_pair(op, "kernel_size", kernel_size, 1)
    size = _size(op, x.shape[2:], output_size, output_ratio)
    if any(o < 1 or o + k - 1 > n for o, k, n in zip(size, kernel, x.shape[2:], strict=True)):
        raise ShapeError(
            f"{op}: output_size + kernel_size - 1 must fit into the image; got input "
            f"{input.shape}, output_size {size}, kernel_size {kernel}"
        )
    if _random_samples is None:
        samples = default_generator.numpy.random((*x.shape[:2], 2), np.float32)
    else:
        samples = _random_samples.array
    if samples.shape != (*x.shape[:2], 2):
        raise ShapeError(f"{op}: _random_samples must be {(*x.shape[:2], 2)}, got {samples.shape}")
    rows, columns = (
        _begin(samples[..., 1 - a], x.shape[2 + a], size[a], kernel[a]) for a in (0, 1)
    )
    function = FractionalMaxPool2d(kernel, rows, columns)
    y = from_images(function(x), input, 2)
    return (y, from_images(result(function.winner), input, 2)) if return_indices else y


def _size(
    op: str,
    shape: Sequence[int],
    size: int | Pair | None,
    ratio: float | tuple[float, float] | None,
) -> Pair:
    if size is not None:
        return as_pair(op, "output_size", size, 1)
    if ratio is None:
        raise ValueError(f"{op}: needs an output_size or an output_ratio, got neither")
    pair = ratio if isinstance(ratio, tuple) else (ratio, ratio)
    return int(shape[0] * pair[0]), int(shape[1] * pair[1])


def _begin(samples: Array, size: int, out: int, kernel: int) -> Array:
    """Where the windows begin along an axis: (N, C, out)."""
    alpha = samples.dtype.type((size - kernel) / (out - 1) if out > 1 else 0)
    steps = (np.arange(out).astype(samples.dtype) + samples[..., None]) * alpha
    begin = steps.astype(np.int64) - (samples[..., None] * alpha).astype(np.int64)
    begin[..., -1] = size - kernel
    return begin
