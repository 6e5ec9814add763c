"""Convolutions whose windows all cover the whole image: products with a dense matrix.

Without padding there is one such window, the whole image, and the matrix is the weights as they
stand: LeNet-5's third convolution. With padding, the deep layers of a ResNet see small images as
2x2 pixels or a single one, where most of a window lies in the padding and there are no neighbours
to share a weight with. As a fully connected layer

    y[o, i, j] = sum over c, h, w of matrix[o, i, j, c, h, w] * x[c, h, w],
    matrix[o, i, j, c, h, w] = weight[o, c, h - (i*SH - PT), w - (j*SW - PL)]

each weight that is used at all is used for sixteen images and more, and none is multiplied by zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count
from npnet.kernels._arguments import Rule
from npnet.ops.windows import Window

__all__ = ["gather", "is_linear", "scatter_add", "suits_dense"]

Places: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

_GATHER = Rule("gather", given="KH KW", weight="O C KH KW")
_SCATTER_ADD = Rule("scatter_add", given="rows", gmatrix="rows columns")

LARGEST_MATRIX = 2**25  # bytes of the matrix: beyond, it costs more memory than it saves time


def is_linear(window: Window, size: tuple[int, ...]) -> bool:
    """Whether there is one window, the whole image: then the pixels are so many features."""
    return window.kernel == tuple(size) and not window.is_padded


def suits_dense(window: Window, size: tuple[int, int], outputs: int, channels: int) -> bool:
    """Whether each window covers all of an image (H, W), and the matrix is not too large."""
    if not window.is_padded:
        return is_linear(window, size)
    before = [above for above, _ in window.padding]
    if any(k - b < n for k, b, n in zip(window.kernel, before, size, strict=True)):
        return False  # the first window ends too early: the usual case, which should cost nothing
    results = window.output_size(size)
    if any((r - 1) * s > b for r, s, b in zip(results, window.stride, before, strict=True)):
        return False  # the last one begins too late
    pairs = results[0] * results[1] * size[0] * size[1]
    return 4 * pairs * outputs * channels <= LARGEST_MATRIX


def gather(weight: Array, window: Window, size: tuple[int, int]) -> Array:
    """The matrix of the weights (O, C, KH, KW): (O * OH * OW, C * H * W)."""
    _GATHER(weight, given=window.kernel)
    results = _results("gather", window, size)
    outputs, channels = weight.shape[:2]
    if not window.is_padded:
        return weight.reshape(outputs, -1)
    matrix = np.empty((outputs, *results, channels, *size), np.float32)
    for (i, j), (h, w), (u, v) in _places(window, size):
        matrix[:, i, j, :, h, w] = weight[:, :, u, v]
    return matrix.reshape(outputs * results[0] * results[1], -1)


def scatter_add(gmatrix: Array, window: Window, size: tuple[int, int], outputs: int) -> Array:
    """The gradient of the weights, (O, C, KH, KW), from that of the matrix."""
    results = _results("scatter_add", window, size)
    outputs = check_count("scatter_add", "outputs", outputs)
    _SCATTER_ADD(gmatrix, given=(outputs * results[0] * results[1],))
    if gmatrix.shape[1] % (size[0] * size[1]):
        raise ShapeError(
            f"scatter_add: gmatrix must have columns for images of {tuple(size)}, "
            f"got shape {gmatrix.shape}"
        )
    if not window.is_padded:
        return gmatrix.reshape(outputs, -1, *window.kernel)
    parts = gmatrix.reshape(outputs, *results, -1, *size)
    gweight = np.zeros((outputs, parts.shape[3], *window.kernel), np.float32)
    for (i, j), (h, w), (u, v) in _places(window, size):
        gweight[:, :, u, v] += parts[:, i, j, :, h, w]
    return gweight


def _results(op: str, window: Window, size: tuple[int, int]) -> tuple[int, int]:
    """(OH, OW), if each window covers the whole image (H, W)."""
    results = window.counts(op, size, dilated=False)
    if not suits_dense(window, size, 0, 0):
        raise ShapeError(f"{op}: windows must cover all of an image {tuple(size)}, got {window}")
    return results


def _places(window: Window, size: tuple[int, int]) -> Iterator[Places]:
    """Of each window and pixel, the indices of both, and of the tap that joins them."""
    (top, _), (left, _) = window.padding
    down, right = window.stride
    for i, j in itertools.product(*map(range, window.output_size(size))):
        for h, w in itertools.product(*map(range, size)):
            yield (i, j), (h, w), (h + top - i * down, w + left - j * right)
