"""The largest and the smallest over several axes, and so far; the k-th; the middle one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.ops import indexing, reduce, shape
from npnet.ops.reduce import Dims, MinMax
from npnet.ops.shape import axis
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "AMinMax",
    "amax",
    "amin",
    "aminmax",
    "cummax",
    "cummin",
    "kthvalue",
    "median",
    "mode",
    "nanmedian",
]


class AMinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


class ExtremeOf(reduce.Sum):
    """The largest or smallest over axes; equal values share the gradient evenly."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, choose: Any) -> None:
        super().__init__(axes, keepdim)
        self.choose = choose

    def forward(self, x: Array) -> Array:
        y = np.asarray(self.choose(x, axis=self.axes, keepdims=self.keepdim))
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        best = self.restore(y)
        winners = (x == best) | (np.isnan(best) & np.isnan(x))
        count = winners.sum(self.axes, keepdims=True).astype(gy.dtype)
        return (np.where(winners, self.restore(gy) / count, gy.dtype.type(0)),)


def _extreme_of(op: str, choose: Any, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    axes = reduce.axes_of(op, x, dim)
    if any(not x.shape[a] for a in axes):
        raise IndexError(f"{op}: there is no {op[1:]} of nothing; input has shape {x.shape}")
    return ExtremeOf(axes, keepdim, choose)(x)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest value over axes, default all; equal ones share the gradient evenly.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> x = npnet.tensor([[1.0, 3.0], [3.0, 2.0]], requires_grad=True)
        >>> npnet.amax(x).backward()
        >>> x.grad
        tensor([[0.0000, 0.5000],
                [0.5000, 0.0000]])
    """
    return _extreme_of("amax", np.max, input, dim, keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The smallest value over axes, default all; equal ones share the gradient evenly.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> npnet.amin(npnet.tensor([[1, 3], [5, 2]]), dim=1)
        tensor([1, 2])
    """
    return _extreme_of("amin", np.min, input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> AMinMax:
    """The smallest and the largest value along one axis, or of all.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> npnet.aminmax(npnet.tensor([3, 1, 2]))
        AMinMax(min=tensor(1), max=tensor(3))
    """
    return AMinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _best_so_far(x: Array, dim: int, largest: bool) -> Array:
    """Where the best value up to each position stands; of equal ones the last, and NaN wins."""
    values = np.moveaxis(x, dim, 0)
    at = np.zeros(values.shape, np.int64)
    if not len(values):
        return np.moveaxis(at, 0, dim)
    best, where = values[0].copy(), np.zeros(values.shape[1:], np.int64)
    for i in range(len(values)):  # each position depends on the one before
        new = values[i]
        better = new >= best if largest else new <= best
        if x.dtype.kind in FLOATS:
            better = np.isnan(new) | (better & ~np.isnan(best))
        best = np.where(better, new, best)
        where = np.where(better, i, where)
        at[i] = where
    return np.moveaxis(at, 0, dim)


def _running_extreme(op: str, x: Tensor, dim: int, largest: bool) -> MinMax:
    at = axis(op, dim, max(x.ndim, 1))
    if not x.ndim:
        return MinMax(shape.clone(x), result(np.zeros((), np.int64)))
    indices = result(np.ascontiguousarray(_best_so_far(x.array, at, largest)))
    return MinMax(indexing.gather(x, at, indices), indices)


def cummax(input: Tensor, dim: int) -> MinMax:
    """The largest value so far along `dim`, and where it stands; of equal ones the last.

    Shape: (...) -> the same, both values and places.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.cummax(npnet.tensor([1, 3, 2, 3]), dim=0)
        MinMax(values=tensor([1, 3, 3, 3]), indices=tensor([0, 1, 1, 3]))
    """
    return _running_extreme("cummax", input, dim, largest=True)


def cummin(input: Tensor, dim: int) -> MinMax:
    """The smallest value so far along `dim`, and where it stands; of equal ones the last.

    Shape: (...) -> the same, both values and places.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.cummin(npnet.tensor([3, 1, 2, 1]), dim=0)
        MinMax(values=tensor([3, 1, 1, 1]), indices=tensor([0, 1, 1, 3]))
    """
    return _running_extreme("cummin", input, dim, largest=False)


# ---- by order ----------------------------------------------------------------------------------


def _taken(x: Tensor, at: int, places: Array, keepdim: bool) -> MinMax:
    """The values at one place along an axis, and the places: `places` has that axis, of size 1."""
    indices = result(np.asarray(places, np.int64))
    if not x.ndim:
        return MinMax(shape.clone(x), result(np.zeros((), np.int64)))
    values = indexing.gather(x, at, indices)
    if keepdim:
        return MinMax(values, indices)
    return MinMax(shape.squeeze(values, at), shape.squeeze(indices, at))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> MinMax:
    """The k-th smallest value along `dim`, counted from 1, and where it stands.

    Shape: (..., n, ...) -> (..., ...) without `dim`; of size 1 with keepdim; values and places.

    Raises:
        RuntimeError: k does not lie in [1, n].
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.kthvalue(npnet.tensor([5, 3, 9, 1]), 2)
        MinMax(values=tensor(3), indices=tensor(1))
    """
    at = axis("kthvalue", dim, max(input.ndim, 1))
    size = input.shape[at] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue: k must lie in [1, {size}], got {k}; input {input.shape}")
    order = np.argsort(np.atleast_1d(input.array), at, kind="stable")
    return _taken(input, at, order.take([k - 1], at), keepdim)


def _middle(op: str, x: Tensor, dim: int, keepdim: bool, skip: bool) -> MinMax:
    """The lower of the middle values; a NaN is the middle unless it is skipped."""
    at = axis(op, dim, max(x.ndim, 1))
    values = np.atleast_1d(x.array)
    if not values.shape[at]:
        raise IndexError(f"{op}: there is no middle of nothing; input has shape {x.shape}")
    order = np.argsort(values, at, kind="stable")  # NaN come last
    missing = np.isnan(values) if x.is_floating_point() else np.zeros(values.shape, bool)
    there = values.shape[at] - missing.sum(at, keepdims=True)
    middle = (np.maximum(there, 1) - 1) // 2
    if not skip:
        middle = np.where(there < values.shape[at], there, middle)  # the first NaN
    return _taken(x, at, np.take_along_axis(order, middle, at), keepdim)


def _middle_of_all(op: str, x: Tensor, skip: bool) -> Tensor:
    if not x.numel():
        if not x.is_floating_point():
            raise RuntimeError(f"{op}: there is no middle of no integers")
        return result(np.asarray(np.nan, x.dtype))
    return _middle(op, shape.reshape(x, (-1,)), 0, False, skip).values


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle value, the lower of two: a Tensor; with `dim`, (values, indices) along it.

    NaN where one is among the values.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.median(npnet.tensor([4, 1, 3, 2])), npnet.median(npnet.tensor([[5, 1, 9]]), dim=1)
        (tensor(2), MinMax(values=tensor([5]), indices=tensor([0])))
    """
    if dim is None:
        return _middle_of_all("median", input, skip=False)
    return _middle("median", input, dim, keepdim, skip=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the values that are not NaN.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.nanmedian(npnet.tensor([1.0, npnet.nan, 3.0]))
        tensor(1.)
    """
    if dim is None:
        return _middle_of_all("nanmedian", input, skip=True)
    return _middle("nanmedian", input, dim, keepdim, skip=True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> MinMax:
    """The most frequent value along `dim`, the smallest of several, and where it last stands.

    Shape: (..., n, ...) -> (..., ...) without `dim`; of size 1 with keepdim; values and places.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.mode(npnet.tensor([3, 1, 3, 1, 2]))
        MinMax(values=tensor(1), indices=tensor(3))
    """
    at = axis("mode", dim, max(input.ndim, 1))
    values = np.atleast_1d(input.array)
    if not values.shape[at]:
        raise IndexError(f"mode: there is no mode of nothing; input has shape {input.shape}")
    rows = np.moveaxis(values, at, -1)
    places = np.zeros((*rows.shape[:-1], 1), np.int64)
    for row in np.ndindex(rows.shape[:-1]):
        known, counts = np.unique(rows[row], return_counts=True)
        places[row] = np.flatnonzero(rows[row] == known[counts.argmax()])[-1]
    return _taken(input, at, np.moveaxis(places, -1, at), keepdim)
