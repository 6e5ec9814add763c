"""Reductions: over all axes, or over those named by `dim`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.ops import _sums, choices, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.shape import axis, cast
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "MinMax",
    "all",
    "any",
    "argmax",
    "argmin",
    "axes_of",
    "max",
    "mean",
    "min",
    "std",
    "sum",
    "var",
]

Dims: TypeAlias = int | Sequence[int] | None
Axes: TypeAlias = tuple[int, ...]


class MinMax(NamedTuple):
    """What `max(x, dim)` and `min(x, dim)` return."""

    values: Tensor
    indices: Tensor


def axes_of(op: str, x: Tensor, dim: Dims) -> Axes:
    """The axes to reduce over: all where `dim` is None or empty, as in PyTorch."""
    if dim is None or (not isinstance(dim, int) and not len(dim)):
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, (int, np.integer)) else tuple(dim)
    axes = tuple(axis(op, d, x.ndim or 1) for d in dims)
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"{op}: dim names an axis twice: {tuple(dims)}")
    return axes if x.ndim else ()


def _count(x: Array, axes: Axes) -> int:
    return math.prod(x.shape[a] for a in axes)


class Sum(Function):
    """gx = gy, repeated over the reduced axes."""

    def __init__(self, axes: Axes, keepdim: bool) -> None:
        self.axes, self.keepdim = axes, keepdim

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return _sums.add_up(x, self.axes, self.keepdim)

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.broadcast_to(self.restore(gy), self.x_shape),)

    def restore(self, gy: Array) -> Array:
        """gy with the reduced axes back, of size 1."""
        return gy if self.keepdim else np.expand_dims(gy, self.axes)


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """The sum; of integers and bools in int64.

    Args:
        dim: axis or axes to sum over; default all.
        keepdim: keep them, of size 1.
        dtype: to convert to first.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> x = npnet.tensor([[1, 2], [3, 4]])
        >>> npnet.sum(x), npnet.sum(x, dim=0), npnet.sum(x, dim=1, keepdim=True)
        (tensor(10), tensor([4, 6]), tensor([[3],
                [7]]))
    """
    if dtype is None and not input.is_floating_point():
        dtype = np.int64
    x = input if dtype is None else cast(input, np.dtype(dtype))
    return Sum(axes_of("sum", x, dim), keepdim)(x)


class Mean(Sum):
    """gx = gy / count, repeated over the reduced axes."""

    def forward(self, x: Array) -> Array:
        self.x_shape, self.count = x.shape, _count(x, self.axes)
        return _sums.mean(x, self.axes, self.keepdim)

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.broadcast_to(self.restore(gy) / gy.dtype.type(self.count), self.x_shape),)


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """The mean.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: integers, whose mean is none: use x.float().mean().

    Example:
        >>> npnet.mean(npnet.tensor([[1.0, 2.0], [3.0, 6.0]]), dim=0)
        tensor([2., 4.])
    """
    x = input if dtype is None else cast(input, np.dtype(dtype))
    if not x.is_floating_point():
        raise RuntimeError(f"mean: input must be floating point, got {x.dtype}; use x.float()")
    return Mean(axes_of("mean", x, dim), keepdim)(x)


class Var(Sum):
    """y = sum((x - mean)^2) / d, d = count - correction;  gx = gy * 2 (x - mean) / d."""

    def __init__(self, axes: Axes, keepdim: bool, correction: float) -> None:
        super().__init__(axes, keepdim)
        self.correction = correction

    def forward(self, x: Array) -> Array:
        count = _count(x, self.axes)
        self.centred, _, off, total = _sums.centred(x, self.axes)
        self.centred -= off
        self.divisor = x.dtype.type(np.maximum(count - self.correction, 0))  # of one value: NaN
        y = np.asarray(np.divide(total, self.divisor))
        return y if self.keepdim else y.squeeze(self.axes)

    def backward(self, gy: Array) -> tuple[Array]:
        return (self.centred * (self.restore(gy) * 2 / self.divisor),)


class Std(Var):
    """y = sqrt(var);  gx = gy * (x - mean) / (d y), and 0 where y = 0, as in PyTorch."""

    def forward(self, x: Array) -> Array:
        y = np.asarray(np.sqrt(super().forward(x)))
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        gvar = np.where(y == 0, gy.dtype.type(0), gy / (2 * y))
        return super().backward(gvar)


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance.

    Args:
        dim: axis or axes to reduce over; default all. `var(x, False)` means `unbiased=False`.
        unbiased: divide by count - 1, else by count.
        keepdim: keep the axes, of size 1.
        correction: what is taken off the count; it goes before `unbiased`.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> x = npnet.tensor([1.0, 2.0, 3.0])
        >>> npnet.var(x), npnet.var(x, unbiased=False)
        (tensor(1.), tensor(0.6667))
    """
    return _spread("var", Var, input, dim, unbiased, keepdim, correction)


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation, the root of `var`; its gradient is 0 where it is 0.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> x = npnet.tensor([1.0, 2.0, 3.0])
        >>> npnet.std(x), npnet.std(x, unbiased=False)
        (tensor(1.), tensor(0.8165))
    """
    return _spread("std", Std, input, dim, unbiased, keepdim, correction)


def _spread(
    op: str,
    function: type[Var],
    x: Tensor,
    dim: Dims | bool,
    unbiased: bool,
    keepdim: bool,
    correction: float | None,
) -> Tensor:
    if not x.is_floating_point():
        raise RuntimeError(f"{op}: input must be floating point, got {x.dtype}; use x.float()")
    if isinstance(dim, bool):
        return _spread(op, function, x, None, dim, keepdim, correction)
    off = int(unbiased) if correction is None else correction
    axes = axes_of(op, x, dim)
    if not x.ndim:  # one value: NaN, or 0 where nothing is taken off the count
        return function((0,), False, off)(shape.reshape(x, (1,)))
    return function(axes, keepdim, off)(x)


class Extreme(Function):
    """The largest or smallest of all; equal values share the gradient evenly, as in PyTorch."""

    def __init__(self, choose: Callable[[Array], Any]) -> None:
        self.choose = choose

    def forward(self, x: Array) -> Array:
        y = np.asarray(self.choose(x))
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        winners = np.isnan(x) if np.isnan(y) else x == y
        return (np.where(winners, gy / x.dtype.type(winners.sum()), gy.dtype.type(0)),)


class ExtremeAlong(Function):
    """y = x at one place along an axis; gx is gy there, and 0 elsewhere.

    Args:
        at: the places, of size 1 along the axis.
    """

    def __init__(self, dim: int, at: Array) -> None:
        self.dim, self.at = dim, at

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.take_along_axis(x, self.at, self.dim)

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        np.put_along_axis(gx, self.at, gy, self.dim)
        return (gx,)


def _extreme(op: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor | MinMax:
    if not x.numel() and (dim is None or not x.shape[axis(op, dim, x.ndim)]):
        raise IndexError(f"{op}: there is no {op} of nothing; input has shape {x.shape}")
    if dim is None:
        return Extreme(np.max if op == "max" else np.min)(x)
    indices = _arg(f"arg{op}", x, dim, keepdim=True)
    # A copy of the places: backward needs them as they are now.
    values = ExtremeAlong(dim % x.ndim, indices.array.copy())(x) if x.ndim else x
    if not keepdim and x.ndim:
        values, indices = shape.squeeze(values, dim), shape.squeeze(indices, dim)
    return MinMax(values, indices)


@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> MinMax: ...


@overload
def max(input: Tensor, dim: Tensor | None = None) -> Tensor: ...


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest value: a Tensor; with `dim`, (values, indices) along that axis.

    With a second tensor in the place of `dim`, the larger of each pair: `maximum`.

    NaN is larger than everything. Of equal values along `dim` the first counts and receives the
    whole gradient; without `dim` they share it.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> x = npnet.tensor([[1, 5, 2], [7, 0, 7]])
        >>> npnet.max(x), npnet.max(x, dim=1).indices, npnet.max(x, npnet.tensor(3))
        (tensor(7), tensor([1, 0]), tensor([[3, 5, 3],
                [7, 3, 7]]))
    """
    if isinstance(dim, Variable):
        return choices.maximum(input, dim)
    check_tensors("max", input)
    return _extreme("max", input, dim, keepdim)


@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> MinMax: ...


@overload
def min(input: Tensor, dim: Tensor | None = None) -> Tensor: ...


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest value: a Tensor; with `dim`, (values, indices) along that axis. See `max`.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> npnet.min(npnet.tensor([[1, 5], [7, 0]]), dim=1)
        MinMax(values=tensor([1, 0]), indices=tensor([0, 1]))
    """
    if isinstance(dim, Variable):
        return choices.minimum(input, dim)
    check_tensors("min", input)
    return _extreme("min", input, dim, keepdim)


def _arg(op: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if dim is not None and x.ndim:
        dim = axis(op, dim, x.ndim)
    if not x.numel() and (dim is None or not x.shape[dim]):
        raise IndexError(f"{op}: there is no position in nothing; input has shape {x.shape}")
    choose = np.argmax if op == "argmax" else np.argmin
    at = choose(x.array, axis=dim if x.ndim else None, keepdims=keepdim)
    return result(np.asarray(at, np.int64))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest value stands, int64: along `dim`, or in the flattened tensor.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> x = npnet.tensor([[1, 5, 2], [7, 0, 7]])  # of equal values the first
        >>> npnet.argmax(x), npnet.argmax(x, dim=1)
        (tensor(3), tensor([1, 0]))
    """
    check_tensors("argmax", input)
    return _arg("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest value stands, int64: along `dim`, or in the flattened tensor.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis, or there are no values.

    Example:
        >>> npnet.argmin(npnet.tensor([[3, 1, 1], [2, 9, 4]]), dim=1, keepdim=True)
        tensor([[1],
                [0]])
    """
    check_tensors("argmin", input)
    return _arg("argmin", input, dim, keepdim)


def _truth(op: str, choose: Any, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """Whether all, or any, are not 0; of uint8 in uint8, as in PyTorch."""
    y = np.asarray(choose(x.array, axis=axes_of(op, x, dim), keepdims=keepdim))
    return result(y.astype(np.uint8) if x.dtype == np.uint8 else y)


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all values are true (not 0): bool.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> x = npnet.tensor([[1, 1], [1, 0]])
        >>> npnet.all(x), npnet.all(x, dim=1)
        (tensor(False), tensor([ True, False]))
    """
    return _truth("all", np.all, input, dim, keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether one value is true (not 0): bool.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.any(npnet.tensor([[0, 0], [0, 1]]), dim=1, keepdim=True)
        tensor([[False],
                [ True]])
    """
    return _truth("any", np.any, input, dim, keepdim)
