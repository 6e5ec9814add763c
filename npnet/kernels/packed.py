"""Sums over windows in lanes, with the pixels that windows read packed side by side.

As `correlate` computes them, for many outputs: what the windows of a few pixels read at a run of
channels is copied into the nearest cache and multiplied there by the weights of all outputs. So no
two pixels push each other out of the cache, as planes do that are a power of two apart; edges are
zeros like others; weights come by in order from the second cache; and tiles of pixels go on from
row to row. A copied vector is worth its way where there are outputs enough.
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

__all__ = ["Order", "Packed", "correlate_part", "pack_weights"]


# ---- weights -----------------------------------------------------------------------------------


class Order(NamedTuple):
    """In which order weights come by.

    Attributes:
        shape: the tile whose rows are outputs.
        rows, columns: of each phase along the axis: its first tap in the table of taps, and how
            many it has.
        row_taps, column_taps: two numbers of taps of the window, whose weights are added; the same
            twice for one alone.
        terms: taps x channels that are together, but one channel at least.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[Array, "RP 2: int64 table"]
    columns: Annotated[Array, "CP 2: int64 table"]
    row_taps: Annotated[Array, "RT 2: int64 table"]
    column_taps: Annotated[Array, "CT 2: int64 table"]
    terms: Annotated[int, "int"]

    def weights(self, outputs: int, channels: int) -> int:
        """How many numbers packed weights are."""
        rows, taps = int(self.shape.rows), int(self.rows[:, 1].sum() * self.columns[:, 1].sum())
        return -(-outputs // rows) * rows * taps * channels


def _weights(f: Facts) -> None:
    need(f, f.terms > 0, "its numbers must be positive")
    need(f, LANES % f.shape.rows == 0, f"a tile's rows must be a part of {LANES}")
    axes = ((f.rows, f.row_taps, f.KH), (f.columns, f.column_taps, f.KW))
    for phases, taps, size in axes:
        first, count = phases.T
        inside = ((first >= 0) & (count >= 0) & (first + count <= len(taps))).all()
        inside &= ((taps >= 0) & (taps < size)).all()
        need(f, bool(inside), f"phases must have taps of a window of {size}")
    outputs, channels = (f.B, f.A) if f.transposed else (f.A, f.B)
    count, room = f.order.weights(outputs, channels), channels * f.KH * f.KW + LANES
    need(f, count == f.L, f"packed must have {count} numbers, got {f.L}")
    need(f, room <= f.T, f"tmp must have {room} vectors for each thread, got {f.T}")


@task(
    order=Order, weight="A B KH KW", transposed="flag", tmp="S T 16", packed="L",
    items=lambda f: -(-(f.B if f.transposed else f.A) // LANES), also=_weights, empty="L",
)  # fmt: skip
def pack_weights(order, weight, transposed, tmp, packed, g):
    """Sixteen outputs' panels, g, of the panels of each phase and each run of its channels.

    Each is (taps, channels, rows of a tile), from (O, C, KH, KW), or transposed (C, O, KH, KW);
    rows after the last output are zero.
    """
    shape, row_phases, column_phases, row_taps, column_taps, terms = order
    kw, rows, tile = weight.shape[3], simd.rows(shape), np.intp(numba.get_thread_id())
    all_taps = weight.shape[2] * kw
    outputs, channels = weight.shape[0], weight.shape[1]
    if transposed:
        outputs, channels = channels, outputs
    panels, first = (outputs + rows - 1) // rows, g * (LANES // rows)
    turn_weights(weight, transposed, g * LANES, tmp, tile)
    start = 0
    for phase in range(len(row_phases) * len(column_phases)):
        first_u, down = row_phases[phase // len(column_phases)]
        first_v, across = column_phases[phase % len(column_phases)]
        taps = down * across
        run = channels_at_once(terms, taps, channels)
        for c in range(0, channels, run):
            some = min(run, channels - c)
            apart = taps * some * rows
            to = start + first * apart
            for tap in range(taps):
                s, t = first_u + tap // across, first_v + tap % across
                u, v = row_taps[s, 0], column_taps[t, 0]
                low, far = (row_taps[s, 1] - u) * kw * LANES, (column_taps[t, 1] - v) * LANES
                at = (tile * tmp.shape[1] + c * all_taps + u * kw + v) * LANES
                for _ in range(some):  # no call in here: each counts references to the arrays
                    value = simd.load_or_zero(tmp, at + low, low != 0)
                    other = simd.load_or_zero(tmp, at + far, far != 0)
                    both = simd.load_or_zero(tmp, at + low + far, low != 0 and far != 0)
                    value = simd.add(simd.add(simd.load(tmp, at), value), simd.add(other, both))
                    simd.store_pieces(shape, packed, to, apart, value, panels - first)
                    at += all_taps * LANES
                    to += rows
            start += panels * apart


@kernel
def turn_weights(weight, transposed, o, tmp, tile):
    """tmp[tile] (channels * KH * KW, 16): of sixteen outputs from `o` on, zeros after the last."""
    taps, flat = weight.shape[2] * weight.shape[3], weight.reshape(weight.size)
    outputs, channels, down, right = weight.shape[0], weight.shape[1], weight.shape[1] * taps, taps
    if transposed:
        outputs, channels, down, right = channels, outputs, right, down
    length = taps if transposed else channels * taps  # of numbers of an output that are together
    for c in range(0, channels, length // taps):
        for f in range(0, length, LANES):
            at, to = o * down + c * right + f, c * taps + f
            # what is turned is wider than `length`: the rest is written over, or never read
            if o + LANES <= outputs and at + (LANES - 1) * down + LANES <= weight.size:
                to = (tile * tmp.shape[1] + to) * LANES
                simd.transpose(weight, at, down, tmp, to, LANES)
                continue
            for i in range(min(LANES, length - f)):
                for lane in range(LANES):
                    is_there = o + lane < outputs
                    tmp[tile, to + i, lane] = flat[at + i + lane * down] if is_there else 0


@kernel
def channels_at_once(terms, taps, channels):
    """In runs of how many the channels are taken, by a phase with so many taps."""
    most = max(1, terms // max(1, taps))
    runs = (channels + most - 1) // most if taps > 0 else 1
    return (channels + runs - 1) // runs


# ---- pixels ------------------------------------------------------------------------------------


class Packed(NamedTuple):
    """How the windows of a convolution, or of its gradient by the input, are walked.

    Attributes:
        shape: the tile of outputs x pixels that stays in registers, of two pixels at most.
        rows, columns: of each phase along the axis: how many taps, and the base, see `correlate`.
        row_step, column_step: from one result of a phase to the next, in what is read.
        terms: taps x channels of a pixel that are packed at a time, but one channel at least.
        parts: of a block, which have as many pixels of each phase.
        adds: whether the residual is added.
        relu: whether negative results become 0.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[Array, "RP 2: int64 table"]
    columns: Annotated[Array, "CP 2: int64 table"]
    row_step: Annotated[int, "int"]
    column_step: Annotated[int, "int"]
    terms: Annotated[int, "int"]
    parts: Annotated[int, "int"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]

    @property
    def near(self) -> int:
        """How many numbers are packed at a time."""
        taps = int(self.rows[:, 0].max() * self.columns[:, 0].max())
        return max(taps, self.terms) * int(self.shape.columns) * LANES


def _parts(f: Facts) -> None:
    """There are weights for all taps, and room for what is packed at a time."""
    need(f, min(f.row_step, f.column_step, f.terms, f.parts) > 0, "its numbers must be positive")
    need(f, f.shape.columns <= 2, f"a tile must have 2 pixels at most, got {f.shape.columns}")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    taps, rows = (f.rows[:, 0], f.columns[:, 0]), f.shape.rows
    need(f, min(map(np.min, taps)) >= 0, "phases must have no taps or more")
    count = -(-f.O // rows) * rows * f.C * int(taps[0].sum() * taps[1].sum())
    need(f, count == f.L, f"w must have {count} numbers, got {f.L}")
    need(f, f.plan.near <= f.N, f"near must have {f.plan.near} numbers, got {f.N}")


@task(
    plan=Packed, x="B C H W 16", w="L", bias="biases", residual="B O OH OW 16",
    y="B O OH OW 16", near="S N", items=lambda f: f.B * f.parts, also=_parts, empty="B L",
)  # fmt: skip
def correlate_part(plan, x, w, bias, residual, y, near, k):
    """Part k % parts of block k // parts of the result, some pixels of each phase.

    x (B, C, H, W, 16), packed w, bias (O,) or (1,)
        -> y and, if it `adds` it, residual (B, O, OH, OW, 16).
    """
    shape, row_phases, column_phases, row_step, column_step, terms, parts, adds, relu = plan
    channels = x.shape[1]
    _, outputs, height, width, _ = y.shape
    rows, columns, b, part = simd.rows(shape), simd.columns(shape), k // parts, k % parts
    down, right = len(row_phases), len(column_phases)
    own, at_w = np.intp(numba.get_thread_id()) * near.shape[1], 0
    for phase in range(down * right):
        top, left = phase // right, phase % right
        (row_taps, row_base), (column_taps, column_base) = row_phases[top], column_phases[left]
        taps, across = row_taps * column_taps, (width - left + right - 1) // right
        pixels = (height - top + down - 1) // down * across
        tiles = (pixels + columns - 1) // columns
        run = channels_at_once(terms, taps, channels)
        for c in range(0, channels, run):
            some, ends = min(run, channels - c), (c == 0, c + run >= channels, adds, relu)
            for t in range(part * tiles // parts, (part + 1) * tiles // parts):
                q = t * columns
                last = min(q + columns, pixels) - 1
                i, j, m, n = q // across, q % across, last // across, last % across
                places = (
                    row_base + i * row_step, column_base + j * column_step,
                    row_base + m * row_step, column_base + n * column_step,
                )  # fmt: skip
                step = columns * LANES
                pack_pixels(x, (b, c, some), places, row_taps, column_taps, near, own, step)
                place = (b * outputs * height + top + i * down) * width + left + j * right
                apart = (m - i) * down * width + (n - j) * right
                multiply_panels(
                    shape, near, own, taps * some, w, at_w, bias, residual, y,
                    (place * LANES, apart * LANES, last - q + 1), ends,
                )  # fmt: skip
            at_w += (outputs + rows - 1) // rows * rows * taps * some


@kernel
def pack_pixels(x, run, places, row_taps, column_taps, near, own, step):
    """What the windows of two pixels read of block b at channels c to c + some, zeros outside.

    Into (taps, channels, pixels of a tile, 16) of near; the windows begin at the given places.
    """
    (b, c, some), (top, left, low, far) = run, places
    _, channels, height, width, _ = x.shape
    plane, corner = height * width * LANES, (b * channels + c) * height
    to = own
    for u in range(row_taps):
        for v in range(column_taps):
            at = ((corner + top + u) * width + left + v) * LANES
            other = ((corner + low + u) * width + far + v) * LANES
            inside = 0 <= top + u < height and 0 <= left + v < width
            other_is = 0 <= low + u < height and 0 <= far + v < width
            if step == LANES:
                for _ in range(some):
                    simd.store(near, to, simd.load_or_zero(x, at, inside))
                    at += plane
                    to += LANES
            elif inside and other_is:
                for _ in range(some):
                    simd.store(near, to, simd.load(x, at))
                    simd.store(near, to + LANES, simd.load(x, other))
                    at += plane
                    other += plane
                    to += 2 * LANES
            else:
                for _ in range(some):
                    simd.store(near, to, simd.load_or_zero(x, at, inside))
                    simd.store(near, to + LANES, simd.load_or_zero(x, other, other_is))
                    at += plane
                    other += plane
                    to += 2 * LANES


@kernel
def multiply_panels(shape, near, own, terms, w, at, bias, residual, y, pixels, ends):
    """A tile's pixels of y, of all outputs: the bias and the first terms, or further ones added."""
    rows, right_step = simd.rows(shape), simd.columns(shape) * LANES
    _, outputs, height, width, _ = y.shape
    (place, apart, count), (is_first, is_last, adds, relu) = pixels, ends
    down = height * width * LANES
    bias_step = 1 if bias.shape[0] == outputs else 0
    for o in range(0, outputs, rows):
        last = min(rows, outputs - o) - 1
        simd.prefetch_tile(shape, y, place, down, apart)
        acc = simd.zeros(shape)
        if is_first:
            acc = simd.from_rows(shape, bias, o * bias_step, bias_step, last)
        start = own
        for _ in range(terms):
            acc = simd.add_products(acc, w, at, near, start, LANES)
            at += rows
            start += right_step
        if not is_first:
            acc = simd.add_tile(acc, y, place, down, apart, last + 1, count)
        if is_last:
            if adds:
                acc = simd.add_tile(acc, residual, place, down, apart, last + 1, count)
            if relu:
                acc = simd.rectified(acc)
        simd.store_tile(acc, y, place, down, apart, last + 1, count)
        place += rows * down
