"""Products in lanes with one number for each channel of each image: gates, dropout of channels.

Lane l of a plane is an image, and so is lane l of the vector that the plane is multiplied by.

Source: Hu, Shen, Sun (2018), arXiv:1709.01507, eq. 4.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._task import task
from npnet.kernels.norm import RUN
from npnet.kernels.simd import LANES

__all__ = ["dot_plane", "scale_plane"]


@task(x="M P 16", factor="M 16", y="M P 16", items="M")
def scale_plane(x, factor, y, m):
    """Plane `m` of y = x * factor. Shape: x and y (M, P, 16), factor (M, 16)."""
    factors, size = simd.load(factor, m * LANES), x.shape[1] * LANES
    for i in range(m * size, (m + 1) * size, LANES):
        simd.store(y, i, simd_math.multiply(simd.load(x, i), factors))


@task(a="M P 16", b="M P 16", y="M 16", items="M")
def dot_plane(a, b, y, m):
    """y[m] = sum over the pixels of a[m] * b[m]. Shape: a and b (M, P, 16), y (M, 16)."""
    size = a.shape[1] * LANES
    total = simd.splat(np.float32(0))
    for first in range(m * size, (m + 1) * size, RUN):
        of_run = simd.splat(np.float32(0))
        for i in range(first, min(first + RUN, (m + 1) * size), LANES):
            of_run = simd.fma(simd.load(a, i), simd.load(b, i), of_run)
        total = simd.add(total, of_run)
    simd.store(y, m * LANES, total)
