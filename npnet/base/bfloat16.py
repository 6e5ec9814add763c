"""bfloat16, the upper half of a float32: NumPy has no such dtype, ml_dtypes has.

It is a dtype to store values in: an op takes them as float32 and rounds what it gives to the
nearest bfloat16, ties to even, see `tape.Function`. ml_dtypes is imported where the dtype is first
asked for.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.extras import require

__all__ = ["FLOATS", "bfloat16", "dtype_named", "in_use", "is_bfloat16", "limits", "widened"]

# The kinds of dtypes of floats. ml_dtypes says V, as of records, of which no tensor is.
FLOATS = "fV"
FLOAT32 = np.dtype(np.float32)


class _InUse:
    """Whether there may be arrays of bfloat16: until then no op looks for them."""

    bfloat16 = False


in_use = _InUse()


@functools.cache
def bfloat16() -> np.dtype[Any]:
    """The dtype. MissingExtraError where ml_dtypes is not installed."""
    ml_dtypes = require("ml_dtypes", "bfloat16", "bfloat16")
    in_use.bfloat16 = True
    return np.dtype(ml_dtypes.bfloat16)


def dtype_named(name: str) -> np.dtype[Any]:
    """The dtype of a name such as "float32", or "bfloat16", which NumPy does not know."""
    return bfloat16() if name == "bfloat16" else np.dtype(name)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype, from wherever it comes, is bfloat16."""
    return dtype.kind == "V" and dtype.name == "bfloat16" and dtype == bfloat16()


def limits(dtype: np.dtype[Any]) -> Any:
    """The `finfo` of a dtype of floats, by whoever knows it."""
    if dtype.kind != "V":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call] # of ml_dtypes


def widened(array: Array) -> Array:
    """bfloat16 as float32, without loss; any other array as it is."""
    return array.astype(FLOAT32) if array.dtype.kind == "V" else array
