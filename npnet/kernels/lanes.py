"""The lane layout: sixteen images side by side, so that one vector holds a pixel of each.

An array (N, C, H, W) becomes (B, C, H, W, 16) with B = ceil(N / 16) blocks, an array (N, F)
becomes (B, F, 16). Lane l of block b is image 16 * b + l. The lanes after the last image are
zero when they are made here; later they hold whatever the kernels make of them, and a kernel
that adds up over images leaves them out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.memory import available_memory, when_emptied
from npnet.kernels import simd
from npnet.kernels._arguments import FLOAT32, Rule, check_images, row_major
from npnet.kernels._jit import kernel
from npnet.kernels._task import task, wider
from npnet.kernels.simd import ALIGNMENT, LANES

__all__ = [
    "block_count",
    "block_from_lanes",
    "block_to_lanes",
    "empty",
    "from_lanes",
    "to_lanes",
    "whole",
    "zeros",
]

Memory: TypeAlias = npt.NDArray[np.uint8]

_FROM_LANES = Rule("from_lanes", x="B ... 16")


def block_count(n: int) -> int:
    """How many blocks of 16 images hold `n` images."""
    return -(-n // LANES)


def whole(features: int) -> int:
    """So many features, or more, that fill whole vectors."""
    return -(-features // LANES) * LANES


# Of memory that waits: pieces of one size, bytes of a piece, and sizes, at most.
MOST_PIECES, LARGEST_PIECE, MOST_SIZES = 4, 2**26, 64

# Bytes in all: a step of ResNet-18 on 128 images of 64x64, the largest network that comes with
# npnet, leaves 292 MiB; but no more than a sixteenth of the memory, for it has other uses.
MOST = min(5 * 2**26, available_memory() // 16)


class _Shelf:
    """Pieces of memory of one size."""

    __slots__ = ("pieces", "used")

    def __init__(self) -> None:
        self.pieces: list[Memory] = []
        self.used = 0  # the time when one came back last, as the pool counts


class _Memory(np.ndarray[Any, Any]):
    """Bytes of the pool: a class of their own, see `_Loan`."""


class _Pool:
    """Memory that waits for the next array of its size.

    There is no lock: memory comes back when an array is deleted, which may happen within any line
    below, of this thread too. What several of them change is changed by single operations of lists
    and dicts; `held` alone may become a little wrong by that, and is counted anew when it matters.
    Nor are there names of the module, which are gone at exit, before the last arrays are.
    """

    def __init__(self, kept: int, largest: int, sizes: int, most: int) -> None:
        self.kept, self.largest, self.sizes, self.most = kept, largest, sizes, most
        self.held = 0  # bytes
        self._shelves: dict[int, _Shelf] = {}
        self._new_shelf, self._clock = _Shelf, itertools.count(1)

    def take(self, size: int) -> Memory:
        """So many bytes of any values, which begin at a cache line.

        MemoryError where there are none, also without the pool.
        """
        shelf = self._shelves.get(size)
        try:
            if shelf is not None:
                memory = shelf.pieces.pop()
                self.held -= size
                return memory
        except IndexError:
            pass
        try:
            memory = np.empty(size + ALIGNMENT, np.uint8)
        except MemoryError:
            self.empty()
            memory = np.empty(size + ALIGNMENT, np.uint8)
        begin = -memory.ctypes.data % ALIGNMENT
        return memory[begin : begin + size].view(_Memory)

    def give(self, memory: Memory) -> None:
        """Take memory back; the sizes that came back least recently go where it is too much."""
        size = memory.size
        if size > self.largest:
            return
        shelf = self._shelves.get(size)
        if shelf is None:
            shelf = self._shelves.setdefault(size, self._new_shelf())
        shelf.used = next(self._clock)
        if len(shelf.pieces) < self.kept:
            shelf.pieces.append(memory)
            self.held += size
            if self.held > self.most or len(self._shelves) > self.sizes:
                self._shrink()

    def _shrink(self) -> None:
        shelves = sorted(self._shelves.copy().items(), key=lambda item: item[1].used)
        held, count = sum([size * len(shelf.pieces) for size, shelf in shelves]), len(shelves)
        for size, shelf in shelves:
            if held <= self.most and count <= self.sizes:
                break
            self._shelves.pop(size, None)
            held, count = held - size * len(shelf.pieces), count - 1
        self.held = held

    def empty(self) -> None:
        """Let go of everything."""
        self._shelves.clear()
        self.held = 0


_pool = _Pool(MOST_PIECES, LARGEST_PIECE, MOST_SIZES, MOST)
when_emptied(_pool.empty)


class _Loan(np.ndarray[Any, Any]):
    """Memory lent to an array; it comes back when the array and all its views are gone.

    Fresh memory costs a page fault every 4 KiB, which is more than a convolution that fills it.
    The array's `base` is the loan, and that of the loan the memory: NumPy goes past a base to what
    that is a view of only where the two are ndarrays of one class.
    """

    def __del__(self, give: Callable[[Any], None] = _pool.give) -> None:
        give(self.base)  # bound above: at exit the module may be empty already


def empty(shape: tuple[int, ...]) -> Array:
    """A float32 array of any values that begins at a cache line."""
    loan = _pool.take(4 * math.prod(shape)).view(_Loan)
    return np.ndarray(shape, FLOAT32, loan)


def zeros(shape: tuple[int, ...]) -> Array:
    """A float32 array of zeros that begins at a cache line."""
    array = empty(shape)
    array.fill(0)
    return array


def to_lanes(x: npt.NDArray[Any]) -> Array:
    """Images or features in lanes: (N, C, H, W) -> (B, C, H, W, 16), (N, F) -> (B, F, 16)."""
    x = row_major("to_lanes", "x", x)
    n, *axes = x.shape
    y = empty((block_count(n), *axes, LANES))
    features = math.prod(axes)
    block_to_lanes.do(len(y), x.reshape(n, features), y.reshape(len(y), features, LANES))
    return y


def from_lanes(x: Array, n: int) -> Array:
    """The first `n` images: (B, C, H, W, 16) -> (n, C, H, W), (B, F, 16) -> (n, F)."""
    _FROM_LANES(x)
    check_images("from_lanes", n, len(x))
    y = empty((n, *x.shape[1:-1]))
    features = math.prod(x.shape[1:-1])
    block_from_lanes.do(len(x), x.reshape(len(x), features, LANES), y.reshape(n, features))
    return y


@task(x="N F", y="B F 16", items="B", empty="N F B")
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


@task(x="B F 16", y="N W", items="B", also=wider, empty="N F B W")
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
