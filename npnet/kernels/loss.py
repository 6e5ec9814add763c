"""Losses in lanes: the mean over a batch and its gradient in one go.

Each block of sixteen images leaves its part of the sum; NumPy adds the parts, in their order and in
float64, so that threads do not change a bit.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.kernels import lanes, simd, simd_exp, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES

__all__ = ["cross_entropy", "mse_loss"]

Array: TypeAlias = npt.NDArray[np.float32]


def cross_entropy(x: Array, labels: npt.NDArray[Any]) -> tuple[np.float32, Array]:
    """loss = mean over n of -log softmax(x_n)_{y_n};  gx = (softmax(x) - one_hot(y)) / n.

    Shape: x (B, C, 16), class numbers y (n,), n > 0, all in 0..C -> (), (B, C, 16), where the
    gradient of lanes beyond the batch is zero.
    """
    gx, n = lanes.empty(x.shape), len(labels)
    parts = np.empty(len(x), np.float32)
    classes = np.require(labels, np.int64, ("C", "W"))
    _cross_entropy(x, classes, np.float32(1 / n), gx, parts)
    return np.float32(parts.sum(dtype=np.float64) / n), gx


def mse_loss(x: Array, target: Array, n: int) -> tuple[np.float32, Array]:
    """loss = mean of (x - t)^2;  gx = 2 (x - t) / count, over the first `n` images.

    Shape: x and t (B, F, 16), or with more axes -> (), that of x, where the gradient of lanes
    beyond the batch is zero.
    """
    gx, rows = lanes.empty(x.shape), (len(x), x[0].size // LANES, LANES)
    count = n * rows[1]
    parts = np.empty(len(x), np.float32)
    scale = np.float32(2 / count)
    _squares(x.reshape(rows), target.reshape(rows), n, scale, gx.reshape(rows), parts)
    return np.float32(parts.sum(dtype=np.float64) / count), gx


@kernel
def _cross_entropy(x, labels, scale, gx, parts):
    parallel_for(cross_entropy_block, x.shape[0], (x, labels, scale, gx, parts))


@kernel
def cross_entropy_block(x, labels, scale, gx, parts, b):
    """Block `b`: its sum of losses, and gx = scale * (softmax(x) - one_hot)."""
    classes, first = x.shape[1], b * LANES
    images = min(LANES, labels.size - first)
    start, end = b * classes * LANES, (b + 1) * classes * LANES
    largest = simd.load(x, start)
    for i in range(start, end, LANES):
        largest = simd_math.maximum(simd.load(x, i), largest)
    total = simd.splat(np.float32(0))
    for i in range(start, end, LANES):
        e = simd_exp.exp(simd_math.subtract(simd.load(x, i), largest))
        simd.store(gx, i, e)
        total = simd.add(total, e)
    logs = simd_exp.log(total)
    scales = simd_math.divide(simd.splat(scale), total)
    for i in range(start, end, LANES):
        g = simd_math.multiply(simd.load(gx, i), scales)
        simd.store(gx, i, simd_math.keep(g, images))
    part = simd.total(logs, images)
    for lane in range(images):
        label = labels[first + lane]
        # less the largest first: its logarithm would vanish in logits of a million
        part -= x[b, label, lane] - simd_math.pick(largest, lane)
        gx[b, label, lane] -= scale
    parts[b] = part


@kernel
def _squares(x, target, n, scale, gx, parts):
    parallel_for(squares_block, x.shape[0], (x, target, n, scale, gx, parts))


@kernel
def squares_block(x, target, n, scale, gx, parts, b):
    """Block `b`: its sum of (x - t)^2, and gx = scale * (x - t)."""
    size = x.shape[1] * LANES
    images = min(LANES, n - b * LANES)
    scales, total = simd.splat(scale), simd.splat(np.float32(0))
    for i in range(b * size, (b + 1) * size, LANES):
        difference = simd_math.subtract(simd.load(x, i), simd.load(target, i))
        total = simd.fma(difference, difference, total)
        simd.store(gx, i, simd_math.keep(simd_math.multiply(difference, scales), images))
    parts[b] = simd.total(total, images)
