"""Exponentials and logarithms beside `functions`: other bases, near 0 and 1, sums of logarithms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.ops.broadcasting import apply, as_operands, float_operands
from npnet.ops.dtypes import Operand, float_type
from npnet.ops.functions import Unary, as_float
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "exp2",
    "expm1",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "xlogy",
]


class Exp2(Unary):
    """gx = gy * y * log 2."""

    needs = "y"
    value = staticmethod(np.exp2)

    def slope(self, x: Array, y: Array) -> Array:
        return y * math.log(2)


class Expm1(Unary):
    """gx = gy * (y + 1)."""

    needs = "y"
    value = staticmethod(np.expm1)

    def slope(self, x: Array, y: Array) -> Array:
        return y + 1


class Log2(Unary):
    """gx = gy / (x log 2)."""

    value = staticmethod(np.log2)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / (x * math.log(2))


class Log10(Unary):
    """gx = gy / (x log 10)."""

    value = staticmethod(np.log10)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / (x * math.log(10))


class Log1p(Unary):
    """gx = gy / (1 + x)."""

    value = staticmethod(np.log1p)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / (1 + x)


class Logit(Unary):
    """y = log(x / (1 - x));  gx = gy / (x (1 - x)), NaN outside [0, 1]."""

    def value(self, x: Array) -> Array:
        return np.log(x / (1 - x))

    def slope(self, x: Array, y: Array) -> Array:
        return np.where((x < 0) | (x > 1), np.nan, 1 / (x * (1 - x))).astype(x.dtype)


def exp2(input: Tensor) -> Tensor:
    """2 to the power of each value.

    Shape: (...) -> the same.

    Example:
        >>> npnet.exp2(npnet.tensor([0.0, 3.0, -1.0]))
        tensor([1.0000, 8.0000, 0.5000])
    """
    return Exp2()(as_float(input))


def expm1(input: Tensor) -> Tensor:
    """e^x - 1, exact for small x too.

    Shape: (...) -> the same.

    Example:
        >>> npnet.expm1(npnet.tensor([0.0, 1.0]))
        tensor([0.0000, 1.7183])
    """
    return Expm1()(as_float(input))


def log2(input: Tensor) -> Tensor:
    """The logarithm to the base 2: -inf at 0, NaN below.

    Shape: (...) -> the same.

    Example:
        >>> npnet.log2(npnet.tensor([8.0, 3.0]))
        tensor([3.0000, 1.5850])
    """
    return Log2()(as_float(input))


def log10(input: Tensor) -> Tensor:
    """The logarithm to the base 10: -inf at 0, NaN below.

    Shape: (...) -> the same.

    Example:
        >>> npnet.log10(npnet.tensor([2.0, 1000.0]))
        tensor([0.3010, 3.0000])
    """
    return Log10()(as_float(input))


def log1p(input: Tensor) -> Tensor:
    """log(1 + x), exact for small x too: -inf at -1, NaN below.

    Shape: (...) -> the same.

    Example:
        >>> npnet.log1p(npnet.tensor([0.0, 1.0, -1.0]))
        tensor([0.0000, 0.6931,   -inf])
    """
    return Log1p()(as_float(input))


class ClampedLogit(Logit):
    """`Logit` of z = x limited to [eps, 1 - eps]; gx = 0 outside."""

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def value(self, x: Array) -> Array:
        return super().value(np.clip(x, x.dtype.type(self.eps), x.dtype.type(1 - self.eps)))

    def slope(self, x: Array, y: Array) -> Array:
        inside = (x >= self.eps) & (x <= 1 - self.eps)
        return np.where(inside, 1 / (x * (1 - x)), x.dtype.type(0))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), of which the sigmoid is the inverse.

    Args:
        eps: x is limited to [eps, 1 - eps] first; without it, NaN outside [0, 1].

    Shape: (...) -> the same.

    Example:
        >>> npnet.logit(npnet.tensor([0.5, 0.75, 1.0])), npnet.logit(npnet.tensor([1.0]), eps=0.25)
        (tensor([0.0000, 1.0986,    inf]), tensor([1.0986]))
    """
    function = Logit() if eps is None else ClampedLogit(eps)
    return function(as_float(input))


class XLogY(Function):
    """y = x log other, 0 where x = 0;  gx = gy * log other, 0 where x = 0 and other <= 0,
    gother = gy * x / other."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        zero = (x == 0) & ~np.isnan(other)
        return np.where(zero, x.dtype.type(0), x * np.log(other))

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        dead = (x == 0) & (other <= 0)
        gx = np.where(dead, gy.dtype.type(0), gy * np.log(other))
        return gx, gy * (x / other)


def xlogy(input: Operand, other: Operand) -> Tensor:
    """`input * log(other)`, and 0 where input is 0.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.xlogy(npnet.tensor([0.0, 3.0]), npnet.tensor([0.0, 2.0]))
        tensor([0.0000, 2.0794])
    """
    dtype = float_type(input, other)
    return apply("xlogy", XLogY(), *as_operands("xlogy", input, other, dtype=dtype))


class LogAddExp(Function):
    """y = log_b(b^x + b^other);  gx = gy * b^(x - y), gother = gy * b^(other - y)."""

    def __init__(self, base: float) -> None:
        self.base = base

    def forward(self, x: Array, other: Array) -> Array:
        y = np.asarray((np.logaddexp if self.base == math.e else np.logaddexp2)(x, other))
        self.save_for_backward(x, other, y)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other, y = self.saved
        power = np.exp if self.base == math.e else np.exp2
        equal = (y == x) & (y == other)  # both infinite: their difference would be NaN
        gx, gother = (gy * power(np.where(equal, 0, z - y)).astype(gy.dtype) for z in (x, other))
        return np.where(equal, gy / 2, gx), np.where(equal, gy / 2, gother)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(e^input + e^other), without overflow on the way.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.logaddexp(npnet.tensor([0.0, 100.0]), npnet.tensor([2.0, 102.0]))
        tensor([  2.1269, 102.1269])
    """
    x, y = float_operands("logaddexp", input, other)
    return apply("logaddexp", LogAddExp(math.e), x, y)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2^input + 2^other), without overflow on the way.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.logaddexp2(npnet.tensor([5.0, 500.0]), npnet.tensor([4.0, 500.0]))
        tensor([  5.5850, 501.0000])
    """
    x, y = float_operands("logaddexp2", input, other)
    return apply("logaddexp2", LogAddExp(2), x, y)
