"""The gradient of a convolution by its weight, in lanes: two ways, and the bias's.

By channels: an image row's pixels are turned so that sixteen channels are the lanes. Then each tap
is a product of matrices, (O, pixels * images) by (pixels * images, C), and nothing is added up over
lanes. By lanes: for few channels, a tile holds channels x taps with sixteen images each, walks all
pixels, and adds its lanes up at the end.

Both add up the blocks of a chunk, and then the chunks, in their order; how many there are follows
from the batch alone, so that any number of threads gives the same bits.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from npnet.kernels import lanes, simd
from npnet.kernels._jit import get_num_threads, kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES
from npnet.kernels.windows import Window

__all__ = ["backward_bias", "backward_weight", "chunk_count"]

Array: TypeAlias = npt.NDArray[np.float32]
Offsets: TypeAlias = npt.NDArray[np.int64]

CHUNKS = 8  # parts of a batch, at most; each has gradients of its own
ITEMS = 4  # with fewer chunks, outputs are split too, to keep as many threads busy
STRIP_BYTES = 2**18  # pixels that are turned at a time, for one thread


def chunk_count(blocks: int) -> int:
    """In how many parts a batch of so many blocks is added up."""
    return min(CHUNKS, max(blocks, 1))


def backward_weight(x: Array, gy: Array, window: Window, n: int) -> tuple[Array, Array]:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i*SH - PT + u, j*SW - PL + v].

    and gbias[o] = sum of gy[o, i, j], which is in the cache then.

    Shape: x (B, C, H, W, 16), gy (B, O, OH, OW, 16) -> (O, C, KH, KW), (O,).
    """
    if x.shape[1] < LANES or (x.shape[1] < 2 * LANES and max(window.stride) == 1):
        return _by_lanes_of(x, gy, window, n)  # half a tile of channels is slower
    blocks, channels, _, width, _ = x.shape
    outputs, (kh, kw), (sh, sw) = gy.shape[1], window.kernel, window.stride
    (top, _), (left, right) = window.reach(x.shape[2:4])
    wide = -(-channels // LANES) * LANES
    shape = simd.row_shape(wide)
    row_bytes = 4 * (left + width + right) * LANES * wide
    strip = max(1, (STRIP_BYTES // row_bytes - kh) // sh + 1)  # rows of gy
    rows = (strip - 1) * sh + kh
    turned = lanes.empty((get_num_threads(), rows, left + width + right, LANES, wide))
    chunks = chunk_count(blocks)
    gw, gb = lanes.empty((chunks, kh, kw, outputs, wide)), lanes.empty((chunks, outputs))
    slices = min(-(-ITEMS // chunks), -(-outputs // shape.rows))
    _by_channels(shape, x, gy, n, top, left, sh, sw, strip, slices, turned, gw, gb)
    gweight = np.empty((outputs, channels, kh, kw), np.float32)
    add_chunks(gw.reshape(chunks, kh * kw, outputs, wide), gweight.reshape(outputs, channels, -1))
    return gweight, gb.sum(0)


def backward_bias(gy: Array, n: int) -> Array:
    """gbias[o] = sum over images, i, j of gy[o, i, j].

    Shape: gy (B, O, OH, OW, 16) -> (O,).
    """
    gb = lanes.empty((chunk_count(len(gy)), gy.shape[1]))
    _bias_gradients(gy, n, gb)
    return gb.sum(0)


# ---- by channels -------------------------------------------------------------------------------


@kernel
def _by_channels(shape, x, gy, n, top, left, sh, sw, strip, slices, turned, gw, gb):
    arguments = (shape, x, gy, n, top, left, sh, sw, strip, slices, turned, gw, gb)
    parallel_for(channels_chunk, gw.shape[0] * slices, arguments)


@kernel
def channels_chunk(shape, x, gy, n, top, left, sh, sw, strip, slices, turned, gw, gb, k):
    """gw[chunk] (KH, KW, O, C) of some outputs, by the blocks of chunk k // slices."""
    chunk, part, thread = k // slices, k % slices, np.intp(numba.get_thread_id())
    chunks, kh, kw, outputs, wide = gw.shape
    blocks, rows, out_height = x.shape[0], simd.rows(shape), gy.shape[2]
    panels = (outputs + rows - 1) // rows
    first, last = part * panels // slices * rows, (part + 1) * panels // slices * rows
    last = min(last, outputs)
    for tap in range(kh * kw):
        start = ((chunk * kh * kw + tap) * outputs + first) * wide
        for i in range(start, start + (last - first) * wide, LANES):
            simd.store(gw, i, simd.splat(np.float32(0)))
    for o in range(first, last):
        gb[chunk, o] = 0
    for b in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        bias_block(gy, b, images, first, last, gb, chunk)
        for i in range(0, out_height, strip):
            count = min(strip, out_height - i)
            turn(x, b, i * sh - top, left, (count - 1) * sh + kh, turned, thread)
            for u in range(kh):
                for v in range(kw):
                    add_tap(
                        shape, turned, thread, gy, b, images, i, count, u, v, sh, sw, first, last,
                        gw, chunk,
                    )  # fmt: skip


@kernel
def turn(x, b, top, left, count, turned, thread):
    """`count` rows of x[b] (C, H, W, 16) from row `top` on, zeros outside, into turned[thread].

    Which is (rows, left + W + right, 16, C): sixteen channels are the lanes.
    """
    _, channels, height, width, _ = x.shape
    _, rows, padded, _, wide = turned.shape
    for s in range(count):
        h = top + s
        for w in range(padded):
            to = ((thread * rows + s) * padded + w) * LANES * wide
            if 0 <= h < height and 0 <= w - left < width:
                for group in range(0, channels, LANES):
                    c = min(group, channels - LANES)  # the last group overlaps the one before
                    start = (((b * channels + c) * height + h) * width + w - left) * LANES
                    simd.transpose(x, start, height * width * LANES, turned, to + c, wide)
            else:
                for i in range(to, to + LANES * wide, LANES):
                    simd.store(turned, i, simd.splat(np.float32(0)))


@kernel
def add_tap(
    shape, x, thread, gy, b, images, i, count, u, v, sh, sw, first, last, gw, chunk
):  # fmt: skip
    """gw[chunk, u, v, o] += sum over images and `count` rows of gy from row i on of gy[o] * x."""
    _, kh, kw, _, wide = gw.shape
    _, rows_turned, padded, _, _ = x.shape
    _, outputs, height, width, _ = gy.shape
    rows, columns = simd.rows(shape), simd.columns(shape)
    down = height * width * LANES
    for c in range(0, wide, columns * LANES):
        for o in range(first, last, rows):
            bottom = min(rows, last - o) - 1
            place = (((chunk * kh + u) * kw + v) * outputs + o) * wide + c
            acc = simd.load_tile(shape, gw, place, wide, bottom, LANES)
            for s in range(count):
                row = (thread * rows_turned + s * sh + u) * padded + v
                for j in range(width):
                    at = (((b * outputs + o) * height + i + s) * width + j) * LANES
                    start = (row + j * sw) * LANES * wide + c
                    for _ in range(images):
                        acc = simd.add_row_products(acc, gy, at, down, bottom, x, start, LANES)
                        at += 1
                        start += wide
            simd.store_tile(acc, gw, place, wide, LANES, bottom + 1, columns)


@kernel
def add_chunks(gw, gweight):  # (chunks, taps, O, C) with C a multiple of 16 -> (O, C, taps)
    parallel_for(add_output, gweight.shape[0], (gw, gweight))


@kernel
def add_output(gw, gweight, o):
    """Add up the chunks of one output in their order, and put a channel's taps side by side."""
    for tap in range(gw.shape[1]):
        for c in range(gweight.shape[1]):
            total = gw[0, tap, o, c]
            for chunk in range(1, gw.shape[0]):
                total += gw[chunk, tap, o, c]
            gweight[o, c, tap] = total


# ---- by lanes ----------------------------------------------------------------------------------


def _by_lanes_of(x: Array, gy: Array, window: Window, n: int) -> tuple[Array, Array]:
    channels, outputs, chunks = x.shape[1], gy.shape[1], chunk_count(len(x))
    taps = channels * window.kernel[0] * window.kernel[1]
    (top, bottom), (left, right) = window.reach(x.shape[2:4])
    size = (x.shape[2] + top + bottom, x.shape[3] + left + right)
    shape = simd.lane_shape(outputs)
    slices = min(-(-ITEMS // chunks), -(-outputs // shape.rows))
    gw, gb = lanes.empty((chunks, outputs, taps)), lanes.empty((chunks, outputs))
    pads = top + bottom + left + right > 0
    padded = lanes.empty((get_num_threads(), channels, *size, LANES) if pads else (0, 0, 0, 0, 0))
    offsets = _offsets(channels, *window.kernel, *size, shape.columns)
    _by_lanes(shape, x, gy, n, top, left, padded, offsets, *window.stride, slices, gw, gb)
    return gw.sum(0).reshape(outputs, channels, *window.kernel), gb.sum(0)


@functools.lru_cache(256)
def _offsets(channels: int, kh: int, kw: int, height: int, width: int, columns: int) -> Offsets:
    """Where the taps of a window stand, in floats from its first pixel; then some zeros, so that
    the last tile reads something."""
    c, u, v = np.ogrid[:channels, :kh, :kw]
    taps = ((c * height + u) * width + v) * LANES
    return np.append(taps.ravel(), np.zeros(columns, np.int64))


@kernel
def _by_lanes(shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb):
    arguments = (shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb)
    parallel_for(lanes_chunk, gw.shape[0] * slices, arguments)


@kernel
def lanes_chunk(shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb, k):
    """gw[chunk] of some outputs, by the blocks of chunk k // slices.

    x (B, C, H, W, 16), gy (B, O, OH, OW, 16) -> gw (chunks, O, taps).
    """
    chunk, part, thread = k // slices, k % slices, np.intp(numba.get_thread_id())
    chunks, blocks, outputs, rows = gw.shape[0], x.shape[0], gy.shape[1], simd.rows(shape)
    panels = (outputs + rows - 1) // rows
    first, last = part * panels // slices * rows, (part + 1) * panels // slices * rows
    last = min(last, outputs)
    for o in range(first, last):
        gb[chunk, o] = 0
        for tap in range(gw.shape[2]):
            gw[chunk, o, tap] = 0
    for b in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        bias_block(gy, b, images, first, last, gb, chunk)
        if padded.shape[0] > 0:
            pad(x, b, top, left, padded, thread)
            weight_block(
                shape, padded, thread, gy, b, images, offsets, sh, sw, first, last, gw, chunk
            )
        else:
            weight_block(shape, x, b, gy, b, images, offsets, sh, sw, first, last, gw, chunk)


@kernel
def pad(x, b, top, left, padded, at):
    """Block `b` of x (B, C, H, W, 16), with zeros around, into padded[at]."""
    _, channels, height, width, _ = x.shape
    zero = simd.splat(np.float32(0))
    for c in range(channels):
        for h in range(padded.shape[2]):
            to = ((at * channels + c) * padded.shape[2] + h) * padded.shape[3]
            start = ((b * channels + c) * height + h - top) * width - left
            inside = 0 <= h - top < height
            for w in range(padded.shape[3]):
                if inside and 0 <= w - left < width:
                    simd.store(padded, (to + w) * LANES, simd.load(x, (start + w) * LANES))
                else:
                    simd.store(padded, (to + w) * LANES, zero)


@kernel
def weight_block(shape, x, at, gy, b, images, offsets, sh, sw, first, last, gw, chunk):
    rows, columns = simd.rows(shape), simd.columns(shape)
    outputs, height, width, taps = gy.shape[1], gy.shape[2], gy.shape[3], gw.shape[2]
    block = at * x.shape[1] * x.shape[2] * x.shape[3]
    for o in range(first, last, rows):
        bottom = min(rows, last - o) - 1
        for k in range(0, taps, columns):
            acc = simd.zeros(shape)
            for i in range(height):
                start = ((b * outputs + o) * height + i) * width * LANES
                place = (block + i * sh * x.shape[3]) * LANES
                for _ in range(width):
                    acc = simd.add_lane_products(
                        acc, gy, start, height * width * LANES, bottom, x, place, offsets, k
                    )
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
        bias_block(gy, b, min(LANES, n - b * LANES), 0, gy.shape[1], gb, k)


@kernel
def bias_block(gy, b, images, first, last, gb, chunk):
    pixels = gy.shape[2] * gy.shape[3]
    for o in range(first, last):
        start = (b * gy.shape[1] + o) * pixels * LANES
        a = simd.splat(np.float32(0))
        c, d, e = a, a, a  # four sums at once: an addition waits for the one before it
        for _ in range(pixels // 4):
            a = simd.add(a, simd.load(gy, start))
            c = simd.add(c, simd.load(gy, start + LANES))
            d = simd.add(d, simd.load(gy, start + 2 * LANES))
            e = simd.add(e, simd.load(gy, start + 3 * LANES))
            start += 4 * LANES
        for _ in range(pixels % 4):
            a = simd.add(a, simd.load(gy, start))
            start += LANES
        gb[chunk, o] += simd.total(simd.add(simd.add(a, c), simd.add(d, e)), images)
