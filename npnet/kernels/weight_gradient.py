"""The gradient of a convolution by its weight, in lanes: two ways, and the bias's.

By channels: pixels are turned so that sixteen channels are the lanes. Then each tap is a product of
matrices, (O, pixels * images) by (pixels * images, C), and nothing is added up over lanes. By
lanes: for few channels, a tile holds channels x taps with sixteen images each, and adds its lanes
up at the end.

Both go through all taps and outputs for a few pixels, which stay in the cache meanwhile, and then
take the next ones. Both add up these few pixels, then their sums in a chunk, and then the chunks,
in their order; how many there are follows from shapes alone, so that any number of threads gives
the same bits. No sum has more than some thousand terms, whatever the batch.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.simd import LANES

__all__ = [
    "ByChannels",
    "ByLanes",
    "add_chunks",
    "bias_chunk",
    "channels_chunk",
    "lanes_block",
    "lanes_chunk",
]

BIAS_PIXELS = 1024  # that a bias's gradient adds up in float32
OUTPUTS_AT_ONCE = 8  # whose chunks are added up


class Part(NamedTuple):
    """Of a block's gradients gy: `rows` x `columns` pixels from (i, j) on, of so many images."""

    block: int | np.intp
    images: int
    i: int
    j: int
    rows: int
    columns: int


# ---- by channels -------------------------------------------------------------------------------


class ByChannels(NamedTuple):
    """How sixteen channels become the lanes.

    Attributes:
        shape: the tile of outputs x channels that stays in registers.
        top, left: zeros before the first pixel.
        kh, kw, sh, sw: the windows and their strides.
        rows, columns: of gy, at most, whose windows are turned at a time.
        parts: in how many the tiles of a chunk are shared out among threads.
    """

    shape: Annotated[Any, "tile"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    kh: Annotated[int, "int"]
    kw: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]
    rows: Annotated[int, "int"]
    columns: Annotated[int, "int"]
    parts: Annotated[int, "int"]

    @property
    def across(self) -> int:
        """Channels of a tile."""
        return int(self.shape.columns) * LANES

    @property
    def turned(self) -> tuple[int, ...]:
        """What `turn` fills: (rows modulo SH, rows, columns modulo SW, columns, 16, channels)."""
        return (
            min(self.kh, self.sh), self.rows + (self.kh - 1) // self.sh,
            min(self.kw, self.sw), self.columns + (self.kw - 1) // self.sw, LANES, self.across,
        )  # fmt: skip


def _turned(f: Facts) -> None:
    """There is room for the pixels that windows read, for all taps and for all channels."""
    numbers = f.kh, f.kw, f.sh, f.sw, f.rows, f.columns, f.parts
    need(f, min(numbers) > 0, "its numbers must be positive")
    images_of_blocks(f)
    room = f.plan.turned
    need(f, f.turned.shape[1:] == room, f"turned must be {room} for each thread")
    need(f, f.kh * f.kw == f.T, f"gw must have {f.kh * f.kw} taps, got {f.T}")
    need(f, f.TC == -(-f.C // f.A), f"gw must have tiles of {f.C} channels, got {f.TC}")
    need(f, f.parts <= f.TC, f"it has {f.TC} tiles, which are fewer than {f.parts} parts")


@task(
    plan=ByChannels, x="B C H W 16", gy="B O OH OW 16", n="int", turned="S RP RN CP CN 16 A",
    gw="K TC T O A", gb="K O", items=lambda f: f.K * f.parts, also=_turned,
    empty="B",
)  # fmt: skip
def channels_chunk(plan, x, gy, n, turned, gw, gb, k):
    """gw[chunk] (tiles, KH * KW, O, 16 or 32) of a part of the tiles, k = (chunk, part).

    By chunk `chunk` of all blocks' strips, `rows` rows of gy each; part 0 adds gb[chunk] (O,).
    """
    chunk, part, thread = k // plan.parts, k % plan.parts, np.intp(numba.get_thread_id())
    chunks, tiles, taps, outputs, across = gw.shape
    height, width = gy.shape[2], gy.shape[3]
    strips = (height + plan.rows - 1) // plan.rows
    total = x.shape[0] * strips
    if part == 0:
        gb[chunk] = 0
    for tile in range(part * tiles // plan.parts, (part + 1) * tiles // plan.parts):
        place = (chunk * tiles + tile) * taps
        for i in range(place * outputs * across, (place + taps) * outputs * across, LANES):
            simd.store(gw, i, simd.splat(np.float32(0)))
        for s in range(chunk * total // chunks, (chunk + 1) * total // chunks):
            b, i = s // strips, s % strips * plan.rows
            m, images = min(plan.rows, height - i), min(LANES, n - b * LANES)
            if tile == 0:
                bias_rows(gy, Part(b, images, i, 0, m, width), 0, outputs, gb, chunk)
            for j in range(0, width, plan.columns):
                some = Part(b, images, i, j, m, min(plan.columns, width - j))
                turn(plan, x, tile * across, some, turned, thread)
                for tap in range(taps):
                    add_tap(plan, turned, thread, gy, some, tap, gw, place + tap)


@kernel
def turn(plan, x, c, part, turned, thread):
    """What the windows of a part read of its block's x (C, H, W, 16), zeros outside.

    Of channels `c` on, which become the lanes, into turned[thread] (rows modulo SH, rows, columns
    modulo SW, columns, 16, channels): neighbours are what neighbouring windows read at one tap,
    and what is between windows is left out.
    """
    b, _, i, j, rows, columns = part
    _, top, left, kh, kw, sh, sw, _, _, _ = plan
    top, left = i * sh - top, j * sw - left
    _, channels, height, width, _ = x.shape
    _, row_phases, rows_of_phase, column_phases, columns_of_phase, _, across = turned.shape
    for u in range(row_phases):
        for s in range(rows + (kh - 1 - u) // sh):
            h = top + s * sh + u
            for v in range(column_phases):
                row = ((thread * row_phases + u) * rows_of_phase + s) * column_phases + v
                for t in range(columns + (kw - 1 - v) // sw):
                    w = left + t * sw + v
                    to = (row * columns_of_phase + t) * LANES * across
                    if 0 <= h < height and 0 <= w < width:
                        for k in range(0, across, LANES):
                            start = (((b * channels + c + k) * height + h) * width + w) * LANES
                            if c + k + LANES <= channels:
                                simd.transpose(
                                    x, start, height * width * LANES, turned, to + k, across
                                )
                            else:
                                for lane in range(LANES):
                                    for rest in range(channels - c - k):
                                        turned[thread, u, s, v, t, lane, k + rest] = x[
                                            b, c + k + rest, h, w, lane
                                        ]
                    else:
                        for k in range(to, to + LANES * across, LANES):
                            simd.store(turned, k, simd.splat(np.float32(0)))


@kernel
def add_tap(plan, x, thread, gy, part, tap, gw, at_gw):
    """gw[at_gw, o] += sum over the images and pixels of a part of gy[o] * x at a tap.

    x is turned; gw (chunks, tiles, KH * KW) at `at_gw` is (O, channels of a tile).
    """
    b, images, i, j, m, r = part
    shape = plan.shape
    _, row_phases, rows_of_phase, column_phases, columns_of_phase, _, across = x.shape
    _, outputs, height, width, _ = gy.shape
    u, v = tap // plan.kw, tap % plan.kw
    rows, columns, down = simd.rows(shape), simd.columns(shape), height * width * LANES
    corner = (thread * row_phases + u % plan.sh) * rows_of_phase + u // plan.sh
    corner = (corner * column_phases + v % plan.sw) * columns_of_phase + v // plan.sw
    for o in range(0, outputs, rows):
        bottom = min(rows, outputs - o) - 1
        place = (at_gw * outputs + o) * across
        acc = simd.zeros(shape)
        for s in range(m):
            at = (((b * outputs + o) * height + i + s) * width + j) * LANES
            start = (corner + s * column_phases * columns_of_phase) * LANES * across
            for _ in range(r):
                for row in range(rows, 2 * rows):  # the next outputs' pixels, too few for a stream
                    simd.prefetch(gy, at + row * down)
                for _ in range(images):
                    acc = simd.add_row_products(acc, gy, at, down, bottom, x, start, LANES)
                    at += 1
                    start += across
                at += LANES - images
                start += (LANES - images) * across
        acc = simd.add_tile(acc, gw, place, across, LANES, bottom + 1, columns)
        simd.store_tile(acc, gw, place, across, LANES, bottom + 1, columns)


@task(
    gw="K TC T O A", gweight="O C T", items=lambda f: f.TC * -(-f.O // OUTPUTS_AT_ONCE)
)  # fmt: skip
def add_chunks(gw, gweight, m):
    """Add up the chunks of one tile's channels and a run of outputs, m = (tile, run), in
    their order, and put a channel's taps side by side.

    gw (chunks, tiles, taps, O, channels of a tile) -> gweight (O, C, taps).
    """
    chunks, _, taps, outputs, across = gw.shape
    runs = (outputs + OUTPUTS_AT_ONCE - 1) // OUTPUTS_AT_ONCE
    tile, start = m // runs, m % runs * OUTPUTS_AT_ONCE
    first = tile * across
    for o in range(start, min(start + OUTPUTS_AT_ONCE, outputs)):
        for tap in range(taps):
            for k in range(min(across, gweight.shape[1] - first)):
                total = np.float64(gw[0, tile, tap, o, k])
                for chunk in range(1, chunks):
                    total += gw[chunk, tile, tap, o, k]
                gweight[o, first + k, tap] = total


# ---- by lanes ----------------------------------------------------------------------------------


class ByLanes(NamedTuple):
    """How channels x taps are taken with sixteen images each.

    Attributes:
        shape: the tile of outputs x taps whose sums stay in registers.
        rows: of gy in a strip, which stay in the nearest cache.
        top, left: zeros before the first pixel.
        sh, sw: the windows' strides.
        offsets: where the taps of a window stand, in floats from its first pixel; then some zeros,
            so that the last tile reads something.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[int, "int"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]
    offsets: Annotated[Array, "P: int64 table"]


def _strips(f: Facts) -> None:
    """The farthest number that a strip reads is one of its image's, or of the room around it."""
    need(f, f.n >= 0 and min(f.rows, f.sh, f.sw) > 0, "its numbers must be positive")
    count = f.T + f.shape.columns
    need(f, count == f.P, f"offsets must have {count} numbers, got {f.P}")
    rows, image = f.OH, f.x
    if f.PC > 0:
        rows, image = min(f.rows, f.OH), f.padded
        need(f, f.PC == f.C, f"padded must have {f.C} channels, got {f.PC}")
    width = image.shape[3]
    last = ((rows - 1) * f.sh * width + (f.OW - 1) * f.sw) * LANES
    farthest = last + int(f.offsets.max()) + LANES
    inside = f.offsets.min() >= 0 and farthest <= math.prod(image.shape[1:])
    need(f, inside, "the windows must lie inside the image")


def _strips_of_blocks(f: Facts) -> None:
    images_of_blocks(f)
    _strips(f)


@task(
    plan=ByLanes, x="B C H W 16", gy="B O OH OW 16", n="int", padded="S PC PH PW 16", gw="K O T",
    gb="K O", items="K", also=_strips_of_blocks, empty="B PC PH PW",
)  # fmt: skip
def lanes_chunk(plan, x, gy, n, padded, gw, gb, k):
    """gw[k] (O, taps), gb[k] (O,) by chunk k of all blocks' strips.

    `padded` (slots, C, H', W', 16) is room for what a strip reads, with zeros around; without
    padding it has no channels.
    """
    chunks, height = gw.shape[0], gy.shape[2]
    strips = (height + plan.rows - 1) // plan.rows
    total = x.shape[0] * strips
    gw[k] = 0
    gb[k] = 0
    for s in range(k * total // chunks, (k + 1) * total // chunks):
        b, i = s // strips, s % strips * plan.rows
        part = Part(b, min(LANES, n - b * LANES), i, 0, min(plan.rows, height - i), gy.shape[3])
        add_strip(plan, x, gy, part, padded, gw, gb, k)


@task(
    plan=ByLanes, x="S C H W 16", gy="S O OH OW 16", n="int", padded="S PC PH PW 16", gw="K O T",
    gb="K O", items=lambda f: -(-f.n // LANES), also=_strips, empty="PC PH PW",
)  # fmt: skip
def lanes_block(plan, x, gy, n, padded, gw, gb, b):
    """Add block `b`'s gradients to those of its chunk, of which the first block begins it anew.

    x (slots, C, H, W, 16), gy (slots, O, OH, OW, 16) -> gw (chunks, O, taps), gb (chunks, O).
    """
    slot, chunks, height = np.intp(numba.get_thread_id()), gw.shape[0], gy.shape[2]
    blocks = (n + LANES - 1) // LANES
    chunk = ((b + 1) * chunks - 1) // blocks
    if b == chunk * blocks // chunks:
        gw[chunk] = 0
        gb[chunk] = 0
    images = min(LANES, n - b * LANES)
    for i in range(0, height, plan.rows):
        part = Part(slot, images, i, 0, min(plan.rows, height - i), gy.shape[3])
        add_strip(plan, x, gy, part, padded, gw, gb, chunk)


@kernel
def add_strip(plan, x, gy, part, padded, gw, gb, chunk):
    """gw[chunk], gb[chunk] += what a part of gy, of whole rows, and its block of x give."""
    top, thread = part.i * plan.sh, np.intp(numba.get_thread_id())
    if padded.shape[1] > 0:
        pad(x, part.block, top - plan.top, plan.left, padded, thread)
        corner = thread * padded.shape[1] * padded.shape[2] * padded.shape[3]
        add_rows(plan, padded, corner, gy, part, gw, gb, chunk)
    else:
        corner = (part.block * x.shape[1] * x.shape[2] + top) * x.shape[3]
        add_rows(plan, x, corner, gy, part, gw, gb, chunk)


@kernel
def pad(x, b, top, left, padded, at):
    """Rows `top` on of x[b] (C, H, W, 16), zeros outside, into padded[at] (C, H', W', 16)."""
    _, channels, height, width, _ = x.shape
    zero = simd.splat(np.float32(0))
    for c in range(channels):
        for row in range(padded.shape[2]):
            to = ((at * channels + c) * padded.shape[2] + row) * padded.shape[3]
            start = ((b * channels + c) * height + top + row) * width - left
            inside = 0 <= top + row < height
            for w in range(padded.shape[3]):
                if inside and 0 <= w - left < width:
                    simd.store(padded, (to + w) * LANES, simd.load(x, (start + w) * LANES))
                else:
                    simd.store(padded, (to + w) * LANES, zero)


@kernel
def add_rows(plan, x, corner, gy, part, gw, gb, chunk):
    """Add what rows of gy give; the first window's first pixel is number `corner` of x."""
    shape, _, _, _, sh, sw, offsets = plan
    b, images, i, _, count, _ = part
    rows, columns = simd.rows(shape), simd.columns(shape)
    outputs, height, width, taps = gy.shape[1], gy.shape[2], gy.shape[3], gw.shape[2]
    down = height * width * LANES
    for o in range(0, outputs, rows):
        bottom = min(rows, outputs - o) - 1
        bias_rows(gy, part, o, o + bottom + 1, gb, chunk)
        for k in range(0, taps, columns):
            acc = simd.zeros(shape)
            ahead = min(k // columns, rows - 1)  # a row of the panel that comes next
            if o + rows < outputs:
                ahead = (ahead + rows) * down
            else:
                ahead = (ahead - o) * down + count * width * LANES
            for s in range(count):
                start = ((b * outputs + o) * height + i + s) * width * LANES
                place = (corner + s * sh * x.shape[3]) * LANES
                for _ in range(width):
                    simd.prefetch(gy, start + ahead)
                    acc = simd.add_lane_products(acc, gy, start, down, bottom, x, place, offsets, k)
                    start += LANES
                    place += sw * LANES
            to = (chunk * outputs + o) * taps + k
            simd.add_totals(acc, gw, to, taps, bottom + 1, taps - k, images)


# ---- bias ----------------------------------------------------------------------------------------


@task(gy="B O OH OW 16", n="int", gb="K O", items="K", also=images_of_blocks, empty="B")
def bias_chunk(gy, n, gb, k):
    """gb[k] (O,) = sum of chunk k's blocks of gy (B, O, OH, OW, 16)."""
    chunks, blocks = gb.shape[0], gy.shape[0]
    gb[k] = 0
    for b in range(k * blocks // chunks, (k + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        part = Part(b, images, 0, 0, gy.shape[2], gy.shape[3])
        bias_rows(gy, part, 0, gy.shape[1], gb, k)


@kernel
def bias_rows(gy, part, first, last, gb, chunk):
    """gb[chunk, o] += sum over the images of a part of whole rows of gy[o], first <= o < last."""
    b, images, i, _, count, _ = part
    pixels = count * gy.shape[3]
    for o in range(first, last):
        start = ((b * gy.shape[1] + o) * gy.shape[2] + i) * gy.shape[3] * LANES
        total = np.float64(gb[chunk, o])
        for first in range(0, pixels, BIAS_PIXELS):
            some = min(BIAS_PIXELS, pixels - first)
            a = simd.splat(np.float32(0))
            c, d, e = a, a, a  # four sums at once: an addition waits for the one before it
            for _ in range(some // 4):
                a = simd.add(a, simd.load(gy, start))
                c = simd.add(c, simd.load(gy, start + LANES))
                d = simd.add(d, simd.load(gy, start + 2 * LANES))
                e = simd.add(e, simd.load(gy, start + 3 * LANES))
                start += 4 * LANES
            for _ in range(some % 4):
                a = simd.add(a, simd.load(gy, start))
                start += LANES
            total += simd.total(simd.add(simd.add(a, c), simd.add(d, e)), images)
        gb[chunk, o] = total
