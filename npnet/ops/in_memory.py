"""Arithmetic in place at once: by NumPy into the tensor's memory, with no result beside it.

For the usual case, as in optimizers: ndarrays of floats of one shape, or a number, with nothing to
record. Each function gives the bits that its op gives, and says whether it was done; what is not
done is the op's, which also tells what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.grad_mode import state as _mode
from npnet.base.quiet import as_before, be_quiet
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.ops.dtypes import Number, Operand
    from npnet.tensor import Tensor

__all__ = ["add", "addcdiv", "addcmul", "div", "is_free", "mul", "sub"]


def add(input: Tensor, other: Operand, *, alpha: Number = 1) -> bool:
    """`input += alpha * other`."""
    return _combined(np.add, input, other, alpha)


def sub(input: Tensor, other: Operand, *, alpha: Number = 1) -> bool:
    """`input -= alpha * other`."""
    return _combined(np.subtract, input, other, alpha)


def mul(input: Tensor, other: Operand) -> bool:
    """`input *= other`."""
    return _combined(np.multiply, input, other, 1)


def div(input: Tensor, other: Operand, *, rounding_mode: str | None = None) -> bool:
    """`input /= other`, if it is not rounded."""
    return rounding_mode is None and _combined(np.divide, input, other, 1)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> bool:
    """`input += value * tensor1 * tensor2`."""
    return _added(np.multiply, input, tensor1, tensor2, value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> bool:
    """`input += value * tensor1 / tensor2`."""
    return _added(np.divide, input, tensor1, tensor2, value)


def _combined(ufunc: Callable[..., Any], x: Tensor, other: Any, factor: Number) -> bool:
    values: Any = x._values
    if not is_free(x) or type(factor) not in _REALS:
        return False
    number = type(other) in _REALS
    if not (number or _is_like(other, values)) or (number and factor != 1):
        return False
    before = be_quiet()  # NaN and infinity are values, as in every Function
    try:
        y = values.dtype.type(other) if number else other._values
        if factor != 1:
            y = np.multiply(y, values.dtype.type(factor))
        ufunc(values, y, values)
    finally:
        as_before(before)
    x._version.writes += 1
    return True


def _added(ufunc: Callable[..., Any], x: Tensor, a: Any, b: Any, factor: Number) -> bool:
    values: Any = x._values
    if not is_free(x) or type(factor) not in _REALS:
        return False
    if not (_is_like(a, values) and _is_like(b, values)):
        return False
    before = be_quiet()
    try:
        y = ufunc(a._values, b._values)
        if factor != 1:
            y *= values.dtype.type(factor)
        np.add(values, y, values)
    finally:
        as_before(before)
    x._version.writes += 1
    return True


_REALS = (float, int)


def is_free(x: Tensor) -> bool:
    """Whether x is an ndarray of floats that can be written without anything to record.

    All writes of this file ask it: `compiler.watch` sees them by that.
    """
    values = x._values
    return (
        type(values) is np.ndarray
        and values.dtype.char in "fd"
        and values.flags.writeable
        and not (_mode.enabled and (x._wants or x._base is not None))
    )


def _is_like(y: Any, values: Any) -> bool:
    """Whether y is a tensor of the same shape and dtype with nothing to record."""
    if not isinstance(y, Variable):
        return False
    mine = y._values
    return (
        type(mine) is np.ndarray
        and mine.dtype == values.dtype
        and mine.shape == values.shape
        and not (_mode.enabled and (y._wants or y._base is not None))
    )
