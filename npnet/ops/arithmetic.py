"""Elementwise arithmetic and comparison, with broadcasting and PyTorch's type promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.ops import shape
from npnet.ops.dtypes import result_type
from npnet.tensor import Array, Function, Number, Operand, Tensor

__all__ = [
    "abs",
    "add",
    "allclose",
    "clamp",
    "cos",
    "div",
    "eq",
    "equal",
    "exp",
    "floor_divide",
    "ge",
    "gt",
    "isfinite",
    "isnan",
    "le",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "remainder",
    "result_type",
    "sin",
    "sqrt",
    "sub",
    "where",
]


def _operands(
    op: str, *operands: Operand, dtype: np.dtype[Any] | None = None
) -> tuple[Tensor, ...]:
    """The operands as tensors of one dtype; those that need a gradient in the common shape.

    Casting and expanding are ops of their own, whose backward passes undo them, so that the
    arithmetic below need not. Where no gradient flows, NumPy broadcasts without a copy.
    """
    for x in operands:
        if not isinstance(x, (Tensor, bool, int, float, np.number, np.bool_)):
            raise TypeError(
                f"{op}: operands must be tensors or numbers, got {type(x).__name__}; "
                "npnet.as_tensor makes a tensor of an ndarray or a list"
            )
    common = result_type(*operands) if dtype is None else dtype
    tensors = [
        shape.cast(x, common) if isinstance(x, Tensor) else Tensor(np.asarray(x, common))
        for x in operands
    ]
    if len({x.shape for x in tensors}) > 1 and any(x.requires_grad for x in tensors):
        size = shape.broadcast_shapes(op, *(x.shape for x in tensors))
        return tuple(shape.expand(x, size) if x.requires_grad else x for x in tensors)
    return tuple(tensors)


def _apply(op: str, function: Function, *operands: Tensor) -> Tensor:
    try:
        return function(*operands)
    except ValueError as error:
        shape.broadcast_shapes(op, *(x.shape for x in operands))  # says it better, if that is it
        raise error


# ---- sums and products -------------------------------------------------------------------------


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
    return _apply("add", Add(), *_operands("add", input, other))


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
    return _apply("sub", Sub(), *_operands("sub", input, other))


class Mul(Function):
    """gx = gy * other, gother = gy * x."""

    def forward(self, x: Array, other: Array) -> Array:
        needs_x, needs_other = self.needs_input_grad
        self.save_for_backward(x if needs_other else None, other if needs_x else None)
        return np.multiply(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        return None if other is None else gy * other, None if x is None else gy * x


def mul(input: Operand, other: Operand) -> Tensor:
    """`input * other`, broadcast."""
    return _apply("mul", Mul(), *_operands("mul", input, other))


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
    return _apply("div", Div(), *_operands("div", input, other, dtype=dtype))


class Neg(Function):
    """gx = -gy."""

    def forward(self, x: Array) -> Array:
        return np.negative(x)

    def backward(self, gy: Array) -> tuple[Array]:
        return (-gy,)


def neg(input: Tensor) -> Tensor:
    """`-input`."""
    return Neg()(input)


# ---- powers and functions ----------------------------------------------------------------------


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
    x, p = _operands("pow", input, exponent)
    if x.dtype.kind in "iu" and p.array.size and p.array.min() < 0:
        raise RuntimeError("pow: integers to negative integer powers are not allowed; use floats")
    return _apply("pow", Pow(), x, p)


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
        return (np.where(x > 0, gy, np.where(x < 0, -gy, gy.dtype.type(0))),)


def exp(input: Tensor) -> Tensor:
    """e to the power of each value."""
    return Exp()(_as_float(input))


def log(input: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, NaN below."""
    return Log()(_as_float(input))


def sqrt(input: Tensor) -> Tensor:
    """The square root: NaN below 0; its gradient is infinite at 0."""
    return Sqrt()(_as_float(input))


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians."""
    return Sin()(_as_float(input))


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    return Cos()(_as_float(input))


def abs(input: Tensor) -> Tensor:
    """The absolute value; the gradient at 0 is 0, as in PyTorch."""
    return Abs()(input)


def _as_float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else shape.cast(x, np.dtype(np.float32))


# ---- choices -----------------------------------------------------------------------------------


class Clamp(Function):
    """gx = gy where low <= x <= high, else 0, also where x is NaN."""

    def __init__(self, low: Number | None, high: Number | None) -> None:
        self.low, self.high = low, high

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.clip(x, self.low, self.high)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        inside = x == x
        if self.low is not None:
            inside &= x >= self.low
        if self.high is not None:
            inside &= x <= self.high
        return (np.where(inside, gy, gy.dtype.type(0)),)


def clamp(input: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """The values limited to [min, max]; NaN stays. On the bounds the gradient passes."""
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    for bound in (min, max):
        if isinstance(bound, Tensor):
            raise NotImplementedError("clamp: min and max must be numbers, got a tensor")
    if input.dtype.kind in "iu" and (isinstance(min, float) or isinstance(max, float)):
        input = shape.cast(input, np.dtype(np.float32))
    return Clamp(min, max)(input)


class Extremum(Function):
    """The larger or the smaller of two; a tie gives half the gradient to each, as in PyTorch.

    Beside a NaN, both receive all of it.
    """

    def __init__(self, choose: Callable[[Array, Array], Array], loses: np.ufunc) -> None:
        self.choose, self.loses = choose, loses

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return self.choose(x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        share, zero = np.where(x == other, gy / 2, gy), gy.dtype.type(0)
        gx = np.where(self.loses(x, other), zero, share)
        return gx, np.where(self.loses(other, x), zero, share)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair, broadcast; NaN wins."""
    return _apply("maximum", Extremum(np.maximum, np.less), *_operands("maximum", input, other))


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, broadcast; NaN wins."""
    return _apply("minimum", Extremum(np.minimum, np.greater), *_operands("minimum", input, other))


class Where(Function):
    """gx = gy where the condition holds, gother = gy where it does not."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, x: Array, other: Array) -> Array:
        return np.where(self.condition, x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        zero = np.zeros_like(gy)
        return np.where(self.condition, gy, zero), np.where(self.condition, zero, gy)


def where(condition: Tensor, input: Operand, other: Operand) -> Tensor:
    """`input` where the condition holds, `other` elsewhere, all three broadcast."""
    if condition.dtype != np.bool_:
        raise TypeError(f"where: condition must be bool, got {condition.dtype}; compare it first")
    x, y = _operands("where", input, other)
    size = shape.broadcast_shapes("where", condition.shape, x.shape, y.shape)
    held = condition.array.copy()  # backward needs it as it is now
    return Where(held)(shape.expand(x, size), shape.expand(y, size))


# ---- without a gradient ------------------------------------------------------------------------


def _plain(op: str, compute: Callable[..., Array], *operands: Operand) -> Tensor:
    arrays = [x.array for x in _operands(op, *operands)]
    shape.broadcast_shapes(op, *(a.shape for a in arrays))
    with np.errstate(all="ignore"):  # NaN and infinity are values, as in every Function
        return Tensor(compute(*arrays))


def eq(input: Operand, other: Operand) -> Tensor:
    """Where the two are equal: bool."""
    return _plain("eq", np.equal, input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Where the two differ: bool."""
    return _plain("ne", np.not_equal, input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Where the first is less: bool."""
    return _plain("lt", np.less, input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Where the first is less or equal: bool."""
    return _plain("le", np.less_equal, input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater: bool."""
    return _plain("gt", np.greater, input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater or equal: bool."""
    return _plain("ge", np.greater_equal, input, other)


def logical_and(input: Operand, other: Operand) -> Tensor:
    """Where both are true (not 0): bool."""
    return _plain("logical_and", np.logical_and, input, other)


def logical_or(input: Operand, other: Operand) -> Tensor:
    """Where one is true (not 0): bool."""
    return _plain("logical_or", np.logical_or, input, other)


def logical_not(input: Tensor) -> Tensor:
    """Where the value is false (0): bool."""
    return _plain("logical_not", np.logical_not, input)


def isnan(input: Tensor) -> Tensor:
    """Where the value is NaN: bool."""
    return _plain("isnan", np.isnan, input)


def isfinite(input: Tensor) -> Tensor:
    """Where the value is neither NaN nor infinite: bool."""
    return _plain("isfinite", np.isfinite, input)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded down; off the tape, since its derivative is 0."""
    return _plain("floor_divide", np.floor_divide, input, other)


def remainder(input: Operand, other: Operand) -> Tensor:
    """What rounding the quotient down leaves, with the sign of `other`; off the tape."""
    return _plain("remainder", np.remainder, input, other)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all values are equal."""
    return bool(np.array_equal(input.array, other.array))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether `|input - other| <= atol + rtol * |other|` everywhere."""
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))
