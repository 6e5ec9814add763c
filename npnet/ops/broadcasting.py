"""What elementwise ops do first: operands of one dtype whose shapes broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import as_tensor_by, no_operand, not_tensors
from npnet.base.quiet import as_before, be_quiet
from npnet.ops import shape
from npnet.ops.dtypes import Number, Operand, result_type
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "apply",
    "as_operands",
    "check_tensors",
    "float_operands",
    "off_tape",
    "quietly",
]


# PyTorch leaves `tensor + ndarray` to NumPy, which gives back a tensor, of the promoted dtype.
_WITH_ARRAYS = frozenset(["add", "div", "mul", "pow", "sub"])
# Kinds of tensors that stay what they are beside a number of such a class.
_STAYING = {bool: f"bui{FLOATS}", int: f"ui{FLOATS}", float: FLOATS}
_LARGE = float(np.finfo(np.float32).max)


def as_operands(
    op: str, *operands: Operand, dtype: np.dtype[Any] | None = None, expanded: bool = True
) -> tuple[Tensor, ...]:
    """The operands as tensors of one dtype; those that need a gradient in the common shape.

    Casting and expanding are ops of their own, whose backward passes undo them, so that the
    arithmetic below need not. Where no gradient flows, NumPy broadcasts without a copy.

    Args:
        expanded: False leaves shapes as they are, for a Function whose backward broadcasts too.
    """
    if len(operands) == 2:
        alike = _two_alike(*operands, dtype, expanded)
        if alike is not None:
            return alike
    if op in _WITH_ARRAYS and any(isinstance(x, np.ndarray) for x in operands):
        dtype = result_type(*operands) if dtype is None else dtype
        operands = _from_arrays(op, *operands)
    for x in operands:
        if not isinstance(x, (Variable, bool, int, float, np.number, np.bool_)):
            raise no_operand(op, x)
    if not any(isinstance(x, Variable) for x in operands):
        raise TypeError(f"{op}: one operand must be a tensor, got {operands}")
    common = result_type(*operands) if dtype is None else dtype
    tensors = [
        shape.cast(x, common) if isinstance(x, Variable) else result(_number(x, common))
        for x in operands
    ]
    if expanded and len({x.shape for x in tensors}) > 1 and any(x.requires_grad for x in tensors):
        size = shape.broadcast_shapes(op, *(x.shape for x in tensors))
        return tuple(shape.expand(x, size) if x.requires_grad else x for x in tensors)
    return tuple(tensors)


def _from_arrays(op: str, *operands: Any) -> tuple[Any, ...]:
    """The operands with ndarrays as tensors, beside tensors that want no gradient."""
    if any(isinstance(x, Variable) and x.requires_grad for x in operands):
        raise RuntimeError(
            f"{op}: a tensor that requires a gradient takes no ndarray; {as_tensor_by(np.empty(0))}"
        )
    return tuple([result(x) if isinstance(x, np.ndarray) else x for x in operands])


def check_tensors(op: str, *inputs: Any) -> None:
    """Raise TypeError unless all are tensors, where PyTorch takes no numbers."""
    for x in inputs:
        if not isinstance(x, Variable):
            raise not_tensors(op, x)


def float_operands(op: str, *operands: Operand) -> tuple[Tensor, ...]:
    """`as_operands` of an op that takes floats alone. RuntimeError for integers."""
    common = result_type(*operands)
    if common.kind not in FLOATS:
        raise RuntimeError(f"{op}: inputs must be floating point, got {common}; use x.float()")
    return as_operands(op, *operands)


def _number(x: Number, dtype: np.dtype[Any]) -> Array:
    """The number as an array; what is too large for the dtype is infinite, without a warning.

    Integers wrap, as in PyTorch: -1 is 255 in uint8.
    """
    if dtype.kind in "iu" and isinstance(x, (int, np.integer)):
        return np.asarray(int(x) % 2**64, np.uint64).astype(dtype)
    if not isinstance(x, float) or -_LARGE < x < _LARGE:
        return np.asarray(x, dtype)
    with np.errstate(all="ignore"):
        return np.asarray(x, dtype)


def _two_alike(
    x: Operand, y: Operand, dtype: np.dtype[Any] | None, expanded: bool
) -> tuple[Tensor, Tensor] | None:
    """The usual cases, which should cost nothing: tensors of one dtype, or a number beside one.

    None for all others.
    """
    if isinstance(x, Variable):
        of_x = x._values.dtype
        if dtype is not None and dtype != of_x:
            return None
        if isinstance(y, Variable):
            if of_x != y._values.dtype or (expanded and x._values.shape != y._values.shape):
                return None
            return x, y
        if of_x.kind in _STAYING.get(type(y), ""):
            return x, result(_number(y, of_x))
    elif isinstance(y, Variable):
        of_y = y._values.dtype
        if (dtype is None or dtype == of_y) and of_y.kind in _STAYING.get(type(x), ""):
            return result(_number(x, of_y)), y
    return None


def apply(op: str, function: Function, *operands: Tensor) -> Tensor:
    """The function's result; ShapeError, named after the op, where shapes do not broadcast."""
    try:
        return function(*operands)
    except ValueError as error:
        shape.broadcast_shapes(op, *(x.shape for x in operands))  # says it better, if that is it
        raise error


def off_tape(op: str, compute: Callable[..., Array], *operands: Operand) -> Tensor:
    """What `compute` makes of the arrays, for ops that have no gradient."""
    arrays = [x.array for x in as_operands(op, *operands, expanded=False)]
    return quietly(op, compute, arrays)


def quietly(op: str, compute: Callable[..., Array], arrays: Sequence[Array]) -> Tensor:
    """What `compute` makes of arrays of one dtype. ShapeError where they do not broadcast."""
    before = be_quiet()  # NaN and infinity are values, as in every Function
    try:
        return result(np.asarray(compute(*arrays)))
    except ValueError as error:
        shape.broadcast_shapes(op, *(a.shape for a in arrays))  # says it better, if that is it
        raise error
    finally:
        as_before(before)
