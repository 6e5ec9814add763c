"""3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) or F(2x4, 3x3), in lanes.

Four by four results take 36 multiplications for each pair of channels instead of 144:

    Y = A^T ((G w G^T) * (B^T x B)) A        over 6x6 pixels x, which overlap by two

and the gradient by the weight is the transpose of that: G^T (sum of (A gy A^T) * (B^T x B)) G.
For each of the 36 frequencies the product is a matrix product over channels.

The transforms cost accuracy: numbers are multiplied by up to 7, added up over channels, and cancel.
Of three kinds of errors each is held down by its own means: those of the transforms by the points,
see `winograd_tiles`; those of the sums over channels by adding them up in runs; those of the
weights' gradients, which are sums over all tiles of a batch, by strips whose sums are added up.
Then results are off by two to three times what a direct convolution's are. By tiles of two rows, 24
multiplications for eight results, they are off by 1.4 times that.

Source: Lavin and Gray (2016), arXiv:1509.09308, section 4.3.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.simd import LANES
from npnet.kernels.winograd_tiles import (
    SHORT,
    TALL,
    Place,
    Plane,
    g,
    g_of_two,
    g_transposed,
    gradients_tile,
    next_tile,
    pixels_tile,
    prefetch_tile,
    results_tile,
)

__all__ = [
    "FEWER",
    "FREQUENCIES",
    "FREQUENCY_SHAPE",
    "Gradients",
    "Strips",
    "correlate_strip",
    "gradients_chunk",
    "gradients_output",
    "weight_panel",
]

FREQUENCIES, FEWER = 36, 24  # of tiles of 4 and of 2 rows
FREQUENCY_SHAPE = simd.TILES[8, 2] if simd.WIDE else simd.TILES[4, 1]

# Channels whose products are added up one by one; then the runs' sums are. An error of a sum of
# products becomes one of several results, and grows with the numbers that it has gone through.
CHANNEL_RUN = 16


# ---- forward and backward-data -----------------------------------------------------------------


def _weights(f: Facts) -> None:
    inputs, outputs = (f.A, f.B) if f.transposed else (f.B, f.A)
    need(f, f.F in (FEWER, FREQUENCIES), f"u must have 36 or 24 frequencies, got {f.F}")
    need(f, LANES % f.R == 0, f"rows of u must be a part of {LANES}, got {f.R}")
    need(f, outputs <= f.P * f.R, f"u must have panels of {outputs} channels, got {f.P} of {f.R}")
    whole = inputs <= f.UC and f.UC % (LANES // f.R) == 0
    need(f, whole, f"u must have {inputs} channels in whole vectors, got {f.UC}")


@task(weight="A B 3 3", transposed="flag", tmp="P 36 16", u="F P UC R", items="P", also=_weights)
def weight_panel(weight, transposed, tmp, u, p):
    """Panel `p` of u (F, P, C, R) = G w G^T, for w (O, C, 3, 3), or transposed (C, O, 3, 3).

    For tiles of 4 rows there are 36 frequencies F, for those of 2 rows 24. Several channels' rows
    are a vector; channels and rows beyond the last are zero.
    """
    frequencies, panels, channels, rows = u.shape
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
        for j in range(start, start + 3 * LANES, LANES):
            if frequencies == FEWER:
                g_of_two(tmp, j, 6 * LANES, tmp, j, 6 * LANES)
            else:
                g(tmp, j, 6 * LANES, tmp, j, 6 * LANES)
        to, apart = (p * channels + c) * rows, panels * channels * rows
        for i in range(frequencies // 6):
            g(tmp, start + i * 6 * LANES, LANES, u, to + i * 6 * apart, apart)


class Strips(NamedTuple):
    """How a convolution is done in strips of tiles, a block's tiles in row-major order.

    Attributes:
        shape: the tile of channels x tiles that stays in registers.
        tall: how many rows of results a tile has, 4 or 2.
        top, left: zeros before the first pixel.
        tiles: of a strip; the last one may have fewer.
        strips: of a block.
        v_apart, m_apart: floats from one frequency to the next, of pixels and of results.
        adds: whether the residual is added.
        relu: whether negative results become 0.
    """

    shape: Annotated[Any, "tile"]
    tall: Annotated[int, "int"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    tiles: Annotated[int, "int"]
    strips: Annotated[int, "int"]
    v_apart: Annotated[int, "int"]
    m_apart: Annotated[int, "int"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]


def _strips(f: Facts) -> None:
    """There are panels for all channels, and there is room for a strip's transforms."""
    need(f, min(f.tiles, f.strips) > 0, "its numbers must be positive")
    need(f, f.tall in (SHORT, TALL), f"tall must be {SHORT} or {TALL}, got {f.tall}")
    count = FEWER if f.tall == SHORT else FREQUENCIES
    need(f, count == f.F, f"u must have {count} frequencies, got {f.F}")
    whole = f.tiles % f.shape.columns == 0
    need(f, whole, f"tiles must be a multiple of {f.shape.columns}, got {f.tiles}")
    need(f, f.shape.rows == f.R, f"u must have {f.shape.rows} rows in a panel, got {f.R}")
    need(f, f.P == -(-f.O // f.R), f"u must have panels of {f.O} channels, got {f.P}")
    need(f, f.UC >= f.C, f"u must have {f.C} channels, got {f.UC}")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    need(f, f.B * f.strips == f.N, f"spoiled must have {f.B * f.strips} numbers, got {f.N}")
    _room(f, count, v_apart=f.C * f.tiles, m_apart=f.O * f.tiles)


def _room(f: Facts, frequencies: int, more: int = 0, **vectors: int) -> None:
    """`scratch` has room for the vectors of all frequencies, for 36 vectors, and for more."""
    apart = [getattr(f, name) for name in vectors]
    for name, count in vectors.items():
        need(f, getattr(f, name) >= count * LANES, f"{name} must be {count * LANES} or more")
    floats = frequencies * sum(apart) + FREQUENCIES * LANES + more
    need(f, floats <= f.L, f"scratch must have {floats} numbers for each thread, got {f.L}")


@task(
    plan=Strips, x="B C H W 16", u="F P UC R", bias="biases", residual="B O OH OW 16",
    y="B O OH OW 16", scratch="S L", spoiled="N: bool", items="N", also=_strips,
    empty="B N",
)  # fmt: skip
def correlate_strip(plan, x, u, bias, residual, y, scratch, spoiled, k):
    """Strip k of all blocks' strips: transform, multiply for each frequency, transform back.

    In a thread's scratch are the transformed pixels, the results, and room for one tile.
    """
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = y.shape
    b, first, tall = k // plan.strips, k % plan.strips * plan.tiles, plan.tall
    across = (out_width + 3) // 4
    count = min(plan.tiles, (out_height + tall - 1) // tall * across - first)
    v_start = np.intp(numba.get_thread_id()) * scratch.shape[1]
    m_start = v_start + u.shape[0] * plan.v_apart
    own = m_start + u.shape[0] * plan.m_apart
    first_row, first_column = first // across * tall, first % across * 4
    for c in range(channels):  # outermost: planes are often a power of two apart
        plane = Plane((b * channels + c) * height * width, height, width)
        i, j = first_row, first_column
        for t in range(count):
            place = Place(v_start + (c * plan.tiles + t) * LANES, plan.v_apart)
            prefetch_tile(tall, x, plane, i - plan.top + 2, j - plan.left + 2)
            pixels_tile(tall, x, plane, i - plan.top, j - plan.left, scratch, place, own)
            i, j = next_tile(tall, i, j, out_width)
    for f in range(u.shape[0]):
        v, m = v_start + f * plan.v_apart, m_start + f * plan.m_apart
        multiply(plan, u, f, scratch, v, m, (channels, outputs, count))
    bad = simd.splat(np.float32(0))
    for o in range(outputs):
        plane = Plane((b * outputs + o) * out_height * out_width, out_height, out_width)
        value = simd.splat(bias[o] if bias.shape[0] == outputs else np.float32(0))
        i, j = first_row, first_column
        for t in range(count):
            place = Place(m_start + (o * plan.tiles + t) * LANES, plan.m_apart)
            prefetch_tile(tall, y, plane, i, j)
            if plan.adds:
                prefetch_tile(tall, residual, plane, i, j)
            tile_bad = results_tile(plan, scratch, place, own, value, residual, y, plane, i, j)
            bad = simd.add(bad, tile_bad)
            i, j = next_tile(tall, i, j, out_width)
    spoiled[k] = simd.total(bad, LANES) != 0


@kernel
def multiply(plan, u, f, scratch, v, m, sizes):
    """m[o, t] = sum over c of u[f, o, c] * v[c, t], of scratch, for one frequency."""
    (channels, outputs, count), across = sizes, plan.tiles * LANES
    _, panels, even, rows = u.shape
    shape, columns = plan.shape, simd.columns(plan.shape)
    for p in range(panels):
        for t in range(0, count, columns):
            at, start = (f * panels + p) * even * rows, v + t * LANES
            to, last = m + p * rows * across + t * LANES, outputs - p * rows
            for first in range(0, channels, CHANNEL_RUN):
                acc = simd.zeros(shape)
                for _ in range(min(CHANNEL_RUN, channels - first)):
                    acc = simd.add_products(acc, u, at, scratch, start, LANES)
                    at += rows
                    start += across
                if first > 0:
                    acc = simd.add_tile(acc, scratch, to, across, LANES, last, columns)
                simd.store_tile(acc, scratch, to, across, LANES, last, columns)


# ---- backward-weight ---------------------------------------------------------------------------


class Gradients(NamedTuple):
    """How the gradient by the weight is added up, some tiles of a block at a time.

    Attributes:
        shape: the tile of outputs x channels that stays in registers.
        top, left: zeros before the first pixel.
        tiles: at a time.
        v_apart, z_apart: floats from one frequency to the next, of pixels and of gradients.
    """

    shape: Annotated[Any, "tile"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    tiles: Annotated[int, "int"]
    v_apart: Annotated[int, "int"]
    z_apart: Annotated[int, "int"]


def _products(f: Facts) -> None:
    need(f, f.tiles > 0, "its numbers must be positive")
    images_of_blocks(f)
    across = f.shape.columns * LANES
    need(f, f.CW >= f.C and f.CW % across == 0, f"d must have whole tiles of {f.C} channels")
    _room(f, FREQUENCIES, f.tiles * LANES * f.CW, v_apart=f.CW * f.tiles, z_apart=f.O * f.tiles)


@task(
    plan=Gradients, x="B C H W 16", gy="B O OH OW 16", n="int", scratch="S L", d="K 36 O CW",
    items="K", also=_products, empty="B",
)  # fmt: skip
def gradients_chunk(plan, x, gy, n, scratch, d, k):
    """d[k] (36, O, C) = sum over the tiles and images of chunk k's blocks of z[o] * v[c].

    In a thread's scratch are the transformed pixels v, of which those of channels that are not
    there are zero, the transformed gradients z, room for one tile, and the pixels of one frequency
    with channels in the lanes.
    """
    chunks, blocks = d.shape[0], x.shape[0]
    _, channels, height, width, _ = x.shape
    _, outputs, out_height, out_width, _ = gy.shape
    across = (out_width + 3) // 4
    total = (out_height + 3) // 4 * across
    v_start = np.intp(numba.get_thread_id()) * scratch.shape[1]
    z_start = v_start + FREQUENCIES * plan.v_apart
    own = z_start + FREQUENCIES * plan.z_apart
    size = d.size // chunks
    for i in range(k * size, (k + 1) * size, LANES):
        simd.store(d, i, simd.splat(np.float32(0)))
    for b in range(k * blocks // chunks, (k + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        for first in range(0, total, plan.tiles):
            count = min(plan.tiles, total - first)
            first_row, first_column = first // across * 4, first % across * 4
            for c in range(channels):
                plane = Plane((b * channels + c) * height * width, height, width)
                i, j = first_row, first_column
                for t in range(count):
                    place = Place(v_start + (c * plan.tiles + t) * LANES, plan.v_apart)
                    prefetch_tile(TALL, x, plane, i - plan.top + 2, j - plan.left + 2)
                    pixels_tile(TALL, x, plane, i - plan.top, j - plan.left, scratch, place, own)
                    i, j = next_tile(TALL, i, j, out_width)
            for o in range(outputs):
                plane = Plane((b * outputs + o) * out_height * out_width, out_height, out_width)
                i, j = first_row, first_column
                for t in range(count):
                    place = Place(z_start + (o * plan.tiles + t) * LANES, plan.z_apart)
                    prefetch_tile(TALL, gy, plane, i, j)
                    gradients_tile(gy, plane, i, j, scratch, place, own)
                    i, j = next_tile(TALL, i, j, out_width)
            for f in range(FREQUENCIES):
                v, z = v_start + f * plan.v_apart, z_start + f * plan.z_apart
                turned = own + FREQUENCIES * LANES
                multiply_lanes(plan, scratch, (v, z, turned), d, k, f, (count, images))


@kernel
def multiply_lanes(plan, scratch, places, d, k, f, sizes):
    """d[k, f, o, c] += sum over tiles t and images l of z[o, t, l] * v[c, t, l], of scratch."""
    _, _, outputs, wide = d.shape
    (v_start, z_start, vt_start), (count, images) = places, sizes
    shape, tiles = plan.shape, plan.tiles
    rows, columns = simd.rows(shape), simd.columns(shape)
    for c in range(0, wide, LANES):
        for t in range(count):
            start, to = v_start + (c * tiles + t) * LANES, vt_start + t * LANES * wide + c
            simd.transpose(scratch, start, tiles * LANES, scratch, to, wide)
    for o in range(0, outputs, rows):
        last = min(rows, outputs - o) - 1
        for c in range(0, wide, columns * LANES):
            place = ((k * FREQUENCIES + f) * outputs + o) * wide + c
            acc = simd.zeros(shape)  # a sum of its own: one over the whole batch is too long
            for t in range(count):
                at, start = z_start + (o * tiles + t) * LANES, vt_start + t * LANES * wide + c
                for _ in range(images):
                    acc = simd.add_row_products(
                        acc, scratch, at, tiles * LANES, last, scratch, start, LANES
                    )
                    at += 1
                    start += wide
            acc = simd.add_tile(acc, d, place, wide, LANES, last + 1, columns)
            simd.store_tile(acc, d, place, wide, LANES, last + 1, columns)


def _whole_vectors(f: Facts) -> None:
    need(f, f.CW % LANES == 0, f"d must have channels in whole vectors, got {f.CW}")


@task(d="K 36 O CW", tmp="O 36 16", taps="1 9 O CW", items="O", also=_whole_vectors)
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
            g_transposed(own, j * LANES, 6 * LANES, own, j * LANES, 6 * LANES)
        for i in range(3):
            to = o * wide + c + i * 3 * apart
            g_transposed(own, i * 6 * LANES, LANES, taps, to, apart)
