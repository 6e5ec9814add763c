"""Elementwise functions beside `arithmetic`: steps, bits, and short names of powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import arithmetic, functions, shape
from npnet.ops.dtypes import Operand, result_type
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "floor",
    "isinf",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "square",
]


class Step(Function):
    """A function that is constant but for its jumps;  gx = 0."""

    def __init__(self, compute: Callable[[Array], Any]) -> None:
        self.compute = compute

    def forward(self, x: Array) -> Array:
        return np.asarray(self.compute(x), x.dtype)

    def backward(self, gy: Array) -> tuple[Array]:
        return (np.zeros_like(gy),)


def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not larger."""
    return Step(np.floor)(input)


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not smaller."""
    return Step(np.ceil)(input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, or of that many decimals; halves go to the even one."""
    return Step(lambda x: np.round(x, decimals))(input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1."""
    return Step(np.sign)(input)


def square(input: Tensor) -> Tensor:
    """`x ** 2`."""
    return arithmetic.pow(input, 2)


def reciprocal(input: Tensor) -> Tensor:
    """`1 / x`."""
    return arithmetic.div(1, input)


def rsqrt(input: Tensor) -> Tensor:
    """`1 / sqrt(x)`."""
    return arithmetic.div(1, functions.sqrt(input))


def isinf(input: Tensor) -> Tensor:
    """Where the value is infinite: bool."""
    return result(np.isinf(input.array))


def _bits(op: str, compute: Callable[..., Any], *operands: Operand) -> Tensor:
    """`compute` on integers or bools of one dtype."""
    dtype = result_type(*operands)
    if dtype.kind not in "biu":
        raise RuntimeError(f"{op}: operands must be integers or bools, got {dtype}")
    arrays = [x.array if isinstance(x, Variable) else np.asarray(x) for x in operands]
    shape.broadcast_shapes(op, *(a.shape for a in arrays))
    return result(np.asarray(compute(*(a.astype(dtype) for a in arrays))))


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """The bits that both have; of bools, whether both are true."""
    return _bits("bitwise_and", np.bitwise_and, input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """The bits that one has; of bools, whether one is true."""
    return _bits("bitwise_or", np.bitwise_or, input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """The bits that only one has; of bools, whether they differ."""
    return _bits("bitwise_xor", np.bitwise_xor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """All bits turned; of bools, whether it is false."""
    return _bits("bitwise_not", np.invert, input)
