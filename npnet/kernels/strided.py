"""Parts of images in lanes: every so many channels, rows and columns, taken out or put in.

Features are images of one pixel.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from npnet.kernels import simd
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["Strides", "gather_plane", "scatter_plane"]


class Strides(NamedTuple):
    """Where a part lies in images: its channel c is channel `channel` + c * `channel_step`.

    Rows and columns alike. Steps may be negative.
    """

    channel: Annotated[int, "int"]
    row: Annotated[int, "int"]
    column: Annotated[int, "int"]
    channel_step: Annotated[int, "int"] = 1
    row_step: Annotated[int, "int"] = 1
    column_step: Annotated[int, "int"] = 1


def _inside(f: Facts) -> None:
    """All places of the part (PC, PH, PW) are in the image (C, H, W), and no two are one."""
    starts, steps = f.strides[:3], f.strides[3:]
    axes = zip(starts, steps, (f.PC, f.PH, f.PW), (f.C, f.H, f.W), strict=True)
    for start, step, size, whole in axes:
        last = start + (size - 1) * step
        need(
            f,
            step != 0 and 0 <= start < whole and 0 <= last < whole,
            f"places must lie inside an axis of {whole}, and apart; "
            f"got start {start}, step {step}, size {size}",
        )


@task(
    x="B C H W 16", strides=Strides, y="B PC PH PW 16", items="B PC", also=_inside, empty="B"
)  # fmt: skip
def gather_plane(x, strides, y, m):
    """Plane `m` of y (B, C', H', W', 16), a part of x (B, C, H, W, 16)."""
    first, top, left, channel_step, row_step, column_step = strides
    channels, rows, columns = y.shape[1], y.shape[2], y.shape[3]
    c = m // channels * x.shape[1] + first + m % channels * channel_step
    step, to = column_step * LANES, m * rows * columns * LANES
    for i in range(rows):
        row = c * x.shape[2] + top + i * row_step
        at = (row * x.shape[3] + left) * LANES
        for _ in range(columns):
            simd.store(y, to, simd.load(x, at))
            at += step
            to += LANES


@task(
    x="B PC PH PW 16", strides=Strides, value="number", fills="flag", y="B C H W 16",
    items="B C", also=_inside, empty="B",
)  # fmt: skip
def scatter_plane(x, strides, value, fills, y, m):
    """Plane `m` of y (B, C, H, W, 16), of which x (B, C', H', W', 16) becomes a part.

    What is none of the part becomes `value` if it `fills`, and else stays as it is.
    """
    first, top, left, channel_step, row_step, column_step = strides
    rows, columns, width = x.shape[2], x.shape[3], y.shape[3]
    c = m % y.shape[1] - first
    source = c // channel_step
    inside = source * channel_step == c and 0 <= source < x.shape[1]
    size = y.shape[2] * width * LANES
    if fills and (not inside or rows * columns * LANES < size):
        values = simd.splat(value)
        for i in range(m * size, (m + 1) * size, LANES):
            simd.store(y, i, values)
    if not inside:
        return
    at = (m // y.shape[1] * x.shape[1] + source) * rows * columns * LANES
    step = column_step * LANES
    for i in range(rows):
        to = ((m * y.shape[2] + top + i * row_step) * width + left) * LANES
        for _ in range(columns):
            simd.store(y, to, simd.load(x, at))
            at += LANES
            to += step
