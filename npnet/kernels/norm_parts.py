"""Batch norm of a program: sums over parts of the batch, and what follows from all of them.

In a program no thread has a channel of the whole batch in its cache, as `norm` has. A part of the
images, which is there because a convolution has just made it, leaves its sums in `parts`, under its
own number; when all are there, they are put together in the order of their numbers, in float64. So
the bits depend on the batch alone. What a pass then computes is what `norm` does.

    forward    parts (N, C, 4): count, mean, what is left of the mean, squares about it
    backward   parts (N, C, 2): sum of g and of g * (x - mean)

Source: Chan, Golub, LeVeque (1983), (2.1), for putting variances together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._task import images_of_blocks, task
from npnet.kernels.norm import Backward, backward_plane, backward_sums, plane_statistics
from npnet.kernels.simd import LANES

__all__ = [
    "constants_channel",
    "gradient_plane",
    "slopes_channel",
    "statistics_plane",
    "sums_plane",
]


class Area(NamedTuple):
    """Some rows and columns of a plane: where the first begins, and floats from row to row."""

    start: int
    down: int
    rows: int
    columns: int


# ---- forward -----------------------------------------------------------------------------------


@task(x="B C P 16", n="int", parts="B C 4: float64", items="B C", also=images_of_blocks)
def statistics_plane(x, n, parts, m):
    """What plane `m` of the first `n` images adds to its channel.  x (B, C, pixels, 16)."""
    channels, pixels = x.shape[1], x.shape[2]
    b, c = m // channels, m % channels
    images = min(LANES, n - b * LANES)
    mean, rest, within = plane_statistics(x, images, m)
    parts[b, c, 0], parts[b, c, 1] = images * pixels, mean
    parts[b, c, 2], parts[b, c, 3] = rest, within


@kernel
def area_statistics(x, area, images, parts, k, c):
    """The same of an area that is in the nearest cache, of no more than some hundred pixels."""
    start, down, rows, columns = area
    even = odd = simd.splat(np.float32(0))  # two sums: an addition waits for the one before it
    for i in range(rows):
        at = start + i * down
        for j in range(0, columns - 1, 2):
            even = simd.add(even, simd.load(x, at + j * LANES))
            odd = simd.add(odd, simd.load(x, at + (j + 1) * LANES))
        if columns % 2:
            even = simd.add(even, simd.load(x, at + (columns - 1) * LANES))
    count = images * rows * columns
    mean = np.float32(np.float64(simd.total(simd.add(even, odd), images)) / count)
    shift = simd.splat(mean)
    even = odd = squares = more = simd.splat(np.float32(0))
    for i in range(rows):
        at = start + i * down
        for j in range(0, columns - 1, 2):
            a = simd_math.subtract(simd.load(x, at + j * LANES), shift)
            b = simd_math.subtract(simd.load(x, at + (j + 1) * LANES), shift)
            even, odd = simd.add(even, a), simd.add(odd, b)
            squares, more = simd.fma(a, a, squares), simd.fma(b, b, more)
        if columns % 2:
            a = simd_math.subtract(simd.load(x, at + (columns - 1) * LANES), shift)
            even, squares = simd.add(even, a), simd.fma(a, a, squares)
    parts[k, c, 0], parts[k, c, 1] = count, mean
    parts[k, c, 2] = simd.total(simd.add(even, odd), images)
    parts[k, c, 3] = simd.total(simd.add(squares, more), images)


@task(
    parts="N C 4: float64", training="flag", weight="C", bias="C", eps="number", mean="C", var="C",
    constants="4 C", items="C",
)  # fmt: skip
def constants_channel(parts, training, weight, bias, eps, mean, var, constants, c):
    """Channel `c` of the constants that `norm` takes; in training also mean and biased variance.

    Otherwise these two are given, and nothing is read of the parts.
    """
    if training:
        total = squares = count = 0.0
        for k in range(parts.shape[0]):
            more, part = parts[k, c, 0], parts[k, c, 1]
            rest, within = parts[k, c, 2], parts[k, c, 3]
            if rest == rest:  # NaN where the mean is infinite, which it shall stay
                part += rest / more
                within -= rest * rest / more
            apart = part - total / max(count, 1.0)
            squares += within + apart * apart * count * more / (count + more)
            total += part * more
            count += more
        mean[c], var[c] = np.float32(total / count), np.float32(squares / count)
    r = np.float32(1) / np.sqrt(var[c] + np.float32(eps))
    constants[0, c], constants[1, c] = mean[c], weight[c] * r
    constants[2, c], constants[3, c] = bias[c], r


# ---- backward ----------------------------------------------------------------------------------


@task(
    gy="B C P 16", x="B C P 16", y="B C P 16", plan=Backward, constants="4 C", gr="B C P 16",
    parts="B C 2: float64", items="B C", also=images_of_blocks,
)  # fmt: skip
def sums_plane(gy, x, y, plan, constants, gr, parts, m):
    """What plane `m` adds to the sums of its channel, with g = 0 where y <= 0 if a ReLU followed.

    Also gr = g, which may be gy, if a ReLU followed a residual.
    """
    channels = x.shape[1]
    b, c = m // channels, m % channels
    images = min(LANES, plan.n - b * LANES)
    total, dots = backward_sums(gy, x, y, images, constants, plan, gr, m)
    parts[b, c, 0], parts[b, c, 1] = total, dots


@kernel
def area_sums(g, area, x, area_of_x, mean, images, parts, k, c):
    """The same of areas of g, which is masked already, and of x."""
    (start, down, rows, columns), (first, below, _, _) = area, area_of_x
    shift, even = simd.splat(mean), simd.splat(np.float32(0))
    odd = dots = more = even
    for i in range(rows):
        at, place = start + i * down, first + i * below
        for j in range(0, columns - 1, 2):
            a, b = simd.load(g, at + j * LANES), simd.load(g, at + (j + 1) * LANES)
            p = simd_math.subtract(simd.load(x, place + j * LANES), shift)
            q = simd_math.subtract(simd.load(x, place + (j + 1) * LANES), shift)
            even, odd = simd.add(even, a), simd.add(odd, b)
            dots, more = simd.fma(a, p, dots), simd.fma(b, q, more)
        if columns % 2:
            j = columns - 1
            a = simd.load(g, at + j * LANES)
            p = simd_math.subtract(simd.load(x, place + j * LANES), shift)
            even, dots = simd.add(even, a), simd.fma(a, p, dots)
    parts[k, c, 0] = simd.total(simd.add(even, odd), images)
    parts[k, c, 1] = simd.total(simd.add(dots, more), images)


@task(
    parts="N C 2: float64", training="flag", count="int", constants="4 C", slopes="2 C",
    totals="2 C", items="C",
)  # fmt: skip
def slopes_channel(parts, training, count, constants, slopes, totals, c):
    """Channel `c` of the gradients of bias and weight, and of what turns g into that of x:

        gx = scale * g + slopes[0] + slopes[1] * (x - mean)

    both of which are 0 unless the statistics are those of these `count` values.
    """
    total = dots = 0.0
    for k in range(parts.shape[0]):
        total += parts[k, c, 0]
        dots += parts[k, c, 1]
    scale, r = constants[1, c], np.float64(constants[3, c])
    totals[0, c], totals[1, c] = total, r * dots
    slopes[0, c] = slopes[1, c] = 0
    if training:
        slopes[0, c] = np.float32(-scale * total / count)
        slopes[1, c] = np.float32(-scale * r * r * dots / count)


@task(
    g="B C P 16", x="B C P 16", plan=Backward, constants="4 C", slopes="2 C", gx="B C P 16",
    items="B C", also=images_of_blocks,
)  # fmt: skip
def gradient_plane(g, x, plan, constants, slopes, gx, m):
    """Plane `m` of gx, see `slopes_channel` and `norm.backward_plane`."""
    c = m % constants.shape[1]
    backward_plane(x, constants, plan, slopes[0, c], slopes[1, c], g, gx, m)
