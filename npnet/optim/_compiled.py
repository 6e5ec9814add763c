"""Where an update is a compiled kernel's and where it is NumPy's."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from npnet.backend import uses_kernels
from npnet.base.arrays import Array

__all__ = ["kernels_for"]

_FLOAT32 = np.dtype(np.float32)


def kernels_for(*arrays: Array) -> Any:
    """The module `npnet.kernels.update` where its kernels take these arrays, else None.

    They take float32 in row-major order, and the "numba" backend must be in force.
    """
    if not uses_kernels():
        return None
    for array in arrays:
        if array.dtype != _FLOAT32 or not array.flags.carray:
            return None
    return _kernels()


@functools.cache
def _kernels() -> Any:
    from npnet.kernels import update

    return update
