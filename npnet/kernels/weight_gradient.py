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

import functools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.checks import check_count
from npnet.kernels import lanes, simd
from npnet.kernels._arguments import Rule, check_images
from npnet.kernels._jit import get_num_threads, kernel
from npnet.kernels._parallel import parallel_for, parallel_for_slots
from npnet.kernels.simd import LANES
from npnet.ops.windows import Window

__all__ = ["backward_bias", "backward_weight", "chunk_count", "lanes_plan"]

Offsets: TypeAlias = npt.NDArray[np.int64]

_IMAGES = Rule("backward_weight", x="B C H W 16")
_BACKWARD_WEIGHT = Rule("backward_weight", given="OH OW", x="B C H W 16", gy="B O OH OW 16")
_BACKWARD_BIAS = Rule("backward_bias", gy="B O OH OW 16")

CHUNKS = 8  # parts of a batch, at most, unless they are large; each has gradients of its own
LARGE = 64  # blocks of a chunk; a batch of more than 8192 images has more chunks
ITEMS = 4  # with fewer chunks, they are split too, to keep as many threads busy
PIXELS = 1024  # that a bias's gradient adds up in float32
RUN = 8  # outputs whose chunks are added up at a time
NEAR_BYTES = 7 * 2**12  # of gradients that stay in the nearest cache
TURNED_BYTES = 7 * 2**14  # of turned pixels at one tap; all taps stay in the second cache


def chunk_count(blocks: int) -> int:
    """In how many parts a batch of so many blocks is added up."""
    return max(min(CHUNKS, blocks), blocks // LARGE, 1)


def backward_weight(x: Array, gy: Array, window: Window, n: int) -> tuple[Array, Array]:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i*SH - PT + u, j*SW - PL + v].

    and gbias[o] = sum of gy[o, i, j], which is in the cache then.

    Shape: x (B, C, H, W, 16), gy (B, O, OH, OW, 16) -> (O, C, KH, KW), (O,).
    """
    _IMAGES(x)
    counts = window.counts("backward_weight", x.shape[2:4], dilated=False)
    _BACKWARD_WEIGHT(x, gy, given=counts)
    check_images("backward_weight", n, len(x))
    channels = x.shape[1]
    if channels < LANES or (channels < 2 * LANES and max(window.kernel) > 1):
        return _by_lanes_of(x, gy, window, n)  # half a tile of channels is slower
    return _by_channels_of(x, gy, window, n)


def backward_bias(gy: Array, n: int) -> Array:
    """gbias[o] = sum over images, i, j of gy[o, i, j].

    Shape: gy (B, O, OH, OW, 16) -> (O,).
    """
    _BACKWARD_BIAS(gy)
    check_images("backward_bias", n, len(gy))
    gb = lanes.empty((chunk_count(len(gy)), gy.shape[1]))
    _bias_gradients(gy, n, gb)
    return _sum(gb)


def _evenly(size: int, most: int) -> int:
    """The length of the fewest parts of `size` that are no longer than `most`, or 1."""
    return -(-size // -(-size // max(1, min(most, size))))


# ---- by channels -------------------------------------------------------------------------------


def _by_channels_of(x: Array, gy: Array, window: Window, n: int) -> tuple[Array, Array]:
    blocks, channels, _, _, _ = x.shape
    outputs, (kh, kw), (sh, sw) = gy.shape[1], window.kernel, window.stride
    (top, _), (left, _) = window.reach(x.shape[2:4])
    shape = simd.row_shape(-(-channels // LANES) * LANES)
    across = shape.columns * LANES  # channels of a tile
    tiles = -(-channels // across)
    pixels = TURNED_BYTES // (4 * LANES * across)
    columns = _evenly(gy.shape[3], math.isqrt(2 * pixels))  # nearly square: fewer are turned twice
    rows = _evenly(gy.shape[2], pixels // columns)
    turned = lanes.empty(
        (get_num_threads(), min(kh, sh), rows + (kh - 1) // sh,
         min(kw, sw), columns + (kw - 1) // sw, LANES, across)
    )  # fmt: skip
    tile_parts = min(-(-ITEMS // chunk_count(blocks)), tiles)
    chunks = max(chunk_count(blocks), -(-ITEMS // tile_parts))
    gw = lanes.empty((chunks, tiles, kh * kw, outputs, across))
    gb = lanes.empty((chunks, outputs))
    _by_channels(
        shape, x, gy, n, top, left, kh, kw, sh, sw, rows, columns, tile_parts, turned, gw, gb
    )  # fmt: skip
    gweight = lanes.empty((outputs, channels, kh, kw))
    add_chunks(gw, gweight.reshape(outputs, channels, kh * kw))
    return gweight, _sum(gb)


@kernel
def _by_channels(
    shape, x, gy, n, top, left, kh, kw, sh, sw, rows, columns, tile_parts, turned, gw, gb
):  # fmt: skip
    arguments = (
        shape, x, gy, n, top, left, kh, kw, sh, sw, rows, columns, tile_parts, turned, gw, gb,
    )  # fmt: skip
    parallel_for_slots(channels_chunk, gw.shape[0] * tile_parts, arguments, turned.shape[0])


@kernel
def channels_chunk(
    shape, x, gy, n, top, left, kh, kw, sh, sw, rows, columns, tile_parts, turned, gw, gb, k
):  # fmt: skip
    """gw[chunk] (tiles, KH * KW, O, 16 or 32) of a part of the tiles, k = (chunk, part).

    By chunk `chunk` of all blocks' strips, `rows` rows of gy each; part 0 adds gb[chunk] (O,).
    """
    chunk, part, thread = k // tile_parts, k % tile_parts, np.intp(numba.get_thread_id())
    chunks, tiles, taps, outputs, across = gw.shape
    height, width = gy.shape[2], gy.shape[3]
    strips = (height + rows - 1) // rows
    total = x.shape[0] * strips
    if part == 0:
        gb[chunk] = 0
    for tile in range(part * tiles // tile_parts, (part + 1) * tiles // tile_parts):
        place = (chunk * tiles + tile) * taps
        for i in range(place * outputs * across, (place + taps) * outputs * across, LANES):
            simd.store(gw, i, simd.splat(np.float32(0)))
        for s in range(chunk * total // chunks, (chunk + 1) * total // chunks):
            b, i = s // strips, s % strips * rows
            m, images = min(rows, height - i), min(LANES, n - b * LANES)
            if tile == 0:
                bias_rows(gy, b, images, i, m, 0, outputs, gb, chunk)
            for j in range(0, width, columns):
                r = min(columns, width - j)
                turn(
                    x, b, tile * across, i * sh - top, j * sw - left, m, r, kh, kw, sh, sw, turned,
                    thread,
                )  # fmt: skip
                for u in range(kh):
                    for v in range(kw):
                        add_tap(
                            shape, turned, thread, gy, b, images, i, j, m, r, u, v, sh, sw, gw,
                            place + u * kw + v,
                        )  # fmt: skip


@kernel
def turn(x, b, c, top, left, rows, columns, kh, kw, sh, sw, turned, thread):
    """What rows x columns windows of x[b] (C, H, W, 16) read, the first from (top, left) on.

    Of channels `c` on, which become the lanes, zeros outside, into turned[thread] (rows modulo SH,
    rows, columns modulo SW, columns, 16, channels): neighbours are what neighbouring windows read
    at one tap, and what is between windows is left out.
    """
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
def add_tap(
    shape, x, thread, gy, b, images, i, j, m, r, u, v, sh, sw, gw, at_gw
):  # fmt: skip
    """gw[at_gw, o] += sum over images and m x r pixels of gy from (i, j) on of gy[o] * x.

    x is turned; gw (chunks, tiles, KH * KW) at `at_gw` is (O, channels of a tile).
    """
    _, row_phases, rows_of_phase, column_phases, columns_of_phase, _, across = x.shape
    _, outputs, height, width, _ = gy.shape
    rows, columns, down = simd.rows(shape), simd.columns(shape), height * width * LANES
    corner = (thread * row_phases + u % sh) * rows_of_phase + u // sh
    corner = (corner * column_phases + v % sw) * columns_of_phase + v // sw
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


@kernel
def add_chunks(gw, gweight):  # (chunks, tiles, taps, O, channels of a tile) -> (O, C, taps)
    parallel_for(add_tile, gw.shape[1] * ((gw.shape[3] + RUN - 1) // RUN), (gw, gweight))


@kernel
def add_tile(gw, gweight, m):
    """Add up the chunks of one tile's channels and a run of outputs, m = (tile, run), in
    their order, and put a channel's taps side by side."""
    chunks, _, taps, outputs, across = gw.shape
    runs = (outputs + RUN - 1) // RUN
    tile, start = m // runs, m % runs * RUN
    first = tile * across
    for o in range(start, min(start + RUN, outputs)):
        for tap in range(taps):
            for k in range(min(across, gweight.shape[1] - first)):
                total = np.float64(gw[0, tile, tap, o, k])
                for chunk in range(1, chunks):
                    total += gw[chunk, tile, tap, o, k]
                gweight[o, first + k, tap] = total


# ---- by lanes ----------------------------------------------------------------------------------


def _by_lanes_of(x: Array, gy: Array, window: Window, n: int) -> tuple[Array, Array]:
    blocks, channels, *size, _ = x.shape
    outputs, height = gy.shape[1], gy.shape[2]
    least = -(-ITEMS // max(blocks, 1))
    plan = lanes_plan(channels, size, outputs, window, get_num_threads(), least)
    chunks = max(min(CHUNKS, blocks * -(-height // plan[1])), chunk_count(blocks))
    taps = channels * window.kernel[0] * window.kernel[1]
    gw, gb = lanes.empty((chunks, outputs, taps)), lanes.empty((chunks, outputs))
    _by_lanes(x, gy, n, *plan, gw, gb)
    return _sum(gw).reshape(outputs, channels, *window.kernel), _sum(gb)


def _sum(parts: Array) -> Array:
    """The sum of what the chunks have."""
    return parts.sum(0, dtype=np.float64).astype(np.float32)


def lanes_plan(
    channels: int, size: Sequence[int], outputs: int, window: Window, slots: int, least: int
) -> tuple[Any, ...]:
    """(tile, rows of a strip, top, left, padded, offsets, SH, SW): what `add_strip` takes.

    A strip's rows of gy, of as many outputs as a tile has, stay in the nearest cache; an image has
    `least` strips or more, if it has so many rows. `padded` (slots, C, H', W', 16) is room for what
    a strip reads, with zeros around; without padding it has no size.
    """
    op = "lanes_plan"
    names = {"channels": channels, "outputs": outputs, "slots": slots, "least": least}
    channels, outputs, slots, least = [check_count(op, k, v) for k, v in names.items()]
    window.counts(op, tuple(size), dilated=False)
    shape, (kh, _), (sh, sw) = simd.lane_shape(outputs), window.kernel, window.stride
    out_height, out_width = window.output_size(tuple(size))
    fit = NEAR_BYTES // (4 * LANES * shape.rows * out_width)
    strip = _evenly(out_height, min(fit, out_height // least))
    (top, bottom), (left, right) = window.reach(tuple(size))
    height, width = size
    padded = lanes.empty((0, 0, 0, 0, 0))
    if top + bottom + left + right > 0:
        height, width = (strip - 1) * sh + kh, left + width + right
        padded = lanes.empty((slots, channels, height, width, LANES))
    offsets = _offsets(channels, *window.kernel, height, width, shape.columns)
    return shape, strip, top, left, padded, offsets, sh, sw


@functools.lru_cache(256)
def _offsets(channels: int, kh: int, kw: int, height: int, width: int, columns: int) -> Offsets:
    """Where the taps of a window stand, in floats from its first pixel; then some zeros, so that
    the last tile reads something."""
    c, u, v = np.ogrid[:channels, :kh, :kw]
    taps = ((c * height + u) * width + v) * LANES
    return np.append(taps.ravel(), np.zeros(columns, np.int64))


@kernel
def _by_lanes(x, gy, n, shape, strip, top, left, padded, offsets, sh, sw, gw, gb):
    plan = (shape, strip, top, left, padded, offsets, sh, sw)
    slots = padded.shape[0] if padded.shape[0] > 0 else gw.shape[0]  # without padding, none
    parallel_for_slots(lanes_chunk, gw.shape[0], (x, gy, n, plan, gw, gb), slots)


@kernel
def lanes_chunk(x, gy, n, plan, gw, gb, k):
    """gw[k] (O, taps), gb[k] (O,) by chunk k of all blocks' strips."""
    strip, chunks, height = plan[1], gw.shape[0], gy.shape[2]
    strips = (height + strip - 1) // strip
    total = x.shape[0] * strips
    gw[k] = 0
    gb[k] = 0
    for s in range(k * total // chunks, (k + 1) * total // chunks):
        b = s // strips
        add_strip(x, b, gy, b, min(LANES, n - b * LANES), s % strips, plan, gw, gb, k)


@kernel
def add_strip(x, at, gy, b, images, s, plan, gw, gb, chunk):
    """gw[chunk], gb[chunk] += what strip `s` of gy[b] (O, OH, OW, 16) and x[at] gives."""
    shape, strip, top, left, padded, offsets, sh, sw = plan
    i, thread = s * strip, np.intp(numba.get_thread_id())
    count = min(strip, gy.shape[2] - i)
    if padded.shape[0] > 0:
        pad(x, at, i * sh - top, left, padded, thread)
        add_rows(
            shape, padded, thread, 0, gy, b, images, i, count, offsets, sh, sw, gw, gb, chunk
        )  # fmt: skip
    else:
        add_rows(shape, x, at, i * sh, gy, b, images, i, count, offsets, sh, sw, gw, gb, chunk)


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
def add_rows(shape, x, at, top, gy, b, images, i, count, offsets, sh, sw, gw, gb, chunk):
    """Add what `count` rows of gy[b] from row `i` on give; the first reads x[at] from `top` on."""
    rows, columns = simd.rows(shape), simd.columns(shape)
    outputs, height, width, taps = gy.shape[1], gy.shape[2], gy.shape[3], gw.shape[2]
    corner, down = (at * x.shape[1] * x.shape[2] + top) * x.shape[3], height * width * LANES
    for o in range(0, outputs, rows):
        bottom = min(rows, outputs - o) - 1
        bias_rows(gy, b, images, i, count, o, o + bottom + 1, gb, chunk)
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


@kernel
def _bias_gradients(gy, n, gb):
    parallel_for(bias_chunk, gb.shape[0], (gy, n, gb))


@kernel
def bias_chunk(gy, n, gb, k):
    """gb[k] (O,) = sum of chunk k's blocks of gy (B, O, OH, OW, 16)."""
    chunks, blocks = gb.shape[0], gy.shape[0]
    gb[k] = 0
    for b in range(k * blocks // chunks, (k + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        bias_rows(gy, b, images, 0, gy.shape[2], 0, gy.shape[1], gb, k)


@kernel
def bias_rows(gy, b, images, i, count, first, last, gb, chunk):
    """gb[chunk, o] += sum over images and `count` rows from row `i` on of gy[b, o]."""
    pixels = count * gy.shape[3]
    for o in range(first, last):
        start = ((b * gy.shape[1] + o) * gy.shape[2] + i) * gy.shape[3] * LANES
        total = np.float64(gb[chunk, o])
        for first in range(0, pixels, PIXELS):
            some = min(PIXELS, pixels - first)
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
