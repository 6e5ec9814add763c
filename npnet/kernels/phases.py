"""3x3 convolution of stride 2 by its phases, in lanes.

Of three taps a, b, c along an axis, b sees the odd pixels alone, and a and c the even ones, as two
taps of stride 1 do. For two results in a row these are Winograd's F(2, 2): three multiplications
instead of four, with b's two five instead of six, and along both axes 25 instead of 36:

    y0 = a x0 + b x1 + c x2 = (a + c) x2 + [a (x0 - x2) + b x1]
    y1 = a x2 + b x3 + c x4 = (a + c) x2 + [c (x4 - x2) + b x3]

The gradient by the input has as many phases of its result, one with b and one with a and c:

    gx_0 = c g0 + a g1 = (a + c) g1 + c (g0 - g1),    gx_2 = c g1 + a g2 = (a + c) g1 + a (g2 - g1)

So both have the same five `classes` of what is read along an axis: a middle, what is before and
behind it less the middle, and two others. No result sees a pixel outside of its window, and errors
are at most twice a direct convolution's; but infinity may become NaN.

Source: Liu and Mattina (2020), arXiv:2002.00552, for the phases; Lavin and Gray (2016),
arXiv:1509.09308, for F(2, 2).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["Phases", "correlate_tiles"]

CLASSES = 5  # along an axis: middle, before, behind, and two others
PHASES = 4  # of weights: a + c, two of a and c, and b for both of the others

# The columns of a table of passes, each of which makes a sum for one result of a tile, or two:
OPENS, CLOSES = 0, 1  # whether it is the first, and the last, that adds to its results
CLASS, OTHER = 2, 3  # what it reads: a class, and another or -1
FIRST, SECOND = 4, 5  # to which results it adds, of a tile at 0; the same twice for one alone


class Phases(NamedTuple):
    """How tiles of two by two windows are walked.

    Attributes:
        shape: the tile of outputs x windows that stays in registers, of two windows at most.
        rows, columns: the passes along the axis.
        row_places, column_places: where a tile at 0 reads what its five classes are made of.
        step: from tile to tile, in what is read.
        apart: from tile to tile, in the result.
        down, across: how many tiles there are.
        channels: whose pixels are transformed at a time, of as many tiles as `shape` has windows.
        parts: of a block.
        adds: whether the residual is added.
        relu: whether negative results become 0.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[Array, "RP 6: int64 table"]
    columns: Annotated[Array, "CP 6: int64 table"]
    row_places: Annotated[Array, "5: int64 table"]
    column_places: Annotated[Array, "5: int64 table"]
    step: Annotated[int, "int"]
    apart: Annotated[int, "int"]
    down: Annotated[int, "int"]
    across: Annotated[int, "int"]
    channels: Annotated[int, "int"]
    parts: Annotated[int, "int"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]

    @property
    def near(self) -> int:
        """How many numbers are transformed at a time."""
        return CLASSES * CLASSES * self.channels * int(self.shape.columns) * LANES


def _tiles(f: Facts) -> None:
    """There are weights for all phases, and room for what is transformed at a time."""
    numbers = f.step, f.apart, f.down, f.across, f.channels, f.parts
    need(f, min(numbers) > 0, "its numbers must be positive")
    columns, rows = f.shape.columns, f.shape.rows
    need(f, columns <= 2, f"a tile must have 2 windows at most, got {columns}")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    for passes in (f.rows, f.columns):
        classes, results = passes[:, CLASS : OTHER + 1], passes[:, FIRST:]
        inside = (classes >= [0, -1]) & (classes < CLASSES)
        need(f, bool(inside.all() and (results >= 0).all()), "passes must be of five classes")
    count = PHASES * PHASES * -(-f.O // rows) * rows * f.C
    need(f, count == f.L, f"w must have {count} numbers, got {f.L}")
    need(f, f.plan.near <= f.N, f"near must have {f.plan.near} numbers, got {f.N}")
    items = f.B * f.parts
    need(f, items == f.M, f"spoiled must have {items} numbers, got {f.M}")


@task(
    plan=Phases, x="B C H W 16", w="L", bias="biases", residual="B O OH OW 16",
    y="B O OH OW 16", near="S N", spoiled="M: bool", items="M", also=_tiles, empty="B M",
)  # fmt: skip
def correlate_tiles(plan, x, w, bias, residual, y, near, spoiled, k):
    """Part k % parts of block k // parts of the result, and whether some of it is not finite.

    x (B, C, H, W, 16), packed w, bias (O,) or (1,)
        -> y and, if it `adds` it, residual (B, O, OH, OW, 16).
    """
    shape, row_passes, column_passes, row_places, column_places = plan[:5]
    step, apart, down, across, run, parts, adds, relu = plan[5:]
    channels, b, part = x.shape[1], k // parts, k % parts
    columns = simd.columns(shape)
    own, bad = np.intp(numba.get_thread_id()) * near.shape[1], simd.splat(np.float32(0))
    begin, end = part * (down * across) // parts, (part + 1) * (down * across) // parts
    for c in range(0, channels, run):
        some = min(run, channels - c)
        opens, closes = c == 0, c + run >= channels
        of_class = some * columns * LANES
        for q in range(begin, end, columns):
            last = min(q + columns, end) - 1  # which is q, if that is left over
            i, j, m, n = q // across, q % across, last // across, last % across
            corner, other = (i * step, j * step), (m * step, n * step)
            places_at = row_places, column_places
            transform(x, (b, c, some), corner, places_at, near, own, of_class, columns * LANES)
            if columns > 1:
                transform(x, (b, c, some), other, places_at, near, own + LANES, of_class, 2 * LANES)
            pixels = i * apart, j * apart, m * apart, n * apart
            for a in range(len(row_passes)):
                for e in range(len(column_passes)):
                    row, column = passed(row_passes, a), passed(column_passes, e)
                    ends = (
                        opens and row[OPENS] * column[OPENS] > 0,
                        closes and row[CLOSES] * column[CLOSES] > 0,
                        adds, relu,
                    )  # fmt: skip
                    bad = multiply_classes(
                        shape, near, own, of_class, (b, c, some, channels), w, bias, residual, y,
                        row, column, pixels, ends, bad,
                    )  # fmt: skip
    spoiled[k] = simd.total(bad, LANES) != 0


@kernel
def passed(table, i):
    """A row of a table of passes."""
    return table[i, 0], table[i, 1], table[i, 2], table[i, 3], table[i, 4], table[i, 5]


@kernel
def transform(x, run, corner, places_at, near, to, of_class, step):
    """The 5x5 classes of what a tile reads of block b at channels c to c + some, zeros outside.

    Into vectors `step` apart from channel to channel, and `of_class` from class to class.
    """
    (b, c, some), (top, left), (row_places, column_places) = run, corner, places_at
    _, channels, height, width, _ = x.shape
    start, plane = (b * channels + c) * height * width * LANES, height * width * LANES
    v0, v1, v2 = left + column_places[0], left + column_places[1], left + column_places[2]
    v3, v4 = left + column_places[3], left + column_places[4]
    in0, in1, in2 = 0 <= v0 < width, 0 <= v1 < width, 0 <= v2 < width
    in3, in4 = 0 <= v3 < width, 0 <= v4 < width
    v0, v1, v2, v3, v4 = v0 * LANES, v1 * LANES, v2 * LANES, v3 * LANES, v4 * LANES
    u0 = top + row_places[0]
    is_middle, middle = 0 <= u0 < height, start + u0 * width * LANES
    for a in range(CLASSES):
        u = top + row_places[a]
        is_there, at, mid = 0 <= u < height, start + u * width * LANES, middle
        less = is_middle and 1 <= a <= 2
        place = to + a * CLASSES * of_class
        for _ in range(some):
            x0 = simd.load_or_zero(x, at + v0, is_there and in0)
            x1 = simd.load_or_zero(x, at + v1, is_there and in1)
            x2 = simd.load_or_zero(x, at + v2, is_there and in2)
            x3 = simd.load_or_zero(x, at + v3, is_there and in3)
            x4 = simd.load_or_zero(x, at + v4, is_there and in4)
            if less:
                x0 = simd.sub(x0, simd.load_or_zero(x, mid + v0, in0))
                x1 = simd.sub(x1, simd.load_or_zero(x, mid + v1, in1))
                x2 = simd.sub(x2, simd.load_or_zero(x, mid + v2, in2))
                x3 = simd.sub(x3, simd.load_or_zero(x, mid + v3, in3))
                x4 = simd.sub(x4, simd.load_or_zero(x, mid + v4, in4))
            simd.store(near, place, x0)
            simd.store(near, place + of_class, simd.sub(x1, x0))
            simd.store(near, place + 2 * of_class, simd.sub(x2, x0))
            simd.store(near, place + 3 * of_class, x3)
            simd.store(near, place + 4 * of_class, x4)
            at += plane
            mid += plane
            place += step


@kernel
def multiply_classes(
    shape, near, start, of_class, run, w, bias, residual, y, row, column, pixels, ends, bad
):
    """Two tiles' sums of a pass, of all outputs, are added to those of y that they are for.

    The first ones are added to the bias; the last ones are what becomes y, with all that is done
    to it. Returns `bad`, plus NaN where sums are not finite.
    """
    rows, right_step = simd.rows(shape), simd.columns(shape) * LANES
    _, outputs, height, width, _ = y.shape
    (b, c, some, channels), (opens, closes, adds, relu) = run, ends
    panels, down = (outputs + rows - 1) // rows, height * width * LANES
    bias_step = 1 if bias.shape[0] == outputs else 0
    many_i, many_j = 1 + (row[FIRST] != row[SECOND]), 1 + (column[FIRST] != column[SECOND])
    many_s, many_t = 1 + (row[OTHER] >= 0), 1 + (column[OTHER] >= 0)
    if places(height, width, row[FIRST], column[FIRST], pixels)[2] == 0:
        return bad  # the others are farther
    for p in range(panels):
        o = p * rows
        last, corner = min(rows, outputs - o) - 1, (b * outputs + o) * down
        for i in range(many_i):
            for j in range(many_j):
                place, apart, _ = places(height, width, row[FIRST + i], column[FIRST + j], pixels)
                simd.prefetch_tile(shape, y, corner + place, down, apart)
        acc = simd.zeros(shape)
        if opens:
            acc = simd.from_rows(shape, bias, o * bias_step, bias_step, last)
        for s in range(many_s):
            for t in range(many_t):
                class_s, class_t = row[CLASS + s], column[CLASS + t]
                phase = min(class_s, PHASES - 1) * PHASES + min(class_t, PHASES - 1)
                at = ((phase * channels + c) * panels + p * some) * rows
                place = start + (class_s * CLASSES + class_t) * of_class
                for _ in range(some):
                    acc = simd.add_products(acc, w, at, near, place, LANES)
                    at += rows
                    place += right_step
        for i in range(many_i):
            for j in range(many_j):
                place, apart, count = places(
                    height, width, row[FIRST + i], column[FIRST + j], pixels
                )
                if count == 0:
                    continue
                place += corner
                value = acc
                if not opens:
                    value = simd.add_tile(value, y, place, down, apart, last + 1, count)
                if closes:
                    bad = simd.add(bad, simd.spoiled(value))
                    if adds:
                        value = simd.add_tile(value, residual, place, down, apart, last + 1, count)
                    if relu:
                        value = simd.rectified(value)
                simd.store_tile(value, y, place, down, apart, last + 1, count)
    return bad


@kernel
def places(height, width, i, j, pixels):
    """Where two tiles' results (i, j) lie in a plane, in floats, and how many of them do.

    Where only the other tile's does, it is taken for both, and the one that is stored last remains.
    """
    top, left, low, far = i + pixels[0], j + pixels[1], i + pixels[2], j + pixels[3]
    is_there, other_is = top < height and left < width, low < height and far < width
    other_is = other_is and (low != top or far != left)
    place, other = top * width + left, low * width + far
    if not is_there:
        place = other
    if not other_is:
        other = place
    count = 2 if other_is else 1 if is_there else 0
    return place * LANES, (other - place) * LANES, count
