"""Which dtypes ops take, and which dtype an op on several has: PyTorch's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import not_tensors
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "Number",
    "Operand",
    "can_cast",
    "check_dtypes",
    "float_type",
    "get_default_dtype",
    "promote_types",
    "result_type",
    "set_default_dtype",
    "wrapped",
]

Number: TypeAlias = bool | int | float
Operand: TypeAlias = Union["Tensor", Number]

_OF_BOOLS, _OF_INTEGERS = np.dtype(bool), np.dtype(np.int64)
_FLOAT32 = np.dtype(np.float32)
_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2}  # bool < integers < floats


class _Default:
    """The dtype of Python floats, and of what ops make of integers where they need floats."""

    dtype: np.dtype[Any] = np.dtype(np.float32)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of Python floats in `tensor`, and of factories: float32 unless it was set.

    Example:
        >>> npnet.get_default_dtype()
        dtype('float32')
    """
    return _Default.dtype


def set_default_dtype(d: npt.DTypeLike) -> None:
    """Set the dtype of Python floats in `tensor`, and of factories. TypeError unless a float's.

    Example:
        >>> npnet.set_default_dtype(npnet.float64)
        >>> npnet.tensor([1.0]).dtype
        dtype('float64')
        >>> npnet.set_default_dtype(npnet.float32)
    """
    dtype = np.dtype(d)
    if dtype.kind not in FLOATS:
        raise TypeError(f"set_default_dtype: must be a floating point dtype, got {dtype}")
    _Default.dtype = dtype


def result_type(*operands: Operand) -> np.dtype[Any]:
    """The dtype of an op on these, by PyTorch's rule.

    Tensors with axes decide; those without, and then Python numbers, count only where they are of
    a higher kind (bool < integer < float). So float32 * 2.0 and float32 * int64 stay float32, and
    int64 * 0.5 is float32.

    Example:
        >>> npnet.result_type(npnet.tensor([1]), 0.5)
        dtype('float32')
        >>> npnet.result_type(npnet.tensor([1]).byte(), npnet.tensor(5))
        dtype('uint8')
    """
    found: list[np.dtype[Any] | None] = [None, None, None]  # with axes, without, of numbers
    for x in operands:
        if isinstance(x, Variable):
            values = x._values
            group, dtype = (0 if values.shape else 1), values.dtype
        elif isinstance(x, np.ndarray):  # where an op takes one, NumPy's rule holds
            return np.promote_types(operands[0].dtype, x.dtype)
        else:
            group, dtype = 2, _number_dtype(x)
        before = found[group]
        if before is None:
            found[group] = dtype
        elif before is not dtype:
            found[group] = promote_types(before, dtype)
    result: np.dtype[Any] | None = None
    for known in found:
        if known is not None and (result is None or _RANKS[known.kind] > _RANKS[result.kind]):
            result = known
    assert result is not None
    return result


def _number_dtype(number: Number) -> np.dtype[Any]:
    if isinstance(number, (bool, np.bool_)):
        return _OF_BOOLS
    if isinstance(number, (int, np.integer)):
        return _OF_INTEGERS
    return _Default.dtype


def promote_types(type1: npt.DTypeLike, type2: npt.DTypeLike) -> np.dtype[Any]:
    """The smallest dtype of the higher of the two kinds (bool < integer < float) for both.

    float32 with int64 is float32, where NumPy says float64.

    Example:
        >>> npnet.promote_types(npnet.float32, npnet.int64)
        dtype('float32')
        >>> npnet.promote_types(npnet.int8, npnet.uint8)
        dtype('int16')
    """
    a, b = np.dtype(type1), np.dtype(type2)
    if _RANKS[a.kind] == _RANKS[b.kind]:
        if a != b and a.itemsize == b.itemsize == 2 and "V" in (a.kind, b.kind):
            return _FLOAT32  # neither 16 bits hold the other's, and NumPy does not know
        return np.promote_types(a, b)
    return a if _RANKS[a.kind] > _RANKS[b.kind] else b


def can_cast(from_: npt.DTypeLike, to: npt.DTypeLike) -> bool:
    """Whether an in-place op may keep a result of the one dtype in the other: no lower kind.

    Example:
        >>> npnet.can_cast(npnet.int64, npnet.float32), npnet.can_cast(npnet.float32, npnet.int64)
        (True, False)
    """
    a, b = np.dtype(from_), np.dtype(to)
    return _RANKS[a.kind] <= _RANKS[b.kind]


def float_type(*operands: Operand) -> np.dtype[Any]:
    """`result_type`, or the default dtype where that is no float's."""
    first = operands[0]
    if type(operands[-1]) in (int, float) and len(operands) == 2 and isinstance(first, Variable):
        dtype = first._values.dtype  # of a tensor and a number, as in `x / 255`
        return dtype if dtype.kind in FLOATS else _Default.dtype
    common = result_type(*operands)
    return common if common.kind in FLOATS else _Default.dtype


def check_dtypes(op: str, *inputs: Tensor, integers: bool = False) -> None:
    """Raise RuntimeError unless all are of one dtype, a float's or with `integers` any number's."""
    dtypes = []
    for x in inputs:
        if not isinstance(x, Variable):
            raise not_tensors(op, x)
        if x.dtype not in dtypes:
            dtypes.append(x.dtype)
    if len(dtypes) > 1 or dtypes[0].kind not in ("iufV" if integers else FLOATS):
        raise RuntimeError(
            f"{op}: inputs must be of one {'' if integers else 'floating point '}dtype, got "
            f"{', '.join(map(str, dtypes))}; x.float() or module.double() converts"
        )


def wrapped(values: Any, dtype: np.dtype[Any]) -> Array:
    """Whole numbers that do not fit into a dtype: negative ones modulo, into an unsigned dtype.

    Raises:
        RuntimeError: they don't fit even so.
    """
    whole, most = np.asarray(values), np.iinfo(dtype).max
    if dtype.kind != "u" or whole.dtype.kind not in "iu" or not np.all(np.abs(whole) <= most):
        raise RuntimeError(f"a value can't be converted to {dtype} without overflow, got {values}")
    return whole.astype(dtype)
