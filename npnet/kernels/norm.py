"""Batch norm in lanes, with the ReLU and the residual addition that may follow it.

The work is split into planes, the pixels of one channel of sixteen images. Sums over a plane are
added up over the blocks of the batch in their order and in float64, so that the bits do not depend
on threads. Lanes beyond the batch count in no sum.

A plane's variance takes two walks, the second over what is in the cache: first its mean, then the
squares about it, corrected for the mean's rounding. Planes are put together by Chan's formula.

Source: Ioffe and Szegedy (2015), arXiv:1502.03167, section 3; Chan, Golub, LeVeque (1983), (2.1).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.kernels import lanes, simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES

__all__ = ["batch_norm", "batch_norm_backward", "batch_norm_statistics"]

Array: TypeAlias = npt.NDArray[np.float32]


def batch_norm_statistics(x: Array, n: int) -> tuple[Array, Array]:
    """Mean and biased variance of each channel over the first `n` images.

    Shape: x (B, C, ..., 16) -> (C,), (C,).
    """
    blocks, channels = x.shape[:2]
    mean, var = np.empty(channels, np.float32), np.empty(channels, np.float32)
    _statistics(_planes(x), n, np.empty((blocks, channels, 3), np.float32), mean, var)
    return mean, var


def batch_norm(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    residual: Array | None = None,
    relu: bool = False,
) -> Array:
    """y = weight * (x - mean) / sqrt(var + eps) + bias, then + residual, then max(y, 0).

    Shape: x and residual (B, C, ..., 16), all others (C,) -> that of x.
    """
    y, planes = lanes.empty(x.shape), _planes(x)
    added = planes if residual is None else _planes(residual)
    constants = _constants(mean, var, weight, bias, eps)
    _normalise(planes, added, constants, residual is not None, relu, _planes(y))
    return y


def batch_norm_backward(
    gy: Array,
    x: Array,
    y: Array | None,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    n: int,
    training: bool = True,
    relu: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """(gx, gresidual, gweight, gbias), with g = 0 where y <= 0, else gy, if a ReLU followed:

        gresidual = g,  gbias = sum(g),  gweight = r * sum(g * (x - mean)),  r = 1 / sqrt(var + eps)
        gx = weight * r * (g - mean(g) - (x - mean) * r^2 * mean(g * (x - mean)))

    In training, where mean and var are of the first `n` images of x; else gx = weight * r * g.

    Args:
        y: what came out, if a residual was added and a ReLU followed; otherwise None, and then
            gresidual, which nobody wants, is gy.

    Shape: gy, x, y (B, C, ..., 16), mean to bias (C,) -> as x, as x, (C,), (C,).
    """
    gx, planes = lanes.empty(x.shape), _planes(x)
    gr = gy if y is None else lanes.empty(x.shape)
    out = planes if y is None else _planes(y)
    sums = np.empty((x.shape[0], x.shape[1], 2), np.float32)
    totals = np.empty((3, x.shape[1]), np.float32)
    constants = _constants(mean, var, weight, bias, eps)
    flags = relu, y is not None, training
    _backward(
        _planes(gy), planes, out, n, constants, *flags, sums, totals, _planes(gr), _planes(gx)
    )
    return gx, gr, totals[1], totals[0]


def _planes(x: Array) -> Array:  # (B, C, ..., 16) -> (B*C, pixels * 16)
    return x.reshape(x.shape[0] * x.shape[1], -1)


def _constants(mean: Array, var: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Of each channel: mean, weight * r, bias, r = 1 / sqrt(var + eps), as (4, C)."""
    table = np.empty((4, len(mean)), np.float32)
    with np.errstate(all="ignore"):  # of a diverged run, or of variance and eps 0
        table[3] = 1 / np.sqrt(var + eps)
        table[0], table[1], table[2] = mean, weight * table[3], bias
    return table


@kernel
def _statistics(x, n, parts, mean, var):
    parallel_for(statistics_plane, x.shape[0], (x, n, parts))
    blocks, channels, _ = parts.shape
    pixels = x.shape[1] // LANES
    for c in range(channels):
        total = squares = 0.0
        count = 0
        for b in range(blocks):
            more = min(LANES, n - b * LANES) * pixels
            part, rest = np.float64(parts[b, c, 0]), np.float64(parts[b, c, 1])
            within = parts[b, c, 2] - rest * rest / more
            if rest == rest:  # NaN where the mean is infinite, which it shall stay
                part += rest / more
            apart = part - total / max(count, 1)
            squares += within + apart * apart * count * more / (count + more)
            total += part * more
            count += more
        mean[c], var[c] = total / count, squares / count


@kernel
def statistics_plane(x, n, parts, m):
    """Plane `m` of x (B*C, pixels * 16): its mean, and the sums of what is left and its square."""
    channels, length = parts.shape[1], x.shape[1]
    images = min(LANES, n - m // channels * LANES)
    start, end = m * length, (m + 1) * length
    total = simd.splat(np.float32(0))
    for i in range(start, end, LANES):
        total = simd.add(total, simd.load(x, i))
    mean = simd.total(total, images) / np.float32(images * (length // LANES))
    shift = simd.splat(mean)
    total = squares = simd.splat(np.float32(0))
    for i in range(start, end, LANES):
        value = simd_math.subtract(simd.load(x, i), shift)
        total = simd.add(total, value)
        squares = simd.fma(value, value, squares)
    b, c = m // channels, m % channels
    parts[b, c, 0], parts[b, c, 1] = mean, simd.total(total, images)
    parts[b, c, 2] = simd.total(squares, images)


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
def _backward(gy, x, y, n, constants, relu, adds, training, sums, totals, gr, gx):
    arguments = (gy, x, y, n, constants, relu, adds, sums, gr)
    parallel_for(backward_sums_plane, x.shape[0], arguments)
    blocks, channels, _ = sums.shape
    count = n * (x.shape[1] // LANES)
    for c in range(channels):
        g = dots = 0.0
        for b in range(blocks):
            g += sums[b, c, 0]
            dots += sums[b, c, 1]
        r = np.float64(constants[3, c])
        totals[0, c], totals[1, c], totals[2, c] = g, r * dots, r * r * dots / count
    arguments = (gy, x, n, constants, relu, adds, training, totals, gr, gx)
    parallel_for(backward_plane, x.shape[0], arguments)


@kernel
def backward_sums_plane(gy, x, y, n, constants, relu, adds, sums, gr, m):
    """Plane `m`: the sums of g and of g * (x - mean), and gr = g if y tells where it is zero."""
    channels, length = constants.shape[1], x.shape[1]
    b, c = m // channels, m % channels
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    zero = simd.splat(np.float32(0))
    total = dots = zero
    for i in range(m * length, (m + 1) * length, LANES):
        g, centred = simd.load(gy, i), simd_math.subtract(simd.load(x, i), mean)
        if relu:
            out = simd.load(y, i) if adds else simd.fma(centred, scale, bias)
            g = simd_math.where_not_positive(out, zero, g)
            if adds:
                simd.store(gr, i, g)
        total = simd.add(total, g)
        dots = simd.fma(g, centred, dots)
    images = min(LANES, n - b * LANES)
    sums[b, c, 0], sums[b, c, 1] = simd.total(total, images), simd.total(dots, images)


@kernel
def backward_plane(gy, x, n, constants, relu, adds, training, totals, gr, gx, m):
    """Plane `m` of gx = scale * (g - mean(g) - (x - mean) * slope)."""
    channels, length = constants.shape[1], x.shape[1]
    c = m % channels
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    offset = -scale * totals[0, c] / np.float32(n * (length // LANES))
    offset, slope = simd.splat(offset), simd.splat(-scale * totals[2, c])
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    zero = simd.splat(np.float32(0))
    for i in range(m * length, (m + 1) * length, LANES):
        g, centred = simd.load(gr, i), simd_math.subtract(simd.load(x, i), mean)
        if relu and not adds:  # else gr is g
            g = simd_math.where_not_positive(simd.fma(centred, scale, bias), zero, g)
        value = simd_math.multiply(g, scale)
        if training:
            value = simd.fma(centred, slope, simd.add(value, offset))
        simd.store(gx, i, value)
