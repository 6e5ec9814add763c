"""Losses in lanes: the mean over a batch and its gradient in one go.

Each block of sixteen images leaves its part of the sum; NumPy adds the parts, in their order and in
float64, so that threads do not change a bit. Within a block, runs of `RUN` values are added in
float32, and then in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.kernels import lanes, simd, simd_exp, simd_math
from npnet.kernels._arguments import check_numbers
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["cross_entropy_block", "squares_block"]


RUN = 256 * LANES  # floats that lanes add up one by one


def _labels(f: Facts) -> None:
    need(f, lanes.block_count(f.n) == f.B, f"labels must be those of {f.B} blocks, got {f.n}")


def _classes(arguments: tuple[Any, ...]) -> None:
    check_numbers("cross_entropy_block", "labels", arguments[1], arguments[0].shape[1])


@task(
    x="B C 16", labels="n: int64", scale="number", smoothing="number", gx="B C 16", parts="B",
    items="B", also=_labels, values=_classes,
)  # fmt: skip
def cross_entropy_block(x, labels, scale, smoothing, gx, parts, b):
    """Block `b`: the sum of its losses, and gx = scale * (softmax(x) - t).

    A loss is -sum over c of t_nc * log softmax(x_n)_c. With s = smoothing, t_nc is s / C, and
    1 - s more where c is the label. In lanes beyond the batch, gx is zero.
    """
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
