"""The inverse of max pooling, as far as there is one: each maximum goes back to its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops.images import as_row, from_images, to_images
from npnet.ops.pool1d import rows
from npnet.ops.windows import Pair, as_pair, as_stride
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d"]


class MaxUnpool2d(Function):
    """y[at] = x, and 0 elsewhere;  gx = gy[at]. Of several that go to one place the last stays.

    Args:
        at: places in the plane, row * W + column.
        size: (OH, OW).
    """

    def __init__(self, at: Array, size: Pair) -> None:
        self.at, self.size = at, size

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, OH, OW)
        y = np.zeros((*x.shape[:2], self.size[0] * self.size[1]), x.dtype)
        np.put_along_axis(y, self._flat(self.at), self._flat(x), 2)
        return y.reshape(*x.shape[:2], *self.size)

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.take_along_axis(self._flat(gy), self._flat(self.at), 2)
        return (gx.reshape(self.at.shape),)

    @staticmethod
    def _flat(x: Array) -> Array:
        n, c, h, w = x.shape
        return x.reshape(n, c, h * w)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The maxima of `max_pool2d` at their places, and 0 elsewhere.

    Args:
        indices: what `max_pool2d(return_indices=True)` gave.
        output_size: (OH, OW), with or without what stands before; windows of stride S may come
            from any of S sizes. Default (H - 1) * SH - 2*PH + KH, and OW alike.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: the indices' shape is not the input's.
        RuntimeError: an index is no place of the output.
        ValueError: no window of this stride gives `output_size`.

    Example:
        >>> x = npnet.tensor([[[1.0, 2.0], [4.0, 3.0]]])
        >>> y, indices = F.max_pool2d(x, 2, return_indices=True)
        >>> F.max_unpool2d(y, indices, 2)
        tensor([[[0., 0.],
                 [4., 0.]]])

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 2.1.
    """
    op = "max_unpool2d"
    kernel = as_pair(op, "kernel_size", kernel_size, 1)
    step = as_stride(op, stride, kernel)
    around = as_pair(op, "padding", padding, 0)
    return _unpool(op, input, indices, (kernel, step, around), output_size, 2)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The maxima of `max_pool1d` at their places, and 0 elsewhere: see `max_unpool2d`.

    Shape: (N, C, L) or (C, L) -> (N, C, OL), OL = (L - 1) * S - 2*P + K.

    Raises:
        ShapeError: the indices' shape is not the input's.
        RuntimeError: an index is no place of the output.
        ValueError: no window of this stride gives `output_size`.

    Example:
        >>> y, indices = F.max_pool1d(npnet.tensor([[1.0, 5.0, 7.0, 3.0]]), 2, return_indices=True)
        >>> F.max_unpool1d(y, indices, 2)
        tensor([[0., 5., 7., 0.]])

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 2.1.
    """
    windows = rows("max_unpool1d", kernel_size, stride, padding)
    return _unpool("max_unpool1d", input, indices, windows, output_size, 1)


def _unpool(
    op: str,
    input: Tensor,
    indices: Tensor,
    windows: tuple[Pair, Pair, Pair],
    output_size: Sequence[int] | None,
    dims: int,
) -> Tensor:
    x, at = to_images(op, input, dims), to_images(op, indices, dims)
    if at.dtype != np.int64:
        raise RuntimeError(f"{op}: indices must be int64, got {at.dtype}")
    if at.shape != x.shape:
        raise ShapeError(
            f"{op}: indices must have the shape of input, {input.shape}, got {indices.shape}"
        )
    usual = tuple((n - 1) * s - 2 * p + k for n, k, s, p in zip(x.shape[2:], *windows, strict=True))
    size = _size(op, usual, windows[1], output_size, dims)
    if min(size) < 1:
        raise ShapeError(f"{op}: the output would be {size} pixels; got input {input.shape}")
    places = size[0] * size[1]
    if at.numel() and not 0 <= at.array.min() <= at.array.max() < places:
        raise RuntimeError(
            f"{op}: indices must lie in [0, {places - 1}], as output {size} has places, "
            f"got {at.array.min()} to {at.array.max()}"
        )
    return from_images(MaxUnpool2d(at.array.copy(), size)(x), input, dims)


def _size(
    op: str, usual: tuple[int, ...], stride: Pair, output_size: Sequence[int] | None, dims: int
) -> Pair:
    """`output_size`, if windows of this stride may come from it; else the usual one."""
    if output_size is None:
        return usual[0], usual[1]
    given = tuple(output_size)[-dims:]
    if len(output_size) not in (dims, dims + 1, dims + 2):
        raise ValueError(f"{op}: output_size must have {dims} numbers, got {tuple(output_size)}")
    size = given if dims == 2 else as_row(op, "output_size", given, 1, 1)
    for n, most, s in zip(size[2 - dims :], usual[2 - dims :], stride[2 - dims :], strict=True):
        if not most - s < n < most + s:
            raise ValueError(
                f"{op}: output_size must lie within a stride of {usual[2 - dims :]}, got {given}"
            )
    return size[0], size[1]
