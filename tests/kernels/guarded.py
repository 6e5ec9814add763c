"""Arrays inside larger blocks: what a kernel writes outside of an array is seen there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array

AROUND = 2**14  # bytes before and behind an array
CANARY = 0xFF  # as float32 a NaN, as an integer -1: what is read from there spoils the result
ALIGNMENT = 64


class Guard:
    """Makes arrays, and tells whether anything around one of them was written."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Array, int, int]] = []

    def empty(self, shape: tuple[int, ...], dtype: Any = np.float32, off: int = 0) -> Array:
        """An array that begins `off` bytes behind a cache line, filled with canaries."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        block = np.full(size + 2 * AROUND + ALIGNMENT, CANARY, np.uint8)
        start = AROUND + -(block.ctypes.data + AROUND) % ALIGNMENT + off
        self._blocks.append((block, start, start + size))
        return block[start : start + size].view(dtype).reshape(shape)

    def like(self, array: Array, off: int = 0) -> Array:
        """A copy of an array."""
        copy = self.empty(array.shape, array.dtype, off)
        copy[...] = array
        return copy

    def check(self) -> None:
        """Raise AssertionError if something was written outside of an array; forget them all."""
        blocks, self._blocks = self._blocks, []
        for block, start, end in blocks:
            for what, part in (("before", block[:start]), ("behind", block[end:])):
                written = int((part != CANARY).sum())
                assert not written, f"{written} bytes {what} an array were written"
