"""Order along an axis: sorting, the k largest, running sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.ops import _sums, indexing, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.shape import axis, cast
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["Sorted", "argsort", "cumsum", "sort", "topk"]


class Sorted(NamedTuple):
    """What `sort` and `topk` return."""

    values: Tensor
    indices: Tensor


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Where the values stand in their order along `dim`, int64. Arguments as of `sort`.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.argsort(npnet.tensor([3, 1, 2]), descending=True)
        tensor([0, 2, 1])
    """
    check_tensors("argsort", input)
    at = axis("argsort", dim, max(input.ndim, 1))
    x = input.array.reshape(-1) if input.ndim == 0 else input.array
    if descending:  # backwards twice: equal values keep their order, and NaN comes first
        order = x.shape[at] - 1 - np.flip(np.argsort(np.flip(x, at), at, kind="stable"), at)
    else:
        order = np.argsort(x, at, kind="stable")
    return result(np.asarray(order.reshape(input.shape), np.int64))


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Sorted:
    """The values in order along `dim`, and where they stood.

    Args:
        descending: the largest first. NaN is larger than everything.
        stable: equal values keep their order; they always do here.

    Shape: (...) -> the same, both values and places.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> values, indices = npnet.sort(npnet.tensor([3, 1, 2]), descending=True)
        >>> values, indices
        (tensor([3, 2, 1]), tensor([0, 2, 1]))
    """
    indices = argsort(input, dim, descending)
    return Sorted(indexing.gather(input, dim, indices) if input.ndim else input, indices)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The k largest values along `dim`, and where they stand.

    Args:
        largest: False takes the smallest.
        sorted: whether they shall be in order; they always are here.

    Shape: (..., n, ...) -> (..., k, ...), both values and places.

    Raises:
        RuntimeError: k is negative, or more than there are.
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.topk(npnet.tensor([3, 9, 1, 7]), 2)
        Sorted(values=tensor([9, 7]), indices=tensor([1, 3]))
    """
    at = axis("topk", dim, max(input.ndim, 1))
    size = input.shape[at] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk: k must lie in [0, {size}], got {k}; input {input.shape}")
    order = argsort(input, dim, descending=largest)
    if not input.ndim:
        return Sorted(input, order)
    indices = result(order.array.take(range(k), at))
    return Sorted(indexing.gather(input, dim, indices), indices)


class CumSum(Function):
    """y_i = sum over j <= i of x_j;  gx_i = sum over j >= i of gy_j."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return _sums.running_sums(x, self.dim)

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.flip(_sums.running_sums(np.flip(gy, self.dim), self.dim), self.dim),)


def cumsum(input: Tensor, dim: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Running sums along `dim`; of integers and bools in int64.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.cumsum(npnet.tensor([[1, 2, 3], [4, 5, 6]]), dim=1)
        tensor([[ 1,  3,  6],
                [ 4,  9, 15]])
    """
    if dtype is None and not input.is_floating_point():
        dtype = np.int64
    x = input if dtype is None else cast(input, np.dtype(dtype))
    at = axis("cumsum", dim, max(input.ndim, 1))
    return CumSum(at)(x) if x.ndim else shape.clone(x)
