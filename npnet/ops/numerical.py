"""Differences, integrals, covariances, made of other ops; neighbours and powers of 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import arithmetic, choices, linear, reduce, shape, views
from npnet.ops.broadcasting import apply, check_tensors, float_operands
from npnet.ops.dtypes import Number, Operand
from npnet.ops.shape import axis
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "corrcoef",
    "cov",
    "cumulative_trapezoid",
    "diff",
    "ldexp",
    "nextafter",
    "trapezoid",
    "vander",
]


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along `dim`, n times over.

    Shape: (..., m, ...) -> (..., m - n, ...).

    Example:
        >>> x = npnet.tensor([1, 4, 9, 16])
        >>> npnet.diff(x), npnet.diff(x, n=2)
        (tensor([3, 5, 7]), tensor([2, 2]))
    """
    check_tensors("diff", input)
    if n < 0:
        raise RuntimeError(f"diff: n must be >= 0, got {n}")
    if not input.ndim:
        raise RuntimeError("diff: input must have an axis")
    at = axis("diff", dim, input.ndim)
    if n == 0:
        return shape.clone(input)
    parts = [x for x in (prepend, input, append) if x is not None]
    y = shape.cat(parts, at) if len(parts) > 1 else input
    for _ in range(min(n, y.shape[at])):
        size = y.shape[at]
        later, earlier = views.narrow(y, at, 1, size - 1), views.narrow(y, at, 0, size - 1)
        both = y.dtype == np.bool_
        y = later ^ earlier if both else arithmetic.sub(later, earlier)
    return y


def _steps(y: Tensor, x: Tensor | None, dx: Number, at: int) -> Operand:
    """The widths of the intervals along an axis."""
    if x is None:
        return dx
    widths = diff(x, dim=-1 if x.ndim == 1 else at)
    if x.ndim == 1:
        widths = shape.reshape(widths, (-1, *(1,) * (y.ndim - 1 - at)))
    return widths


def _areas(op: str, y: Tensor, x: Tensor | None, dx: Number, dim: int) -> tuple[Tensor, int]:
    at = axis(op, dim, y.ndim)
    if x is not None and x.shape[-1 if x.ndim == 1 else at] != y.shape[at]:
        raise RuntimeError(f"{op}: there must be as many x as y; got {x.shape} and {y.shape}")
    size = y.shape[at]
    first, second = (
        views.narrow(y, at, 0, max(size - 1, 0)),
        views.narrow(y, at, min(1, size), max(size - 1, 0)),
    )
    return arithmetic.mul(arithmetic.add(first, second), _steps(y, x, dx, at)), at


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, at places x or dx apart.

    Shape: (..., n, ...) -> (..., ...), without `dim`.

    Example:
        >>> y = npnet.tensor([1.0, 2.0, 3.0])
        >>> npnet.trapezoid(y), npnet.trapezoid(y, x=npnet.tensor([0.0, 10.0, 20.0]))
        (tensor(4.), tensor(40.))
    """
    check_tensors("trapezoid", y)
    areas, at = _areas("trapezoid", y, x, dx, dim)
    return arithmetic.div(reduce.sum(areas, at), 2)


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1
) -> Tensor:
    """The running sums of `trapezoid`.

    Shape: (..., n, ...) -> (..., n - 1, ...).

    Example:
        >>> npnet.cumulative_trapezoid(npnet.tensor([0.0, 2.0, 4.0]))
        tensor([1., 4.])
    """
    check_tensors("cumulative_trapezoid", y)
    from npnet.ops import sorting

    areas, at = _areas("cumulative_trapezoid", y, x, dx, dim)
    return arithmetic.div(sorting.cumsum(areas, at), 2)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers N - 1 to 0 of each value of a vector, one row each; `increasing`: from 0 on.

    Shape: (n,) -> (n, N), N = n by default.

    Example:
        >>> npnet.vander(npnet.tensor([2, 3]), 3)
        tensor([[4, 2, 1],
                [9, 3, 1]])
    """
    check_tensors("vander", x)
    if x.ndim != 1:
        raise RuntimeError(f"vander: x must be a vector, got {x.shape}")
    count = x.numel() if N is None else N
    if count < 0:
        raise RuntimeError(f"vander: N must be >= 0, got {N}")
    if x.dtype == np.bool_ or not x.is_floating_point():
        x = shape.cast(x, np.dtype(np.int64))
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    return arithmetic.pow(shape.unsqueeze(x, 1), result(powers.astype(x.dtype)))


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of the rows, whose columns are observations.

    Args:
        correction: what is taken off the count.
        fweights: how often each observation is there, whole numbers.
        aweights: how much each observation weighs.

    Shape: (k, n) -> (k, k); (n,) -> ().

    Example:
        >>> npnet.cov(npnet.tensor([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]]))
        tensor([[ 1., -2.],
                [-2.,  4.]])
    """
    check_tensors("cov", input)
    if input.ndim > 2:
        raise RuntimeError(f"cov: input must have at most 2 axes, got {input.shape}")
    x = input if input.ndim == 2 else shape.reshape(input, (1, -1))
    x = shape.cast(x, np.dtype(np.float32)) if not x.is_floating_point() else x
    weight = _weights(x, fweights, aweights)
    total: Operand = x.shape[1] if weight is None else reduce.sum(weight)
    weighted = x if weight is None else arithmetic.mul(x, weight)
    mean = arithmetic.div(reduce.sum(weighted, 1, keepdim=True), total)
    centred = arithmetic.sub(x, mean)
    divisor: Operand = (
        arithmetic.sub(total, correction) if isinstance(total, Variable) else total - correction
    )
    if weight is not None and aweights is not None:
        whole = reduce.sum(arithmetic.mul(weight, aweights))
        divisor = arithmetic.sub(total, arithmetic.div(arithmetic.mul(whole, correction), total))
    if isinstance(divisor, Variable):
        divisor = choices.clamp(shape.cast(divisor, x.dtype), min=0)
    else:
        divisor = max(divisor, 0)
    left = centred if weight is None else arithmetic.mul(centred, weight)
    y = arithmetic.div(linear.matmul(left, shape.t(centred)), divisor)
    return shape.squeeze(y)


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, w, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if w is None:
            continue
        if w.ndim != 1 or w.numel() != x.shape[1] or w.dtype.kind not in kinds:
            raise RuntimeError(
                f"cov: {name} must be {'whole numbers' if kinds == 'iu' else 'floats'}, one for "
                f"each of {x.shape[1]} observations; got {w.dtype} {w.shape}"
            )
        if w.numel() and w.array.min() < 0:
            raise RuntimeError(f"cov: {name} must be >= 0")
    if fweights is not None and aweights is not None:
        return arithmetic.mul(aweights, fweights)
    return aweights if fweights is None else fweights


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows: `cov` of rows of variance 1, limited to [-1, 1].

    Shape: (k, n) -> (k, k); (n,) -> ().

    Example:
        >>> npnet.corrcoef(npnet.tensor([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]]))
        tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]])
    """
    check_tensors("corrcoef", input)
    c = cov(input)
    if not c.ndim:
        return arithmetic.div(c, c)
    spread = arithmetic.pow(views.diagonal(c), 0.5)
    y = arithmetic.div(arithmetic.div(c, shape.unsqueeze(spread, 1)), spread)
    return choices.clamp(y, -1, 1)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """`input * 2 ** other`; with whole exponents in the dtype of `input`, if it is a float's.

    Example:
        >>> npnet.ldexp(npnet.tensor([1.0, 3.0]), npnet.tensor([4, -1]))
        tensor([16.0000,  1.5000])
    """
    check_tensors("ldexp", input, other)
    if input.is_floating_point() and not other.is_floating_point():
        wide = np.dtype(np.float64)  # in which the power is finite where the result is
        power = arithmetic.pow(2.0, shape.cast(other, wide))
        return shape.cast(arithmetic.mul(shape.cast(input, wide), power), input.dtype)
    return arithmetic.mul(input, arithmetic.pow(2.0, other))


class NextAfter(Function):
    """gx = gy, and gother = gy where x = other instead, as in PyTorch."""

    def forward(self, x: Array, other: Array) -> Array:
        self.equal = np.asarray(x == other)
        return np.asarray(np.nextafter(x, other))

    def backward(self, gy: Array) -> tuple[Array, Array]:
        zero = gy.dtype.type(0)
        return np.where(self.equal, zero, gy), np.where(self.equal, gy, zero)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next float from `input` towards `other`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> x = npnet.nextafter(npnet.tensor([1.0]), npnet.tensor([2.0]))
        >>> x - 1 == npnet.finfo(npnet.float32).eps
        tensor([True])
    """
    x, y = float_operands("nextafter", input, other)
    return apply("nextafter", NextAfter(), x, y)
