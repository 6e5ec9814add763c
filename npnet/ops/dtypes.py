"""Which dtypes ops take, and which dtype an op on several has: PyTorch's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["Number", "Operand", "check_dtypes", "result_type"]

Number: TypeAlias = bool | int | float
Operand: TypeAlias = Union["Tensor", Number]

_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2}  # bool < integers < floats


def result_type(*operands: Operand) -> np.dtype[Any]:
    """The dtype of an op on these, by PyTorch's rule.

    Tensors with axes decide; those without, and then Python numbers, count only where they are of
    a higher kind (bool < integer < float). So float32 * 2.0 and float32 * int64 stay float32, and
    int64 * 0.5 is float32.
    """
    with_axes = [x.dtype for x in operands if isinstance(x, Variable) and x.ndim]
    without = [x.dtype for x in operands if isinstance(x, Variable) and not x.ndim]
    numbers = [_number_dtype(x) for x in operands if not isinstance(x, Variable)]
    result: np.dtype[Any] | None = None
    for group in (with_axes, without, numbers):
        if not group:
            continue
        dtype = group[0]
        for other in group[1:]:
            dtype = _promote(dtype, other)
        if result is None or _RANKS[dtype.kind] > _RANKS[result.kind]:
            result = dtype
    assert result is not None
    return result


def _number_dtype(number: Number) -> np.dtype[Any]:
    if isinstance(number, (bool, np.bool_)):
        return np.dtype(bool)
    return np.dtype(np.int64 if isinstance(number, (int, np.integer)) else np.float32)


def _promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if _RANKS[a.kind] == _RANKS[b.kind]:
        return np.promote_types(a, b)
    return a if _RANKS[a.kind] > _RANKS[b.kind] else b  # float32 with int64: NumPy says float64


def check_dtypes(op: str, *inputs: Tensor) -> None:
    """Raise RuntimeError unless all are of one floating point dtype, as PyTorch does."""
    dtypes = []
    for x in inputs:
        if not isinstance(x, Variable):
            raise TypeError(
                f"{op}: inputs must be tensors, got {type(x).__name__}; npnet.as_tensor makes one"
            )
        if x.dtype not in dtypes:
            dtypes.append(x.dtype)
    if len(dtypes) > 1 or dtypes[0].kind != "f":
        raise RuntimeError(
            f"{op}: inputs must be of one floating point dtype, got "
            f"{', '.join(map(str, dtypes))}; x.float() or module.double() converts"
        )
