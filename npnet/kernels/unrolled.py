"""Sums over windows in lanes as `correlate` has them, compiled for the sizes of one layer.

For networks of small images and large windows, such as LeNet's: there `correlate` spends an eighth
to a fourth of its time on loops of five taps, and on taps outside of the image. What may be padded,
dilated or transposed is the same, but strides of the transposed window and groups are not here.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from npnet.kernels import simd, simd_windows
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["Unrolled", "unrolled_row"]


class Unrolled(NamedTuple):
    """How windows are walked whose columns are known.

    Attributes:
        shape: a `WindowShape`: the tile, how windows lie in a row, and what becomes of the sums.
        top: the row of x that the first tap of the first result stands in, perhaps above it.
        step: rows from one result to the next.
        apart: rows from tap to tap.
        high: rows of results of which a mean is taken; or 1.
        share: what a mean's sum is multiplied by.
    """

    shape: Annotated[Any, "tile"]
    top: Annotated[int, "int"]
    step: Annotated[int, "int"]
    apart: Annotated[int, "int"]
    high: Annotated[int, "int"]
    share: Annotated[float, "number"]


def _windows(f: Facts) -> None:
    """A tile's windows are those of the weight, and lie in rows of x as the shape has it."""
    shape = f.shape
    fits = isinstance(shape, simd_windows.WindowShape) and (shape.rows, shape.taps) == (f.R, f.KW)
    need(f, fits, f"shape must be a WindowShape of {f.R} rows and {f.KW} taps, got {shape}")
    need(f, min(f.step, f.apart, f.high) > 0, "its numbers must be positive")
    need(f, -(-f.O // f.R) == f.P, f"w must have {-(-f.O // f.R)} panels of {f.O} channels")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    if shape.width is None:
        last = (f.OW - 1) * shape.step + (shape.taps - 1) * shape.apart
        inside = shape.base == 0 and last < f.W and f.OW % shape.columns == 0
    else:
        inside = (shape.columns, shape.width) == (f.OW, f.W)
    need(f, inside, f"shape must be for rows of {f.W} and of {f.OW} pixels, got {shape}")
    size = f.ZH * f.high, f.ZW * shape.pool
    need(f, size == (f.OH, f.OW), f"means must be of {f.OH} x {f.OW} results, got of {size}")


@task(
    plan=Unrolled, x="B C H W 16", w="P C KH KW R", bias="biases", y="B O OH OW 16",
    means="B O ZH ZW 16", items="B ZH", also=_windows, empty="B",
)  # fmt: skip
def unrolled_row(plan, x, w, bias, y, means, k):
    """Row i of the means of block b and the rows of results that it is of, k = b * ZH + i.

    x (B, C, H, W, 16), w (P, C, KH, KW, R), bias (O,) or (1,) -> y (B, O, OH, OW, 16) and, if the
    shape has a pool, means (B, O, ZH, ZW, 16), which may else be y.
    """
    shape, top, step, apart, high, share = plan
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = y.shape
    panels, _, kh, kw, rows = w.shape
    means_height, means_width = means.shape[2], means.shape[3]
    columns, wide, right = simd.columns(shape), simd_windows.pool(shape), simd_windows.step(shape)
    b, i = k // means_height, k % means_height
    bias_step, down = 1 if bias.shape[0] == outputs else 0, out_height * out_width * LANES
    for p in range(panels):
        count = min(rows, outputs - p * rows)
        for t in range(0, out_width, columns):
            sums = simd_windows.no_sums(shape)
            for o in range(i * high, (i + 1) * high):
                first = top + o * step
                first_u = max(0, -(first // apart))
                last_u = min(kh, -((first - height) // apart))
                acc = simd.from_rows(shape, bias, p * rows * bias_step, bias_step, count - 1)
                for c in range(channels):
                    at = ((p * channels + c) * kh + first_u) * kw * rows
                    start = ((b * channels + c) * height + first + first_u * apart) * width
                    start = (start + t * right) * LANES
                    for _ in range(first_u, last_u):
                        acc = simd_windows.add_windows(shape, acc, w, at, x, start)
                        at += kw * rows
                        start += apart * width * LANES
                acc = simd_windows.activated(shape, acc)
                place = (((b * outputs + p * rows) * out_height + o) * out_width + t) * LANES
                simd.store_tile(acc, y, place, down, LANES, count, columns)
                sums = simd_windows.add_neighbours(shape, sums, acc)
            if wide > 1:
                sums = simd_windows.scaled(sums, np.float32(share))
                place = ((b * outputs + p * rows) * means_height + i) * means_width + t // wide
                below = means_height * means_width * LANES
                simd.store_tile(sums, means, place * LANES, below, LANES, count, columns // wide)
