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
import numpy.typing as npt

from npnet.kernels.windows import Window

__all__ = ["gather", "is_linear", "scatter_add", "suits_dense"]

Array: TypeAlias = npt.NDArray[np.float32]
Places: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

LARGEST = 2**25  # bytes of the matrix: beyond, it costs more memory than it saves time


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
    return 4 * pairs * outputs * channels <= LARGEST


def gather(weight: Array, window: Window, size: tuple[int, int]) -> Array:
    """The matrix of the weights (O, C, KH, KW): (O * OH * OW, C * H * W)."""
    outputs, channels = weight.shape[:2]
    if not window.is_padded:
        return weight.reshape(outputs, -1)
    results = window.output_size(size)
    matrix = np.empty((outputs, *results, channels, *size), np.float32)
    for (i, j), (h, w), (u, v) in _places(window, size):
        matrix[:, i, j, :, h, w] = weight[:, :, u, v]
    return matrix.reshape(outputs * results[0] * results[1], -1)


def scatter_add(gmatrix: Array, window: Window, size: tuple[int, int], outputs: int) -> Array:
    """The gradient of the weights, (O, C, KH, KW), from that of the matrix."""
    if not window.is_padded:
        return gmatrix.reshape(outputs, -1, *window.kernel)
    parts = gmatrix.reshape(outputs, *window.output_size(size), -1, *size)
    gweight = np.zeros((outputs, parts.shape[3], *window.kernel), np.float32)
    for (i, j), (h, w), (u, v) in _places(window, size):
        gweight[:, :, u, v] += parts[:, i, j, :, h, w]
    return gweight


def _places(window: Window, size: tuple[int, int]) -> Iterator[Places]:
    """Of each window and pixel, the indices of both, and of the tap that joins them."""
    (top, _), (left, _) = window.padding
    down, right = window.stride
    for i, j in itertools.product(*map(range, window.output_size(size))):
        for h, w in itertools.product(*map(range, size)):
            yield (i, j), (h, w), (h + top - i * down, w + left - j * right)
