"""Comparison and logic: results are bool, and have no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.ops import shape
from npnet.ops.broadcasting import check_tensors, off_tape, quietly
from npnet.ops.dtypes import Operand, result_type
from npnet.tape import Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "allclose",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isin",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
]


def _compared(op: str, compute: np.ufunc, input: Operand, other: Operand) -> Tensor:
    check_tensors(op, input)
    if isinstance(other, Variable) and input.dtype == other.dtype:  # type: ignore[union-attr] # checked
        return quietly(op, compute, (input.array, other.array))  # type: ignore[union-attr] # checked
    return off_tape(op, compute, input, other)


def eq(input: Operand, other: Operand) -> Tensor:
    """Where the two are equal: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.eq(npnet.tensor([1, 2, 3]), npnet.tensor([1, 0, 3]))
        tensor([ True, False,  True])
    """
    return _compared("eq", np.equal, input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Where the two differ: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.ne(npnet.tensor([1, 2, 3]), npnet.tensor([1, 0, 3]))
        tensor([False,  True, False])
    """
    return _compared("ne", np.not_equal, input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Where the first is less: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.lt(npnet.tensor([1, 2, 3]), 2)
        tensor([ True, False, False])
    """
    return _compared("lt", np.less, input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Where the first is less or equal: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.le(npnet.tensor([1, 2, 3]), 2)
        tensor([ True,  True, False])
    """
    return _compared("le", np.less_equal, input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.gt(npnet.tensor([1, 2, 3]), 2)
        tensor([False, False,  True])
    """
    return _compared("gt", np.greater, input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater or equal: bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.ge(npnet.tensor([1, 2, 3]), 2)
        tensor([False,  True,  True])
    """
    return _compared("ge", np.greater_equal, input, other)


def logical_and(input: Operand, other: Operand) -> Tensor:
    """Where both are true (not 0): bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.logical_and(npnet.tensor([0, 1, 2]), npnet.tensor([1, 0, 3]))
        tensor([False, False,  True])
    """
    check_tensors("logical_and", input, other)
    return off_tape("logical_and", np.logical_and, input, other)


def logical_or(input: Operand, other: Operand) -> Tensor:
    """Where one is true (not 0): bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.logical_or(npnet.tensor([0, 1, 0]), npnet.tensor([0, 0, 3]))
        tensor([False,  True,  True])
    """
    check_tensors("logical_or", input, other)
    return off_tape("logical_or", np.logical_or, input, other)


def logical_xor(input: Operand, other: Operand) -> Tensor:
    """Where one alone is true (not 0): bool.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> npnet.logical_xor(npnet.tensor([0, 1, 2]), npnet.tensor([1, 0, 3]))
        tensor([ True,  True, False])
    """
    check_tensors("logical_xor", input, other)
    return off_tape("logical_xor", np.logical_xor, input, other)


def logical_not(input: Tensor) -> Tensor:
    """Where the value is false (0): bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.logical_not(npnet.tensor([0.0, 0.5]))
        tensor([ True, False])
    """
    return off_tape("logical_not", np.logical_not, input)


def isnan(input: Tensor) -> Tensor:
    """Where the value is NaN: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isnan(npnet.tensor([1.0, npnet.inf, npnet.nan]))
        tensor([False, False,  True])
    """
    return off_tape("isnan", np.isnan, input)


def isfinite(input: Tensor) -> Tensor:
    """Where the value is neither NaN nor infinite: bool.

    Shape: (...) -> the same.

    Example:
        >>> npnet.isfinite(npnet.tensor([1.0, npnet.inf, npnet.nan]))
        tensor([ True, False, False])
    """
    return off_tape("isfinite", np.isfinite, input)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all values are equal.

    Example:
        >>> x = npnet.tensor([1, 1])
        >>> npnet.equal(x, npnet.tensor([1, 1])), npnet.equal(x, npnet.tensor([1]))
        (True, False)
    """
    check_tensors("equal", input)
    if input.dtype == other.dtype:
        return bool(np.array_equal(input.array, other.array))
    common = result_type(input, other)
    return bool(np.array_equal(input.array.astype(common), other.array.astype(common)))


@np.errstate(all="ignore")  # NaN and infinity are values
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where `|input - other| <= atol + rtol * |other|`: bool. Both must be of one dtype.

    Shape: both (...), broadcast -> (...).

    Raises:
        ShapeError: the shapes do not broadcast.
        RuntimeError: the dtypes differ.

    Example:
        >>> x, y = npnet.tensor([1.0, 2.0, npnet.nan]), npnet.tensor([1.000001, 2.1, npnet.nan])
        >>> npnet.isclose(x, y), npnet.isclose(x, y, equal_nan=True)
        (tensor([ True, False, False]), tensor([ True, False,  True]))
    """
    check_tensors("isclose", input, other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: dtypes must be equal, got {input.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must be >= 0, got {rtol} and {atol}")
    shape.broadcast_shapes("isclose", input.shape, other.shape)
    x, y = input.array, other.array
    close = x == y
    if equal_nan and input.is_floating_point():
        close |= np.isnan(x) & np.isnan(y)
    if rtol or atol:
        wide = np.float64 if not input.is_floating_point() else x.dtype
        off = np.abs(x.astype(wide) - y.astype(wide))
        close |= np.isfinite(off) & (off <= atol + np.abs(rtol * y.astype(wide)))
    return result(np.asarray(close))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether `|input - other| <= atol + rtol * |other|` everywhere.

    Shape: both (...), broadcast -> a bool.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> x = npnet.tensor([1.0, 2.0])
        >>> y = x + 0.01
        >>> npnet.allclose(x, x + 1e-6), npnet.allclose(x, y), npnet.allclose(x, y, atol=0.1)
        (True, False, True)
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def isin(
    elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Where a value is one of `test_elements`: bool.

    Args:
        assume_unique: changes nothing but PyTorch's speed.
        invert: where it is none of them.

    Example:
        >>> npnet.isin(npnet.tensor([1, 2, 3, 4]), npnet.tensor([2, 4]))
        tensor([False,  True, False,  True])
    """
    if not isinstance(elements, Variable) and not isinstance(test_elements, Variable):
        raise TypeError("isin: one of elements and test_elements must be a tensor")
    x, known = (a.array if isinstance(a, Variable) else a for a in (elements, test_elements))
    return result(np.asarray(np.isin(x, known, invert=invert)))
