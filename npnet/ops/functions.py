"""Functions of one number: exponential, logarithm, root, sine, cosine, absolute value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import not_tensors
from npnet.ops import shape
from npnet.ops.dtypes import get_default_dtype
from npnet.ops.masks import kept
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "Unary",
    "abs",
    "as_float",
    "cos",
    "exp",
    "log",
    "sin",
    "sqrt",
]


class Unary(Function):
    """y = value(x), gx = gy * slope(x, y), value by value.

    Attributes:
        needs: what the slope looks at, and so what is saved: "x", "y" or "xy".
    """

    needs: ClassVar[str] = "x"
    value: Callable[..., Any]

    def slope(self, x: Array, y: Array) -> Array:
        """The derivative; of x and y, what is not needed is None."""
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        y = np.asarray(self.value(x))
        self.save_for_backward(x if "x" in self.needs else None, y if "y" in self.needs else None)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        x, y = self.saved
        return (gy * self.slope(x, y),)


class Exp(Function):
    """gx = gy * y."""

    def forward(self, x: Array) -> Array:
        y: Array = np.exp(x)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (gy * y,)


class Log(Function):
    """gx = gy / x."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.log(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (gy / x,)


class Sqrt(Function):
    """gx = gy / (2 y)."""

    def forward(self, x: Array) -> Array:
        y: Array = np.sqrt(x)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (gy / (2 * y),)


class Sin(Function):
    """gx = gy * cos x."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.sin(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (gy * np.cos(x),)


class Cos(Function):
    """gx = -gy * sin x."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.cos(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (-gy * np.sin(x),)


class Abs(Function):
    """gx = gy * sign x, 0 at 0 and NaN."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.abs(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        signed = np.asarray(gy * np.copysign(x.dtype.type(1), x))  # NumPy's 0-d are no arrays
        return (kept(signed, np.asarray(np.abs(x) > 0)),)


def exp(input: Tensor) -> Tensor:
    """e to the power of each value.

    Shape: (...) -> the same.

    Example:
        >>> npnet.exp(npnet.tensor([0.0, 1.0]))
        tensor([1.0000, 2.7183])
    """
    return Exp()(as_float(input))


def log(input: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, NaN below.

    Shape: (...) -> the same.

    Example:
        >>> npnet.log(npnet.tensor([1.0, 2.0, 0.0, -1.0]))
        tensor([0.0000, 0.6931,   -inf,    nan])
    """
    return Log()(as_float(input))


def sqrt(input: Tensor) -> Tensor:
    """The square root: NaN below 0; its gradient is infinite at 0.

    Shape: (...) -> the same.

    Example:
        >>> npnet.sqrt(npnet.tensor([4.0, 0.25, -1.0]))
        tensor([2.0000, 0.5000,    nan])
    """
    return Sqrt()(as_float(input))


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians.

    Shape: (...) -> the same.

    Example:
        >>> npnet.sin(npnet.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8415])
    """
    return Sin()(as_float(input))


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians.

    Shape: (...) -> the same.

    Example:
        >>> npnet.cos(npnet.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5403])
    """
    return Cos()(as_float(input))


def abs(input: Tensor) -> Tensor:
    """The absolute value; the gradient at 0 is 0, as in PyTorch.

    Shape: (...) -> the same.

    Example:
        >>> npnet.abs(npnet.tensor([-2, 0, 3]))
        tensor([2, 0, 3])
    """
    if input.dtype == np.bool_:
        raise RuntimeError("abs: input must be numbers, got bool; use x.long()")
    return Abs()(input)


def as_float(x: Tensor, op: str = "input") -> Tensor:
    """The tensor itself if it is floating point, else in the default dtype."""
    if not isinstance(x, Variable):
        raise not_tensors(op, x)
    return x if x.is_floating_point() else shape.cast(x, get_default_dtype())
