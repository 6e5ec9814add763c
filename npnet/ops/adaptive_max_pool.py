"""The largest value of each of so many bins that cover an image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import pool
from npnet.ops.images import as_single, from_images, to_images
from npnet.ops.windows import Pair, Window
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["adaptive_max_pool1d", "adaptive_max_pool2d", "last_largest"]


class AdaptiveMaxPool2d(Function):
    """The first maximum of a bin, in row-major order, receives the whole gradient."""

    def __init__(self, size: Pair) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_shape = x.shape
        y = np.empty((*x.shape[:2], *self.size), x.dtype)
        self.winner = np.empty(y.shape, np.int64)  # its place in the plane
        for (i, j), (rows, columns) in self._bins():
            pixels = x[:, :, rows, columns]
            width = pixels.shape[3]
            pixels = pixels.reshape(*x.shape[:2], -1)
            at = last_largest(pixels)
            y[:, :, i, j] = np.take_along_axis(pixels, at[..., None], 2)[..., 0]
            row, column = np.divmod(at, width)
            self.winner[:, :, i, j] = (row + rows.start) * x.shape[3] + column + columns.start
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros((*self.x_shape[:2], self.x_shape[2] * self.x_shape[3]), gy.dtype)
        for (i, j), _ in self._bins():  # bins overlap: one after the other
            at = self.winner[:, :, i, j, None]
            total = np.take_along_axis(gx, at, 2) + gy[:, :, i, j, None]
            np.put_along_axis(gx, at, total, 2)
        return (gx.reshape(self.x_shape),)

    def indices(self) -> Array:  # (N, C, OH, OW), int64
        """Where each maximum stands in its plane: row * W + column."""
        return self.winner

    def _bins(self) -> Iterator[tuple[Any, Any]]:
        """Each bin's number and its slices."""
        rows, columns = (pool.bins(self.x_shape[2 + a], self.size[a]) for a in (0, 1))
        return zip(
            itertools.product(range(self.size[0]), range(self.size[1])),
            itertools.product(rows, columns),
            strict=True,
        )


def last_largest(x: Array) -> Array:
    """The first place of the largest value along the last axis; of several NaN the last."""
    at: Array = x.argmax(-1)
    there = np.isnan(x)
    if there.any():
        last = x.shape[-1] - 1 - there[..., ::-1].argmax(-1)
        at = np.where(there.any(-1), last, at)
    return at


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of OH x OW bins that cover the image; see `adaptive_avg_pool2d`.

    The first maximum in row-major order receives the whole gradient, and NaN is larger than
    everything, both as in PyTorch.

    Args:
        output_size: (OH, OW), or one number for both; None keeps the input's.
        return_indices: also return where each maximum stands in its plane, row * W + column.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: the input has other axes, or no pixels.
        ValueError: `output_size` is negative.

    Example:
        >>> F.adaptive_max_pool2d(npnet.arange(9.0).reshape(1, 3, 3), 2)
        tensor([[[4., 5.],
                 [7., 8.]]])
    """
    x = to_images("adaptive_max_pool2d", input, 2)
    size = pool.bin_counts("adaptive_max_pool2d", x, output_size)
    y, at = _pool(x, size, return_indices)
    y = from_images(y, input, 2)
    return y if at is None else (y, from_images(at, input, 2))


def adaptive_max_pool1d(
    input: Tensor, output_size: int | Sequence[int], return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of OL bins that cover the signal: see `adaptive_max_pool2d`.

    Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: the input has other axes, or no values along L.

    Example:
        >>> F.adaptive_max_pool1d(npnet.tensor([[1.0, 5.0, 2.0, 4.0, 3.0]]), 2, return_indices=True)
        (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    x = to_images("adaptive_max_pool1d", input, 1)
    length = as_single("adaptive_max_pool1d", "output_size", output_size, 0)
    size = pool.bin_counts("adaptive_max_pool1d", x, (1, length))
    y, at = _pool(x, size, return_indices)
    y = from_images(y, input, 1)
    return y if at is None else (y, from_images(at, input, 1))


def _pool(x: Tensor, size: Pair, return_indices: bool) -> tuple[Tensor, Tensor | None]:
    """The maxima, and where they stand; equal bins are windows, which kernels take too."""
    kernel = tuple(n // max(k, 1) for n, k in zip(x.shape[2:], size, strict=True))
    function: pool.MaxPool2d | AdaptiveMaxPool2d
    if min(kernel) > 0 and all(
        n == k * s for n, k, s in zip(x.shape[2:], kernel, size, strict=True)
    ):
        function = pool.MaxPool2d(Window(kernel, kernel), return_indices)  # type: ignore[arg-type] # pairs
    else:
        function = AdaptiveMaxPool2d(size)
    y = function(x)
    return y, result(function.indices()) if return_indices else None
