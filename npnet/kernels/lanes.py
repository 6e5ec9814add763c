"""The lane layout: sixteen images side by side, so that one vector holds a pixel of each.

An array (N, C, H, W) becomes (B, C, H, W, 16) with B = ceil(N / 16) blocks, an array (N, F)
becomes (B, F, 16). Lane l of block b is image 16 * b + l. The lanes after the last image are
zero when they are made here; later they hold whatever the kernels make of them, and a kernel
that adds up over images leaves them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.kernels import simd
from npnet.kernels._arguments import Rule, check_images, row_major
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import ALIGNMENT, LANES

__all__ = ["block_count", "empty", "from_lanes", "to_lanes", "zeros"]

Array: TypeAlias = npt.NDArray[np.float32]
Memory: TypeAlias = npt.NDArray[np.uint8]

_TO_LANES = Rule("to_lanes", empty="N ...", x="N ...")
_FROM_LANES = Rule("from_lanes", x="B ... 16")


def block_count(n: int) -> int:
    """How many blocks of 16 images hold `n` images."""
    return -(-n // LANES)


KEPT, LARGEST, SIZES = 4, 2**26, 64  # pieces of one size, bytes of a piece, sizes
_returned: dict[int, list[Memory]] = {}


def _keep(memory: Memory, returned: dict[int, list[Memory]] = _returned) -> None:
    if len(memory) not in returned and len(returned) >= SIZES:
        returned.clear()  # shapes have changed since
    kept = returned.setdefault(len(memory), [])
    if len(kept) < KEPT and len(memory) <= LARGEST:
        kept.append(memory)


class _Loan:
    """Memory lent to an array; it comes back when the array and all its views are gone.

    Fresh memory costs a page fault every 4 KiB, which is more than a convolution that fills it.
    """

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, memory: Memory, shape: tuple[int, ...]) -> None:
        self.memory = memory
        start = memory.ctypes.data
        self.__array_interface__ = {
            "data": (start + -start % ALIGNMENT, False),
            "shape": shape,
            "typestr": "<f4",
            "version": 3,
        }

    def __del__(self, keep: Callable[[Memory], None] = _keep) -> None:
        keep(self.memory)  # bound above: at exit the module may be empty already


def empty(shape: tuple[int, ...]) -> Array:
    """A float32 array of any values that begins at a cache line."""
    size = 4 * math.prod(shape) + ALIGNMENT
    kept = _returned.get(size)
    try:
        memory = kept.pop() if kept else np.empty(size, np.uint8)
    except IndexError:  # another thread took the last one
        memory = np.empty(size, np.uint8)
    return np.asarray(_Loan(memory, shape))


def zeros(shape: tuple[int, ...]) -> Array:
    """A float32 array of zeros that begins at a cache line."""
    array = empty(shape)
    array.fill(0)
    return array


def to_lanes(x: npt.NDArray[Any]) -> Array:
    """Images or features in lanes: (N, C, H, W) -> (B, C, H, W, 16), (N, F) -> (B, F, 16)."""
    x = row_major("to_lanes", "x", x)
    _TO_LANES(x)
    n, *axes = x.shape
    y = empty((block_count(n), *axes, LANES))
    features = math.prod(axes)
    _to_lanes(x.reshape(n, features), y.reshape(len(y), features, LANES))
    return y


def from_lanes(x: Array, n: int) -> Array:
    """The first `n` images: (B, C, H, W, 16) -> (n, C, H, W), (B, F, 16) -> (n, F)."""
    _FROM_LANES(x)
    check_images("from_lanes", n, len(x))
    y = empty((n, *x.shape[1:-1]))
    features = math.prod(x.shape[1:-1])
    _from_lanes(x.reshape(len(x), features, LANES), y.reshape(n, features))
    return y


@kernel
def _to_lanes(x, y):  # x (N, F) -> y (B, F, 16)
    parallel_for(block_to_lanes, y.shape[0], (x, y))


@kernel
def _from_lanes(x, y):  # x (B, F, 16) -> y (N, F) or wider
    parallel_for(block_from_lanes, x.shape[0], (x, y))


@kernel
def block_to_lanes(x, y, b):
    """Block `b` of x (N, F) -> y (B, F, 16)."""
    rows_to_lanes(x, b, y, b)


@kernel
def rows_to_lanes(x, b, y, at):
    """Block `b` of x (N, F) -> y[at], of (..., F, 16)."""
    features, first = x.shape[1], b * LANES
    images = min(LANES, x.shape[0] - first)
    if images == LANES and features >= LANES:
        for f in range(0, features + LANES - 1, LANES):
            i = min(f, features - LANES)  # the last one overlaps the one before
            to = (at * features + i) * LANES
            simd.transpose(x, first * features + i, features, y, to, LANES)
    else:
        for f in range(features):
            for lane in range(LANES):
                y[at, f, lane] = x[first + lane, f] if lane < images else 0.0


@kernel
def block_from_lanes(x, y, b):
    """Block `b` of x (B, F, 16) -> y (N, F), or wider, and then only the first F columns."""
    features, first, width = x.shape[1], b * LANES, y.shape[1]
    images = min(LANES, y.shape[0] - first)
    if images == LANES and features >= LANES:
        for f in range(0, features + LANES - 1, LANES):
            i = min(f, features - LANES)
            start = (b * features + i) * LANES
            simd.transpose(x, start, LANES, y, first * width + i, width)
    else:
        for lane in range(images):
            for f in range(features):
                y[first + lane, f] = x[b, f, lane]
