"""Batch norm in lanes, with the ReLU and the residual addition that may follow it.

A thread takes a channel through all blocks of the batch: sums in the blocks' order, in float64, so
that the bits do not depend on threads; then what follows from them, while the channel is still in
the second-level cache. Lanes beyond the batch count in no sum.

The variance takes two walks over a plane, the pixels of one channel of sixteen images: its mean,
then the squares about it, corrected for the mean's rounding. Planes are put together by Chan's
formula. Within a plane, runs of `RUN` pixels are added in float32, and then in float64.

Source: Ioffe and Szegedy (2015), arXiv:1502.03167, section 3; Chan, Golub, LeVeque (1983), (2.1).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._task import images_of_blocks, task
from npnet.kernels.simd import LANES

__all__ = ["Backward", "backward_channel", "normalise_plane", "statistics_of_channel"]

RUN = 256 * LANES  # floats that lanes add up one by one


@task(x="B C P 16", n="int", mean="C", var="C", items="C", also=images_of_blocks)
def statistics_of_channel(x, n, mean, var, c):
    """Mean and biased variance of channel `c` of the first `n` images.

    Shape: x (B, C, pixels, 16) -> mean and var (C,).
    """
    pixels = x.shape[2]
    total = squares = 0.0
    count = 0
    for b in range(x.shape[0]):
        images = min(LANES, n - b * LANES)
        more = images * pixels
        part, rest, within = plane_statistics(x, images, b * x.shape[1] + c)
        if rest == rest:  # NaN where the mean is infinite, which it shall stay
            part += rest / more
            within -= rest * rest / more
        apart = part - total / max(count, 1)
        squares += within + apart * apart * count * more / (count + more)
        total += part * more
        count += more
    mean[c], var[c] = np.float32(total / count), np.float32(squares / count)


@kernel
def plane_statistics(x, images, m):
    """Of plane `m`: its mean, and the sums of what is left and of its square."""
    length = x.shape[2] * LANES
    start, end = m * length, (m + 1) * length
    whole = rest = within = 0.0
    for first in range(start, end, RUN):
        total = simd.splat(np.float32(0))
        for i in range(first, min(first + RUN, end), LANES):
            total = simd.add(total, simd.load(x, i))
        whole += simd.total(total, images)
    mean = np.float32(whole / (images * (length // LANES)))
    shift = simd.splat(mean)
    for first in range(start, end, RUN):
        total = squares = simd.splat(np.float32(0))
        for i in range(first, min(first + RUN, end), LANES):
            value = simd_math.subtract(simd.load(x, i), shift)
            total = simd.add(total, value)
            squares = simd.fma(value, value, squares)
        rest += simd.total(total, images)
        within += simd.total(squares, images)
    return np.float64(mean), rest, within


@task(
    x="B C P 16", residual="B C P 16", constants="4 C", adds="flag", relu="flag", y="B C P 16",
    items="B C",
)  # fmt: skip
def normalise_plane(x, residual, constants, adds, relu, y, m):
    """Plane `m` of y = scale * (x - mean) + bias, then + residual, if it `adds` it, or max(y, 0).

    The constants (4, C) are of each channel mean, scale = weight * r, bias, r = 1 / sqrt(var +
    eps).  Shape: x, residual and y (B, C, pixels, 16).
    """
    c, length = m % constants.shape[1], x.shape[2] * LANES
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    zero = simd.splat(np.float32(0))
    for i in range(m * length, (m + 1) * length, LANES):
        value = simd.fma(simd_math.subtract(simd.load(x, i), mean), scale, bias)
        if adds:
            value = simd.add(value, simd.load(residual, i))
        if relu:
            value = simd_math.maximum(zero, value)
        simd.store(y, i, value)


class Backward(NamedTuple):
    """What came before and after a batch norm of `n` images.

    Attributes:
        relu: whether a ReLU followed.
        adds: whether a residual was added before it, so that only its output tells what is zero.
        training: whether the mean and the variance are those of the images.
    """

    n: Annotated[int, "int"]
    relu: Annotated[bool, "flag"]
    adds: Annotated[bool, "flag"]
    training: Annotated[bool, "flag"]


@task(
    gy="B C P 16", x="B C P 16", y="B C P 16", plan=Backward, constants="4 C", totals="2 C",
    gr="B C P 16", gx="B C P 16", items="C", also=images_of_blocks,
)  # fmt: skip
def backward_channel(gy, x, y, plan, constants, totals, gr, gx, c):
    """Channel `c` of the gradients, with g = 0 where y <= 0, else gy, if a ReLU followed:

        gr = g,  totals[0] = gbias = sum(g),  totals[1] = gweight = r * sum(g * (x - mean))
        gx = weight * r * (g - mean(g) - (x - mean) * r^2 * mean(g * (x - mean)))

    in training; else gx = weight * r * g. It writes gr, the residual's gradient, only where a
    residual was added and a ReLU followed; else gr must be gy, and y may be x, as neither counts.

    Shape: gy, x, y, gr, gx (B, C, pixels, 16), constants (4, C) as above, totals (2, C).
    """
    channels, count = x.shape[1], plan.n * x.shape[2]
    total = dots = 0.0
    for m in range(c, x.shape[0] * channels, channels):
        images = min(LANES, plan.n - m // channels * LANES)
        more, products = backward_sums(gy, x, y, images, constants, plan, gr, m)
        total += more
        dots += products
    scale, r = constants[1, c], np.float64(constants[3, c])
    totals[0, c], totals[1, c] = total, r * dots
    offset = slope = np.float32(0)
    if plan.training:
        offset, slope = (
            np.float32(-scale * total / count),
            np.float32(-scale * r * r * dots / count),
        )
    for m in range(c, x.shape[0] * channels, channels):
        backward_plane(x, constants, plan, offset, slope, gr, gx, m)


@kernel
def backward_sums(gy, x, y, images, constants, plan, gr, m):
    """Of plane `m`: the sums of g and of g * (x - mean); also gr = g where y tells what is zero."""
    c, relu, adds = m % constants.shape[1], plan.relu, plan.adds
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    zero, length = simd.splat(np.float32(0)), x.shape[2] * LANES
    whole = products = 0.0
    for first in range(m * length, (m + 1) * length, RUN):
        total = dots = zero
        for i in range(first, min(first + RUN, (m + 1) * length), LANES):
            g, centred = simd.load(gy, i), simd_math.subtract(simd.load(x, i), mean)
            if relu:
                out = simd.load(y, i) if adds else simd.fma(centred, scale, bias)
                g = simd_math.where_not_positive(out, zero, g)
                if adds:
                    simd.store(gr, i, g)
            total = simd.add(total, g)
            dots = simd.fma(g, centred, dots)
        whole += simd.total(total, images)
        products += simd.total(dots, images)
    return whole, products


@kernel
def backward_plane(x, constants, plan, offset, slope, gr, gx, m):
    """Plane `m` of gx = scale * g, in training + offset + slope * (x - mean)."""
    c, masks, training = m % constants.shape[1], plan.relu and not plan.adds, plan.training
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    offset, slope = simd.splat(offset), simd.splat(slope)
    zero, length = simd.splat(np.float32(0)), x.shape[2] * LANES
    for i in range(m * length, (m + 1) * length, LANES):
        g, centred = simd.load(gr, i), simd_math.subtract(simd.load(x, i), mean)
        if masks:  # else gr is g
            g = simd_math.where_not_positive(simd.fma(centred, scale, bias), zero, g)
        value = simd_math.multiply(g, scale)
        if training:
            value = simd.fma(centred, slope, simd.add(value, offset))
        simd.store(gx, i, value)
