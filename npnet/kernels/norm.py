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

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd, simd_math
from npnet.kernels._arguments import Rule, check_images
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES

__all__ = ["batch_norm_backward", "constants", "normalise", "statistics"]


_STATISTICS = Rule("statistics", empty="", x="B C ... 16", weight="C: floats", bias="C: floats")
_CONSTANTS = Rule(
    "constants", mean="C: floats", var="C: floats", weight="C: floats", bias="C: floats"
)
_NORMALISE = Rule(
    "normalise", empty="", x="B C ... 16", constants="4 C", residual="B C ... 16 | None"
)  # fmt: skip
_BATCH_NORM_BACKWARD = Rule(
    "batch_norm_backward", empty="",
    gy="B C ... 16", x="B C ... 16", constants="4 C", y="B C ... 16 | None",
)  # fmt: skip
RUN = 256 * LANES  # floats that lanes add up one by one


def statistics(x: Array, weight: Array, bias: Array, eps: float, n: int) -> tuple[Array, Array]:
    """`constants` by the mean and the biased variance of the first `n` images; the variance.

    Shape: x (B, C, ..., 16), weight and bias (C,) -> (4, C), (C,).
    """
    _STATISTICS(x, weight, bias)
    check_images("statistics", n, len(x))
    table, var = np.empty((4, x.shape[1]), np.float32), np.empty(x.shape[1], np.float32)
    table[1], table[2] = weight, bias
    _statistics(_planes(x), n, np.float32(eps), table, var)
    return table, var


def constants(mean: Array, var: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Of each channel: mean, weight * r, bias, r = 1 / sqrt(var + eps). Shape: (C,) -> (4, C)."""
    _CONSTANTS(mean, var, weight, bias)
    table = np.empty((4, len(weight)), np.float32)
    table[0], table[1], table[2], table[3] = mean, weight, bias, var
    _scale(np.float32(eps), table)
    return table


def normalise(
    x: Array, constants: Array, residual: Array | None = None, relu: bool = False
) -> Array:
    """y = weight * r * (x - mean) + bias, then + residual, then max(y, 0).

    Shape: x and residual (B, C, ..., 16), constants (4, C) -> that of x.
    """
    _NORMALISE(x, constants, residual)
    y, planes = lanes.empty(x.shape), _planes(x)
    added = planes if residual is None else _planes(residual)
    _normalise(planes, added, constants, residual is not None, bool(relu), _planes(y))
    return y


def batch_norm_backward(
    gy: Array,
    x: Array,
    constants: Array,
    n: int,
    y: Array | None = None,
    relu: bool = False,
    training: bool = True,
) -> tuple[Array, Array, Array, Array]:
    """(gx, gresidual, gweight, gbias), with g = 0 where y <= 0, else gy, if a ReLU followed:

        gresidual = g,  gbias = sum(g),  gweight = r * sum(g * (x - mean))
        gx = weight * r * (g - mean(g) - (x - mean) * r^2 * mean(g * (x - mean)))

    In training, where mean and r are of the first `n` images of x; else gx = weight * r * g.

    Args:
        y: what came out, if a residual was added and a ReLU followed; otherwise None, and then
            gresidual, which nobody wants, is gy.

    Shape: gy, x, y (B, C, ..., 16), constants (4, C) -> as x, as x, (C,), (C,).
    """
    _BATCH_NORM_BACKWARD(gy, x, constants, y)
    check_images("batch_norm_backward", n, len(x))
    gx, planes = lanes.empty(x.shape), _planes(x)
    gr = gy if y is None else lanes.empty(x.shape)
    out = planes if y is None else _planes(y)
    totals = np.empty((2, x.shape[1]), np.float32)
    flags = bool(relu), y is not None, bool(training)
    _backward(_planes(gy), planes, out, n, constants, *flags, totals, _planes(gr), _planes(gx))
    return gx, gr, totals[1], totals[0]


def _planes(x: Array) -> Array:  # (B, C, ..., 16) -> (B*C, pixels * 16)
    return x.reshape(x.shape[0] * x.shape[1], -1)


@kernel
def _statistics(x, n, eps, constants, var):
    parallel_for(statistics_of_channel, var.size, (x, n, eps, constants, var))


@kernel
def statistics_of_channel(x, n, eps, constants, var, c):
    """Channel `c`: its mean and variance, and of its column of the constants all but the bias."""
    constants[0, c], var[c] = channel_statistics(x, n, var.size, c)
    scale_channel(var[c], eps, constants, c)


@kernel
def _scale(eps, constants):
    for c in range(constants.shape[1]):
        scale_channel(constants[3, c], eps, constants, c)


@kernel
def scale_channel(var, eps, constants, c):
    """r = 1 / sqrt(var + eps), and weight * r in place of weight, in the constants (4, C)."""
    constants[3, c] = np.float32(1) / np.sqrt(var + eps)
    constants[1, c] *= constants[3, c]


@kernel
def channel_statistics(x, n, channels, c):
    """Mean and biased variance of channel `c` of x (B*C, pixels * 16)."""
    pixels = x.shape[1] // LANES
    total = squares = 0.0
    count = 0
    for m in range(c, x.shape[0], channels):
        images = min(LANES, n - m // channels * LANES)
        more = images * pixels
        part, rest, within = plane_statistics(x, images, m)
        if rest == rest:  # NaN where the mean is infinite, which it shall stay
            part += rest / more
            within -= rest * rest / more
        apart = part - total / max(count, 1)
        squares += within + apart * apart * count * more / (count + more)
        total += part * more
        count += more
    return np.float32(total / count), np.float32(squares / count)


@kernel
def plane_statistics(x, images, m):
    """Of plane `m`: its mean, and the sums of what is left and of its square."""
    length = x.shape[1]
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


@kernel
def _normalise(x, residual, constants, adds, relu, y):
    parallel_for(normalise_plane, x.shape[0], (x, residual, constants, adds, relu, y))


@kernel
def normalise_plane(x, residual, constants, adds, relu, y, m):
    """Plane `m` of y = scale * (x - mean) + bias, and what follows; all (B*C, pixels * 16)."""
    c, length = m % constants.shape[1], x.shape[1]
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


@kernel
def _backward(gy, x, y, n, constants, relu, adds, training, totals, gr, gx):
    arguments = (gy, x, y, n, constants, relu, adds, training, totals, gr, gx)
    parallel_for(backward_channel, constants.shape[1], arguments)


@kernel
def backward_channel(gy, x, y, n, constants, relu, adds, training, totals, gr, gx, c):
    """Channel `c` of gx and gr; the sum of g and gweight into totals (2, C)."""
    channels, count = constants.shape[1], n * (x.shape[1] // LANES)
    total = dots = 0.0
    for m in range(c, x.shape[0], channels):
        images = min(LANES, n - m // channels * LANES)
        more, products = backward_sums(gy, x, y, images, constants, relu, adds, gr, c, m)
        total += more
        dots += products
    scale, r = constants[1, c], np.float64(constants[3, c])
    totals[0, c], totals[1, c] = total, r * dots
    offset = slope = np.float32(0)
    if training:
        offset, slope = (
            np.float32(-scale * total / count),
            np.float32(-scale * r * r * dots / count),
        )
    for m in range(c, x.shape[0], channels):
        backward_plane(x, constants, relu, adds, training, offset, slope, gr, gx, c, m)


@kernel
def backward_sums(gy, x, y, images, constants, relu, adds, gr, c, m):
    """Of plane `m`: the sums of g and of g * (x - mean); also gr = g where y tells what is zero."""
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    zero, length = simd.splat(np.float32(0)), x.shape[1]
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
def backward_plane(x, constants, relu, adds, training, offset, slope, gr, gx, c, m):
    """Plane `m` of gx = scale * g, in training + offset + slope * (x - mean)."""
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    offset, slope = simd.splat(offset), simd.splat(slope)
    zero, length = simd.splat(np.float32(0)), x.shape[1]
    for i in range(m * length, (m + 1) * length, LANES):
        g, centred = simd.load(gr, i), simd_math.subtract(simd.load(x, i), mean)
        if relu and not adds:  # else gr is g
            g = simd_math.where_not_positive(simd.fma(centred, scale, bias), zero, g)
        value = simd_math.multiply(g, scale)
        if training:
            value = simd.fma(centred, slope, simd.add(value, offset))
        simd.store(gx, i, value)
