"""3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), in lanes.

Four by four results take 36 multiplications for each pair of channels instead of 144:

    Y = A^T ((G w G^T) * (B^T x B)) A        over 6x6 pixels x, which overlap by two

and the gradient by the weight is the transpose of that: G^T (sum of (A gy A^T) * (B^T x B)) G.
For each of the 36 frequencies the product is a matrix product over channels. The transforms cost
accuracy: results are off by about ten times what a direct convolution's are.

Source: Lavin and Gray (2016), arXiv:1509.09308, section 4.3.
"""

from __future__ import annotations

import numba
import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count, check_pair
from npnet.kernels import lanes, simd, simd_math, weight_gradient
from npnet.kernels._arguments import Rule, check_apart, check_images
from npnet.kernels._jit import get_num_threads, inlined, kernel
from npnet.kernels._parallel import parallel_for, parallel_for_slots
from npnet.kernels.simd import LANES

__all__ = ["backward_weight", "correlate", "gradient_bytes"]


_FORWARD = Rule(
    "winograd.correlate", x="B C H W 16", weight="O C 3 3", bias="biases", y="B O OH OW 16",
    residual="B O OH OW 16 | None",
)  # fmt: skip
_TRANSPOSED = Rule(
    "winograd.correlate", x="B C H W 16", weight="C O 3 3", bias="biases", y="B O OH OW 16",
    residual="B O OH OW 16 | None",
)  # fmt: skip
_BACKWARD_WEIGHT = Rule("winograd.backward_weight", x="B C H W 16", gy="B O OH OW 16")

FREQUENCIES = 36
SHAPE = simd.TILES[8, 2] if simd.WIDE else simd.TILES[4, 1]
# Transformed pixels and results of the tiles that are worked on at a time, for one thread.
SCRATCH_BYTES = 2**19
ITEMS = 4  # strips of a batch, at least, to keep threads busy
# Between frequencies, so that they do not all fall on the same lines of the cache.
GAP = LANES


def correlate(
    x: Array,
    weight: Array,
    bias: Array,
    before: tuple[int, int],
    y: Array,
    transposed: bool,
    residual: Array | None = None,
    relu: bool = False,
) -> bool:
    """y[o, i, j] = bias[o] + sum over c, u, v of
        weight[o, c, u, v] * x[c, i - top + u, j - left + v].

    With `transposed`, weight[c, o, 2 - u, 2 - v] instead. Then y + residual, then max(y, 0).

    Args:
        before: (top, left), how many zeros stand before the first pixel.

    Returns:
        Whether all sums are finite. Otherwise y is of no use: the transforms carry NaN and
        infinity over to pixels that are none of theirs.

    Shape: x (B, C, H, W, 16), weight (O, C, 3, 3), bias (O,) or (1,)
        -> y and residual (B, O, OH, OW, 16).
    """
    (_TRANSPOSED if transposed else _FORWARD)(x, weight, bias, y, residual)
    if bias.shape[0] not in (1, y.shape[1]):
        raise ShapeError(
            f"winograd.correlate: bias must have 1 number or {y.shape[1]}, as y has channels; "
            f"got {bias.shape[0]}"
        )
    before = check_pair("winograd.correlate", "before", before, 0)
    check_apart("winograd.correlate", y=y, x=x)
    blocks, outputs, height, width, _ = y.shape
    channels, rows = x.shape[1], SHAPE.rows
    panels, together = -(-outputs // rows), LANES // rows
    total = -(-height // 4) * -(-width // 4)
    most = max(2, -(-total * blocks // (2 * ITEMS)) * 2)
    tiles = min(_tiles_at_a_time(channels + outputs, total), most)
    strips = -(-total // tiles)
    u = lanes.empty((FREQUENCIES, panels, -(-channels // together) * together, rows))
    threads = get_num_threads()
    v = lanes.empty((threads, FREQUENCIES * (channels * tiles * LANES + GAP)))
    m = lanes.empty((threads, FREQUENCIES * (outputs * tiles * LANES + GAP)))
    taps, tmp = (lanes.empty((k, FREQUENCIES, LANES)) for k in (panels, threads))
    spoiled = np.zeros(blocks * strips, np.bool_)
    epilogue = (y if residual is None else residual, residual is not None, bool(relu))
    _correlate(
        SHAPE, x, weight, bool(transposed), taps, u, bias, *before, *epilogue, y, tiles, strips,
        tmp, v, m, spoiled,
    )  # fmt: skip
    return not spoiled.any()


def backward_weight(x: Array, gy: Array, before: tuple[int, int], n: int, chunks: int) -> Array:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i - top + u, j - left + v].

    Shape: x (B, C, H, W, 16), gy (B, O, OH, OW, 16) -> (O, C, 3, 3).
    """
    _BACKWARD_WEIGHT(x, gy)
    check_images("winograd.backward_weight", n, len(x))
    before = check_pair("winograd.backward_weight", "before", before, 0)
    chunks = check_count("winograd.backward_weight", "chunks", chunks)
    channels, outputs = x.shape[1], gy.shape[1]
    total = -(-gy.shape[2] // 4) * -(-gy.shape[3] // 4)
    wide = -(-channels // LANES) * LANES
    tiles = _tiles_at_a_time(2 * wide + outputs, total)
    threads = get_num_threads()
    v = lanes.zeros((threads, FREQUENCIES * (wide * tiles * LANES + GAP)))
    z = lanes.empty((threads, FREQUENCIES * (outputs * tiles * LANES + GAP)))
    vt = lanes.empty((threads, tiles * LANES, wide))
    d = lanes.empty((chunks, FREQUENCIES, outputs, wide))
    tmp = lanes.empty((threads, FREQUENCIES, LANES))
    _gradients(simd.row_shape(wide), x, gy, n, *before, tiles, tmp, v, z, vt, d)
    taps = lanes.empty((1, 9, outputs, wide))
    _back(d, lanes.empty((outputs, FREQUENCIES, LANES)), taps)
    gweight = np.empty((outputs, channels, 3, 3), np.float32)
    weight_gradient.add_chunks(taps[None], gweight.reshape(outputs, channels, 9))
    return gweight


def gradient_bytes(channels: int, outputs: int) -> int:
    """What `backward_weight` needs for the gradients of the frequencies in one chunk."""
    return 4 * FREQUENCIES * outputs * -(-channels // LANES) * LANES


def _tiles_at_a_time(channels: int, total: int) -> int:
    """An even number of tiles whose transforms fit the cache, but four if there are so many."""
    fit = SCRATCH_BYTES // (FREQUENCIES * channels * LANES * 4)
    return min(max(fit // 2 * 2, 4), -(-total // 2) * 2)


# ---- transforms of six, four or three numbers --------------------------------------------------


@inlined
def _b(x, at, step, y, to, apart):
    """y = B^T x of six vectors `step` apart, into six `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e, f = (
        simd.load(x, at + 3 * step),
        simd.load(x, at + 4 * step),
        simd.load(x, at + 5 * step),
    )
    two, four, five = simd.splat(TWO), simd.splat(FOUR), simd.splat(-FIVE)
    less_two, less_four = simd.splat(-TWO), simd.splat(-FOUR)
    even, odd = simd.fma(less_four, c, e), simd.fma(less_four, b, d)
    even_2, odd_2 = simd.sub(e, c), simd.sub(d, b)
    simd.store(y, to, simd.fma(four, a, simd.fma(five, c, e)))
    simd.store(y, to + apart, simd.add(even, odd))
    simd.store(y, to + 2 * apart, simd.sub(even, odd))
    simd.store(y, to + 3 * apart, simd.fma(two, odd_2, even_2))
    simd.store(y, to + 4 * apart, simd.fma(less_two, odd_2, even_2))
    simd.store(y, to + 5 * apart, simd.fma(four, b, simd.fma(five, d, f)))


TWO, FOUR, FIVE, EIGHT = (np.float32(k) for k in (2, 4, 5, 8))


@inlined
def _a_transposed(x, at, step, y, to, apart):
    """y = A^T x of six vectors `step` apart, into four `apart`."""
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    near, near_odd, far, far_odd = simd.add(b, c), simd.sub(b, c), simd.add(d, e), simd.sub(d, e)
    first = simd.add(simd.add(simd.load(x, at), near), far)
    last = simd.add(simd.fma(simd.splat(EIGHT), far_odd, near_odd), simd.load(x, at + 5 * step))
    simd.store(y, to, first)
    simd.store(y, to + apart, simd.fma(simd.splat(TWO), far_odd, near_odd))
    simd.store(y, to + 2 * apart, simd.fma(simd.splat(FOUR), far, near))
    simd.store(y, to + 3 * apart, last)


@inlined
def _a(x, at, step, y, to, apart):
    """y = A x of four vectors `step` apart, into six `apart`."""
    a, b = simd.load(x, at), simd.load(x, at + step)
    c, d = simd.load(x, at + 2 * step), simd.load(x, at + 3 * step)
    even, odd = simd.add(a, c), simd.add(b, d)
    even_2 = simd.fma(simd.splat(FOUR), c, a)
    odd_2 = simd.fma(simd.splat(EIGHT), d, simd.add(b, b))
    simd.store(y, to, a)
    simd.store(y, to + apart, simd.add(even, odd))
    simd.store(y, to + 2 * apart, simd.sub(even, odd))
    simd.store(y, to + 3 * apart, simd.add(even_2, odd_2))
    simd.store(y, to + 4 * apart, simd.sub(even_2, odd_2))
    simd.store(y, to + 5 * apart, d)


# ---- transforms of tiles -----------------------------------------------------------------------


@kernel
def pixels_tile(x, plane, height, width, top, left, tmp, v, to, apart):
    """B^T x B of the 6x6 pixels from (top, left) on, zeros outside, into 36 vectors of v."""
    if top >= 0 and top + 6 <= height and left >= 0 and left + 6 <= width:
        at = (plane + top * width + left) * LANES
        for j in range(6):
            _b(x, at + j * LANES, width * LANES, tmp, j * LANES, 6 * LANES)
    else:
        for i in range(6):
            for j in range(6):
                h, w = top + i, left + j
                inside = (h >= 0) & (h < height) & (w >= 0) & (w < width)
                pixel = simd.load_or_zero(x, (plane + h * width + w) * LANES, inside)
                simd.store(tmp, (i * 6 + j) * LANES, pixel)
        for j in range(6):
            _b(tmp, j * LANES, 6 * LANES, tmp, j * LANES, 6 * LANES)
    for i in range(6):
        _b(tmp, i * 6 * LANES, LANES, v, to + i * 6 * apart, apart)


@kernel
def results_tile(m, at, apart, tmp, bias, residual, adds, relu, y, plane, height, width, top, left):
    """A^T m A of 36 vectors of m, plus bias, into the 4x4 pixels from (top, left) on, if there.

    Returns zeros, or NaN where one is not finite before the residual and the ReLU.
    """
    zero = simd.splat(np.float32(0))
    for j in range(6):
        _a_transposed(m, at + j * apart, 6 * apart, tmp, j * LANES, 6 * LANES)
    for i in range(4):
        _a_transposed(tmp, i * 6 * LANES, LANES, tmp, i * 6 * LANES, LANES)
    spoiled = zero
    for i in range(min(4, height - top)):
        for j in range(min(4, width - left)):
            result = simd.add(simd.load(tmp, (i * 6 + j) * LANES), bias)
            spoiled = simd.fma(result, zero, spoiled)
            to = (plane + (top + i) * width + left + j) * LANES
            if adds:
                result = simd.add(result, simd.load(residual, to))
            if relu:
                result = simd_math.maximum(zero, result)
            simd.store(y, to, result)
    return spoiled


@kernel
def gradients_tile(gy, plane, height, width, top, left, tmp, z, to, apart):
    """A gy A^T of the 4x4 gradients from (top, left) on, zeros outside, into 36 vectors of z."""
    for i in range(4):
        for j in range(4):
            h, w = top + i, left + j
            g = simd.load_or_zero(gy, (plane + h * width + w) * LANES, (h < height) & (w < width))
            simd.store(tmp, (i * 6 + j) * LANES, g)
    for j in range(4):
        _a(tmp, j * LANES, 6 * LANES, tmp, j * LANES, 6 * LANES)
    for i in range(6):
        _a(tmp, i * 6 * LANES, LANES, z, to + i * 6 * apart, apart)


@inlined
def prefetch_tile(x, plane, width, top, left):
    """Begin to fetch 4x4 pixels: the processor itself does not follow runs as short as a tile's."""
    for i in range(4):
        for j in range(4):
            simd.prefetch(x, (plane + (top + i) * width + left + j) * LANES)


@inlined
def next_tile(i, j, width):
    """The first row and column of the tile after that at (i, j), in an image of `width`."""
    return (i, j + 4) if j + 4 < width else (i + 4, 0)


@kernel
def weight_panel(weight, transposed, tmp, u, p):
    """Panel `p` of u (36, P, C, R) = G w G^T, for w (O, C, 3, 3), or transposed (C, O, 3, 3).

    Several channels' rows are a vector; channels and rows beyond the last are zero.
    """
    _, panels, channels, rows = u.shape
    outputs = weight.shape[1] if transposed else weight.shape[0]
    inputs = weight.shape[0] if transposed else weight.shape[1]
    for c in range(0, channels, LANES // rows):
        for lane in range(LANES):
            o, i = p * rows + lane % rows, c + lane // rows
            if o >= outputs or i >= inputs:
                for tap in range(9):
                    tmp[p, tap // 3 * 6 + tap % 3, lane] = 0
            elif transposed:
                for tap in range(9):
                    tmp[p, tap // 3 * 6 + tap % 3, lane] = weight[i, o, 2 - tap // 3, 2 - tap % 3]
            else:
                for tap in range(9):
                    tmp[p, tap // 3 * 6 + tap % 3, lane] = weight[o, i, tap // 3, tap % 3]
        start = p * 36 * LANES
        for j in range(3):
            _g(tmp, start + j * LANES, 6 * LANES, tmp, start + j * LANES, 6 * LANES)
        to, apart = (p * channels + c) * rows, panels * channels * rows
        for i in range(6):
            _g(tmp, start + i * 6 * LANES, LANES, u, to + i * 6 * apart, apart)


@inlined
def _g(x, at, step, y, to, apart):
    """y = G x of three vectors `step` apart, into six `apart`."""
    a, b, c = simd.load(x, at), simd.load(x, at + step), simd.load(x, at + 2 * step)
    zero = simd.splat(np.float32(0))
    sixth, twelfth = simd.splat(np.float32(1 / 6)), simd.splat(np.float32(1 / 12))
    outer = simd.fma(simd.add(a, c), sixth, zero)
    middle = simd.fma(b, sixth, zero)
    far = simd.fma(c, sixth, simd.fma(a, simd.splat(np.float32(1 / 24)), zero))
    far_middle = simd.fma(b, twelfth, zero)
    simd.store(y, to, simd.fma(a, simd.splat(np.float32(1 / 4)), zero))
    simd.store(y, to + apart, simd.sub(simd.sub(zero, outer), middle))
    simd.store(y, to + 2 * apart, simd.sub(middle, outer))
    simd.store(y, to + 3 * apart, simd.add(far, far_middle))
    simd.store(y, to + 4 * apart, simd.sub(far, far_middle))
    simd.store(y, to + 5 * apart, c)


@inlined
def _g_transposed(x, at, step, y, to, apart):
    """y = G^T x of six vectors `step` apart, into three `apart`."""
    a, f = simd.load(x, at), simd.load(x, at + 5 * step)
    b, c = simd.load(x, at + step), simd.load(x, at + 2 * step)
    d, e = simd.load(x, at + 3 * step), simd.load(x, at + 4 * step)
    sixth, twelfth = simd.splat(np.float32(1 / 6)), simd.splat(np.float32(1 / 12))
    less_sixth, far = simd.splat(np.float32(-1 / 6)), simd.add(d, e)
    zero = simd.splat(np.float32(0))
    near = simd.fma(less_sixth, simd.add(b, c), zero)
    first = simd.fma(simd.splat(np.float32(1 / 24)), far, near)
    middle = simd.fma(sixth, simd.sub(c, b), zero)
    simd.store(y, to, simd.fma(simd.splat(np.float32(1 / 4)), a, first))
    simd.store(y, to + apart, simd.fma(twelfth, simd.sub(d, e), middle))
    simd.store(y, to + 2 * apart, simd.add(simd.fma(sixth, far, near), f))


@kernel
def _back(d, tmp, taps):
    parallel_for(gradients_output, taps.shape[2], (d, tmp, taps))


@kernel
def gradients_output(d, tmp, taps, o):
    """taps[0, :, o] = G^T (sum of d[chunk, :, o]) G.  d (chunks, 36, O, C) -> taps (1, 9, O, C)."""
    chunks, _, outputs, wide = d.shape
    own, apart = tmp[o], outputs * wide
    for c in range(0, wide, LANES):
        for f in range(FREQUENCIES):
            total = simd.load(d, (f * outputs + o) * wide + c)
            for k in range(1, chunks):
                total = simd.add(
                    total, simd.load(d, ((k * FREQUENCIES + f) * outputs + o) * wide + c)
                )
            simd.store(own, f * LANES, total)
        for j in range(6):
            _g_transposed(own, j * LANES, 6 * LANES, own, j * LANES, 6 * LANES)
        for i in range(3):
            to = o * wide + c + i * 3 * apart
            _g_transposed(own, i * 6 * LANES, LANES, taps, to, apart)


# ---- forward and backward-data -----------------------------------------------------------------


@kernel
def _correlate(
    shape, x, weight, transposed, taps, u, bias, top, left, residual, adds, relu, y,
    tiles, strips, tmp, v, m, spoiled,
):  # fmt: skip
    parallel_for(weight_panel, u.shape[1], (weight, transposed, taps, u))
    arguments = (
        shape, x, u, bias, top, left, residual, adds, relu, y, tiles, strips, tmp, v, m, spoiled,
    )  # fmt: skip
    parallel_for_slots(correlate_strip, y.shape[0] * strips, arguments, v.shape[0])


@kernel
def correlate_strip(
    shape, x, u, bias, top, left, residual, adds, relu, y, tiles, strips, tmp, v, m, spoiled, k
):
    """Some tiles of one block: transform, multiply for each frequency, transform back."""
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = y.shape
    b, first, thread = k // strips, k % strips * tiles, np.intp(numba.get_thread_id())
    across = (out_width + 3) // 4
    count = min(tiles, (out_height + 3) // 4 * across - first)
    v_apart, m_apart = v.shape[1] // FREQUENCIES, m.shape[1] // FREQUENCIES
    v_start, m_start, own = thread * v.shape[1], thread * m.shape[1], tmp[thread]
    first_row, first_column = first // across * 4, first % across * 4
    for c in range(channels):  # outermost: planes are often a power of two apart
        plane = (b * channels + c) * height * width
        i, j = first_row, first_column
        for t in range(count):
            to = v_start + (c * tiles + t) * LANES
            prefetch_tile(x, plane + height * width, width, i - top + 2, j - left + 2)
            pixels_tile(x, plane, height, width, i - top, j - left, own, v, to, v_apart)
            i, j = next_tile(i, j, out_width)
    for f in range(FREQUENCIES):
        multiply(
            shape, u, f, v, v_start + f * v_apart, m, m_start + f * m_apart, channels, outputs,
            tiles, count,
        )  # fmt: skip
    bad = simd.splat(np.float32(0))
    for o in range(outputs):
        plane = (b * outputs + o) * out_height * out_width
        value = simd.splat(bias[o] if bias.shape[0] == outputs else np.float32(0))
        i, j = first_row, first_column
        for t in range(count):
            at = m_start + (o * tiles + t) * LANES
            prefetch_tile(y, plane + out_height * out_width, out_width, i, j)
            if adds:
                prefetch_tile(residual, plane + out_height * out_width, out_width, i, j)
            tile_bad = results_tile(
                m, at, m_apart, own, value, residual, adds, relu, y, plane, out_height, out_width,
                i, j,
            )  # fmt: skip
            bad = simd.add(bad, tile_bad)
            i, j = next_tile(i, j, out_width)
    spoiled[k] = simd.total(bad, LANES) != 0


@kernel
def multiply(shape, u, f, v, v_start, m, m_start, channels, outputs, tiles, count):
    """m[o, t] = sum over c of u[f, o, c] * v[c, t] for one frequency."""
    _, panels, even, rows = u.shape
    for p in range(panels):
        for t in range(0, count, simd.columns(shape)):
            acc = simd.zeros(shape)
            at, start = (f * panels + p) * even * rows, v_start + t * LANES
            for _ in range(channels):
                acc = simd.add_products(acc, u, at, v, start, LANES)
                at += rows
                start += tiles * LANES
            to = m_start + (p * rows * tiles + t) * LANES
            simd.store_tile(
                acc, m, to, tiles * LANES, LANES, outputs - p * rows, simd.columns(shape)
            )


# ---- backward-weight ---------------------------------------------------------------------------


@kernel
def _gradients(shape, x, gy, n, top, left, tiles, tmp, v, z, vt, d):
    arguments = (shape, x, gy, n, top, left, tiles, tmp, v, z, vt, d)
    parallel_for_slots(gradients_chunk, d.shape[0], arguments, v.shape[0])


@kernel
def gradients_chunk(shape, x, gy, n, top, left, tiles, tmp, v, z, vt, d, k):
    """d[k] (36, O, C) = sum over the tiles and images of chunk k's blocks of z[o] * v[c]."""
    chunks, blocks, thread = d.shape[0], x.shape[0], np.intp(numba.get_thread_id())
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = gy.shape
    across = (out_width + 3) // 4
    total = (out_height + 3) // 4 * across
    v_apart, z_apart = v.shape[1] // FREQUENCIES, z.shape[1] // FREQUENCIES
    v_start, z_start, own = thread * v.shape[1], thread * z.shape[1], tmp[thread]
    for i in range(k * d[0].size, (k + 1) * d[0].size, LANES):
        simd.store(d, i, simd.splat(np.float32(0)))
    for b in range(k * blocks // chunks, (k + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        for first in range(0, total, tiles):
            count = min(tiles, total - first)
            first_row, first_column = first // across * 4, first % across * 4
            for c in range(channels):
                plane = (b * channels + c) * height * width
                i, j = first_row, first_column
                for t in range(count):
                    to = v_start + (c * tiles + t) * LANES
                    prefetch_tile(x, plane + height * width, width, i - top + 2, j - left + 2)
                    pixels_tile(x, plane, height, width, i - top, j - left, own, v, to, v_apart)
                    i, j = next_tile(i, j, out_width)
            for o in range(outputs):
                plane = (b * outputs + o) * out_height * out_width
                i, j = first_row, first_column
                for t in range(count):
                    to = z_start + (o * tiles + t) * LANES
                    prefetch_tile(gy, plane + out_height * out_width, out_width, i, j)
                    gradients_tile(gy, plane, out_height, out_width, i, j, own, z, to, z_apart)
                    i, j = next_tile(i, j, out_width)
            for f in range(FREQUENCIES):
                to, at = v_start + f * v_apart, z_start + f * z_apart
                multiply_lanes(shape, v, to, z, at, vt, thread, d, k, f, tiles, count, images)


@kernel
def multiply_lanes(shape, v, v_start, z, z_start, vt, thread, d, k, f, tiles, count, images):
    """d[k, f, o, c] += sum over tiles t and images l of z[o, t, l] * v[c, t, l]."""
    _, _, outputs, wide = d.shape
    rows, columns = simd.rows(shape), simd.columns(shape)
    vt_start = thread * vt.shape[1] * wide
    for c in range(0, wide, LANES):
        for t in range(count):
            start, to = v_start + (c * tiles + t) * LANES, vt_start + t * LANES * wide + c
            simd.transpose(v, start, tiles * LANES, vt, to, wide)
    for o in range(0, outputs, rows):
        last = min(rows, outputs - o) - 1
        for c in range(0, wide, columns * LANES):
            place = ((k * FREQUENCIES + f) * outputs + o) * wide + c
            acc = simd.zeros(shape)  # a sum of its own: one over the whole batch is too long
            for t in range(count):
                at, start = z_start + (o * tiles + t) * LANES, vt_start + t * LANES * wide + c
                for _ in range(images):
                    acc = simd.add_row_products(acc, z, at, tiles * LANES, last, vt, start, LANES)
                    at += 1
                    start += wide
            acc = simd.add_tile(acc, d, place, wide, LANES, last + 1, columns)
            simd.store_tile(acc, d, place, wide, LANES, last + 1, columns)
