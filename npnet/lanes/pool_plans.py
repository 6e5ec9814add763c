"""Where the windows of pooling lie, as tables that kernels read and nobody writes to."""

from __future__ import annotations

import functools

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels._arguments import fixed
from npnet.kernels.pool import APART, COVER, OVERLAP, Means, Windows
from npnet.ops.windows import Pair, Window

__all__ = ["bins", "means", "windows"]


@functools.lru_cache(256)
def windows(window: Window, size: Pair) -> Windows:
    """Of images (H, W), for max pooling."""
    rows, columns = (_spans(window, size, axis) for axis in (0, 1))
    return Windows(rows, columns, *window.dilation, window.kernel[1], _apart(window, size))


@functools.lru_cache(256)
def means(window: Window, size: Pair, count_include_pad: bool, divisor: int | None) -> Means:
    """Of images (H, W), for average pooling; options as of `avg_pool2d`."""
    rows, columns = (_spans(window, size, axis) for axis in (0, 1))
    shares = _shares(window, size, count_include_pad, divisor)
    return Means(rows, columns, shares, _apart(window, size))


@functools.lru_cache(256)
def bins(size: Pair, counts: Pair) -> Means:
    """The bins of adaptive pooling from (H, W) to (OH, OW), which may overlap by a pixel."""
    tables, pixels = [], []
    for n, count in zip(size, counts, strict=True):
        i = np.arange(count)
        first, end = i * n // count, -(-(i + 1) * n // count)
        tables.append(fixed(np.stack([first, np.zeros_like(first), end - first], 1)))
        pixels.append(end - first)
    even = all(n % count == 0 for n, count in zip(size, counts, strict=True))
    shares = fixed((1 / np.outer(*pixels)).astype(np.float32))
    return Means(tables[0], tables[1], shares, COVER if even else OVERLAP)


def _spans(window: Window, size: Pair, axis: int) -> Array:
    """(first pixel, first tap inside the image, taps' end) of the windows along an axis.

    The first pixel is that of tap 0, which may lie in the padding. A window of 3 taps, padded by
    1, on 4 pixels with stride 2 begins at pixels -1 and 1: [[-1, 1, 3], [1, 0, 3]].
    """
    step, first = window.dilation[axis], np.arange(window.output_size(size)[axis])
    first = first * window.stride[axis] - window.padding[axis][0]
    inside = np.maximum(0, -(first // step))
    end = np.clip(-((first - size[axis]) // step), inside, window.kernel[axis])
    return fixed(np.stack([first, inside, end], 1))


def _shares(window: Window, size: Pair, count_include_pad: bool, divisor: int | None) -> Array:
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


def _apart(window: Window, size: Pair) -> int:
    """OVERLAP, APART or COVER."""
    if any(s < e for s, e in zip(window.stride, window.extent, strict=True)):
        return OVERLAP
    places = zip(window.output_size(size), window.stride, window.padding, size, strict=True)
    reaches = all(count * stride - pad[0] >= n for count, stride, pad, n in places)
    return COVER if window.stride == window.kernel and reaches else APART
