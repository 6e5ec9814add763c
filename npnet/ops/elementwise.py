"""Elementwise functions beside `arithmetic`: steps, bits, and short names of powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.ops import arithmetic, functions, shape
from npnet.ops.broadcasting import apply, as_operands, check_tensors, off_tape
from npnet.ops.dtypes import Operand, float_type, result_type
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "copysign",
    "floor",
    "frac",
    "gcd",
    "heaviside",
    "isinf",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "nan_to_num",
    "positive",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "signbit",
    "square",
    "trunc",
]


class Step(Function):
    """A function that is constant but for its jumps;  gx = 0."""

    def __init__(self, compute: Callable[[Array], Any]) -> None:
        self.compute = compute

    def forward(self, x: Array) -> Array:
        return np.asarray(self.compute(x), x.dtype)

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.zeros_like(gy),)


def _step(op: str, compute: Callable[[Array], Any], input: Tensor) -> Tensor:
    """`Step` of floats; integers are whole already."""
    if input.dtype == np.bool_:
        raise RuntimeError(f"{op}: input must be numbers, got bool")
    return Step(compute)(input) if input.is_floating_point() else shape.clone(input)


def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not larger.

    Shape: (...) -> the same.

    Example:
        >>> npnet.floor(npnet.tensor([1.8, -1.2]))
        tensor([ 1., -2.])
    """
    return _step("floor", np.floor, input)


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not smaller.

    Shape: (...) -> the same.

    Example:
        >>> npnet.ceil(npnet.tensor([1.2, -1.2]))
        tensor([ 2., -1.])
    """
    return _step("ceil", np.ceil, input)


def trunc(input: Tensor) -> Tensor:
    """The whole number before the point: rounded towards 0.

    Shape: (...) -> the same.

    Example:
        >>> npnet.trunc(npnet.tensor([1.8, -1.8]))
        tensor([ 1., -1.])
    """
    return _step("trunc", np.trunc, input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, or of that many decimals; halves go to the even one.

    Shape: (...) -> the same.

    Example:
        >>> npnet.round(npnet.tensor([0.5, 1.5, 2.5]))
        tensor([0., 2., 2.])
        >>> npnet.round(npnet.tensor([1.2345]), decimals=2)
        tensor([1.2300])
    """
    if decimals and not input.is_floating_point():
        raise RuntimeError(f"round: decimals must be 0 for {input.dtype}, got {decimals}")
    return _step("round", lambda x: np.round(x, decimals), input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1.

    Shape: (...) -> the same.

    Example:
        >>> npnet.sign(npnet.tensor([-3.0, 0.0, 2.0]))
        tensor([-1.,  0.,  1.])
    """
    return Step(_sign)(input)


def _sign(x: Array) -> Any:
    if x.dtype == np.bool_:
        return x
    # 0 for NaN; by comparisons, which NumPy does for many numbers at once.
    return ((x > 0).view(np.int8) - (x < 0).view(np.int8)).astype(x.dtype)


class Frac(Function):
    """y = x - trunc x;  gx = gy."""

    def forward(self, x: Array) -> Array:
        return np.asarray(x - np.trunc(x))

    def backward(self, gy: Array) -> tuple[Array]:
        return (gy,)


def frac(input: Tensor) -> Tensor:
    """What stands after the point, with the sign of the value.

    Shape: (...) -> the same.

    Example:
        >>> npnet.frac(npnet.tensor([1.25, -1.25]))
        tensor([ 0.2500, -0.2500])
    """
    if not input.is_floating_point():
        raise RuntimeError(f"frac: input must be floating point, got {input.dtype}")
    return Frac()(input)


def positive(input: Tensor) -> Tensor:
    """The tensor itself, as `+x`.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: bools, which have no sign.

    Example:
        >>> npnet.positive(npnet.tensor([1, -2]))
        tensor([ 1, -2])
    """
    check_tensors("positive", input)
    if input.dtype == np.bool_:
        raise RuntimeError("positive: bools have no sign; use x.long()")
    return input


def signbit(input: Tensor) -> Tensor:
    """Where the value is negative, -0 too: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.signbit(npnet.tensor([-1.0, -0.0, 0.0]))
        tensor([ True,  True, False])
    """
    x = input.array
    return result(np.asarray(np.signbit(x) if x.dtype.kind in FLOATS else x < 0))


class NanToNum(Function):
    """NaN and infinities replaced;  gx = gy, 0 where something was."""

    def __init__(self, nan: float, posinf: float | None, neginf: float | None) -> None:
        self.nan, self.posinf, self.neginf = nan, posinf, neginf

    def forward(self, x: Array) -> Array:
        self.finite = np.isfinite(x)
        return np.asarray(np.nan_to_num(x, nan=self.nan, posinf=self.posinf, neginf=self.neginf))

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.where(self.finite, gy, gy.dtype.type(0)),)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """NaN made 0, and infinities the largest numbers of the dtype, or what is given for them.

    Shape: (...) -> the same.

    Example:
        >>> x = npnet.tensor([npnet.nan, npnet.inf, -npnet.inf])
        >>> npnet.nan_to_num(x, nan=0.5, posinf=9.0, neginf=-9.0)
        tensor([ 0.5000,  9.0000, -9.0000])
    """
    if not input.is_floating_point():
        return shape.clone(input)
    return NanToNum(nan or 0.0, posinf, neginf)(input)


class CopySign(Function):
    """y = |x| with the sign of other;  gx = gy * y / x, 0 where x = 0."""

    def forward(self, x: Array, other: Array) -> Array:
        y = np.asarray(np.copysign(x, other))
        self.save_for_backward(x, y)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, y = self.saved
        return np.where(x == 0, 0, gy * (y / x)).astype(gy.dtype), np.zeros_like(gy)


def copysign(input: Tensor, other: Operand) -> Tensor:
    """The absolute value of `input` with the sign of `other`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.copysign(npnet.tensor([1.0, -2.0]), npnet.tensor([-0.0, 3.0]))
        tensor([-1.,  2.])
    """
    check_tensors("copysign", input)
    dtype = float_type(input, other)
    return apply("copysign", CopySign(), *as_operands("copysign", input, other, dtype=dtype))


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, and `values` at 0. Off the tape, and of one dtype.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.heaviside(npnet.tensor([-2.0, 0.0, 3.0]), npnet.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    check_tensors("heaviside", input, values)
    if input.dtype != values.dtype:
        raise RuntimeError(
            f"heaviside: input and values must be of one dtype, got {input.dtype}, {values.dtype}"
        )
    return off_tape("heaviside", _heaviside, input, values)


def _heaviside(x: Array, values: Array) -> Array:
    return np.where(x == 0, values, (x > 0).astype(values.dtype))


def square(input: Tensor) -> Tensor:
    """`x ** 2`.

    Shape: (...) -> the same.

    Example:
        >>> npnet.square(npnet.tensor([3, -4]))
        tensor([ 9, 16])
    """
    return arithmetic.pow(input, 2)


def reciprocal(input: Tensor) -> Tensor:
    """`1 / x`.

    Shape: (...) -> the same.

    Example:
        >>> npnet.reciprocal(npnet.tensor([2, 4]))
        tensor([0.5000, 0.2500])
    """
    return arithmetic.div(1, input)


def rsqrt(input: Tensor) -> Tensor:
    """`1 / sqrt(x)`.

    Shape: (...) -> the same.

    Example:
        >>> npnet.rsqrt(npnet.tensor([4.0, 0.25]))
        tensor([0.5000, 2.0000])
    """
    return arithmetic.div(1, functions.sqrt(input))


def isinf(input: Tensor) -> Tensor:
    """Where the value is infinite: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isinf(npnet.tensor([1.0, -npnet.inf, npnet.nan]))
        tensor([False,  True, False])
    """
    check_tensors("isinf", input)
    return result(np.asarray(np.isinf(input.array)))


def isposinf(input: Tensor) -> Tensor:
    """Where the value is infinity: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isposinf(npnet.tensor([-npnet.inf, npnet.inf, 0.0]))
        tensor([False,  True, False])
    """
    return result(np.asarray(input.array == np.inf))


def isneginf(input: Tensor) -> Tensor:
    """Where the value is -infinity: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isneginf(npnet.tensor([-npnet.inf, npnet.inf, 0.0]))
        tensor([ True, False, False])
    """
    return result(np.asarray(input.array == -np.inf))


def isreal(input: Tensor) -> Tensor:
    """Where the value is real, which is everywhere: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isreal(npnet.tensor([1.0, 2.0]))
        tensor([True, True])
    """
    check_tensors("isreal", input)
    return result(np.ones(input.shape, bool))


def _bits(op: str, compute: Callable[..., Any], *operands: Operand) -> Tensor:
    """`compute` on integers or bools of one dtype."""
    if not any(isinstance(x, Variable) for x in operands):
        raise TypeError(f"{op}: one operand must be a tensor, got {operands}")
    dtype = result_type(*operands)
    if dtype.kind not in "biu":
        raise RuntimeError(f"{op}: operands must be integers or bools, got {dtype}")
    return off_tape(op, compute, *operands)


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """The bits that both have; of bools, whether both are true.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are neither integers nor bools.

    Example:
        >>> npnet.bitwise_and(npnet.tensor([12, 5]), 6)
        tensor([4, 4])
    """
    return _bits("bitwise_and", np.bitwise_and, input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """The bits that one has; of bools, whether one is true.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are neither integers nor bools.

    Example:
        >>> npnet.bitwise_or(npnet.tensor([12, 5]), 6)
        tensor([14,  7])
    """
    return _bits("bitwise_or", np.bitwise_or, input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """The bits that only one has; of bools, whether they differ.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are neither integers nor bools.

    Example:
        >>> npnet.bitwise_xor(npnet.tensor([12, 5]), 6)
        tensor([10,  3])
    """
    return _bits("bitwise_xor", np.bitwise_xor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """All bits turned; of bools, whether it is false.

    Shape: (...) -> the same.

    Example:
        >>> npnet.bitwise_not(npnet.tensor([0, 5])), npnet.bitwise_not(npnet.tensor([True, False]))
        (tensor([-1, -6]), tensor([False,  True]))
    """
    return _bits("bitwise_not", np.invert, input)


def _shift(op: str, compute: Callable[..., Any], input: Operand, other: Operand) -> Tensor:
    if result_type(input, other) == np.bool_:
        raise RuntimeError(f"{op}: bools have no bits to move; use x.long()")
    return _bits(op, compute, input, other)


def bitwise_left_shift(input: Operand, other: Operand) -> Tensor:
    """The bits moved up by so many places: `input * 2 ** other`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are not integers.

    Example:
        >>> npnet.bitwise_left_shift(npnet.tensor([1, 3]), 2)
        tensor([ 4, 12])
    """
    return _shift("bitwise_left_shift", np.left_shift, input, other)


def bitwise_right_shift(input: Operand, other: Operand) -> Tensor:
    """The bits moved down by so many places: `input // 2 ** other`.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are not integers.

    Example:
        >>> npnet.bitwise_right_shift(npnet.tensor([12, -5]), 1)
        tensor([ 6, -3])
    """
    return _shift("bitwise_right_shift", np.right_shift, input, other)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, >= 0.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are not integers.

    Example:
        >>> npnet.gcd(npnet.tensor([12, 0]), npnet.tensor([18, -5]))
        tensor([6, 5])
    """
    check_tensors("gcd", input, other)
    return _shift("gcd", np.gcd, input, other)


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, >= 0.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: they are not integers.

    Example:
        >>> npnet.lcm(npnet.tensor([4, 0]), npnet.tensor([6, 5]))
        tensor([12,  0])
    """
    check_tensors("lcm", input, other)
    return _shift("lcm", np.lcm, input, other)
