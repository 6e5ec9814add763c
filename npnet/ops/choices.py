"""Choosing between numbers: limits, the larger and the smaller, by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.ops import shape
from npnet.ops.broadcasting import apply, as_operands
from npnet.ops.dtypes import Number, Operand
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "clamp",
    "maximum",
    "minimum",
    "where",
]


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
        if isinstance(bound, Variable):
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
    return apply("maximum", Extremum(np.maximum, np.less), *as_operands("maximum", input, other))


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, broadcast; NaN wins."""
    return apply("minimum", Extremum(np.minimum, np.greater), *as_operands("minimum", input, other))


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
    x, y = as_operands("where", input, other)
    size = shape.broadcast_shapes("where", condition.shape, x.shape, y.shape)
    held = condition.array.copy()  # backward needs it as it is now
    return Where(held)(shape.expand(x, size), shape.expand(y, size))
