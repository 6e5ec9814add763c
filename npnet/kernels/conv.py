"""Convolution in lanes: forward, and the gradients by input and by weight.

Both forward and backward-data are one loop over windows with another plan: an axis of the result
is walked in `phases` (one forward, as many as the stride backward), within which result t reads
its taps at base + t * step, base + t * step + 1, and so on. So a strided convolution's gradient is
computed at its own resolution. A tile of rows x columns = channels x pixels of the result stays in
registers while the window and the channels are walked: im2col without columns.

Source: Dumoulin and Visin (2016), arXiv:1603.07285, section 4, for the transposed window.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from npnet.kernels import lanes, linear, simd, winograd
from npnet.kernels._jit import get_num_threads, kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES, TileShape
from npnet.kernels.windows import Window

__all__ = ["conv2d", "conv2d_backward_data", "conv2d_backward_weight"]

Array: TypeAlias = npt.NDArray[np.float32]
Plan: TypeAlias = npt.NDArray[np.int64]

# Gradients of weights are added up in as many parts as this, whatever the number of threads, so
# that they are the same bits with any; with fewer blocks of images than this, in one part a block.
CHUNKS = 8

NO_BIAS = np.zeros(1, np.float32)


def conv2d(x: Array, weight: Array, bias: Array | None, window: Window, fast: bool = True) -> Array:
    """y[o, i, j] = bias[o] + sum over c, u, v of
        weight[o, c, u, v] * x[c, i*SH - PT + u, j*SW - PL + v].

    Args:
        window: without dilation.
        fast: whether Winograd's algorithm may be used, which is less exact (see winograd.py).

    Shape: x (B, C, H, W, 16), weight (O, C, KH, KW), bias (O,) -> (B, O, OH, OW, 16).
    """
    weight = np.require(weight, np.float32, ("C", "W"))
    bias = NO_BIAS if bias is None else np.require(bias, np.float32, ("C", "W"))
    size = window.output_size(x.shape[2:4])
    if _is_linear(window, x.shape[2:4]):
        y = linear.linear(_flat(x), weight.reshape(len(weight), -1), bias)
        return y.reshape(*y.shape[:2], *size, LANES)
    if window.padding != ((0, 0), (0, 0)) and not np.isfinite(weight.sum()):
        # 0 * inf is NaN: the zeros around, which the kernel leaves out, count for once
        x, window = _padded(x, window), Window(window.kernel, window.stride)
    y = lanes.empty((x.shape[0], weight.shape[0], *size, LANES))
    before = (window.padding[0][0], window.padding[1][0])
    if not (
        fast
        and _suits_winograd(window, *weight.shape[:2])
        and winograd.correlate(x, weight, bias, before, y, False)
    ):
        plans = [_plan(*axis, False) for axis in _axes(window)]
        _run(x, weight, bias, y, plans, window.stride, False)
    return y


def conv2d_backward_data(
    gy: Array, weight: Array, window: Window, size: tuple[int, int], fast: bool = True
) -> Array:
    """gx[c, h, w] = sum over o, u, v of weight[o, c, u, v] * gy[o, i, j],
        where i*SH - PT + u = h and j*SW - PL + v = w.

    Shape: gy (B, O, OH, OW, 16), weight (O, C, KH, KW), size (H, W) -> (B, C, H, W, 16).
    """
    weight = np.require(weight, np.float32, ("C", "W"))
    shape = (gy.shape[0], weight.shape[1], *size, LANES)
    if _is_linear(window, size):
        return linear.linear_backward_data(_flat(gy), weight.reshape(len(weight), -1)).reshape(
            shape
        )
    gx = lanes.empty(shape)
    before = (2 - window.padding[0][0], 2 - window.padding[1][0])
    if not (
        fast
        and _suits_winograd(window, *weight.shape[:2])
        and winograd.correlate(gy, weight, NO_BIAS, before, gx, True)
    ):
        plans = [_plan(*axis, True) for axis in _axes(window)]
        _run(gy, weight, NO_BIAS, gx, plans, (1, 1), True)
    return gx


def conv2d_backward_weight(
    x: Array, gy: Array, window: Window, n: int, fast: bool = True
) -> tuple[Array, Array]:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i*SH - PT + u, j*SW - PL + v].

    Shape: x (B, C, H, W, 16), gy (B, O, OH, OW, 16), n images -> (O, C, KH, KW), and the bias's
    gradient (O,), the sum of gy.
    """
    if _is_linear(window, x.shape[2:4]):
        gweight, gbias = linear.linear_backward_weight(_flat(x), _flat(gy), n)
        return gweight.reshape(-1, x.shape[1], *window.kernel), gbias
    blocks, channels = x.shape[:2]
    outputs, chunks = gy.shape[1], min(CHUNKS, max(blocks, 1))
    before = (window.padding[0][0], window.padding[1][0])
    if (
        fast
        and _suits_winograd(window, outputs, channels)
        and winograd.gradient_bytes(channels, outputs, chunks) <= LARGEST
    ):
        gweight = winograd.backward_weight(x, gy, before, n, chunks)
        if np.isfinite(gweight).all():  # as in `winograd.correlate`
            return gweight, _backward_bias(gy, n, chunks)
    return _direct_backward_weight(x, gy, window, n, chunks)


def _direct_backward_weight(
    x: Array, gy: Array, window: Window, n: int, chunks: int
) -> tuple[Array, Array]:
    channels, outputs = x.shape[1], gy.shape[1]
    taps = channels * window.kernel[0] * window.kernel[1]
    (top, bottom), (left, right) = window.reach(x.shape[2:4])
    size = (x.shape[2] + top + bottom, x.shape[3] + left + right)
    shape = _weight_shape(outputs, taps)
    slices = min(-(-CHUNKS // chunks), -(-outputs // shape.rows))
    gw, gb = lanes.empty((chunks, outputs, taps)), lanes.empty((chunks, outputs))
    pads = top + bottom + left + right > 0
    padded = lanes.empty((get_num_threads(), channels, *size, LANES) if pads else (0, 0, 0, 0, 0))
    offsets = _offsets(channels, *window.kernel, *size, shape.columns)
    _gradients(shape, x, gy, n, top, left, padded, offsets, *window.stride, slices, gw, gb)
    return gw.sum(0).reshape(outputs, channels, *window.kernel), gb.sum(0)


def _backward_bias(gy: Array, n: int, chunks: int) -> Array:
    gb = lanes.empty((chunks, gy.shape[1]))
    _bias_gradients(gy, n, gb)
    return gb.sum(0)


# With fewer channels the transforms cost more than they save.
LEAST_CHANNELS = 24
LARGEST = 2**26  # bytes of the frequencies' gradients


def _suits_winograd(window: Window, outputs: int, channels: int) -> bool:
    return (
        window.kernel == (3, 3)
        and window.stride == (1, 1)
        and max(map(max, window.padding)) <= 2
        and min(outputs, channels) >= LEAST_CHANNELS
    )


def _is_linear(window: Window, size: tuple[int, ...]) -> bool:
    """Whether there is one window, the whole image: then the pixels are so many features."""
    return window.kernel == tuple(size) and window.padding == ((0, 0), (0, 0))


def _padded(x: Array, window: Window) -> Array:
    (top, bottom), (left, right) = window.reach(x.shape[2:4])
    around = ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0))
    y = lanes.empty(tuple(n + sum(p) for n, p in zip(x.shape, around, strict=True)))
    y[...] = np.pad(x, around)
    return y


def _flat(x: Array) -> Array:  # (B, C, H, W, 16) -> (B, C*H*W, 16)
    return x.reshape(len(x), x.shape[1] * x.shape[2] * x.shape[3], LANES)


# ---- plans -------------------------------------------------------------------------------------


def _axes(window: Window) -> list[tuple[int, int, int]]:
    """(kernel, stride, padding before) of the rows and of the columns."""
    return [(window.kernel[a], window.stride[a], window.padding[a][0]) for a in (0, 1)]


@functools.cache
def _plan(kernel: int, stride: int, before: int, transposed: bool) -> Plan:
    """(first tap, taps, base) for each phase: result phase + t * phases reads, with its i-th tap
    (first tap + i * phases), what stands at base + t * step + i.

    Forward there is one phase, and step is the stride. Transposed, step is 1, the taps are
    numbered from the last, and phase r takes the taps k = r + before modulo the stride.
    """
    if not transposed:
        return np.array([[0, kernel, -before]])
    plan = []
    for r in range(stride):
        taps = range((r + before) % stride, kernel, stride)
        last = taps[-1] if taps else 0
        plan.append([kernel - 1 - last, len(taps), (r + before - last) // stride])
    return np.array(plan)


@functools.lru_cache(256)
def _offsets(channels: int, kh: int, kw: int, height: int, width: int, columns: int) -> Plan:
    """Where the taps of a window stand, in floats from its first pixel; then some zeros, so that
    the last tile reads something."""
    c, u, v = np.ogrid[:channels, :kh, :kw]
    taps = ((c * height + u) * width + v) * LANES
    return np.append(taps.ravel(), np.zeros(columns, np.int64))


def _shape(outputs: int, width: int) -> TileShape:
    return SHAPES[0] if outputs % 8 in (0, 7) or outputs > 32 else SHAPES[1]


def _weight_shape(outputs: int, taps: int) -> TileShape:
    return WEIGHT_SHAPES[1 if outputs % 4 in (1, 2, 3) and outputs % 3 == 0 else 0]


SHAPES = [TileShape(8, 2), TileShape(6, 4)]
WEIGHT_SHAPES = [TileShape(4, 5), TileShape(3, 5)]


# ---- forward and backward-data -----------------------------------------------------------------


def _run(
    x: Array,
    weight: Array,
    bias: Array,
    y: Array,
    plans: list[Plan],
    steps: tuple[int, int],
    transposed: bool,
) -> None:
    shape = _shape(y.shape[1], y.shape[3])
    panels = lanes.empty((-(-y.shape[1] // shape.rows), x.shape[1], *weight.shape[2:], shape.rows))
    _correlate(shape, x, weight, transposed, panels, bias, y, *plans, *steps)


@kernel
def _correlate(
    shape, x, weight, transposed, panels, bias, y, row_plan, column_plan, row_step, column_step
):
    parallel_for(pack_panel, panels.shape[0], (weight, transposed, panels))
    arguments = (shape, x, panels, bias, y, row_plan, column_plan, row_step, column_step)
    parallel_for(correlate_row, y.shape[0] * y.shape[2], arguments)


@kernel
def pack_panel(weight, transposed, panels, p):
    """Panel `p` of (P, C, KH, KW, R): weights that a tile multiplies by are side by side.

    From (P * R, C, KH, KW), or transposed from (C, P * R, KH, KW) with the taps numbered from the
    last; rows after the last output channel are zero.
    """
    _, channels, kh, kw, rows = panels.shape
    outputs = weight.shape[1] if transposed else weight.shape[0]
    for c in range(channels):
        for u in range(kh):
            for v in range(kw):
                for r in range(rows):
                    o = p * rows + r
                    if o >= outputs:
                        panels[p, c, u, v, r] = 0
                    elif transposed:
                        panels[p, c, u, v, r] = weight[c, o, kh - 1 - u, kw - 1 - v]
                    else:
                        panels[p, c, u, v, r] = weight[o, c, u, v]


@kernel
def correlate_row(shape, x, w, bias, y, row_plan, column_plan, row_step, column_step, k):
    """Row o of block b of the result, k = b * OH + o.

    x (B, C, H, W, 16), w (P, C, KH, KW, R), bias (O,) or (1,) -> y (B, O, OH, OW, 16).
    """
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = y.shape
    b, o = k // out_height, k % out_height
    kh, kw, rows, columns = w.shape[2], w.shape[3], simd.rows(shape), simd.columns(shape)
    phases, column_phases = row_plan.shape[0], column_plan.shape[0]
    row_tap, row_taps, row_base = row_plan[o % phases]
    top = row_base + o // phases * row_step
    first_u, last_u = max(0, -top), min(row_taps, height - top)
    bias_step = 1 if bias.shape[0] == outputs else 0
    right, next_tap = column_step * LANES, rows * column_phases
    for p in range(w.shape[0]):
        last = min(rows, outputs - p * rows) - 1
        for phase in range(column_phases):
            tap, taps, base = column_plan[phase]
            count = (out_width - phase + column_phases - 1) // column_phases
            for t in range(0, count, columns):
                left = base + t * column_step  # where the first pixel's window begins
                farthest = left + (columns - 1) * column_step  # and the last pixel's
                first_v, last_v = max(0, -farthest), min(taps, width - left)
                inside = left >= 0 and farthest + taps <= width
                acc = simd.from_rows(shape, bias, p * rows * bias_step, bias_step, last)
                for c in range(channels):
                    for u in range(first_u, last_u):
                        at = (p * channels + c) * kh + row_tap + u * phases
                        at = (at * kw + tap + first_v * column_phases) * rows
                        start = ((b * channels + c) * height + top + u) * width + left + first_v
                        start *= LANES
                        if inside:
                            for _ in range(first_v, last_v):
                                acc = simd.add_products(acc, w, at, x, start, right)
                                at += next_tap
                                start += LANES
                        else:
                            for v in range(left + first_v, left + last_v):
                                acc = simd.add_products_inside(
                                    acc, w, at, x, start, right, v, column_step, width
                                )
                                at += next_tap
                                start += LANES
                place = (b * outputs + p * rows) * out_height + o
                place = (place * out_width + phase + t * column_phases) * LANES
                down = out_height * out_width * LANES
                simd.store_tile(acc, y, place, down, column_phases * LANES, last + 1, count - t)


# ---- backward-weight ---------------------------------------------------------------------------


@kernel
def _gradients(shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb):
    arguments = (shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb)
    parallel_for(gradients_chunk, gw.shape[0] * slices, arguments)


@kernel
def gradients_chunk(shape, x, gy, n, top, left, padded, offsets, sh, sw, slices, gw, gb, k):
    """Slice k % slices of the outputs' gradients by the blocks of chunk k // slices.

    x (B, C, H, W, 16), gy (B, O, OH, OW, 16) -> gw (chunks, O, taps), gb (chunks, O).
    """
    chunk, part, thread = k // slices, k % slices, numba.get_thread_id()
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
        if padded.shape[0] > 0:
            pad(x, b, top, left, padded, thread)
            weight_block(
                shape, padded, thread, gy, b, images, offsets, sh, sw, first, last, gw, chunk
            )
        else:
            weight_block(shape, x, b, gy, b, images, offsets, sh, sw, first, last, gw, chunk)
        bias_block(gy, b, images, first, last, gb, chunk)


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
