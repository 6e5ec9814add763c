"""Average pooling fused with the activation before it, for windows that cover each pixel once.

An activation's gradient follows from its result, so the result takes the place of its input, and
the gradient that of the result: forward and backward walk over the plane once, where activation and
pooling alone walk twice and need room for the gradient between them.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_exp, simd_math
from npnet.kernels._jit import inlined
from npnet.kernels._task import task, windows_inside
from npnet.kernels.pool import Means
from npnet.kernels.simd import LANES

__all__ = ["ACTIVATIONS", "activated_pool_backward_plane", "activated_pool_plane"]


# Numbers, which kernels branch on: a function as an argument would be another type for each.
RELU, SIGMOID, TANH = 0, 1, 2
ACTIVATIONS = {"relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}


@inlined
def activate(kind, x):
    if kind == TANH:
        return simd_exp.tanh(x)
    if kind == SIGMOID:
        return simd_exp.sigmoid(x)
    return simd_math.maximum(simd.splat(np.float32(0)), x)


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
    kind="int", x="M H W 16", means=Means, y="M OH OW 16", items="M", also=windows_inside, empty="M"
)
def activated_pool_plane(kind, x, means, y, m):
    """Plane `m` of x (M, H, W, 16) becomes activated, and y (M, OH, OW, 16) its mean."""
    rows, columns, shares, _ = means
    _, height, width, _ = x.shape
    to = m * y.shape[1] * y.shape[2] * LANES
    for i in range(y.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(y.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            total = simd.splat(np.float32(0))
            for u in range(first_u, end_u):
                at = ((m * height + top + u) * width + left + first_v) * LANES
                for _ in range(first_v, end_v):
                    value = activate(kind, simd.load(x, at))
                    simd.store(x, at, value)
                    total = simd.add(total, value)
                    at += LANES
            simd.store(y, to, simd_math.multiply(total, simd.splat(shares[i, j])))
            to += LANES


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
