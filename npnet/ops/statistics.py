"""Products, moments, quantiles, counts: reductions beside `reduce`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.ops import arithmetic, choices, functions, reduce, shape, sorting
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number
from npnet.ops.reduce import Dims
from npnet.ops.shape import axis, cast
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "bincount",
    "count_nonzero",
    "cumprod",
    "histc",
    "logcumsumexp",
    "nanmean",
    "nanquantile",
    "nansum",
    "prod",
    "quantile",
    "std_mean",
    "var_mean",
]


def _others_product(x: Array, dim: int) -> Array:
    """For each value along an axis the product of all others, without a division."""
    ones = np.ones_like(x.take([0], dim))
    size = x.shape[dim]
    before = np.cumprod(np.concatenate((ones, x.take(range(size - 1), dim)), dim), dim)
    after = np.flip(x.take(range(1, size), dim), dim)
    after = np.flip(np.cumprod(np.concatenate((ones, after), dim), dim), dim)
    return np.asarray(before * after, x.dtype)


class Prod(Function):
    """gx = gy * the product of the other values."""

    def __init__(self, dim: int, keepdim: bool) -> None:
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.asarray(x.prod(self.dim, keepdims=self.keepdim, dtype=x.dtype))

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        if not x.size:
            return (np.zeros_like(x),)
        g = gy if self.keepdim else np.expand_dims(gy, self.dim)
        return (g * _others_product(x, self.dim),)


def _whole(x: Tensor, dtype: npt.DTypeLike | None) -> Tensor:
    """The tensor in `dtype`; without one, integers and bools in int64."""
    if dtype is None:
        return x if x.is_floating_point() else cast(x, np.dtype(np.int64))
    return cast(x, np.dtype(dtype))


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """The product of all values, or along `dim`; of integers and bools in int64.

    Shape: (...) -> (), or without the axis `dim`; it of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> x = npnet.tensor([[1, 2], [3, 4]])
        >>> npnet.prod(x), npnet.prod(x, dim=0)
        (tensor(24), tensor([3, 8]))
    """
    x = _whole(input, dtype)
    if dim is None:
        return Prod(0, keepdim=False)(shape.reshape(x, (-1,)))
    at = axis("prod", dim, max(x.ndim, 1))
    return Prod(at, keepdim)(x) if x.ndim else shape.clone(x)


class CumProd(Function):
    """y_i = product over j <= i of x_j;  gx_j = sum over i >= j of gy_i * y_i / x_j."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.cumprod(x, self.dim, dtype=x.dtype)

    def backward(self, gy: Array) -> tuple[Array]:
        """Without a division: the product up to j - 1, times the sums of what follows.

        s_j = gy_j + x_(j+1) s_(j+1) from the last to the first;  gx_j = y_(j-1) s_j.
        """
        (x,) = self.saved
        values, g = np.moveaxis(x, self.dim, 0), np.moveaxis(gy, self.dim, 0)
        gx = np.empty_like(values)
        total = np.zeros(values.shape[1:], x.dtype)
        for i in reversed(range(len(values))):
            total = g[i] + (values[i + 1] * total if i + 1 < len(values) else 0)
            gx[i] = total
        gx[1:] *= np.cumprod(values, 0)[:-1]
        return (np.moveaxis(gx, 0, self.dim),)


def cumprod(input: Tensor, dim: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Running products along `dim`; of integers and bools in int64.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.cumprod(npnet.tensor([1, 2, 3, 4]), dim=0)
        tensor([ 1,  2,  6, 24])
    """
    x = _whole(input, dtype)
    at = axis("cumprod", dim, max(x.ndim, 1))
    return CumProd(at)(x) if x.ndim else shape.clone(x)


class LogCumSumExp(Function):
    """y_i = log(sum over j <= i of e^x_j);  gx_j = sum over i >= j of gy_i * e^(x_j - y_i)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        self.wide = np.logaddexp.accumulate(x.astype(np.float64), self.dim)
        self.save_for_backward(x)
        return self.wide.astype(x.dtype)

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = (np.moveaxis(a, self.dim, 0) for a in (*self.saved, self.wide))
        g, gx = np.moveaxis(gy, self.dim, 0), np.zeros(x.shape)
        for i in range(len(x)):
            gx[: i + 1] += np.where(np.isneginf(x[: i + 1]), 0, g[i] * np.exp(x[: i + 1] - y[i]))
        return (np.moveaxis(gx, 0, self.dim).astype(gy.dtype),)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithm of running sums of exponentials along `dim`, without overflow on the way.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.logcumsumexp(npnet.tensor([0.0, 0.0, 0.0]), dim=0)  # log 1, log 2, log 3
        tensor([0.0000, 0.6931, 1.0986])
    """
    x = functions.as_float(input)
    at = axis("logcumsumexp", dim, max(x.ndim, 1))
    return LogCumSumExp(at)(x) if x.ndim else shape.clone(x)


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """`var` and `mean` of the same axes.

    Shape: (...) -> twice (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.var_mean(npnet.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]), dim=1)
        (tensor([1., 0.]), tensor([2., 4.]))
    """
    spread = reduce.var(input, dim, unbiased, keepdim, correction=correction)
    return spread, reduce.mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """`std` and `mean` of the same axes.

    Shape: (...) -> twice (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.std_mean(npnet.tensor([[1.0, 2.0, 3.0]]), dim=1)
        (tensor([1.]), tensor([2.]))
    """
    spread = reduce.std(input, dim, unbiased, keepdim, correction=correction)
    return spread, reduce.mean(input, None if isinstance(dim, bool) else dim, keepdim)


def _without_nan(x: Tensor) -> Tensor:
    """NaN made 0, which get no gradient."""
    missing = result(np.isnan(x.array))
    return choices.where(missing, result(np.zeros((), x.dtype)), x)


def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """`sum` of the values that are not NaN.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.nansum(npnet.tensor([1.0, npnet.nan, 3.0]))
        tensor(4.)
    """
    x = _without_nan(input) if input.is_floating_point() else input
    return reduce.sum(x, dim, keepdim, dtype=dtype)


def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """`mean` of the values that are not NaN.

    Shape: (...) -> (), or without the axes of `dim`; these of size 1 with keepdim.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.nanmean(npnet.tensor([1.0, npnet.nan, 3.0]))
        tensor(2.)
    """
    x = input if dtype is None else cast(input, np.dtype(dtype))
    if not x.is_floating_point():
        raise RuntimeError(f"nanmean: input must be floating point, got {x.dtype}; use x.float()")
    there = cast(result(~np.isnan(x.array)), x.dtype)
    return arithmetic.div(nansum(x, dim, keepdim), reduce.sum(there, dim, keepdim))


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many values are not 0, over all axes or those of `dim`: int64.

    Shape: (...) -> (), or without the axes of `dim`.

    Raises:
        IndexError: `dim` is no axis.

    Example:
        >>> npnet.count_nonzero(npnet.tensor([[0, 1], [2, 3]]), dim=0)
        tensor([1, 2])
    """
    check_tensors("count_nonzero", input)
    axes = reduce.axes_of("count_nonzero", input, dim)
    return result(np.asarray(np.count_nonzero(input.array, axes), np.int64))


# ---- quantiles ---------------------------------------------------------------------------------

_BETWEEN = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The values that the share q of all lies below, along `dim` or of all.

    Args:
        q: a number in [0, 1], or several in a tensor of one axis, which the result has in front.
        interpolation: between the two nearest values: "linear", "lower", "higher", "midpoint" or
            "nearest".

    Shape: (...) -> (), or without the axis `dim`; q (k,) -> k in front.

    Raises:
        RuntimeError: q does not lie in [0, 1], `interpolation` is none of these, or the input is
            not of a floating point dtype.

    Example:
        >>> npnet.quantile(npnet.tensor([1.0, 2.0, 3.0, 4.0]), npnet.tensor([0.0, 0.5, 1.0]))
        tensor([1.0000, 2.5000, 4.0000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip=False)


def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """`quantile` of the values that are not NaN.

    Shape: (...) -> (), or without the axis `dim`; q (k,) -> k in front.

    Raises:
        RuntimeError: q does not lie in [0, 1], `interpolation` is none of these, or the input is
            not of a floating point dtype.

    Example:
        >>> npnet.nanquantile(npnet.tensor([1.0, npnet.nan, 3.0]), 0.5)
        tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip=True)


def _quantile(
    op: str,
    x: Tensor,
    q: float | Tensor,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    skip: bool,
) -> Tensor:
    shares = _shares(op, x, q, interpolation)
    whole = shape.reshape(x, (-1,)) if dim is None or not x.ndim else x
    at = 0 if dim is None else axis(op, dim, max(x.ndim, 1))
    ordered = sorting.sort(whole, at).values
    missing = np.isnan(ordered.array).sum(at, keepdims=True)
    size = ordered.shape[at]
    # Shape of the places: the shares, then the axes with `dim` of size 1.
    lead = (-1, *(1,) * ordered.ndim)
    count = size - missing if skip else np.full_like(missing, size)
    last = np.maximum(count - 1, 0).astype(x.dtype)
    rank = arithmetic.mul(shape.reshape(shares, lead), result(last))
    if not skip:  # where a NaN is, the last value is one
        rank = choices.where(result(missing > 0), result(np.asarray(size - 1, x.dtype)), rank)
    y = _between(ordered, at, rank, interpolation)
    if dim is None:
        y = shape.reshape(y, (y.shape[0], *((1,) * x.ndim if keepdim else ())))
    elif not keepdim or not x.ndim:
        y = shape.squeeze(y, at + 1)
    return y if isinstance(q, Variable) and q.ndim else shape.squeeze(y, 0)


def _shares(op: str, x: Tensor, q: float | Tensor, interpolation: str) -> Tensor:
    """q as a tensor of one axis, checked."""
    if not x.is_floating_point():
        raise RuntimeError(f"{op}: input must be floating point, got {x.dtype}; use x.float()")
    if isinstance(q, Variable) and (q.dtype != x.dtype or q.ndim > 1):
        raise RuntimeError(f"{op}: q must be {x.dtype} of at most 1 axis, got {q.dtype} {q.shape}")
    if interpolation not in _BETWEEN:
        raise RuntimeError(f"{op}: interpolation must be one of {_BETWEEN}, got {interpolation!r}")
    if not x.numel():
        raise RuntimeError(f"{op}: there is no quantile of nothing; input has shape {x.shape}")
    shares = q if isinstance(q, Variable) else result(np.asarray(q, x.dtype))
    if not ((shares.array >= 0) & (shares.array <= 1)).all():
        raise RuntimeError(f"{op}: q must lie in [0, 1], got {shares.tolist()}")
    return shape.reshape(shares, (-1,))


def _between(ordered: Tensor, at: int, rank: Tensor, interpolation: str) -> Tensor:
    """The values at ranks that need not be whole.  Shape: ranks (q, ...), `at` of size 1."""
    low, high = np.floor(rank.array).astype(np.int64), np.ceil(rank.array).astype(np.int64)
    if interpolation == "nearest":
        low = high = np.round(rank.array).astype(np.int64)
    elif interpolation in ("lower", "higher"):
        low = high = low if interpolation == "lower" else high
    places = list(np.ogrid[tuple(slice(n) for n in low.shape)])[1:]
    first, second = (
        ordered[tuple(part if i == at else p for i, p in enumerate(places))] for part in (low, high)
    )
    if low is high:
        return first
    if interpolation == "midpoint":
        return choices.lerp(first, second, 0.5)
    return choices.lerp(first, second, arithmetic.sub(rank, result(low.astype(rank.dtype))))


# ---- counts ------------------------------------------------------------------------------------


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 on is there; with weights, their sums.

    Shape: (n,) -> (m,), m = max(largest number + 1, minlength).

    Raises:
        RuntimeError: the numbers are no vector of integers >= 0, or the weights not as many.

    Example:
        >>> x = npnet.tensor([0, 2, 2, 3])
        >>> npnet.bincount(x), npnet.bincount(x, weights=npnet.tensor([1.0, 0.5, 0.25, 2.0]))
        (tensor([1, 0, 2, 1]), tensor([1.0000, 0.0000, 0.7500, 2.0000]))
    """
    check_tensors("bincount", input)
    x = input.array
    if input.ndim != 1 or x.dtype.kind not in "iu" or (x.size and x.min() < 0):
        raise RuntimeError(
            f"bincount: takes a vector of integers >= 0, got {input.shape} {x.dtype}"
        )
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength must be >= 0, got {minlength}")
    if weights is None:
        return result(np.bincount(x, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise RuntimeError(f"bincount: weights must be {input.shape}, got {weights.shape}")
    kind = np.float32 if weights.dtype == np.float32 else np.float64
    return result(np.bincount(x, weights.array, minlength).astype(kind))


def histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """How many values lie in each of `bins` intervals from min to max; others do not count.

    Args:
        min, max: equal, the smallest and the largest value are taken.

    Shape: any -> (bins,).

    Raises:
        RuntimeError: `bins` is less than 1, or min is larger than max.

    Example:
        >>> npnet.histc(npnet.tensor([1.0, 2.0, 2.5, 9.0]), bins=3, min=0, max=3)
        tensor([0., 1., 2.])
    """
    x = input.array
    if bins <= 0:
        raise RuntimeError(f"histc: bins must be > 0, got {bins}")
    low, high = float(min), float(max)
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RuntimeError(f"histc: min must be < max, both finite, got {low} and {high}")
    inside = x[(x >= low) & (x <= high)]
    places = ((inside - low) / (high - low) * bins).astype(np.int64)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return result(counts.astype(x.dtype))
