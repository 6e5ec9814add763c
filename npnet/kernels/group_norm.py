"""Norms of each image by itself, in lanes: of groups of its channels, or of its features.

A group is what is normalised together: some values in a row, of sixteen images at once, each of
which has its mean and its deviation in its own lane. So lanes are added up for the gradients of
weights alone. A group of 2 channels of 5x5 pixels has 50 values, of which 25 share a weight; in a
group of 50 features each has its own.

Runs of `RUN` floats are added up one by one, then the runs, then runs of runs.

Source: Wu and He (2018), arXiv:1803.08494, section 3.1; Chan, Golub, LeVeque (1983), (1.7).
"""

from __future__ import annotations

import numba
import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import inlined, kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.norm import RUN
from npnet.kernels.simd import LANES

__all__ = ["backward_group", "backward_groups_of_block", "normalise_group"]

WEIGHTS_OF_RUN = RUN // LANES  # whose shares in a group's sum are added up one by one


def _shares(f: Facts) -> None:
    """The weights are those of whole groups, and each belongs to as many values."""
    need(f, f.G % f.R == 0, f"weight must have rows for {f.G} groups, got {f.R}")
    need(f, f.L % f.K == 0, f"weight must have columns for {f.L} values, got {f.K}")


def _shares_of_images(f: Facts) -> None:
    _shares(f)
    images_of_blocks(f)
    count = f.B * f.G // f.R
    need(f, count == f.M, f"gw must have room for {count} times the weights, got {f.M}")


def _shares_of_slots(f: Facts) -> None:
    _shares(f)
    count = -(-f.n // LANES) * f.G // f.R
    need(f, f.n > 0 and count == f.M, f"gw must have room for {count} times the weights")


@task(
    x="B G L 16", eps="number", weight="R K", bias="R K", statistics="B G 3 16", y="B G L 16",
    items="B G", also=_shares,
)  # fmt: skip
def normalise_group(x, eps, weight, bias, statistics, y, m):
    """Group `m` of y = weight * (x - mean) * r + bias, r = 1 / sqrt(var + eps).

    The statistics, which backward takes, are a number near the mean, what it is off, and r. Group
    g has row g mod R of the weights.

    Shape: x and y (B, G, L, 16), weight and bias (R, K), statistics (B, G, 3, 16).
    """
    length, (rows, weights) = x.shape[2], weight.shape
    start, pixels, row = m * length * LANES, length // weights * LANES, m % rows
    zero, count = simd.splat(np.float32(0)), simd.splat(np.float32(length))
    total, _ = sums_about(x, start, start + length * LANES, zero)
    near = simd_math.divide(total, count)
    total, squares = sums_about(x, start, start + length * LANES, near)
    off = simd_math.divide(total, count)
    squares = simd_math.maximum(zero, simd_math.subtract(squares, simd_math.multiply(total, off)))
    var = simd.add(simd_math.divide(squares, count), simd.splat(eps))
    r = simd_math.divide(simd.splat(np.float32(1)), simd_math.square_root(var))
    simd.store(statistics, 3 * m * LANES, near)
    simd.store(statistics, (3 * m + 1) * LANES, off)
    simd.store(statistics, (3 * m + 2) * LANES, r)
    for k in range(weights):
        scale, shift = simd.splat(weight[row, k]), simd.splat(bias[row, k])
        for i in range(start + k * pixels, start + (k + 1) * pixels, LANES):
            value = normal(simd.load(x, i), near, off, r)
            simd.store(y, i, simd.fma(value, scale, shift))


@kernel
def sums_about(x, start, end, shift):
    """The sums of x - shift and of its square, over floats `start` to `end`."""
    total = squares = simd.splat(np.float32(0))
    for first in range(start, end, RUN * WEIGHTS_OF_RUN):
        of_runs = squares_of_runs = simd.splat(np.float32(0))
        for second in range(first, min(first + RUN * WEIGHTS_OF_RUN, end), RUN):
            of_run = squares_of_run = simd.splat(np.float32(0))
            for i in range(second, min(second + RUN, end), LANES):
                value = simd_math.subtract(simd.load(x, i), shift)
                of_run = simd.add(of_run, value)
                squares_of_run = simd.fma(value, value, squares_of_run)
            of_runs = simd.add(of_runs, of_run)
            squares_of_runs = simd.add(squares_of_runs, squares_of_run)
        total, squares = simd.add(total, of_runs), simd.add(squares, squares_of_runs)
    return total, squares


@inlined
def normal(value, near, off, r):
    """(value - mean) * r."""
    return simd_math.multiply(simd_math.subtract(simd_math.subtract(value, near), off), r)


@task(
    gy="B G L 16", x="B G L 16", weight="R K", statistics="B G 3 16", n="int", gw="M R K",
    gb="M R K", gx="B G L 16", items="B G", also=_shares_of_images,
)  # fmt: skip
def backward_group(gy, x, weight, statistics, n, gw, gb, gx, m):
    """Group `m` of the gradients, with xhat = (x - mean) * r and g = gy * weight:

        gx = r * (g - mean(g) - xhat * mean(g * xhat))

    and what it adds to those of its weights, of the first `n` images: the sums of gy * xhat into
    gw, those of gy into gb.

    Shape: gy, x, gx (B, G, L, 16), statistics (B, G, 3, 16), gw and gb (B * G / R, R, K).
    """
    images = min(LANES, n - m // x.shape[1] * LANES)
    differentiate_group(gy, x, weight, statistics, images, gw, gb, gx, m, m // weight.shape[0])


@task(
    gy="S G L 16", x="S G L 16", weight="R K", statistics="S G 3 16", n="int", gw="M R K",
    gb="M R K", gx="S G L 16", items=lambda f: -(-f.n // LANES), also=_shares_of_slots,
)  # fmt: skip
def backward_groups_of_block(gy, x, weight, statistics, n, gw, gb, gx, b):
    """The same of all groups of block `b`, which lies in the thread's slot."""
    slot, groups, rows = np.intp(numba.get_thread_id()), x.shape[1], weight.shape[0]
    images = min(LANES, n - b * LANES)
    for g in range(groups):
        m, part = slot * groups + g, (b * groups + g) // rows
        differentiate_group(gy, x, weight, statistics, images, gw, gb, gx, m, part)


@kernel
def differentiate_group(gy, x, weight, statistics, images, gw, gb, gx, m, part):
    """Group `m` of the arrays, of so many images; its shares of the weights' go to `part`."""
    length, (rows, weights) = x.shape[2], weight.shape
    start, pixels, row = m * length * LANES, length // weights * LANES, m % rows
    near = simd.load(statistics, 3 * m * LANES)
    off = simd.load(statistics, (3 * m + 1) * LANES)
    r = simd.load(statistics, (3 * m + 2) * LANES)
    total = dots = simd.splat(np.float32(0))
    for first in range(0, weights, WEIGHTS_OF_RUN):
        of_run = dots_of_run = simd.splat(np.float32(0))
        for k in range(first, min(first + WEIGHTS_OF_RUN, weights)):
            at = start + k * pixels
            scale = simd.splat(weight[row, k])
            sums = sums_of_pixels(gy, x, at, at + pixels, scale, near, off, r)
            gb[part, row, k] = simd.total(sums[0], images)
            gw[part, row, k] = simd.total(sums[1], images)
            of_run, dots_of_run = simd.add(of_run, sums[2]), simd.add(dots_of_run, sums[3])
        total, dots = simd.add(total, of_run), simd.add(dots, dots_of_run)
    count = simd.splat(np.float32(length))
    mean, slope = simd_math.divide(total, count), simd_math.divide(dots, count)
    for k in range(weights):
        scale = simd.splat(weight[row, k])
        for i in range(start + k * pixels, start + (k + 1) * pixels, LANES):
            g = simd_math.multiply(simd.load(gy, i), scale)
            value = normal(simd.load(x, i), near, off, r)
            less = simd.fma(value, slope, mean)
            simd.store(gx, i, simd_math.multiply(simd_math.subtract(g, less), r))


@kernel
def sums_of_pixels(gy, x, start, end, scale, near, off, r):
    """The sums of gy and gy * xhat, and of both times the scale, over floats `start` to `end`.

    They are multiplied one by one, as in NumPy: inf * (1 - 1) is not inf - inf.
    """
    total = dots = scaled = scaled_dots = simd.splat(np.float32(0))
    for first in range(start, end, RUN):
        a = b = c = d = simd.splat(np.float32(0))
        for i in range(first, min(first + RUN, end), LANES):
            value, xhat = simd.load(gy, i), normal(simd.load(x, i), near, off, r)
            g = simd_math.multiply(value, scale)
            a, b = simd.add(a, value), simd.fma(value, xhat, b)
            c, d = simd.add(c, g), simd.fma(g, xhat, d)
        total, dots = simd.add(total, a), simd.add(dots, b)
        scaled, scaled_dots = simd.add(scaled, c), simd.add(scaled_dots, d)
    return total, dots, scaled, scaled_dots
