"""Sums over windows in lanes: a convolution's forward pass, and its gradient by the input.

Both are one loop over windows with another plan: an axis of the result is walked in `phases` (one
forward, as many as the stride backward), within which result t reads its taps at base + t * step,
base + t * step + apart, and so on. So a strided convolution's gradient is computed at its own
resolution. A tile of rows x columns = channels x pixels of the result stays in registers while the
window and the channels are walked: im2col without columns.

Of G groups of channels, each is taken as a block of its own: block b of the kernels is group b % G
of block b // G of images, which lies in memory like that already.

Source: Dumoulin and Visin (2016), arXiv:1603.07285, section 4, for the transposed window.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from npnet.base.arrays import Array
from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["Correlation", "correlate_row", "pack_panel"]


class Correlation(NamedTuple):
    """How the windows of a convolution, or of its gradient by the input, are walked.

    Attributes:
        shape: the tile of channels x pixels that stays in registers.
        rows, columns: of each phase along the axis: the first tap, how many taps, and the base.
        row_step, column_step: from one result of a phase to the next, in what is read.
        row_apart, column_apart: from tap to tap there.
        groups: of channels.
        adds: whether the residual is added.
        relu: whether negative results become 0.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[Array, "RP 3: int64 table"]
    columns: Annotated[Array, "CP 3: int64 table"]
    row_step: Annotated[int, "int"]
    column_step: Annotated[int, "int"]
    row_apart: Annotated[int, "int"]
    column_apart: Annotated[int, "int"]
    groups: Annotated[int, "int"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]


def _channels(f: Facts) -> None:
    need(f, f.groups > 0 and f.A % f.groups == 0, f"groups must divide {f.A}, got {f.groups}")
    channels, outputs = (f.A // f.groups, f.B) if f.transposed else (f.B, f.A // f.groups)
    need(f, channels == f.C, f"weight must have {f.C} channels, as panels have, got {channels}")
    count = f.groups * -(-outputs // f.R)
    need(f, count == f.P, f"panels must be {count}, as {f.groups} groups have, got {f.P}")


@task(
    weight="A B KH KW", transposed="flag", groups="int", panels="P C KH KW R", items="P",
    also=_channels,
)  # fmt: skip
def pack_panel(weight, transposed, groups, panels, p):
    """Panel `p` of (P, C, KH, KW, R): weights that a tile multiplies by are side by side.

    From (groups * O, C, KH, KW), or transposed from (groups * C, O, KH, KW) with the taps numbered
    from the last; rows after the last output channel of a group are zero.
    """
    _, channels, kh, kw, rows = panels.shape
    outputs = weight.shape[1] if transposed else weight.shape[0] // groups
    of_group = panels.shape[0] // groups
    group, p_of_group = p // of_group, p % of_group
    for c in range(channels):
        for u in range(kh):
            for v in range(kw):
                for r in range(rows):
                    o = p_of_group * rows + r
                    if o >= outputs:
                        panels[p, c, u, v, r] = 0
                    elif transposed:
                        k = group * channels + c
                        panels[p, c, u, v, r] = weight[k, o, kh - 1 - u, kw - 1 - v]
                    else:
                        panels[p, c, u, v, r] = weight[group * outputs + o, c, u, v]


@kernel
def prefetch_rows(x, start, down, rows, length):
    """Begin to fetch `rows` runs of `length` floats, `down` apart."""
    for at in range(start, start + rows * down, down):
        for i in range(at, at + length, LANES):
            simd.prefetch(x, i)


def _taps(f: Facts) -> None:
    """Panels have the outputs' rows, and the plans name taps of the window."""
    need(f, f.shape.rows == f.R, f"w must have {f.shape.rows} rows in a panel, got {f.R}")
    numbers = f.row_step, f.column_step, f.row_apart, f.column_apart, f.groups
    need(f, min(numbers) > 0, "its numbers must be positive")
    need(f, f.B % f.groups == 0, f"x must have {f.groups} groups of each block, got {f.B} in all")
    panels, outputs = f.groups * -(-f.O // f.R), f.groups * f.O
    need(f, panels == f.P, f"w must have {panels} panels of {f.O} channels, got {f.P}")
    need(f, f.biases in (1, outputs), f"bias must have 1 number or {outputs}, got {f.biases}")
    for name, plan, taps in (("rows", f.rows, f.KH), ("columns", f.columns, f.KW)):
        first, count, _ = plan.T
        last = first + (count - 1) * len(plan)
        inside = ((count == 0) | ((first >= 0) & (last < taps))).all() and (count >= 0).all()
        need(f, bool(inside), f"{name} must name taps of a window of {taps}")


@task(
    plan=Correlation, x="B C H W 16", w="P C KH KW R", bias="biases", residual="B O OH OW 16",
    y="B O OH OW 16", items="B OH", also=_taps, empty="B",
)  # fmt: skip
def correlate_row(plan, x, w, bias, residual, y, k):
    """Row o of block b of the result, k = b * OH + o. Zeros around are left out, not multiplied.

    x (B, C, H, W, 16), w (P, C, KH, KW, R), bias (groups * O,) or (1,)
        -> y and, if it `adds` it, residual (B, O, OH, OW, 16), B counting groups of blocks.
    """
    shape, row_plan, column_plan, row_step, column_step, down_apart, apart_right, _, _, _ = plan
    groups, adds, relu = plan.groups, plan.adds, plan.relu
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = y.shape
    b, o = k // out_height, k % out_height
    of_group = w.shape[0] // groups
    group = b % groups if groups > 1 else 0
    kh, kw, rows, columns = w.shape[2], w.shape[3], simd.rows(shape), simd.columns(shape)
    phases, column_phases = row_plan.shape[0], column_plan.shape[0]
    row_tap, row_taps, row_base = row_plan[o % phases]
    top = row_base + o // phases * row_step
    first_u, last_u = max(0, -top), min(row_taps, height - top)
    if down_apart > 1:
        first_u = max(0, -(top // down_apart))
        last_u = min(row_taps, -((top - height) // down_apart))
    bias_step = 1 if bias.shape[0] == outputs * groups else 0
    right, next_tap = column_step * LANES, rows * column_phases
    down, apart = out_height * out_width * LANES, column_phases * LANES
    reach = apart_right * LANES
    for q in range(of_group):
        p, last = group * of_group + q, min(rows, outputs - q * rows) - 1
        for phase in range(column_phases):
            tap, taps, base = column_plan[phase]
            count = (out_width - phase + column_phases - 1) // column_phases
            for t in range(0, count, columns):
                left = base + t * column_step  # where the first pixel's window begins
                farthest = left + (columns - 1) * column_step  # and the last pixel's
                first_v, last_v = max(0, -farthest), min(taps, width - left)
                if apart_right > 1:  # which of them are inside is asked for each
                    first_v, last_v = 0, taps
                inside = left >= 0 and farthest + (taps - 1) * apart_right < width
                if adds:
                    place = (b * outputs + q * rows) * out_height + o
                    place = (place * out_width + phase + t * column_phases) * LANES
                    prefetch_rows(residual, place, down, last + 1, columns * apart)
                numbers = (group * outputs + q * rows) * bias_step
                acc = simd.from_rows(shape, bias, numbers, bias_step, last)
                if inside and taps == 1 and last_u - first_u == 1:  # the loop is over channels
                    at = ((p * channels * kh + row_tap + first_u * phases) * kw + tap) * rows
                    start = (b * channels * height + top + first_u * down_apart) * width + left
                    start *= LANES
                    for _ in range(channels):
                        acc = simd.add_products(acc, w, at, x, start, right)
                        at += kh * kw * rows
                        start += height * width * LANES
                else:
                    for c in range(channels):
                        for u in range(first_u, last_u):
                            at = (p * channels + c) * kh + row_tap + u * phases
                            at = (at * kw + tap + first_v * column_phases) * rows
                            start = ((b * channels + c) * height + top + u * down_apart) * width
                            start = (start + left + first_v * apart_right) * LANES
                            if inside:
                                for _ in range(first_v, last_v):
                                    acc = simd.add_products(acc, w, at, x, start, right)
                                    at += next_tap
                                    start += reach
                            else:
                                column = left + first_v * apart_right
                                for _ in range(first_v, last_v):
                                    acc = simd.add_products_inside(
                                        acc, w, at, x, start, right, column, column_step, width
                                    )
                                    at += next_tap
                                    start += reach
                                    column += apart_right
                place = (b * outputs + q * rows) * out_height + o
                place = (place * out_width + phase + t * column_phases) * LANES
                if adds:
                    acc = simd.add_tile(acc, residual, place, down, apart, last + 1, count - t)
                if relu:
                    acc = simd.rectified(acc)
                simd.store_tile(acc, y, place, down, apart, last + 1, count - t)
