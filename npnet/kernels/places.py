"""Parts of images in lanes: every so many channels, rows and columns, taken out or put in.

A place is `start + i * step` along each of the axes (C, H, W), with 0 <= i < size. Features are
images of one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count
from npnet.kernels import lanes, simd
from npnet.kernels._arguments import Rule
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES

__all__ = ["put", "take"]

Triple: TypeAlias = Sequence[int]

_TAKE = Rule("take", x="B C H W 16")
_PUT = Rule("put", x="B C H W 16")


def take(x: Array, starts: Triple, steps: Triple, sizes: Triple) -> Array:
    """y[c, i, j] = x at the place of (c, i, j).

    Shape: x (B, C, H, W, 16), sizes (C', H', W') -> (B, C', H', W', 16).
    """
    _TAKE(x)
    starts, steps, sizes = _checked("take", starts, steps, sizes, x.shape[1:4])
    y = lanes.empty((len(x), *sizes, LANES))
    _take(x, starts, steps, y)
    return y


def put(x: Array, starts: Triple, steps: Triple, sizes: Triple, value: float = 0.0) -> Array:
    """y at the place of (c, i, j) = x[c, i, j], and `value` everywhere else.

    Shape: x (B, C', H', W', 16), sizes (C, H, W) -> (B, C, H, W, 16).
    """
    _PUT(x)
    starts, steps, _ = _checked("put", starts, steps, x.shape[1:4], sizes)
    y = lanes.empty((len(x), *sizes, LANES))
    _put(x, starts, steps, np.float32(value), y)
    return y


def _checked(
    op: str, starts: Triple, steps: Triple, sizes: Triple, whole: Triple
) -> tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]:
    """Starts, steps and sizes as ints, if all places lie inside `whole` and no two are one."""
    names = ("starts", starts), ("steps", steps), ("sizes", sizes), ("sizes", whole)
    for name, triple in names:
        if len(triple) != 3:
            raise ShapeError(f"{op}: {name} must have 3 numbers, got {len(triple)}: {triple}")
    checked = []
    for start, step, size, most in zip(starts, steps, sizes, whole, strict=True):
        start, step = check_count(op, "starts", start, 0), check_count(op, "steps", step, -(2**62))
        size, most = check_count(op, "sizes", size), check_count(op, "sizes", most)
        if step == 0 or not 0 <= start < most or not 0 <= start + (size - 1) * step < most:
            raise ShapeError(
                f"{op}: places must lie inside an axis of {most}, and apart; "
                f"got start {start}, step {step}, size {size}"
            )
        checked.append((start, step, size))
    a, b, c = checked
    return (a[0], b[0], c[0]), (a[1], b[1], c[1]), (a[2], b[2], c[2])


@kernel
def _take(x, starts, steps, y):
    parallel_for(take_plane, y.shape[0] * y.shape[1], (x, starts, steps, y))


@kernel
def take_plane(x, starts, steps, y, m):
    """Plane `m` of y (B, C', H', W', 16)."""
    channels, rows, columns = y.shape[1], y.shape[2], y.shape[3]
    c = m // channels * x.shape[1] + starts[0] + m % channels * steps[0]
    step, to = steps[2] * LANES, m * rows * columns * LANES
    for i in range(rows):
        row = c * x.shape[2] + starts[1] + i * steps[1]
        at = (row * x.shape[3] + starts[2]) * LANES
        for _ in range(columns):
            simd.store(y, to, simd.load(x, at))
            at += step
            to += LANES


@kernel
def _put(x, starts, steps, value, y):
    parallel_for(put_plane, y.shape[0] * y.shape[1], (x, starts, steps, value, y))


@kernel
def put_plane(x, starts, steps, value, y, m):
    """Plane `m` of y (B, C, H, W, 16)."""
    rows, columns = x.shape[2], x.shape[3]
    c, width = m % y.shape[1] - starts[0], y.shape[3]
    source = c // steps[0]
    inside = source * steps[0] == c and 0 <= source < x.shape[1]
    size = y.shape[2] * width * LANES
    if not inside or rows * columns * LANES < size:
        values = simd.splat(value)
        for i in range(m * size, (m + 1) * size, LANES):
            simd.store(y, i, values)
    if not inside:
        return
    at = (m // y.shape[1] * x.shape[1] + source) * rows * columns * LANES
    step = steps[2] * LANES
    for i in range(rows):
        to = ((m * y.shape[2] + starts[1] + i * steps[1]) * width + starts[2]) * LANES
        for _ in range(columns):
            simd.store(y, to, simd.load(x, at))
            at += LANES
            to += step
