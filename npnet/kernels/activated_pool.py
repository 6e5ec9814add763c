"""The gradient of average pooling and of the activation before it, where windows cover all pixels.

An activation's gradient follows from its result and takes the place of that: a plane is walked over
once, where pooling and activation alone walk twice and need room for the gradient between them.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import inlined
from npnet.kernels._task import task, windows_inside
from npnet.kernels.pool import Means
from npnet.kernels.simd import LANES

__all__ = ["ACTIVATIONS", "activated_pool_backward_plane"]


# Numbers, which kernels branch on: a function as an argument would be another type for each.
RELU, SIGMOID, TANH = 0, 1, 2
ACTIVATIONS = {"relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}


@inlined
def gradient(kind, y, g):
    """By the input of the activation that gave `y`, where `g` is the gradient by y."""
    one = simd.splat(np.float32(1))
    if kind == TANH:
        return simd_math.multiply(g, simd_math.subtract(one, simd_math.multiply(y, y)))
    if kind == SIGMOID:
        return simd_math.multiply(simd_math.multiply(g, y), simd_math.subtract(one, y))
    return simd_math.where_not_positive(y, simd.splat(np.float32(0)), g)


@task(
    kind="int",
    gy="M OH OW 16",
    means=Means,
    y="M H W 16",
    items="M",
    also=windows_inside,
    empty="M",
)
def activated_pool_backward_plane(kind, gy, means, y, m):
    """Plane `m` of activated pixels y (M, H, W, 16) becomes the gradient by what they were.

    gy (M, OH, OW, 16) is that of the means.
    """
    rows, columns, shares, _ = means
    _, height, width, _ = y.shape
    start = m * gy.shape[1] * gy.shape[2] * LANES
    for i in range(gy.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(gy.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            share = simd_math.multiply(simd.load(gy, start), simd.splat(shares[i, j]))
            start += LANES
            for u in range(first_u, end_u):
                at = ((m * height + top + u) * width + left + first_v) * LANES
                for _ in range(first_v, end_v):
                    simd.store(y, at, gradient(kind, simd.load(y, at), share))
                    at += LANES
