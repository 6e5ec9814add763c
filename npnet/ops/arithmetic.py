"""Sums, products, quotients and powers, with broadcasting and PyTorch's type promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.grad_mode import no_grad
from npnet.ops import _sums
from npnet.ops.broadcasting import apply, as_operands, check_tensors, off_tape
from npnet.ops.dtypes import Number, Operand, float_type, result_type
from npnet.ops.shape import summed_to
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "add",
    "div",
    "float_power",
    "floor_divide",
    "fmod",
    "mul",
    "neg",
    "pow",
    "remainder",
    "rsub",
    "sub",
]


class Broadcast(Function):
    """An op of two operands, each of which may be broadcast to the shape of the other.

    The gradient of one that is broadcast is summed over the axes along which it was repeated.
    """

    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def shaped(self, gx: Array | None, gother: Array | None) -> tuple[Array | None, Array | None]:
        """The gradients in the shapes of the operands; one that is not needed may be None."""
        x, other = self.shapes
        if gx is not None and gx.shape != x:
            gx = summed_to(gx, x) if self.needs_input_grad[0] else None
        if gother is not None and gother.shape != other:
            gother = summed_to(gother, other) if self.needs_input_grad[1] else None
        return gx, gother


class Add(Broadcast):
    """gx = gy, gother = gy."""

    def forward(self, x: Array, other: Array) -> Array:
        self.shapes = x.shape, other.shape
        return np.add(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        return self.shaped(gy, gy)


def add(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`input + alpha * other`, broadcast.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: `alpha` is not whole, of integers.

    Example:
        >>> npnet.add(npnet.tensor([1, 2]), npnet.tensor([[10], [20]]), alpha=2)
        tensor([[21, 22],
                [41, 42]])
    """
    if alpha != 1:
        other = _scaled("add", input, other, alpha)
    return apply("add", Add(), *as_operands("add", input, other, expanded=False))


class Sub(Broadcast):
    """gx = gy, gother = -gy."""

    def forward(self, x: Array, other: Array) -> Array:
        self.shapes = x.shape, other.shape
        return np.subtract(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        return self.shaped(gy, -gy if self.needs_input_grad[1] else None)


def sub(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`input - alpha * other`, broadcast.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: `alpha` is not whole, of integers.

    Example:
        >>> npnet.sub(npnet.tensor([10, 20]), npnet.tensor([1, 2]), alpha=2)
        tensor([ 8, 16])
    """
    if alpha != 1:
        other = _scaled("sub", input, other, alpha)
    x, y = as_operands("sub", input, other, expanded=False)
    if x._values.dtype.kind == "b":
        raise RuntimeError("sub: bools have no difference; use ^ or logical_xor, or x.long()")
    return apply("sub", Sub(), x, y)


def _scaled(op: str, input: Operand, other: Operand, alpha: Number) -> Operand:
    """`alpha * other`, in whole numbers modulo 256 where both operands are uint8."""
    common = result_type(input, other)
    if isinstance(alpha, float) and common.kind not in FLOATS:
        raise RuntimeError(f"{op}: alpha must be whole for {common}, got {alpha}")
    if isinstance(alpha, bool) and common.kind != "b":
        raise RuntimeError(f"{op}: alpha may be a bool for bools alone, got {alpha} for {common}")
    if common.kind in "iu":
        alpha = int(np.asarray(alpha).astype(common))
    return mul(other, alpha)


def rsub(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`other - alpha * input`, broadcast.

    Example:
        >>> npnet.rsub(npnet.tensor([1, 2]), 10)
        tensor([9, 8])
    """
    check_tensors("rsub", input)
    return sub(other, input, alpha=alpha)


class Mul(Broadcast):
    """gx = gy * other, gother = gy * x."""

    def forward(self, x: Array, other: Array) -> Array:
        self.shapes = x.shape, other.shape
        needs_x, needs_other = self.needs_input_grad
        self.save_for_backward(x if needs_other else None, other if needs_x else None)
        return np.multiply(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        return self.shaped(
            None if other is None else np.multiply(gy, other),
            None if x is None else np.multiply(gy, x),
        )


class Gate(Function):
    """y = x * gate, one number for each channel of each image;

    gx = gy * gate,  ggate = the sum of gy * x over pixels.

    Source: Hu, Shen, Sun (2018), arXiv:1709.01507, eq. 4.
    """

    def forward(self, x: Array, gate: Array) -> Array:  # (N, C, H, W), (N, C, 1, 1)
        needs_x, needs_gate = self.needs_input_grad
        self.save_for_backward(x if needs_gate else None, gate if needs_x else None)
        return np.multiply(x, gate)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, gate = self.saved
        ggate = None if x is None else _sums.add_products(gy, x, (2, 3), keepdims=True)
        return None if gate is None else gy * gate, ggate

    def name(self) -> str:
        return "MulBackward"  # as users wrote it


def _is_gate(x: Tensor, gate: Tensor) -> bool:
    """Whether `gate` has one number for each channel of images of several pixels."""
    if len(x._values.shape) != 4 or gate.ndim != 4 or gate.shape != (*x.shape[:2], 1, 1):
        return False
    return gate.shape != x.shape and x.dtype == gate.dtype and x.dtype.kind in FLOATS


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
    """`input * other`, broadcast.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.mul(npnet.tensor([1, 2, 3]), npnet.tensor([[10], [20]]))
        tensor([[10, 20, 30],
                [20, 40, 60]])
    """
    for x, factor in ((input, other), (other, input)):
        if not isinstance(x, Variable):
            continue
        if type(factor) in (int, float):
            if x._values.dtype.kind in FLOATS:
                return Scale(float(factor))(x)
        elif isinstance(factor, Variable) and _is_gate(x, factor):
            return Gate()(x, factor)
    return apply("mul", Mul(), *as_operands("mul", input, other, expanded=False))


class Div(Broadcast):
    """gx = gy / other, gother = -gy * (x / other) / other."""

    def forward(self, x: Array, other: Array) -> Array:
        self.shapes = x.shape, other.shape
        self.save_for_backward(x if self.needs_input_grad[1] else None, other)
        return np.divide(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        gx = gy / other if self.needs_input_grad[0] else None
        return self.shaped(gx, None if x is None else -gy * (x / other) / other)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """`input / other`, broadcast; integers give the default dtype.

    Args:
        rounding_mode: "trunc" rounds the quotient towards 0, "floor" down; integers stay integers
            then.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: `rounding_mode` is none of these, or integers are rounded after a division by
            0.

    Example:
        >>> x = npnet.tensor([7, -7])
        >>> npnet.div(x, 2), npnet.div(x, 2, rounding_mode="floor")
        (tensor([ 3.5000, -3.5000]), tensor([ 3, -4]))
    """
    if rounding_mode == "floor":
        return _floor_quotient("div", input, other)
    if rounding_mode == "trunc":
        if result_type(input, other).kind not in FLOATS:
            _check_divisor("div", input, other)
            return off_tape("div", _whole_quotient, input, other)
        x, y = as_operands("div", input, other)
        return apply("div", TruncDivide(), x, y)
    if rounding_mode is not None:
        raise RuntimeError(
            f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}"
        )
    dtype = float_type(input, other)
    return apply("div", Div(), *as_operands("div", input, other, dtype=dtype, expanded=False))


def _whole_quotient(x: Array, other: Array) -> Array:
    """The quotient of integers, rounded towards 0."""
    quotient = np.floor_divide(x, other)
    return quotient + ((quotient < 0) & (quotient * other != x)).astype(quotient.dtype)


class TruncDivide(Function):
    """trunc(x / other);  gx = gother = 0."""

    def forward(self, x: Array, other: Array) -> Array:
        return np.asarray(np.trunc(x / other))

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return np.zeros_like(gy), np.zeros_like(gy)


class FloorDivide(Function):
    """floor(x / other), exact where the quotient itself is rounded;  gx = gother = 0."""

    def forward(self, x: Array, other: Array) -> Array:
        y = np.floor_divide(x, other)
        return np.where(other == 0, np.divide(x, other), y)  # infinite, and not NaN

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return np.zeros_like(gy), np.zeros_like(gy)


def _floor_quotient(op: str, input: Operand, other: Operand) -> Tensor:
    _check_divisor(op, input, other)
    if result_type(input, other).kind not in FLOATS:
        return off_tape(op, np.floor_divide, input, other)
    return apply(op, FloorDivide(), *as_operands(op, input, other))


class Neg(Function):
    """gx = -gy."""

    def forward(self, x: Array) -> Array:
        return np.negative(x)

    def backward(self, gy: Array) -> tuple[Array]:
        return (-gy,)


def neg(input: Tensor) -> Tensor:
    """`-input`.

    Shape: (...) -> the same.

    Example:
        >>> npnet.neg(npnet.tensor([1, -2]))
        tensor([-1,  2])
    """
    if input.dtype == np.bool_:
        raise RuntimeError("neg: bools have no negative; use ~ or logical_not, or x.long()")
    return Neg()(input)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded down; off the tape, as in PyTorch.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: integers are divided by 0.

    Example:
        >>> npnet.floor_divide(npnet.tensor([7, -7]), 2)
        tensor([ 3, -4])
    """
    with no_grad():
        return _floor_quotient("floor_divide", input, other)


class Remainder(Function):
    """y = x - floor(x / other) * other;  gx = gy, gother = -gy * floor(x / other)."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return np.remainder(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        return gy, -gy * np.floor_divide(x, other)


def remainder(input: Operand, other: Operand) -> Tensor:
    """What rounding the quotient down leaves, with the sign of `other`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: integers are divided by 0.

    Example:
        >>> npnet.remainder(npnet.tensor([7, -7]), 3)
        tensor([1, 2])
    """
    _check_divisor("remainder", input, other)
    return apply("remainder", Remainder(), *as_operands("remainder", input, other))


def _check_divisor(op: str, input: Operand, other: Operand) -> None:
    divisor = other.array if isinstance(other, Variable) else np.asarray(other)
    if result_type(input, other).kind not in FLOATS and not divisor.all():
        raise RuntimeError(f"{op}: integers can't be divided by 0")


class Fmod(Function):
    """y = x - trunc(x / other) * other;  gx = gy, gother = -gy * trunc(x / other)."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return np.fmod(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        return gy, -gy * np.trunc(x / other)


def fmod(input: Tensor, other: Operand) -> Tensor:
    """What rounding the quotient towards 0 leaves, with the sign of `input`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: integers are divided by 0.

    Example:
        >>> npnet.fmod(npnet.tensor([7, -7]), 3)
        tensor([ 1, -1])
    """
    check_tensors("fmod", input)
    _check_divisor("fmod", input, other)
    return apply("fmod", Fmod(), *as_operands("fmod", input, other))


def _integer_power(x: Array, p: Array) -> Array:
    """`x ** p` of integers; for p < 0, which NumPy refuses, 1 / x**-p rounded to 0, and 0 for 0."""
    y = np.power(x, np.abs(p))
    return np.where(p < 0, np.where(np.abs(x) == 1, y, np.zeros_like(y)), y)


class Pow(Function):
    """gx = gy * p * x^(p-1), 0 where p = 0; gp = gy * x^p * log x, 0 where x = 0 and p >= 0."""

    def forward(self, x: Array, p: Array) -> Array:
        y = np.power(x, p) if x.dtype.kind in FLOATS else _integer_power(x, p)
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


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """`input ** exponent` in float64, whatever the operands are.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.float_power(npnet.tensor([1, 2, 3]), 2)
        tensor([1., 4., 9.], dtype=npnet.float64)
    """
    x, p = as_operands("float_power", input, exponent, dtype=np.dtype(np.float64))
    return apply("float_power", Pow(), x, p)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """`input ** exponent`, broadcast.

    Integers to a tensor of negative ones are 1 / x**-p, rounded to 0, as in PyTorch.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: integers to a single negative number.

    Example:
        >>> npnet.pow(npnet.tensor([1, 2, 3]), 2), npnet.pow(2, npnet.tensor([1.0, -1.0]))
        (tensor([1, 4, 9]), tensor([2.0000, 0.5000]))
    """
    x, p = as_operands("pow", input, exponent)
    if x.dtype.kind in "iu" and not isinstance(exponent, Variable) and p.array.min() < 0:
        raise RuntimeError("pow: integers to negative integer powers are not allowed; use floats")
    return apply("pow", Pow(), x, p)
