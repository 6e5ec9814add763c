"""Winograd's convolutions of a program, with the batch norms before and behind them.

Of 3x3 pixels with one zero around, so that images keep their size; see `winograd`.

One pass over the memory between two convolutions: an item is a region of some rows and columns of
tiles of a block's images. Forward, its pixels are normalised on their way into the thread's
scratch, with zeros around, so that no tile asks where the image ends; its results leave their sums
for the batch norm that follows. Backward, the gradient goes through the batch norm behind on its
way in, and then twice through one transform: with the weights it makes the gradient of the pixels,
with the pixels that of the weights, whose roles are changed for it:

    gw[2 - u, 2 - v] = sum over i, j of x[i, j] * gy[i + u - top, j + v - left]

has 4x4 pixels and 6x6 gradients, which the gradient of the pixels needs too.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numba
import numpy as np

from npnet.kernels import simd, simd_math
from npnet.kernels._jit import inlined, kernel
from npnet.kernels._task import Facts, need, task
from npnet.kernels.norm_parts import Area, area_statistics, area_sums
from npnet.kernels.simd import LANES
from npnet.kernels.winograd import FEWER, FREQUENCIES, multiply, multiply_lanes
from npnet.kernels.winograd_tiles import (
    SHORT,
    TALL,
    Place,
    Plane,
    g_transposed,
    gradients_tile,
    pixels_tile,
    results_tile,
)

__all__ = ["Backward", "Forward", "backward_region", "forward_region", "weights_output"]


class Forward(NamedTuple):
    """How a convolution and the batch norm before it are done in regions.

    Attributes:
        shape: the tile of channels x tiles that stays in registers.
        tall: how many rows of results a tile has, 4 or 2.
        rows, columns: of tiles in a region; at the end of an image there are fewer.
        down, across: regions of an image.
        tiles: room for those of a region, whole register tiles.
        v_apart, m_apart: floats from one frequency to the next, of pixels and of results.
        normalises: whether x comes before a batch norm; else it is taken as it is.
        takes_residual, rectifies: what happens after the norm.
        keeps: whether what the convolution takes is stored in z.
        counts: whether a batch norm behind needs sums.
        adds, relu: False, as nothing else happens to the results.
    """

    shape: Annotated[Any, "tile"]
    tall: Annotated[int, "int"]
    rows: Annotated[int, "int"]
    columns: Annotated[int, "int"]
    down: Annotated[int, "int"]
    across: Annotated[int, "int"]
    tiles: Annotated[int, "int"]
    v_apart: Annotated[int, "int"]
    m_apart: Annotated[int, "int"]
    normalises: Annotated[bool, "flag"]
    takes_residual: Annotated[bool, "flag"]
    rectifies: Annotated[bool, "flag"]
    keeps: Annotated[bool, "flag"]
    counts: Annotated[bool, "flag"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]


class Backward(NamedTuple):
    """The same of a convolution backward: gradients gy take the place of the pixels.

    Attributes:
        across_weights: the tile of outputs x channels that stays in registers.
        tall: 4.
        normalised: whether a batch norm stands behind, so that gy follows from g.
        masks: whether a ReLU comes before the convolution.
        sums: whether a batch norm before it needs sums.
        weighs: whether gradients of the weights are wanted.
        adds: whether there is another gradient of the pixels, to be added.
        relu: False.
    """

    shape: Annotated[Any, "tile"]
    across_weights: Annotated[Any, "tile"]
    tall: Annotated[int, "int"]
    rows: Annotated[int, "int"]
    columns: Annotated[int, "int"]
    down: Annotated[int, "int"]
    across: Annotated[int, "int"]
    tiles: Annotated[int, "int"]
    v_apart: Annotated[int, "int"]
    m_apart: Annotated[int, "int"]
    normalised: Annotated[bool, "flag"]
    normalises: Annotated[bool, "flag"]
    masks: Annotated[bool, "flag"]
    sums: Annotated[bool, "flag"]
    weighs: Annotated[bool, "flag"]
    adds: Annotated[bool, "flag"]
    relu: Annotated[bool, "flag"]


class Region(NamedTuple):
    """Where an item is: its block, how many images count, and the results that it makes."""

    b: int
    images: int
    i: int
    j: int
    height: int
    width: int


class Products(NamedTuple):
    """What `multiply_lanes` takes of a plan."""

    shape: Any
    tiles: int


def _regions(f: Facts) -> None:
    numbers = f.rows, f.columns, f.down, f.across, f.tiles
    need(f, min(numbers) > 0, "its numbers must be positive")
    need(f, f.tall in (SHORT, TALL), f"tall must be {SHORT} or {TALL}, got {f.tall}")
    high, wide = -(-f.H // f.tall), -(-f.W // 4)
    fits = f.down == -(-high // f.rows) and f.across == -(-wide // f.columns)
    need(f, fits, f"its regions must be those of images of {f.H}x{f.W}")
    whole = f.tiles >= f.rows * f.columns and f.tiles % f.shape.columns == 0
    need(f, whole, f"tiles must be room for {f.rows * f.columns} in whole register tiles")
    need(f, f.shape.rows == f.R, f"u must have {f.shape.rows} rows in a panel, got {f.R}")
    need(f, f.B * f.down * f.across == f.N, f"it has {f.B * f.down * f.across} items, not {f.N}")
    need(f, -(-f.n // LANES) == f.B, f"n must fill {f.B} blocks, got {f.n}")


def _image(f: Facts) -> int:
    """Floats of a region's pixels with what is around them."""
    return (f.tall * f.rows + 2) * (4 * f.columns + 2) * LANES


def _forward(f: Facts) -> None:
    _regions(f)
    count = FEWER if f.tall == SHORT else FREQUENCIES
    need(f, count == f.F, f"u must have {count} frequencies, got {f.F}")
    need(f, f.P == -(-f.O // f.R), f"u must have panels of {f.O} channels, got {f.P}")
    need(f, f.UC >= f.C, f"u must have {f.C} channels, got {f.UC}")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")
    room = f.v_apart >= f.C * f.tiles * LANES and f.m_apart >= f.O * f.tiles * LANES
    need(f, room, "frequencies must be apart by their tiles")
    floats = count * (f.v_apart + f.m_apart) + FREQUENCIES * LANES + _image(f)
    need(f, floats <= f.L, f"scratch must have {floats} numbers for each thread, got {f.L}")


@task(
    plan=Forward, x="B C H W 16", residual="B C H W 16", constants="4 C", z="B C H W 16",
    u="F P UC R", bias="biases", y="B O H W 16", n="int", scratch="S L",
    parts="N O 4: float64", spoiled="N: bool", items="N", also=_forward,
)  # fmt: skip
def forward_region(plan, x, residual, constants, z, u, bias, y, n, scratch, parts, spoiled, k):
    """Region k of all blocks' regions of y, and perhaps of z; parts[k] for `constants_channel`."""
    channels, outputs, height, width = x.shape[1], y.shape[1], y.shape[2], y.shape[3]
    region = region_at(plan, height, width, n, k)
    b, images, first_row, first_column, high, wide = region
    tall, frequencies = plan.tall, u.shape[0]
    down, across = (high + tall - 1) // tall, (wide + 3) // 4
    v_start = np.intp(numba.get_thread_id()) * scratch.shape[1]
    m_start = v_start + frequencies * plan.v_apart
    own = m_start + frequencies * plan.m_apart
    image = own + FREQUENCIES * LANES
    inner = Plane(image // LANES, tall * down + 2, 4 * across + 2)
    for c in range(channels):
        load_pixels(plan, x, residual, constants, z, region, c, inner, scratch)
        for t in range(down * across):
            place = Place(v_start + (c * plan.tiles + t) * LANES, plan.v_apart)
            i, j = t // across * tall, t % across * 4
            pixels_tile(tall, scratch, inner, i, j, scratch, place, own)
    for f in range(frequencies):
        v, m = v_start + f * plan.v_apart, m_start + f * plan.m_apart
        multiply(plan, u, f, scratch, v, m, (channels, outputs, down * across))
    bad = simd.splat(np.float32(0))
    for o in range(outputs):
        plane = Plane((b * outputs + o) * height * width, height, width)
        value = simd.splat(bias[o] if bias.shape[0] == outputs else np.float32(0))
        for t in range(down * across):
            place = Place(m_start + (o * plan.tiles + t) * LANES, plan.m_apart)
            i, j = first_row + t // across * tall, first_column + t % across * 4
            bad = simd.add(bad, results_tile(plan, scratch, place, own, value, y, y, plane, i, j))
        if plan.counts:
            start = (plane.start + first_row * width + first_column) * LANES
            area = Area(start, width * LANES, high, wide)
            area_statistics(y, area, images, parts, k, o)
            prefetch_area(y, area, height * width * LANES)
    spoiled[k] = simd.total(bad, LANES) != 0


@inlined
def prefetch_row(x, start, count):
    """Begin to fetch so many vectors; the processor does not follow rows as short as a region's."""
    for i in range(start, start + count * LANES, LANES):
        simd.prefetch(x, i)


@kernel
def prefetch_area(x, area, ahead):
    """Begin to fetch what lies so many floats behind an area."""
    for i in range(area.rows):
        prefetch_row(x, area.start + i * area.down + ahead, area.columns)


@kernel
def region_at(plan, height, width, n, k):
    """Region `k` of all blocks' regions of results (H, W)."""
    of_block = plan.down * plan.across
    b, s = k // of_block, k % of_block
    rows, columns = plan.rows * plan.tall, plan.columns * 4
    i, j = s // plan.across * rows, s % plan.across * columns
    high, wide = min(rows, height - i), min(columns, width - j)
    return Region(b, min(LANES, n - b * LANES), i, j, high, wide)


@kernel
def load_pixels(plan, x, residual, constants, z, region, c, inner, scratch):
    """What a region's results of channel `c` read: normalised pixels, and zeros outside."""
    _, channels, height, width, _ = x.shape
    top, left = region.i - 1, region.j - 1
    first, last = max(0, -left), min(inner.width, width - left)
    zero, behind = simd.splat(np.float32(0)), height * width * LANES
    mean, scale, bias = constants[0, c], constants[1, c], constants[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    for i in range(inner.height):
        to, h = (inner.start + i * inner.width) * LANES, top + i
        if h < 0 or h >= height:
            for j in range(inner.width):
                simd.store(scratch, to + j * LANES, zero)
        else:
            start = (((region.b * channels + c) * height + h) * width + left) * LANES
            prefetch_row(x, start + behind, inner.width)
            for j in range(first):
                simd.store(scratch, to + j * LANES, zero)
            for j in range(last, inner.width):
                simd.store(scratch, to + j * LANES, zero)
            if not plan.normalises:
                for j in range(first * LANES, last * LANES, LANES):
                    simd.store(scratch, to + j, simd.load(x, start + j))
            elif plan.takes_residual:
                prefetch_row(residual, start + behind, inner.width)
                for j in range(first * LANES, last * LANES, LANES):
                    value = simd.fma(simd_math.subtract(simd.load(x, start + j), mean), scale, bias)
                    value = simd.add(value, simd.load(residual, start + j))
                    if plan.rectifies:
                        value = simd_math.maximum(zero, value)
                    simd.store(scratch, to + j, value)
            else:
                for j in range(first * LANES, last * LANES, LANES):
                    value = simd.fma(simd_math.subtract(simd.load(x, start + j), mean), scale, bias)
                    if plan.rectifies:
                        value = simd_math.maximum(zero, value)
                    simd.store(scratch, to + j, value)
            if plan.keeps and region.i <= h < region.i + region.height:
                prefetch_row(z, start + behind, inner.width)
                for j in range(LANES, (1 + region.width) * LANES, LANES):
                    simd.store(z, start + j, simd.load(scratch, to + j))


# ---- backward ----------------------------------------------------------------------------------


def _backward(f: Facts) -> None:
    _regions(f)
    need(f, f.P == -(-f.C // f.R), f"u must have panels of {f.C} channels, got {f.P}")
    need(f, f.UC >= f.O, f"u must have {f.O} channels, got {f.UC}")
    room = f.v_apart >= f.O * f.tiles * LANES and f.m_apart >= f.CW * f.tiles * LANES
    need(f, room, "frequencies must be apart by their tiles")
    across = f.across_weights.columns * LANES
    need(f, f.CW >= f.C and f.CW % across == 0, f"d must have whole tiles of {f.C} channels")
    need(f, f.K <= f.N, f"d must have at most a chunk for each of {f.N} items, got {f.K}")
    floats = FREQUENCIES * (f.v_apart + f.m_apart + LANES) + _image(f) + f.tiles * LANES * f.CW
    need(f, floats <= f.L, f"scratch must have {floats} numbers for each thread, got {f.L}")


@task(
    plan=Backward, g="B O H W 16", y="B O H W 16", behind="4 O", slopes="2 O", u="36 P UC R",
    x="B C H W 16", raw="B C H W 16", before="4 C", residual="B C H W 16", gx="B C H W 16",
    n="int", scratch="S L", d="K 36 O CW", parts="N C 2: float64", gb="N O",
    spoiled="N: bool", items="N", also=_backward,
)  # fmt: skip
def backward_region(
    plan, g, y, behind, slopes, u, x, raw, before, residual, gx, n, scratch, d, parts, gb, spoiled,
    k,
):  # fmt: skip
    """Region k of all blocks' regions of gx, the gradient of what the convolution took.

    Its gradients of the weights are added to those of its chunk d (36, O, C) of all items, which
    the first one begins anew; gb[k] are those of the bias, and parts[k] for `slopes_channel`.

    Where the plan `normalises`, x is what a batch norm took, with constants `before`, and else what
    the convolution took; `raw` is the former in any case.
    """
    outputs, channels, height, width = g.shape[1], x.shape[1], x.shape[2], x.shape[3]
    chunks, items = d.shape[0], spoiled.shape[0]
    chunk = ((k + 1) * chunks - 1) // items
    if plan.weighs and k == chunk * items // chunks:
        size = d.size // chunks
        for i in range(chunk * size, (chunk + 1) * size, LANES):
            simd.store(d, i, simd.splat(np.float32(0)))
    region = region_at(plan, height, width, n, k)
    b, images, first_row, first_column, high, wide = region
    down, across = (high + 3) // 4, (wide + 3) // 4
    count = down * across
    v_start = np.intp(numba.get_thread_id()) * scratch.shape[1]
    m_start = v_start + FREQUENCIES * plan.v_apart
    own = m_start + FREQUENCIES * plan.m_apart
    image = own + FREQUENCIES * LANES
    turned = image + (4 * plan.rows + 2) * (4 * plan.columns + 2) * LANES
    inner = Plane(image // LANES, 4 * down + 2, 4 * across + 2)
    for o in range(outputs):
        load_gradients(plan, g, y, behind, slopes, region, o, inner, scratch, gb, k)
        for t in range(count):
            place = Place(v_start + (o * plan.tiles + t) * LANES, plan.v_apart)
            pixels_tile(TALL, scratch, inner, t // across * 4, t % across * 4, scratch, place, own)
    for f in range(FREQUENCIES):
        v, m = v_start + f * plan.v_apart, m_start + f * plan.m_apart
        multiply(plan, u, f, scratch, v, m, (outputs, channels, count))
    inner = Plane(image // LANES, 4 * down, 4 * across)
    bad = zero = simd.splat(np.float32(0))
    for c in range(channels):
        plane = Plane((b * channels + c) * height * width, height, width)
        start = (plane.start + first_row * width + first_column) * LANES
        area, next_plane = Area(start, width * LANES, high, wide), height * width * LANES
        prefetch_area(gx, area, next_plane)
        prefetch_area(x, area, next_plane)
        if plan.adds:
            prefetch_area(residual, area, next_plane)
        if plan.sums and not plan.normalises:
            prefetch_area(raw, area, next_plane)
        for t in range(count):
            place = Place(m_start + (c * plan.tiles + t) * LANES, plan.m_apart)
            i, j = first_row + t // across * 4, first_column + t % across * 4
            bad = simd.add(
                bad, results_tile(plan, scratch, place, own, zero, residual, gx, plane, i, j)
            )
        load_values(plan, x, before, area, c, inner, scratch)
        if plan.masks:
            mask_area(scratch, inner, gx, area)
        if plan.sums:
            area_sums(gx, area, raw, area, before[0, c], images, parts, k, c)
        for t in range(count if plan.weighs else 0):  # in the place of the results
            place = Place(m_start + (c * plan.tiles + t) * LANES, plan.m_apart)
            gradients_tile(scratch, inner, t // across * 4, t % across * 4, scratch, place, own)
    spoiled[k] = simd.total(bad, LANES) != 0
    products = Products(plan.across_weights, plan.tiles)
    for f in range(FREQUENCIES if plan.weighs else 0):
        places = m_start + f * plan.m_apart, v_start + f * plan.v_apart, turned
        multiply_lanes(products, scratch, places, d, chunk, f, (count, images))


@kernel
def load_gradients(plan, g, y, behind, slopes, region, o, inner, scratch, gb, k):
    """gy of channel `o` that a region's results read, and zeros outside; gb[k, o], its sum."""
    _, outputs, height, width, _ = g.shape
    top, left = region.i - 1, region.j - 1
    first, last = max(0, -left), min(inner.width, width - left)
    total = zero = simd.splat(np.float32(0))
    mean, scale = simd.splat(behind[0, o]), simd.splat(behind[1, o])
    offset, slope = simd.splat(slopes[0, o]), simd.splat(slopes[1, o])
    for i in range(inner.height):
        to, h = (inner.start + i * inner.width) * LANES, top + i
        if h < 0 or h >= height:
            for j in range(inner.width):
                simd.store(scratch, to + j * LANES, zero)
        else:
            start = (((region.b * outputs + o) * height + h) * width + left) * LANES
            prefetch_row(g, start + height * width * LANES, inner.width)
            prefetch_row(y, start + height * width * LANES, inner.width)
            for j in range(first):
                simd.store(scratch, to + j * LANES, zero)
            for j in range(last, inner.width):
                simd.store(scratch, to + j * LANES, zero)
            if plan.normalised:
                for j in range(first * LANES, last * LANES, LANES):
                    centred = simd_math.subtract(simd.load(y, start + j), mean)
                    value = simd_math.multiply(simd.load(g, start + j), scale)
                    value = simd.fma(centred, slope, simd.add(value, offset))
                    simd.store(scratch, to + j, value)
            else:
                for j in range(first * LANES, last * LANES, LANES):
                    simd.store(scratch, to + j, simd.load(g, start + j))
            if region.i <= h < region.i + region.height:
                for j in range(LANES, (1 + region.width) * LANES, LANES):
                    total = simd.add(total, simd.load(scratch, to + j))
    gb[k, o] = simd.total(total, region.images)


@kernel
def load_values(plan, x, before, area, c, inner, scratch):
    """What the convolution took of channel `c`, in an area, and zeros beyond it."""
    start, below, rows, columns = area
    zero = simd.splat(np.float32(0))
    mean, scale, bias = before[0, c], before[1, c], before[2, c]
    mean, scale, bias = simd.splat(mean), simd.splat(scale), simd.splat(bias)
    for i in range(inner.height):
        to, at = (inner.start + i * inner.width) * LANES, start + i * below
        if i >= rows:
            for j in range(inner.width):
                simd.store(scratch, to + j * LANES, zero)
        else:
            for j in range(columns, inner.width):
                simd.store(scratch, to + j * LANES, zero)
            if plan.normalises:
                for j in range(0, columns * LANES, LANES):
                    value = simd.fma(simd_math.subtract(simd.load(x, at + j), mean), scale, bias)
                    if plan.masks:
                        value = simd_math.maximum(zero, value)
                    simd.store(scratch, to + j, value)
            else:
                for j in range(0, columns * LANES, LANES):
                    simd.store(scratch, to + j, simd.load(x, at + j))


@kernel
def mask_area(scratch, inner, gx, area):
    """gx = 0 in an area where the values within `inner` are not above 0."""
    start, below, rows, columns = area
    zero = simd.splat(np.float32(0))
    for i in range(rows):
        at, place = (inner.start + i * inner.width) * LANES, start + i * below
        for j in range(0, columns * LANES, LANES):
            value, gradient = simd.load(scratch, at + j), simd.load(gx, place + j)
            simd.store(gx, place + j, simd_math.where_not_positive(value, zero, gradient))


def _whole_vectors(f: Facts) -> None:
    need(f, f.CW >= f.C and f.CW % LANES == 0, f"d must have {f.C} channels in whole vectors")


@task(
    d="K 36 O CW", tmp="O 36 16", gweight="O C 3 3", spoiled="O: bool", items="O",
    also=_whole_vectors,
)  # fmt: skip
def weights_output(d, tmp, gweight, spoiled, o):
    """gweight[o] = G^T (sum of d[chunk, :, o]) G, with the taps from the last to the first."""
    chunks, _, outputs, wide = d.shape
    channels, own = gweight.shape[1], tmp[o]
    bad = simd.splat(np.float32(0))
    for c in range(0, wide, LANES):
        for f in range(FREQUENCIES):
            total = simd.load(d, (f * outputs + o) * wide + c)
            for k in range(1, chunks):
                total = simd.add(
                    total, simd.load(d, ((k * FREQUENCIES + f) * outputs + o) * wide + c)
                )
            bad = simd.fma(total, simd.splat(np.float32(0)), bad)
            simd.store(own, f * LANES, total)
        for j in range(6):
            g_transposed(own, j * LANES, 6 * LANES, own, j * LANES, 6 * LANES)
        for i in range(3):
            g_transposed(own, i * 6 * LANES, LANES, own, i * 6 * LANES, LANES)
        for lane in range(min(LANES, channels - c)):
            for u in range(3):
                for v in range(3):
                    gweight[o, c + lane, 2 - u, 2 - v] = own[u * 6 + v, lane]
    spoiled[o] = simd.total(bad, LANES) != 0
