"""PReLU in lanes: a slope below 0 that is learnt, for each channel or one for all.

Lanes are added up for the gradient of the weights alone: runs of `RUN` floats one by one, then the
runs.

Source: He et al. (2015), arXiv:1502.01852, eq. 1.
"""

from __future__ import annotations

import numba
import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.norm import RUN
from npnet.kernels.simd import LANES

__all__ = ["prelu_backward_block", "prelu_backward_plane", "prelu_plane"]


@task(x="B C P 16", weight="C", y="B C P 16", items="B C")
def prelu_plane(x, weight, y, m):
    """Plane `m` of y = x where x > 0, else weight * x.

    Shape: x and y (B, C, P, 16), weight (C,); of one weight for all, C is 1.
    """
    slope, size = simd.splat(weight[m % x.shape[1]]), x.shape[2] * LANES
    for i in range(m * size, (m + 1) * size, LANES):
        value = simd.load(x, i)
        below = simd_math.multiply(value, slope)
        simd.store(y, i, simd_math.where_positive(value, value, below))


@task(
    x="B C P 16", gy="B C P 16", weight="C", n="int", gw="B C", gx="B C P 16", items="B C",
    also=images_of_blocks,
)  # fmt: skip
def prelu_backward_plane(x, gy, weight, n, gw, gx, m):
    """Plane `m` of gx = gy where x > 0, else weight * gy, and of the first `n` images

        gw = sum of gy * x where not x > 0.

    Shape: x, gy, gx (B, C, P, 16), weight (C,), gw (B, C).
    """
    b, c = m // x.shape[1], m % x.shape[1]
    gw[b, c] = differentiate_plane(x, gy, weight[c], min(LANES, n - b * LANES), gx, m)


def _blocks(f: Facts) -> None:
    blocks = -(-f.n // LANES)
    need(f, f.n > 0 and blocks == f.B, f"gw must have rows for {blocks} blocks, got {f.B}")


@task(
    x="S C P 16", gy="S C P 16", weight="C", n="int", gw="B C", gx="S C P 16", items="B",
    also=_blocks,
)  # fmt: skip
def prelu_backward_block(x, gy, weight, n, gw, gx, b):
    """The same of all planes of block `b`, which lies in the thread's slot."""
    slot, channels = np.intp(numba.get_thread_id()), x.shape[1]
    images = min(LANES, n - b * LANES)
    for c in range(channels):
        gw[b, c] = differentiate_plane(x, gy, weight[c], images, gx, slot * channels + c)


@kernel
def differentiate_plane(x, gy, weight, images, gx, m):
    """Plane `m` of gx, and what it adds to the gradient of its weight."""
    slope, size = simd.splat(weight), x.shape[2] * LANES
    zero = simd.splat(np.float32(0))
    total = zero
    for first in range(m * size, (m + 1) * size, RUN):
        of_run = zero
        for i in range(first, min(first + RUN, (m + 1) * size), LANES):
            value, g = simd.load(x, i), simd.load(gy, i)
            simd.store(gx, i, simd_math.where_positive(value, g, simd_math.multiply(g, slope)))
            below = simd_math.where_positive(value, zero, simd_math.multiply(g, value))
            of_run = simd.add(of_run, below)
        total = simd.add(total, of_run)
    return simd.total(total, images)
