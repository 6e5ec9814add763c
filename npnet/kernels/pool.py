"""Pooling in lanes, forward and backward.

A kernel works on one plane, the pixels of one channel of sixteen images. Windows are cut off at the
image's edge, so padding is never stored. Backward, windows that do not overlap write their pixels;
others add to them.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._task import task, windows_inside
from npnet.kernels.simd import LANES

__all__ = [
    "APART",
    "COVER",
    "OVERLAP",
    "Means",
    "Windows",
    "avg_pool2d_backward_plane",
    "avg_pool2d_plane",
    "max_pool2d_backward_plane",
    "max_pool2d_plane",
]

# How windows share pixels: some pixel lies in several, or none does, or each lies in just one.
OVERLAP, APART, COVER = 0, 1, 2

FOUR = 4  # columns of a window from which on four sums run side by side
LARGE_PLANE = 2**11  # pixels that no cache has any more when they are read
ONE_BY_ONE = 256  # pixels of a window that are added up without partial sums


class Windows(NamedTuple):
    """Where windows lie in an image (H, W), cut off at its edge.

    Attributes:
        rows, columns: of each window: the pixel of tap 0, which may lie in the padding, the first
            tap inside the image, and the taps' end.
        dh, dw: pixels from tap to tap.
        kw: taps in a row of the window.
        apart: OVERLAP, APART or COVER.
    """

    rows: Annotated[Array, "OH 3: int64 table"]
    columns: Annotated[Array, "OW 3: int64 table"]
    dh: Annotated[int, "int"]
    dw: Annotated[int, "int"]
    kw: Annotated[int, "int"]
    apart: Annotated[int, "int"]


class Means(NamedTuple):
    """The same of windows without gaps, with what each sum is multiplied by."""

    rows: Annotated[Array, "OH 3: int64 table"]
    columns: Annotated[Array, "OW 3: int64 table"]
    shares: Annotated[Array, "OH OW: table"]
    apart: Annotated[int, "int"]


@task(
    x="M H W 16", windows=Windows, y="M OH OW 16", winner="M OH OW 16: uint8 uint32",
    items="M", also=windows_inside, empty="M",
)  # fmt: skip
def max_pool2d_plane(x, windows, y, winner, m):
    """Plane `m` of y[i, j] = max over taps u, v of x[i*SH - PT + u*DH, j*SW - PL + v*DW].

    The first maximum in row-major order wins; NaN is larger than everything, and of several the
    last wins, as in PyTorch. The winner is its place in the window, u * KW + v.

    Shape: x (M, H, W, 16) -> y and winner (M, OH, OW, 16).
    """
    rows, columns, dh, dw, kw, _ = windows
    _, height, width, _ = x.shape
    one = simd.splat(np.float32(1))
    to = m * y.shape[1] * y.shape[2] * LANES
    is_large, stride = height * width > LARGE_PLANE, max(1, width // y.shape[2])
    for i in range(y.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(y.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            if is_large:  # what the next row of windows reads, in several streams
                for row in range(top + end_u * dh, top + end_u * dh + stride):
                    start = ((m * height + row) * width + left + first_v * dw) * LANES
                    for line in range(start, start + stride * LANES, LANES):
                        simd.prefetch(x, line)
            best = simd.splat(np.float32(-np.inf))
            at = simd.splat(np.float32(first_u * kw + first_v))  # where all are -inf
            for u in range(first_u, end_u):
                start = ((m * height + top + u * dh) * width + left + first_v * dw) * LANES
                number = simd.splat(np.float32(u * kw + first_v))
                for _ in range(first_v, end_v):
                    value = simd.load(x, start)
                    at = simd_math.where_wins(value, best, number, at)
                    best = simd_math.where_wins(value, best, value, best)
                    number = simd.add(number, one)
                    start += dw * LANES
            simd.store(y, to, best)
            simd_math.store_numbers(winner, to, at)
            to += LANES


@task(
    gy="M OH OW 16", winner="M OH OW 16: uint8 uint32", windows=Windows, gx="M H W 16",
    items="M", also=windows_inside, empty="M",
)  # fmt: skip
def max_pool2d_backward_plane(gy, winner, windows, gx, m):
    """Plane `m` of gx = the sum of gy over the windows that a pixel has won.

    Shape: gy and winner (M, OH, OW, 16) -> gx (M, H, W, 16).
    """
    rows, columns, dh, dw, kw, apart = windows
    _, height, width, _ = gx.shape
    if apart != COVER:
        clear_plane(gx, m)
    zero, one = simd.splat(np.float32(0)), simd.splat(np.float32(1))
    at = m * gy.shape[1] * gy.shape[2] * LANES
    for i in range(gy.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(gy.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            g, won = simd.load(gy, at), simd_math.load_numbers(winner, at)
            at += LANES
            for u in range(first_u, end_u):
                to = ((m * height + top + u * dh) * width + left + first_v * dw) * LANES
                number = simd.splat(np.float32(u * kw + first_v))
                for _ in range(first_v, end_v):
                    share = simd_math.where_equal(won, number, g, zero)
                    if apart == OVERLAP:
                        share = simd.add(simd.load(gx, to), share)
                    simd.store(gx, to, share)
                    number = simd.add(number, one)
                    to += dw * LANES


@kernel
def clear_plane(x, m):
    """Zeros into plane `m` of x (M, H, W, 16)."""
    zero, pixels = simd.splat(np.float32(0)), x.shape[1] * x.shape[2]
    for at in range(m * pixels * LANES, (m + 1) * pixels * LANES, LANES):
        simd.store(x, at, zero)


@task(x="M H W 16", means=Means, y="M OH OW 16", items="M", also=windows_inside, empty="M")
def avg_pool2d_plane(x, means, y, m):
    """Plane `m` of y[i, j] = share[i, j] * sum over u, v of x[i*SH - PT + u, j*SW - PL + v].

    Shape: x (M, H, W, 16) -> y (M, OH, OW, 16).
    """
    rows, columns, shares, _ = means
    _, height, width, _ = x.shape
    to = m * y.shape[1] * y.shape[2] * LANES
    for i in range(y.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(y.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            total, left_u = simd.splat(np.float32(0)), first_u  # the rows that are left to add
            if end_v - first_v >= FOUR and (end_u - first_u) * (end_v - first_v) <= ONE_BY_ONE:
                start = ((m * height + top + first_u) * width + left + first_v) * LANES
                total = total_of_four(x, start, end_u - first_u, end_v - first_v, width)
                left_u = end_u
            elif (end_u - first_u) * (end_v - first_v) > ONE_BY_ONE:
                start = ((m * height + top + first_u) * width + left + first_v) * LANES
                total = long_total(x, start, end_u - first_u, end_v - first_v, width)
                left_u = end_u
            for u in range(left_u, end_u):
                start = ((m * height + top + u) * width + left + first_v) * LANES
                for _ in range(first_v, end_v):
                    total = simd.add(total, simd.load(x, start))
                    start += LANES
            simd.store(y, to, simd_math.multiply(total, simd.splat(shares[i, j])))
            to += LANES


@kernel
def total_of_four(x, start, rows, columns, width):
    """The sum of a window, of four sums at once: an addition waits for the one before it."""
    a = simd.splat(np.float32(0))
    b, c, d = a, a, a
    for u in range(rows):
        at = start + u * width * LANES
        for _ in range(columns // FOUR):
            a = simd.add(a, simd.load(x, at))
            b = simd.add(b, simd.load(x, at + LANES))
            c = simd.add(c, simd.load(x, at + 2 * LANES))
            d = simd.add(d, simd.load(x, at + 3 * LANES))
            at += FOUR * LANES
        for _ in range(columns % FOUR):
            a = simd.add(a, simd.load(x, at))
            at += LANES
    return simd.add(simd.add(a, b), simd.add(c, d))


@kernel
def long_total(x, start, rows, columns, width):
    """The sum of a window of many pixels: of runs in a row, of the runs, and of the rows."""
    total = simd.splat(np.float32(0))
    for u in range(rows):
        of_row, at = simd.splat(np.float32(0)), start + u * width * LANES
        for first in range(0, columns, ONE_BY_ONE):
            run = simd.splat(np.float32(0))
            for v in range(first, min(first + ONE_BY_ONE, columns)):
                run = simd.add(run, simd.load(x, at + v * LANES))
            of_row = simd.add(of_row, run)
        total = simd.add(total, of_row)
    return total


@task(gy="M OH OW 16", means=Means, gx="M H W 16", items="M", also=windows_inside, empty="M")
def avg_pool2d_backward_plane(gy, means, gx, m):
    """Plane `m` of gx = the sum of share * gy over the windows that a pixel lies in.

    Shape: gy (M, OH, OW, 16) -> gx (M, H, W, 16).
    """
    rows, columns, shares, apart = means
    _, height, width, _ = gx.shape
    if apart != COVER:
        clear_plane(gx, m)
    at = m * gy.shape[1] * gy.shape[2] * LANES
    for i in range(gy.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(gy.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            share = simd_math.multiply(simd.load(gy, at), simd.splat(shares[i, j]))
            at += LANES
            for u in range(first_u, end_u):
                to = ((m * height + top + u) * width + left + first_v) * LANES
                for _ in range(first_v, end_v):
                    if apart == OVERLAP:
                        simd.store(gx, to, simd.add(simd.load(gx, to), share))
                    else:
                        simd.store(gx, to, share)
                    to += LANES
