"""The gradient of a convolution by its weight, with channels in the lanes.

Pixels are turned so that sixteen channels are the lanes. Then each tap is a product of matrices,
(O, pixels * images) by (pixels * images, C), and nothing is added up over lanes. All taps and
outputs are gone through for a few pixels, which stay in the cache meanwhile; how sums are split,
see `weight_gradient`.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.simd import LANES
from npnet.kernels.weight_gradient import Part, bias_rows

__all__ = ["ByChannels", "add_chunks", "channels_chunk"]

OUTPUTS_AT_ONCE = 8  # whose chunks are added up


class ByChannels(NamedTuple):
    """How sixteen channels become the lanes.

    Attributes:
        shape: the tile of outputs x channels that stays in registers.
        together: taps in a tile, side by side: of sixteen channels it has room for two.
        top, left: zeros before the first pixel.
        kh, kw, sh, sw: the windows and their strides.
        rows, columns: of gy, at most, whose windows are turned at a time.
        parts: in how many the tiles of a chunk are shared out among threads.
        biased: whether gy is added up too.
    """

    shape: Annotated[Any, "tile"]
    together: Annotated[int, "int"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    kh: Annotated[int, "int"]
    kw: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]
    rows: Annotated[int, "int"]
    columns: Annotated[int, "int"]
    parts: Annotated[int, "int"]
    biased: Annotated[bool, "flag"]

    @property
    def across(self) -> int:
        """Channels of a tile."""
        return int(self.shape.columns) // self.together * LANES

    @property
    def turned(self) -> tuple[int, ...]:
        """What `turn` fills: (rows by phases, columns by phases, 16, channels)."""
        rows = min(self.kh, self.sh) * (self.rows + (self.kh - 1) // self.sh)
        columns = min(self.kw, self.sw) * (self.columns + (self.kw - 1) // self.sw)
        return rows, columns, LANES, self.across


def _turned(f: Facts) -> None:
    """There is room for the pixels that windows read, for all taps and for all channels."""
    numbers = f.together, f.kh, f.kw, f.sh, f.sw, f.rows, f.columns, f.parts
    need(f, min(numbers) > 0, "its numbers must be positive")
    alike = f.together == 1 or f.together == f.shape.columns == 2
    need(f, alike, f"a tile must have 1 or 2 taps, got {f.together}")
    images_of_blocks(f)
    room = f.plan.turned
    need(f, f.turned.shape[1:] == room, f"turned must be {room} for each thread")
    need(f, f.kh * f.kw == f.T, f"gw must have {f.kh * f.kw} taps, got {f.T}")
    need(f, f.TC == -(-f.C // f.A), f"gw must have tiles of {f.C} channels, got {f.TC}")
    need(f, f.parts <= f.TC, f"it has {f.TC} tiles, which are fewer than {f.parts} parts")


@task(
    plan=ByChannels, x="B C H W 16", gy="B O OH OW 16", n="int", turned="S TR TW 16 A",
    gw="K TC T O A", gb="K O", items=lambda f: f.K * f.parts, also=_turned,
    empty="B",
)  # fmt: skip
def channels_chunk(plan, x, gy, n, turned, gw, gb, k):
    """gw[chunk] (tiles, KH * KW, O, 16 or 32) of a part of the tiles, k = (chunk, part).

    By chunk `chunk` of all blocks' strips, `rows` rows of gy each; part 0 adds gb[chunk] (O,), if
    it is `biased`.
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
            if tile == 0 and plan.biased:
                bias_rows(gy, Part(b, images, i, 0, m, width), 0, outputs, gb, chunk)
            for j in range(0, width, plan.columns):
                some = Part(b, images, i, j, m, min(plan.columns, width - j))
                turn(plan, x, tile * across, some, turned, thread)
                for tap in range(0, taps, plan.together):
                    add_tap(plan, turned, thread, gy, some, tap, gw, place + tap)


@kernel
def turn(plan, x, c, part, turned, thread):
    """What the windows of a part read of its block's x (C, H, W, 16), zeros outside.

    Of channels `c` on, which become the lanes, into turned[thread], where row modulo SH and column
    modulo SW go before row and column: so neighbours are what neighbouring windows read at one
    tap, and what is between windows is left out.
    """
    b, _, i, j, rows, columns = part
    _, _, top, left, kh, kw, sh, sw, _, _, _, _ = plan
    top, left = i * sh - top, j * sw - left
    _, channels, height, width, _ = x.shape
    across, wide = turned.shape[4], turned.shape[2]
    rows_of_phase, columns_of_phase = plan.rows + (kh - 1) // sh, plan.columns + (kw - 1) // sw
    for u in range(min(kh, sh)):
        for s in range(rows + (kh - 1 - u) // sh):
            h = top + s * sh + u
            row = u * rows_of_phase + s
            for v in range(min(kw, sw)):
                for t in range(columns + (kw - 1 - v) // sw):
                    w = left + t * sw + v
                    column = v * columns_of_phase + t
                    to = ((thread * turned.shape[1] + row) * wide + column) * LANES * across
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
                                        turned[thread, row, column, lane, k + rest] = x[
                                            b, c + k + rest, h, w, lane
                                        ]
                    else:
                        for k in range(to, to + LANES * across, LANES):
                            simd.store(turned, k, simd.splat(np.float32(0)))


@kernel
def add_tap(plan, x, thread, gy, part, tap, gw, at_gw):
    """gw[at_gw, o] += sum over the images and pixels of a part of gy[o] * x at a tap.

    x is turned; gw (chunks, tiles, KH * KW) at `at_gw` is (O, channels of a tile). Where two taps
    are together, the next one's is added up too.
    """
    b, images, i, j, m, r = part
    shape = plan.shape
    wide, across = x.shape[2], x.shape[4]
    _, outputs, height, width, _ = gy.shape
    rows, columns, down = simd.rows(shape), simd.columns(shape), height * width * LANES
    corner = thread * x.shape[1] * wide + tap_number(plan, tap, wide)
    right, apart = LANES, LANES
    if plan.together > 1:
        columns = min(columns, gw.shape[2] - tap)
        other = tap_number(plan, tap + columns - 1, wide) - tap_number(plan, tap, wide)
        right, apart = other * LANES * across, outputs * across
    for o in range(0, outputs, rows):
        bottom = min(rows, outputs - o) - 1
        place = (at_gw * outputs + o) * across
        acc = simd.zeros(shape)
        for s in range(m):
            at = (((b * outputs + o) * height + i + s) * width + j) * LANES
            start = (corner + s * wide) * LANES * across
            for pixel in range(r):
                for row in range(rows, 2 * rows):  # the next outputs' pixels, too few for a stream
                    simd.prefetch(gy, at + pixel * LANES + row * down)
            # images of neighbouring pixels follow each other, unless the block is not full
            run, skipped = (r * LANES, 0) if images == LANES else (images, LANES - images)
            for _ in range(1 if images == LANES else r):
                for _ in range(run):
                    acc = simd.add_row_products(acc, gy, at, down, bottom, x, start, right)
                    at += 1
                    start += across
                at += skipped
                start += skipped * across
        acc = simd.add_tile(acc, gw, place, across, apart, bottom + 1, columns)
        simd.store_tile(acc, gw, place, across, apart, bottom + 1, columns)


@kernel
def tap_number(plan, tap, wide):
    """Which turned pixel the first window of a part sees at a tap."""
    u, v = tap // plan.kw, tap % plan.kw
    row = u % plan.sh * (plan.rows + (plan.kh - 1) // plan.sh) + u // plan.sh
    column = v % plan.sw * (plan.columns + (plan.kw - 1) // plan.sw) + v // plan.sw
    return row * wide + column


def _turned_back(f: Facts) -> None:
    need(f, f.A % LANES == 0, f"gw must have whole vectors of channels, got {f.A}")
    need(f, f.TC * f.A >= f.C, f"gw must have tiles of {f.C} channels, got {f.TC}")
    room = 2 * (f.T + LANES) * LANES
    need(f, room <= f.L, f"tmp must have {room} numbers for each thread, got {f.L}")


@task(
    gw="K TC T O A", tmp="S L", gweight="O C T",
    items=lambda f: f.TC * -(-f.O // OUTPUTS_AT_ONCE), also=_turned_back,
)  # fmt: skip
def add_chunks(gw, tmp, gweight, m):
    """Add up the chunks of one tile's channels and a run of outputs, m = (tile, run), in
    their order, and put a channel's taps side by side.

    gw (chunks, tiles, taps, O, channels of a tile) -> gweight (O, C, taps).
    """
    chunks, _, taps, outputs, across = gw.shape
    channels, runs = gweight.shape[1], (outputs + OUTPUTS_AT_ONCE - 1) // OUTPUTS_AT_ONCE
    tile, first = m // runs, m % runs * OUTPUTS_AT_ONCE
    own = np.intp(numba.get_thread_id()) * tmp.shape[1]
    turned, size = own + (taps + LANES) * LANES, gw.size // chunks
    flat, own_tmp = gweight.reshape(gweight.size), tmp.reshape(tmp.size)
    for o in range(first, min(first + OUTPUTS_AT_ONCE, outputs)):
        for c in range(tile * across, min((tile + 1) * across, channels), LANES):
            for tap in range(taps):
                at = ((tile * taps + tap) * outputs + o) * across + c - tile * across
                total = simd.load(gw, at)
                for chunk in range(1, chunks):
                    total = simd.add(total, simd.load(gw, at + chunk * size))
                simd.store(tmp, own + tap * LANES, total)
            # from the last taps on: what is turned beyond a channel's taps is written over
            for tap in range((taps - 1) // LANES * LANES, -1, -LANES):
                simd.transpose(tmp, own + tap * LANES, LANES, tmp, turned + tap, taps)
            to = (o * channels + c) * taps
            if c + LANES <= channels:
                for i in range(0, taps * LANES, LANES):
                    simd.store(gweight, to + i, simd.load(tmp, turned + i))
            else:
                for i in range((channels - c) * taps):
                    flat[to + i] = own_tmp[turned + i]
