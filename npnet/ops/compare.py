"""Comparison and logic: results are bool, and have no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.ops.broadcasting import off_tape
from npnet.ops.dtypes import Operand

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "allclose",
    "eq",
    "equal",
    "ge",
    "gt",
    "isfinite",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "ne",
]


def eq(input: Operand, other: Operand) -> Tensor:
    """Where the two are equal: bool."""
    return off_tape("eq", np.equal, input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Where the two differ: bool."""
    return off_tape("ne", np.not_equal, input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Where the first is less: bool."""
    return off_tape("lt", np.less, input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Where the first is less or equal: bool."""
    return off_tape("le", np.less_equal, input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater: bool."""
    return off_tape("gt", np.greater, input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Where the first is greater or equal: bool."""
    return off_tape("ge", np.greater_equal, input, other)


def logical_and(input: Operand, other: Operand) -> Tensor:
    """Where both are true (not 0): bool."""
    return off_tape("logical_and", np.logical_and, input, other)


def logical_or(input: Operand, other: Operand) -> Tensor:
    """Where one is true (not 0): bool."""
    return off_tape("logical_or", np.logical_or, input, other)


def logical_not(input: Tensor) -> Tensor:
    """Where the value is false (0): bool."""
    return off_tape("logical_not", np.logical_not, input)


def isnan(input: Tensor) -> Tensor:
    """Where the value is NaN: bool."""
    return off_tape("isnan", np.isnan, input)


def isfinite(input: Tensor) -> Tensor:
    """Where the value is neither NaN nor infinite: bool."""
    return off_tape("isfinite", np.isfinite, input)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all values are equal."""
    return bool(np.array_equal(input.array, other.array))


@np.errstate(all="ignore")  # NaN and infinity are values
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether `|input - other| <= atol + rtol * |other|` everywhere."""
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))
