"""Where the windows of pooling lie, as tables that kernels read and nobody writes to."""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels._arguments import fixed
from npnet.ops.windows import Pair, Window

__all__ = [
    "APART",
    "COVER",
    "OVERLAP",
    "apart",
    "bins",
    "number_type",
    "numbers",
    "planes",
    "shares",
    "spans",
]

Winner: TypeAlias = npt.NDArray[Any]
Spans: TypeAlias = npt.NDArray[np.int64]

# How windows share pixels: some pixel lies in several, or none does, or each lies in just one.
OVERLAP, APART, COVER = 0, 1, 2


def planes(x: Array) -> Array:  # (B, C, H, W, 16) -> (B*C, H, W, 16)
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def numbers(shape: tuple[int, ...], count: int) -> Winner:
    """Room for numbers below `count`, planes (M, OH, OW, 16)."""
    planes = (shape[0] * shape[1], *shape[2:])
    if number_type(count) == "uint8":
        return np.empty(planes, np.uint8)
    return lanes.empty(planes).view(np.uint32)


def number_type(count: int) -> str:
    """The dtype of numbers below `count`."""
    return "uint8" if count <= 256 else "uint32"


@functools.lru_cache(256)
def spans(window: Window, size: Pair) -> tuple[Spans, Spans]:
    """(first pixel, first tap inside the image, taps' end) of windows by row and by column.

    The first pixel is that of tap 0, which may lie in the padding.
    """
    table = []
    for a in (0, 1):
        step, first = window.dilation[a], np.arange(window.output_size(size)[a])
        first = first * window.stride[a] - window.padding[a][0]
        inside = np.maximum(0, -(first // step))
        end = np.clip(-((first - size[a]) // step), inside, window.kernel[a])
        table.append(fixed(np.stack([first, inside, end], 1)))
    return table[0], table[1]


@functools.lru_cache(256)
def shares(window: Window, size: Pair, count_include_pad: bool, divisor: int | None) -> Array:
    """1 / divisor of each window, (OH, OW)."""
    counts = window.output_size(size)
    if divisor is not None:
        return fixed(np.full(counts, 1 / divisor, np.float32))
    pixels = []
    for a, (before, after) in enumerate(window.padding):
        if not count_include_pad:
            before = after = 0
        first = np.arange(counts[a]) * window.stride[a] - window.padding[a][0]
        end = np.minimum(first + window.kernel[a], size[a] + after)
        pixels.append(end - np.maximum(first, -before))
    return fixed((1 / np.outer(*pixels)).astype(np.float32))


@functools.lru_cache(256)
def apart(window: Window, size: Pair) -> int:
    """OVERLAP, APART or COVER."""
    counts = window.output_size(size)
    if any(s < e for s, e in zip(window.stride, window.extent, strict=True)):
        return OVERLAP
    reach = tuple(
        c * s - p[0] for c, s, p in zip(counts, window.stride, window.padding, strict=True)
    )
    covers = window.stride == window.kernel and all(
        r >= n for r, n in zip(reach, size, strict=True)
    )
    return COVER if covers else APART


@functools.lru_cache(256)
def bins(size: Pair, counts: Pair) -> tuple[Spans, Spans, Array, int]:
    """Spans by row and by column, shares, and how they overlap, of adaptive pooling's bins."""
    table, pixels = [], []
    for n, count in zip(size, counts, strict=True):
        i = np.arange(count)
        first, end = i * n // count, -(-(i + 1) * n // count)
        table.append(fixed(np.stack([first, np.zeros_like(first), end - first], 1)))
        pixels.append(end - first)
    even = all(n % count == 0 for n, count in zip(size, counts, strict=True))
    each = fixed((1 / np.outer(*pixels)).astype(np.float32))
    return table[0], table[1], each, COVER if even else OVERLAP
