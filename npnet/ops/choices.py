"""Choosing between numbers: limits, the larger and the smaller, by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.ops import shape
from npnet.ops.broadcasting import apply, as_operands, check_tensors, float_operands
from npnet.ops.dtypes import Number, Operand, result_type
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "fmax",
    "fmin",
    "lerp",
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
        inside = x <= self.high if self.low is None else x >= self.low  # False for NaN
        if self.low is not None and self.high is not None:
            inside &= x <= self.high
        return (np.where(inside, gy, gy.dtype.type(0)),)


class ClampBetween(Function):
    """y = min(max(x, low), high);  gy goes to whichever of the three y is, high before low."""

    def forward(self, x: Array, low: Array, high: Array) -> Array:
        self.save_for_backward(x, low, high)
        y = np.minimum(np.maximum(x, low), high)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array, Array]:
        x, low, high = self.saved
        zero = gy.dtype.type(0)
        gx = np.where((x < low) | (x > high), zero, gy)
        glow = np.where((low < high) & (x < low), gy, zero)
        return gx, glow, np.where((x > high) | (high < low), gy, zero)


def clamp(input: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """The values limited to [min, max]; NaN stays. On the bounds the gradient passes.

    Args:
        min, max: numbers, or tensors, which are broadcast; None is no bound.

    Shape: (...), with bounds that are broadcast -> (...).

    Raises:
        ValueError: neither bound is given.
        ShapeError: a bound does not broadcast.

    Example:
        >>> npnet.clamp(npnet.tensor([-2.0, 0.5, 9.0]), -1, 1)
        tensor([-1.0000,  0.5000,  1.0000])
        >>> npnet.clamp(npnet.tensor([1, 5]), max=npnet.tensor([3, 4]))
        tensor([1, 4])
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    bounds = [bound for bound in (min, max) if bound is not None]
    if result_type(input, *bounds) == np.bool_:
        raise RuntimeError("clamp: input must be numbers, got bool")
    return _clamped(input, min, max)


def _clamped(input: Tensor, min: Operand | None, max: Operand | None) -> Tensor:
    check_tensors("clamp", input)
    bounds = [bound for bound in (min, max) if bound is not None]
    dtype = result_type(input, *bounds)
    if any(isinstance(bound, Variable) for bound in bounds):
        return _clamp_between(input, min, max)
    return Clamp(min, max)(shape.cast(input, dtype))  # type: ignore[arg-type] # numbers, as was seen


def _clamp_between(input: Tensor, min: Operand | None, max: Operand | None) -> Tensor:
    """`clamp` by tensors."""
    if max is None:
        x, low = as_operands("clamp", input, min)  # type: ignore[arg-type] # one is given
        high = _unbounded(x, upwards=True)
    elif min is None:
        x, high = as_operands("clamp", input, max)
        low = _unbounded(x, upwards=False)
    else:
        x, low, high = as_operands("clamp", input, min, max)
    return apply("clamp", ClampBetween(), x, low, high)


def _unbounded(x: Tensor, upwards: bool) -> Tensor:
    """What no value of the dtype goes beyond."""
    if x.dtype.kind in FLOATS:
        return result(np.full(x.shape, np.inf if upwards else -np.inf, x.dtype))
    if x.dtype == np.bool_:
        return result(np.full(x.shape, upwards))
    limits = np.iinfo(x.dtype)
    return result(np.full(x.shape, limits.max if upwards else limits.min, x.dtype))


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """The values, at least `min`.

    Example:
        >>> npnet.clamp_min(npnet.tensor([1, 5]), 3)
        tensor([3, 5])
    """
    return _clamped(input, min, None)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """The values, at most `max`.

    Example:
        >>> npnet.clamp_max(npnet.tensor([1, 5]), 3)
        tensor([1, 3])
    """
    return _clamped(input, None, max)


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
    """The larger of each pair, broadcast; NaN wins.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.maximum(npnet.tensor([1.0, npnet.nan, 3.0]), npnet.tensor([2.0]))
        tensor([2., nan, 3.])
    """
    check_tensors("maximum", input, other)
    return apply("maximum", Extremum(np.maximum, np.less), *as_operands("maximum", input, other))


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, broadcast; NaN wins.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.minimum(npnet.tensor([1.0, npnet.nan, 3.0]), npnet.tensor([2.0]))
        tensor([1., nan, 2.])
    """
    check_tensors("minimum", input, other)
    return apply("minimum", Extremum(np.minimum, np.greater), *as_operands("minimum", input, other))


class FiniteExtremum(Extremum):
    """The same, but a NaN loses; the gradient goes to the one that is taken, x at a tie."""

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, other = self.saved
        takes_x = np.where(np.isnan(other), True, ~self.loses(x, other) & ~np.isnan(x))
        zero = gy.dtype.type(0)
        return np.where(takes_x, gy, zero), np.where(takes_x, zero, gy)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair, broadcast; a number beside a NaN wins.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.fmax(npnet.tensor([1.0, npnet.nan]), npnet.tensor([0.0, 2.0]))
        tensor([1., 2.])
    """
    check_tensors("fmax", input, other)
    return apply("fmax", FiniteExtremum(np.fmax, np.less), *as_operands("fmax", input, other))


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, broadcast; a number beside a NaN wins.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.fmin(npnet.tensor([1.0, npnet.nan]), npnet.tensor([0.0, 2.0]))
        tensor([0., 2.])
    """
    check_tensors("fmin", input, other)
    return apply("fmin", FiniteExtremum(np.fmin, np.greater), *as_operands("fmin", input, other))


class Where(Function):
    """gx = gy where the condition holds, gother = gy where it does not."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, x: Array, other: Array) -> Array:
        return np.where(self.condition, x, other)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        zero = np.zeros_like(gy)
        return np.where(self.condition, gy, zero), np.where(self.condition, zero, gy)


def where(condition: Tensor, input: Operand | None = None, other: Operand | None = None) -> Any:
    """`input` where the condition holds, `other` elsewhere, all three broadcast.

    With the condition alone, where it holds: a tensor of positions for each axis.

    Shape: all three (...), broadcast -> (...).

    Raises:
        TypeError: the condition is not bool, or one of the other two is missing.
        ShapeError: the shapes do not broadcast.

    Example:
        >>> x = npnet.tensor([[-1, 2], [3, -4]])
        >>> npnet.where(x > 0, x, 0), npnet.where(x > 0)
        (tensor([[0, 2],
                [3, 0]]), (tensor([0, 1]), tensor([1, 0])))
    """
    if input is None and other is None:
        places = np.atleast_1d(condition.array).nonzero()
        return tuple(result(np.asarray(i, np.int64)) for i in places)
    if input is None or other is None:
        raise TypeError("where: takes input and other, or the condition alone")
    if condition.dtype not in (np.bool_, np.uint8):
        raise TypeError(f"where: condition must be bool, got {condition.dtype}; compare it first")
    if not isinstance(input, Variable) and not isinstance(other, Variable):
        input = result(np.asarray(input, result_type(input, other)))
    x, y = as_operands("where", input, other)
    size = shape.broadcast_shapes("where", condition.shape, x.shape, y.shape)
    held = condition.array.astype(bool)  # a copy: backward needs it as it is now
    return Where(held)(shape.expand(x, size), shape.expand(y, size))


class Lerp(Function):
    """y = x + w (end - x);  gx = gy (1 - w), gend = gy w, gw = gy (end - x)."""

    def forward(self, x: Array, end: Array, weight: Array) -> Array:
        self.save_for_backward(x, end, weight)
        near = np.abs(weight) < 0.5  # from the nearer end, so that w = 1 gives `end` itself
        return np.where(near, x + weight * (end - x), end - (end - x) * (1 - weight))

    def backward(self, gy: Array) -> tuple[Array, Array, Array]:
        x, end, weight = self.saved
        return gy * (1 - weight), gy * weight, gy * (end - x)


def lerp(input: Tensor, end: Tensor, weight: float | Tensor) -> Tensor:
    """`input + weight * (end - input)`: a straight line from input to end.

    Shape: all (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: the dtypes differ.

    Example:
        >>> npnet.lerp(npnet.tensor([0.0, 10.0]), npnet.tensor([4.0, 20.0]), 0.25)
        tensor([ 1.0000, 12.5000])
    """
    dtypes = {x.dtype for x in (input, end, weight) if isinstance(x, Variable)}
    if len(dtypes) > 1:
        raise RuntimeError(f"lerp: inputs must be of one dtype, got {sorted(map(str, dtypes))}")
    return apply("lerp", Lerp(), *float_operands("lerp", input, end, weight))
