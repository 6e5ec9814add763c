"""Pools of signals: those of images of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npnet.base.checks import ShapeError
from npnet.ops import pool
from npnet.ops.images import as_row, as_single, from_images, to_images
from npnet.ops.windows import Pair

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["adaptive_avg_pool1d", "avg_pool1d", "max_pool1d", "rows"]


def rows(
    op: str,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding of windows on images of one row."""
    kernel = as_row(op, "kernel_size", kernel_size, 1, 1)
    absent = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    step = kernel if absent else as_row(op, "stride", stride, 1, 1)  # type: ignore[arg-type] # not None
    return kernel, step, as_row(op, "padding", padding, 0, 0)


def max_pool1d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window: `max_pool2d` on images of one row.

    Args:
        return_indices: also return where each maximum stands.

    Shape: (N, C, L) or (C, L) -> (N, C, OL), OL = floor((L + 2*P - D*(K - 1) - 1) / S) + 1; ceil
        in place of floor with `ceil_mode`.

    Raises:
        ShapeError: the kernel is larger than the padded input, or `padding` than half the kernel.

    Example:
        >>> npnet.max_pool1d(npnet.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2, return_indices=True)
        (tensor([[[3., 5.]]]), tensor([[[1, 3]]]))
    """
    kernel, step, around = rows("max_pool1d", kernel_size, stride, padding)
    apart = as_row("max_pool1d", "dilation", dilation, 1, 1)
    x = to_images("max_pool1d", input, 1)
    if input.ndim == 2 and not input.shape[0]:
        raise ShapeError(f"max_pool1d: (C, L) must have a channel, got {tuple(input.shape)}")
    y = pool.pool_largest("max_pool1d", x, kernel, step, around, apart, ceil_mode, return_indices)
    if isinstance(y, tuple):
        return from_images(y[0], input, 1), from_images(y[1], input, 1)
    return from_images(y, input, 1)


def avg_pool1d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window: `avg_pool2d` on images of one row.

    Shape: (N, C, L) or (C, L) -> (N, C, OL), OL = floor((L + 2*P - K) / S) + 1.

    Raises:
        ShapeError: the kernel is larger than the padded input, or `padding` than half the kernel.

    Example:
        >>> npnet.avg_pool1d(npnet.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2)
        tensor([[[2., 6.]]])
    """
    kernel, step, around = rows("avg_pool1d", kernel_size, stride, padding)
    x = to_images("avg_pool1d", input, 1)
    y = pool.pool_means("avg_pool1d", x, kernel, step, around, ceil_mode, count_include_pad)
    return from_images(y, input, 1)


def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The mean of OL bins that cover the signal: see `adaptive_avg_pool2d`.

    Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: the input has other axes, or no values along L.

    Example:
        >>> x = npnet.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
        >>> npnet.adaptive_avg_pool1d(x, 2)  # of x[:3] and x[2:]
        tensor([[[2., 4.]]])

    Source: Lin, Chen, Yan (2014), as of `adaptive_avg_pool2d`.
    """
    x = to_images("adaptive_avg_pool1d", input, 1)
    size = 1, as_single("adaptive_avg_pool1d", "output_size", output_size, 0)
    return from_images(pool.adaptive_avg_pool2d(x, size), input, 1)
