"""Pooling in lanes, forward and backward.

A kernel works on one plane, the pixels of one channel of sixteen images. Windows are cut off at the
image's edge, so padding is never stored. Backward, windows that do not overlap write their pixels;
others add to them.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.checks import check_pair
from npnet.kernels import lanes, pool_plans, simd, simd_math
from npnet.kernels._arguments import Rule
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels._task import task, windows_inside
from npnet.kernels.pool_plans import COVER, OVERLAP
from npnet.kernels.simd import LANES
from npnet.ops.windows import Pair, Window

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
]

_MAX_POOL2D = Rule("max_pool2d", x="B C H W 16")
_AVG_POOL2D = Rule("avg_pool2d", x="B C H W 16")
_ADAPTIVE_AVG_POOL2D = Rule("adaptive_avg_pool2d", x="B C H W 16")
_MAX_POOL2D_BACKWARD = {  # by the type of the numbers
    dtype: Rule(
        "max_pool2d_backward", given="OH OW", gy="B C OH OW 16", winner=f"B C OH OW 16: {dtype}"
    )
    for dtype in ("uint8", "uint32")
}
_AVG_POOL2D_BACKWARD = Rule("avg_pool2d_backward", given="OH OW", gy="B C OH OW 16")
_ADAPTIVE_BACKWARD = Rule("adaptive_avg_pool2d_backward", gy="B C OH OW 16")

FEW = 256  # pixels of a window that are added up one by one
Winner: TypeAlias = npt.NDArray[Any]  # the place in the window, u * KW + v: uint8, else uint32


def max_pool2d(x: Array, window: Window) -> tuple[Array, Winner]:
    """y[i, j] = max over u, v of x[i*SH - PT + u*DH, j*SW - PL + v*DW] inside the image.

    The first maximum in row-major order wins; NaN is larger than everything, and of several the
    last wins, as in PyTorch.

    Shape: x (B, C, H, W, 16) -> y and winner (B, C, OH, OW, 16).
    """
    _MAX_POOL2D(x)
    shape = (*x.shape[:2], *window.counts("max_pool2d", x.shape[2:4]), LANES)
    y, winner = lanes.empty(shape), pool_plans.numbers(shape, math.prod(window.kernel))
    spans, kw = pool_plans.spans(window, x.shape[2:4]), window.kernel[1]
    _max_pool2d(pool_plans.planes(x), *spans, *window.dilation, kw, pool_plans.planes(y), winner)
    return y, winner.reshape(shape)


def max_pool2d_backward(gy: Array, winner: Winner, window: Window, size: Pair) -> Array:
    """gx = the sum of gy over the windows that a pixel has won.

    Shape: gy and winner (B, C, OH, OW, 16), size (H, W) -> (B, C, H, W, 16).
    """
    size = check_pair("max_pool2d_backward", "size", size)
    rule = _MAX_POOL2D_BACKWARD[pool_plans.number_type(math.prod(window.kernel))]
    rule(gy, winner, given=window.counts("max_pool2d_backward", size))
    gx = lanes.empty((*gy.shape[:2], *size, LANES))
    spans, kw, apart = (
        pool_plans.spans(window, size),
        window.kernel[1],
        pool_plans.apart(window, size),
    )
    planes = pool_plans.planes(gy), pool_plans.planes(winner)
    _max_pool2d_backward(*planes, *spans, *window.dilation, kw, apart, pool_plans.planes(gx))
    return gx


def avg_pool2d(
    x: Array, window: Window, count_include_pad: bool = True, divisor: int | None = None
) -> Array:
    """y[i, j] = 1 / divisor * sum over u, v of x[i*SH - PT + u, j*SW - PL + v].

    Without a divisor, it is the pixels of the window: padding if it counts, what ceil adds never.

    Shape: x (B, C, H, W, 16) -> (B, C, OH, OW, 16).
    """
    _AVG_POOL2D(x)
    size = x.shape[2:4]
    y = lanes.empty((*x.shape[:2], *window.counts("avg_pool2d", size, dilated=False), LANES))
    shares = pool_plans.shares(window, size, count_include_pad, divisor)
    _avg_pool2d(pool_plans.planes(x), *pool_plans.spans(window, size), shares, pool_plans.planes(y))
    return y


def avg_pool2d_backward(
    gy: Array,
    window: Window,
    size: Pair,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Array:
    """gx = the sum of gy / divisor over the windows that a pixel lies in.

    Shape: gy (B, C, OH, OW, 16), size (H, W) -> (B, C, H, W, 16).
    """
    size = check_pair("avg_pool2d_backward", "size", size)
    counts = window.counts("avg_pool2d_backward", size, dilated=False)
    _AVG_POOL2D_BACKWARD(gy, given=counts)
    gx = lanes.empty((*gy.shape[:2], *size, LANES))
    shares = pool_plans.shares(window, size, count_include_pad, divisor)
    apart = pool_plans.apart(window, size)
    _avg_pool2d_backward(
        pool_plans.planes(gy), *pool_plans.spans(window, size), shares, apart, pool_plans.planes(gx)
    )
    return gx


def adaptive_avg_pool2d(x: Array, size: Pair) -> Array:
    """The mean of OH x OW bins: bin i covers rows floor(i * H / OH) to ceil((i + 1) * H / OH).

    Shape: x (B, C, H, W, 16), size (OH, OW) -> (B, C, OH, OW, 16).
    """
    _ADAPTIVE_AVG_POOL2D(x)
    size = check_pair("adaptive_avg_pool2d", "size", size)
    y = lanes.empty((*x.shape[:2], *size, LANES))
    *bins, shares, _ = pool_plans.bins(x.shape[2:4], size)
    _avg_pool2d(pool_plans.planes(x), *bins, shares, pool_plans.planes(y))
    return y


def adaptive_avg_pool2d_backward(gy: Array, size: Pair) -> Array:
    """gx = the sum of gy / pixels over the bins that a pixel lies in.

    Shape: gy (B, C, OH, OW, 16), size (H, W) -> (B, C, H, W, 16).
    """
    _ADAPTIVE_BACKWARD(gy)
    size = check_pair("adaptive_avg_pool2d_backward", "size", size)
    gx = lanes.empty((*gy.shape[:2], *size, LANES))
    *bins, shares, apart = pool_plans.bins(size, gy.shape[2:4])
    _avg_pool2d_backward(pool_plans.planes(gy), *bins, shares, apart, pool_plans.planes(gx))
    return gx


@kernel
def _max_pool2d(x, rows, columns, dh, dw, kw, y, winner):
    parallel_for(max_pool2d_plane, x.shape[0], (x, rows, columns, dh, dw, kw, y, winner))


@task(
    x="M H W 16", rows="OH 3: int64 table", columns="OW 3: int64 table", dh="int", dw="int",
    kw="int", y="M OH OW 16", winner="M OH OW 16: uint8 uint32", items="M", also=windows_inside,
)  # fmt: skip
def max_pool2d_plane(x, rows, columns, dh, dw, kw, y, winner, m):
    """Plane `m` of x (M, H, W, 16) -> y and winner (M, OH, OW, 16)."""
    _, height, width, _ = x.shape
    one = simd.splat(np.float32(1))
    to = m * y.shape[1] * y.shape[2] * LANES
    for i in range(y.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(y.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
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


@kernel
def _max_pool2d_backward(gy, winner, rows, columns, dh, dw, kw, apart, gx):
    arguments = (gy, winner, rows, columns, dh, dw, kw, apart, gx)
    parallel_for(max_pool2d_backward_plane, gy.shape[0], arguments)


@task(
    gy="M OH OW 16", winner="M OH OW 16: uint8 uint32", rows="OH 3: int64 table",
    columns="OW 3: int64 table", dh="int", dw="int", kw="int", apart="int", gx="M H W 16",
    items="M", also=windows_inside,
)  # fmt: skip
def max_pool2d_backward_plane(gy, winner, rows, columns, dh, dw, kw, apart, gx, m):
    """Plane `m` of gy and winner (M, OH, OW, 16) -> gx (M, H, W, 16)."""
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


@kernel
def _avg_pool2d(x, rows, columns, shares, y):
    parallel_for(avg_pool2d_plane, x.shape[0], (x, rows, columns, shares, y))


@task(
    x="M H W 16", rows="OH 3: int64 table", columns="OW 3: int64 table", shares="OH OW: table",
    y="M OH OW 16", items="M", also=windows_inside,
)  # fmt: skip
def avg_pool2d_plane(x, rows, columns, shares, y, m):
    """Plane `m` of x (M, H, W, 16) -> y (M, OH, OW, 16)."""
    _, height, width, _ = x.shape
    to = m * y.shape[1] * y.shape[2] * LANES
    for i in range(y.shape[1]):
        top, first_u, end_u = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(y.shape[2]):
            left, first_v, end_v = columns[j, 0], columns[j, 1], columns[j, 2]
            total, left_u = simd.splat(np.float32(0)), first_u  # the rows that are left to add
            if (end_u - first_u) * (end_v - first_v) > FEW:
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
def long_total(x, start, rows, columns, width):
    """The sum of a window of many pixels: of runs in a row, of the runs, and of the rows."""
    total = simd.splat(np.float32(0))
    for u in range(rows):
        of_row, at = simd.splat(np.float32(0)), start + u * width * LANES
        for first in range(0, columns, FEW):
            run = simd.splat(np.float32(0))
            for v in range(first, min(first + FEW, columns)):
                run = simd.add(run, simd.load(x, at + v * LANES))
            of_row = simd.add(of_row, run)
        total = simd.add(total, of_row)
    return total


@kernel
def _avg_pool2d_backward(gy, rows, columns, shares, apart, gx):
    arguments = (gy, rows, columns, shares, apart, gx)
    parallel_for(avg_pool2d_backward_plane, gy.shape[0], arguments)


@task(
    gy="M OH OW 16", rows="OH 3: int64 table", columns="OW 3: int64 table", shares="OH OW: table",
    apart="int", gx="M H W 16", items="M", also=windows_inside,
)  # fmt: skip
def avg_pool2d_backward_plane(gy, rows, columns, shares, apart, gx, m):
    """Plane `m` of gy (M, OH, OW, 16) -> gx (M, H, W, 16)."""
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
