"""Angles and hyperbolas: the tangent, the inverse functions, sinc, degrees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import arithmetic
from npnet.ops.broadcasting import apply, as_operands, check_tensors
from npnet.ops.dtypes import Operand, float_type
from npnet.ops.functions import Unary, as_float
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sinc",
    "sinh",
    "tan",
]


class Tan(Unary):
    """gx = gy * (1 + y^2)."""

    needs = "y"
    value = staticmethod(np.tan)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 + y * y


class Asin(Unary):
    """gx = gy / sqrt(1 - x^2)."""

    value = staticmethod(np.arcsin)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / np.sqrt(1 - x * x)


class Acos(Unary):
    """gx = -gy / sqrt(1 - x^2)."""

    value = staticmethod(np.arccos)

    def slope(self, x: Array, y: Array) -> Array:
        return -1 / np.sqrt(1 - x * x)


class Atan(Unary):
    """gx = gy / (1 + x^2)."""

    value = staticmethod(np.arctan)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / (1 + x * x)


class Sinh(Unary):
    """gx = gy * cosh x."""

    value = staticmethod(np.sinh)

    def slope(self, x: Array, y: Array) -> Array:
        return np.cosh(x)


class Cosh(Unary):
    """gx = gy * sinh x."""

    value = staticmethod(np.cosh)

    def slope(self, x: Array, y: Array) -> Array:
        return np.sinh(x)


class Asinh(Unary):
    """gx = gy / sqrt(x^2 + 1)."""

    value = staticmethod(np.arcsinh)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / np.sqrt(x * x + 1)


class Acosh(Unary):
    """gx = gy / sqrt(x^2 - 1)."""

    value = staticmethod(np.arccosh)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / np.sqrt(x * x - 1)


class Atanh(Unary):
    """gx = gy / (1 - x^2)."""

    value = staticmethod(np.arctanh)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 / (1 - x * x)


class Sinc(Unary):
    """y = sin(pi x) / (pi x), 1 at 0;  gx = gy * (cos(pi x) - y) / x, 0 at 0."""

    needs = "xy"
    value = staticmethod(np.sinc)

    def slope(self, x: Array, y: Array) -> Array:
        return np.where(x == 0, 0, (np.cos(math.pi * x) - y) / np.where(x == 0, 1, x))


def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians.

    Shape: (...) -> the same.

    Example:
        >>> npnet.tan(npnet.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5574])
    """
    return Tan()(as_float(input))


def asin(input: Tensor) -> Tensor:
    """The angle in [-pi/2, pi/2] of which this is the sine; NaN outside [-1, 1].

    Shape: (...) -> the same.

    Example:
        >>> npnet.asin(npnet.tensor([0.0, 1.0, 2.0]))
        tensor([0.0000, 1.5708,    nan])
    """
    return Asin()(as_float(input))


def acos(input: Tensor) -> Tensor:
    """The angle in [0, pi] of which this is the cosine; NaN outside [-1, 1].

    Shape: (...) -> the same.

    Example:
        >>> npnet.acos(npnet.tensor([1.0, 0.0, -1.0, 2.0]))
        tensor([0.0000, 1.5708, 3.1416,    nan])
    """
    return Acos()(as_float(input))


def atan(input: Tensor) -> Tensor:
    """The angle in [-pi/2, pi/2] of which this is the tangent.

    Shape: (...) -> the same.

    Example:
        >>> npnet.atan(npnet.tensor([0.0, 1.0, -1.0]))
        tensor([ 0.0000,  0.7854, -0.7854])
    """
    return Atan()(as_float(input))


def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine, (e^x - e^-x) / 2.

    Shape: (...) -> the same.

    Example:
        >>> npnet.sinh(npnet.tensor([0.0, 1.0]))
        tensor([0.0000, 1.1752])
    """
    return Sinh()(as_float(input))


def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine, (e^x + e^-x) / 2.

    Shape: (...) -> the same.

    Example:
        >>> npnet.cosh(npnet.tensor([0.0, 1.0]))
        tensor([1.0000, 1.5431])
    """
    return Cosh()(as_float(input))


def asinh(input: Tensor) -> Tensor:
    """The number of which this is the hyperbolic sine.

    Shape: (...) -> the same.

    Example:
        >>> npnet.asinh(npnet.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8814])
    """
    return Asinh()(as_float(input))


def acosh(input: Tensor) -> Tensor:
    """The number >= 0 of which this is the hyperbolic cosine; NaN below 1.

    Shape: (...) -> the same.

    Example:
        >>> npnet.acosh(npnet.tensor([1.0, 2.0, 0.5]))
        tensor([0.0000, 1.3170,    nan])
    """
    return Acosh()(as_float(input))


def atanh(input: Tensor) -> Tensor:
    """The number of which this is the hyperbolic tangent; NaN outside [-1, 1].

    Shape: (...) -> the same.

    Example:
        >>> npnet.atanh(npnet.tensor([0.0, 0.5, 2.0]))
        tensor([0.0000, 0.5493,    nan])
    """
    return Atanh()(as_float(input))


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0.

    Shape: (...) -> the same.

    Example:
        >>> npnet.sinc(npnet.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    return Sinc()(as_float(input))


def deg2rad(input: Tensor) -> Tensor:
    """Degrees in radians: x * pi / 180.

    Shape: (...) -> the same.

    Example:
        >>> npnet.deg2rad(npnet.tensor([0.0, 90.0, 180.0]))
        tensor([0.0000, 1.5708, 3.1416])
    """
    return arithmetic.mul(as_float(input), math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians in degrees: x * 180 / pi.

    Shape: (...) -> the same.

    Example:
        >>> npnet.rad2deg(npnet.tensor([1.0, npnet.pi]))
        tensor([ 57.2958, 180.0000])
    """
    return arithmetic.mul(as_float(input), 180 / math.pi)


class Atan2(Function):
    """gx = gy * other / r^2, gother = -gy * x / r^2, r^2 = x^2 + other^2; 0 where r = 0."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return np.arctan2(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        squares = x * x + other * other
        g = gy / np.where(squares == 0, np.ones_like(squares), squares)
        return g * other, -g * x


def atan2(input: Operand, other: Operand) -> Tensor:
    """The angle in [-pi, pi] of the point (other, input).

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> y, x = npnet.tensor([1.0, 1.0, -1.0]), npnet.tensor([1.0, -1.0, -1.0])
        >>> npnet.atan2(y, x)
        tensor([ 0.7854,  2.3562, -2.3562])
    """
    check_tensors("atan2", input, other)
    dtype = float_type(input, other)
    return apply("atan2", Atan2(), *as_operands("atan2", input, other, dtype=dtype))


class Hypot(Function):
    """gx = gy * x / y, gother = gy * other / y."""

    def forward(self, x: Array, other: Array) -> Array:
        y = np.asarray(np.hypot(x, other))
        self.save_for_backward(x, other, y)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other, y = self.saved
        return gy * (x / y), gy * (other / y)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input^2 + other^2), without overflow on the way.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.hypot(npnet.tensor([1.0, 3e30]), npnet.tensor([1.0, 4e30]))
        tensor([1.4142e+00, 5.0000e+30])
    """
    check_tensors("hypot", input, other)
    return apply("hypot", Hypot(), *as_operands("hypot", input, other))
