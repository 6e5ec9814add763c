"""Sums, products, quotients and powers, with broadcasting and PyTorch's type promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.ops.broadcasting import apply, as_operands, off_tape
from npnet.ops.dtypes import Number, Operand, result_type
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "add",
    "div",
    "floor_divide",
    "mul",
    "neg",
    "pow",
    "remainder",
    "sub",
]


class Add(Function):
    """gx = gy, gother = gy."""

    def forward(self, x: Array, other: Array) -> Array:
        return np.add(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return gy, gy


def add(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`input + alpha * other`, broadcast."""
    if alpha != 1:
        other = mul(other, alpha)
    return apply("add", Add(), *as_operands("add", input, other))


class Sub(Function):
    """gx = gy, gother = -gy."""

    def forward(self, x: Array, other: Array) -> Array:
        return np.subtract(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        return gy, -gy if self.needs_input_grad[1] else None


def sub(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`input - alpha * other`, broadcast."""
    if alpha != 1:
        other = mul(other, alpha)
    return apply("sub", Sub(), *as_operands("sub", input, other))


class Mul(Function):
    """gx = gy * other, gother = gy * x."""

    def forward(self, x: Array, other: Array) -> Array:
        needs_x, needs_other = self.needs_input_grad
        self.save_for_backward(x if needs_other else None, other if needs_x else None)
        return np.multiply(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        return None if other is None else gy * other, None if x is None else gy * x


class Scale(Function):
    """y = factor * x;  gx = factor * gy."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Array:
        return np.multiply(x, x.dtype.type(self.factor))

    def backward(self, gy: Array) -> tuple[Array]:
        return (self.forward(gy),)

    def name(self) -> str:
        return "MulBackward"  # as users wrote it


def mul(input: Operand, other: Operand) -> Tensor:
    """`input * other`, broadcast."""
    for x, factor in ((input, other), (other, input)):
        if type(factor) in (int, float) and isinstance(x, Variable) and x.dtype.kind == "f":
            return Scale(float(factor))(x)
    return apply("mul", Mul(), *as_operands("mul", input, other))


class Div(Function):
    """gx = gy / other, gother = -gy * (x / other) / other."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x if self.needs_input_grad[1] else None, other)
        return np.divide(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        gx = gy / other if self.needs_input_grad[0] else None
        return gx, None if x is None else -gy * (x / other) / other


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """`input / other`, broadcast; integers give float32.

    Args:
        rounding_mode: None. For whole quotients see `floor_divide`.
    """
    if rounding_mode is not None:
        raise NotImplementedError(f"div: rounding_mode is not supported, got {rounding_mode!r}")
    common = result_type(input, other)
    dtype = common if common.kind == "f" else np.dtype(np.float32)
    return apply("div", Div(), *as_operands("div", input, other, dtype=dtype))


class Neg(Function):
    """gx = -gy."""

    def forward(self, x: Array) -> Array:
        return np.negative(x)

    def backward(self, gy: Array) -> tuple[Array]:
        return (-gy,)


def neg(input: Tensor) -> Tensor:
    """`-input`."""
    return Neg()(input)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded down; off the tape, since its derivative is 0."""
    _check_divisor("floor_divide", input, other)
    return off_tape("floor_divide", np.floor_divide, input, other)


class Remainder(Function):
    """y = x - floor(x / other) * other;  gx = gy, gother = -gy * floor(x / other)."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return np.remainder(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        return gy, -gy * np.floor_divide(x, other)


def remainder(input: Operand, other: Operand) -> Tensor:
    """What rounding the quotient down leaves, with the sign of `other`."""
    _check_divisor("remainder", input, other)
    return apply("remainder", Remainder(), *as_operands("remainder", input, other))


def _check_divisor(op: str, input: Operand, other: Operand) -> None:
    divisor = other.array if isinstance(other, Variable) else np.asarray(other)
    if result_type(input, other).kind != "f" and not divisor.all():
        raise RuntimeError(f"{op}: integers can't be divided by 0")


class Pow(Function):
    """gx = gy * p * x^(p-1), 0 where p = 0; gp = gy * x^p * log x, 0 where x = 0 and p >= 0."""

    def forward(self, x: Array, p: Array) -> Array:
        y = np.power(x, p)
        self.save_for_backward(x, p, y if self.needs_input_grad[1] else None)
        return y

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, p, y = self.saved
        gx = gp = None
        if self.needs_input_grad[0]:
            gx = gy * np.where(p == 0, np.zeros_like(p), p * np.power(x, p - 1))
        if self.needs_input_grad[1]:
            gp = gy * np.where((x == 0) & (p >= 0), np.zeros_like(y), y * np.log(x))
        return gx, gp


def pow(input: Operand, exponent: Operand) -> Tensor:
    """`input ** exponent`, broadcast. Integers to a negative power are an error, as in PyTorch."""
    x, p = as_operands("pow", input, exponent)
    if x.dtype.kind in "iu" and p.array.size and p.array.min() < 0:
        raise RuntimeError("pow: integers to negative integer powers are not allowed; use floats")
    return apply("pow", Pow(), x, p)
