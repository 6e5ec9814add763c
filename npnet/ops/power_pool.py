"""Pools by a power mean without the count: between a sum (p = 1) and a maximum (p = inf)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npnet.ops import arithmetic, pool, pool1d
from npnet.ops.windows import Pair, as_pair

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d"]


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum over the window of x^p)^(1/p), p = `norm_type`, by `avg_pool2d`.

    A negative sum, of an odd power, gives NaN, as in PyTorch.

    Shape: (N, C, H, W) or (C, H, W) -> as of `avg_pool2d`.

    Raises:
        ShapeError: the kernel is larger than the input.

    Example:
        >>> F.lp_pool2d(npnet.tensor([[[[1.0, 1.0], [1.0, 2.0]]]]), 2, 2)
        tensor([[[[2.6458]]]])

    Source: Sermanet, Chintala, LeCun (2012), arXiv:1204.3968.
    """
    kernel = as_pair("lp_pool2d", "kernel_size", kernel_size, 1)
    powers = arithmetic.pow(input, norm_type)
    means = pool.avg_pool2d(powers, kernel, stride, 0, ceil_mode)
    return _root(means, kernel[0] * kernel[1], norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum over the window of x^p)^(1/p), p = `norm_type`: see `lp_pool2d`.

    Shape: (N, C, L) or (C, L) -> as of `avg_pool1d`.

    Raises:
        ShapeError: the kernel is larger than the input.

    Example:
        >>> F.lp_pool1d(npnet.tensor([[[1.0, 2.0, 3.0, 3.0]]]), 2, 2)
        tensor([[[2.2361, 4.2426]]])

    Source: Sermanet, Chintala, LeCun (2012), arXiv:1204.3968.
    """
    (_, length), _, _ = pool1d.rows("lp_pool1d", kernel_size, stride, 0)
    powers = arithmetic.pow(input, norm_type)
    means = pool1d.avg_pool1d(powers, kernel_size, stride, 0, ceil_mode)
    return _root(means, length, norm_type)


def _root(means: Tensor, count: int, p: int | float) -> Tensor:
    return arithmetic.pow(arithmetic.mul(means, count), 1 / p)
