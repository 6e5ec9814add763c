"""`finfo` and `iinfo`: the limits of dtypes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npnet.base.bfloat16 import FLOATS, limits
from npnet.ops.dtypes import get_default_dtype

__all__ = ["finfo", "iinfo"]


class finfo:
    """The limits of a floating point dtype, by default of the default one.

    Attributes:
        bits, dtype: how many bits it has, and its name.
        eps: the distance from 1 to the next larger number.
        max, min: the largest number, and its negative.
        tiny, smallest_normal: the smallest positive number of full precision.
        resolution: about how exact it is in decimals.

    Example:
        >>> npnet.finfo(npnet.float32).bits, npnet.finfo(npnet.float32).eps == 2**-23
        (32, True)
    """

    def __init__(self, type: npt.DTypeLike | None = None) -> None:
        dtype = get_default_dtype() if type is None else np.dtype(type)
        if dtype.kind not in FLOATS:
            raise TypeError(f"finfo: takes a floating point dtype, got {dtype}; see iinfo")
        known = limits(dtype)
        self.bits, self.dtype = int(known.bits), str(dtype)
        self.eps, self.resolution = float(known.eps), 10.0**-known.precision
        self.max, self.min = float(known.max), float(known.min)
        self.tiny = self.smallest_normal = float(known.tiny)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype.

    Attributes:
        bits, dtype: how many bits it has, and its name.
        max, min: the largest and the smallest number.

    Example:
        >>> npnet.iinfo(npnet.int8).min, npnet.iinfo(npnet.int8).max
        (-128, 127)
    """

    def __init__(self, type: npt.DTypeLike) -> None:
        dtype = np.dtype(type)
        if dtype.kind not in "iu":
            raise TypeError(f"iinfo: takes an integer dtype, got {dtype}; see finfo")
        known = np.iinfo(dtype)
        self.bits, self.dtype = int(known.bits), str(dtype)
        self.max, self.min = int(known.max), int(known.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
