"""Losses in lanes: the mean over a batch and its gradient in one go.

Each block of sixteen images leaves its part of the sum; NumPy adds the parts, in their order and in
float64, so that threads do not change a bit. Within a block, runs of `RUN` values are added in
float32, and then in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd, simd_exp, simd_math
from npnet.kernels._arguments import Rule, check_images, check_numbers
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["cross_entropy", "mse_loss"]


_CROSS_ENTROPY = Rule("cross_entropy", x="B C 16")
_LABELS = Rule("cross_entropy", labels="n: int64")
_MSE_LOSS = Rule("mse_loss", empty="", x="B ... 16", target="B ... 16")
RUN = 256 * LANES  # floats that lanes add up one by one


def cross_entropy(
    x: Array, labels: npt.NDArray[Any], label_smoothing: float = 0.0
) -> tuple[np.float32, Array]:
    """loss = mean over n of -sum over c of t_nc * log softmax(x_n)_c;  gx = (softmax(x) - t) / n.

    With s = label_smoothing, t_nc is s / C, and 1 - s more where c is the class y_n.

    Shape: x (B, C, 16), class numbers y (n,), n > 0, all in 0..C -> (), (B, C, 16), where the
    gradient of lanes beyond the batch is zero.

    Raises:
        IndexError: there is no such class.
    """
    _CROSS_ENTROPY(x)
    classes = _class_numbers(labels, x.shape[1])
    n = len(classes)
    check_images("cross_entropy", n, len(x))
    gx = lanes.empty(x.shape)
    parts = np.empty(len(x), np.float32)
    _cross_entropy(x, classes, np.float32(1 / n), np.float32(label_smoothing), gx, parts)
    return np.float32(parts.sum(dtype=np.float64) / n), gx


def mse_loss(x: Array, target: Array, n: int) -> tuple[np.float32, Array]:
    """loss = mean of (x - t)^2;  gx = 2 (x - t) / count, over the first `n` images.

    Shape: x and t (B, F, 16), or with more axes -> (), that of x, where the gradient of lanes
    beyond the batch is zero.
    """
    _MSE_LOSS(x, target)
    check_images("mse_loss", n, len(x), 1)
    gx, rows = lanes.empty(x.shape), (len(x), x[0].size // LANES, LANES)
    count = n * rows[1]
    parts = np.empty(len(x), np.float32)
    scale = np.float32(2 / count)
    _squares(x.reshape(rows), target.reshape(rows), n, scale, gx.reshape(rows), parts)
    return np.float32(parts.sum(dtype=np.float64) / count), gx


def _class_numbers(labels: Any, count: int) -> npt.NDArray[np.int64]:
    """Integers as int64, a copy where their memory lies otherwise, if all are classes."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        check_numbers("cross_entropy", "labels", labels, count)
        labels = np.require(labels, np.int64, ("C", "W", "A"))
    _LABELS(labels)
    return labels


@kernel
def _cross_entropy(x, labels, scale, smoothing, gx, parts):
    parallel_for(cross_entropy_block, x.shape[0], (x, labels, scale, smoothing, gx, parts))


def _labels(f: Facts) -> None:
    need(f, lanes.block_count(f.n) == f.B, f"labels must be those of {f.B} blocks, got {f.n}")


def _classes(arguments: tuple[Any, ...]) -> None:
    check_numbers("cross_entropy_block", "labels", arguments[1], arguments[0].shape[1])


@task(
    x="B C 16", labels="n: int64", scale="number", smoothing="number", gx="B C 16", parts="B",
    items="B", also=_labels, values=_classes,
)  # fmt: skip
def cross_entropy_block(x, labels, scale, smoothing, gx, parts, b):
    """Block `b`: its sum of losses, and gx = scale * (softmax(x) - t)."""
    classes, first = x.shape[1], b * LANES
    images = min(LANES, labels.size - first)
    certain, spread = np.float32(1) - smoothing, smoothing / np.float32(classes)
    start, end = b * classes * LANES, (b + 1) * classes * LANES
    largest = simd.load(x, start)
    for i in range(start, end, LANES):
        largest = simd_math.maximum(simd.load(x, i), largest)
    total = below = simd.splat(np.float32(0))
    for run in range(start, end, RUN):
        some = some_below = simd.splat(np.float32(0))
        for i in range(run, min(run + RUN, end), LANES):
            less = simd_math.subtract(simd.load(x, i), largest)
            e = simd_exp.exp(less)
            simd.store(gx, i, e)
            some, some_below = simd.add(some, e), simd.add(some_below, less)
        total, below = simd.add(total, some), simd.add(below, some_below)
    logs = simd_exp.log(total)
    scales = simd_math.divide(simd.splat(scale), total)
    shares = simd.splat(scale * spread)
    for i in range(start, end, LANES):
        g = simd_math.subtract(simd_math.multiply(simd.load(gx, i), scales), shares)
        simd.store(gx, i, simd_math.keep(g, images))
    part = simd.total(logs, images)
    if smoothing != 0:  # a logit of -inf would make 0 * -inf of it
        part -= spread * simd.total(below, images)
    for lane in range(images):
        label = labels[first + lane]
        # less the largest first: its logarithm would vanish in logits of a million
        part -= certain * (x[b, label, lane] - simd_math.pick(largest, lane))
        gx[b, label, lane] -= scale * certain
    parts[b] = part


@kernel
def _squares(x, target, n, scale, gx, parts):
    parallel_for(squares_block, x.shape[0], (x, target, n, scale, gx, parts))


@task(x="B F 16", target="B F 16", n="int", scale="number", gx="B F 16", parts="B", items="B")
def squares_block(x, target, n, scale, gx, parts, b):
    """Block `b`: its sum of (x - t)^2, and gx = scale * (x - t)."""
    size = x.shape[1] * LANES
    images = min(LANES, n - b * LANES)
    scales, whole = simd.splat(scale), 0.0
    for first in range(b * size, (b + 1) * size, RUN):
        total = simd.splat(np.float32(0))
        for i in range(first, min(first + RUN, (b + 1) * size), LANES):
            difference = simd_math.subtract(simd.load(x, i), simd.load(target, i))
            total = simd.fma(difference, difference, total)
            simd.store(gx, i, simd_math.keep(simd_math.multiply(difference, scales), images))
        whole += simd.total(total, images)
    parts[b] = whole
