"""The gradient of a convolution by its weight, in lanes, for few channels; and by its bias.

A tile holds channels x taps with sixteen images each, and adds its lanes up at the end. For many
channels, `turned_gradient` has another way.

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
from npnet.kernels import simd, simd_math
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, images_of_blocks, need, task
from npnet.kernels.activated_pool import TANH, gradient
from npnet.kernels.simd import LANES

__all__ = ["ALONE", "Behind", "ByLanes", "bias_block", "bias_chunk", "lanes_block", "lanes_chunk"]

BIAS_PIXELS = 1024  # that a bias's gradient adds up in float32


class Part(NamedTuple):
    """Of a block's gradients gy: `rows` x `columns` pixels from (i, j) on, of so many images."""

    block: int | np.intp
    images: int
    i: int
    j: int
    rows: int
    columns: int


class ByLanes(NamedTuple):
    """How channels x taps are taken with sixteen images each.

    Attributes:
        shape: the tile of outputs x taps whose sums stay in registers.
        rows: of gy in a strip, which stay in the nearest cache.
        top, left: zeros before the first pixel.
        sh, sw: the windows' strides.
        groups: of channels, each of which is a block of its own, see `correlate`.
        offsets: where the taps of a window stand, in floats from its first pixel; then some zeros,
            so that the last tile reads something.
    """

    shape: Annotated[Any, "tile"]
    rows: Annotated[int, "int"]
    top: Annotated[int, "int"]
    left: Annotated[int, "int"]
    sh: Annotated[int, "int"]
    sw: Annotated[int, "int"]
    groups: Annotated[int, "int"]
    offsets: Annotated[Array, "P: int64 table"]


class Behind(NamedTuple):
    """What was behind a convolution, and how its gradients by its result come about.

    Attributes:
        kind: of the activation, see `activated_pool`; or NOTHING, if the gradients are there.
        high, wide: rows and columns of windows that cover the result, whose means followed.
        share: what a window's sum was multiplied by.
    """

    kind: Annotated[int, "int"]
    high: Annotated[int, "int"]
    wide: Annotated[int, "int"]
    share: Annotated[float, "number"]


NOTHING = -1
ALONE = Behind(NOTHING, 1, 1, 1.0)


def _strips(f: Facts) -> None:
    """The farthest number that a strip reads is one of its image's, or of the room around it."""
    need(f, f.n >= 0 and min(f.rows, f.sh, f.sw, f.groups) > 0, "its numbers must be positive")
    need(f, f.GW >= f.O, f"gb must have room for {f.O} numbers, got {f.GW}")
    need(f, f.K % f.groups == 0, f"gw must have {f.groups} groups of each chunk, got {f.K} in all")
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
    _strips(f)
    fill = -(-f.n // LANES) * f.groups == f.B
    need(f, fill, f"n must be a number of images that fill {f.B // f.groups} blocks, got {f.n}")


def _strips_of_slots(f: Facts) -> None:
    _strips(f)
    fill = f.S * f.groups == f.SG
    need(f, fill, f"x must have {f.groups} groups of each of {f.S} slots, got {f.SG} in all")
    need(f, f.high > 0 and f.wide > 0, "windows must have pixels")
    size = f.ZH * f.high, f.ZW * f.wide
    need(f, size == (f.OH, f.OW), f"gz must be of {f.OH} x {f.OW} results, got of {size}")


@task(
    plan=ByLanes, x="B C H W 16", gy="B O OH OW 16", n="int", padded="S PC PH PW 16", gw="K O T",
    gb="K GW", items="K", also=_strips_of_blocks, empty="B PC PH PW",
)  # fmt: skip
def lanes_chunk(plan, x, gy, n, padded, gw, gb, k):
    """gw[k] (O, taps), gb[k] (O or more,) by a chunk of all strips, k = chunk * groups + group.

    `padded` (slots, C, H', W', 16) is room for what a strip reads, with zeros around; without
    padding it has no channels.
    """
    groups = plan.groups
    chunks, height, chunk, group = gw.shape[0] // groups, gy.shape[2], k // groups, k % groups
    strips = (height + plan.rows - 1) // plan.rows
    total = x.shape[0] // groups * strips
    gw[k] = 0
    gb[k] = 0
    for s in range(chunk * total // chunks, (chunk + 1) * total // chunks):
        b, i = s // strips, s % strips * plan.rows
        images, m = min(LANES, n - b * LANES), min(plan.rows, height - i)
        part = Part(b * groups + group, images, i, 0, m, gy.shape[3])
        add_strip(plan, ALONE, x, gy, gy, part, padded, gw, gb, k)


@task(
    plan=ByLanes, behind=Behind, x="SG C H W 16", gy="SG O OH OW 16", gz="SG O ZH ZW 16", n="int",
    padded="S PC PH PW 16", gw="K O T", gb="K GW", items=lambda f: -(-f.n // LANES),
    also=_strips_of_slots, empty="PC PH PW",
)  # fmt: skip
def lanes_block(plan, behind, x, gy, gz, n, padded, gw, gb, b):
    """Add block `b`'s gradients to those of its chunk, of which the first block begins it anew.

    x (slots, C, H, W, 16), gy (slots, O, OH, OW, 16) -> gw (chunks, O, taps), gb (chunks, O or
    more), slots and chunks each counting their groups. If something was behind the convolution, gy
    is first what its activation gave, and becomes the gradient by gz (slots, O, ZH, ZW, 16).
    """
    slot, groups, height = np.intp(numba.get_thread_id()), plan.groups, gy.shape[2]
    chunks, blocks = gw.shape[0] // groups, (n + LANES - 1) // LANES
    chunk = ((b + 1) * chunks - 1) // blocks
    if b == chunk * blocks // chunks:
        gw[chunk * groups : (chunk + 1) * groups] = 0
        gb[chunk * groups : (chunk + 1) * groups] = 0
    images = min(LANES, n - b * LANES)
    for group in range(groups):
        for i in range(0, height, plan.rows):
            m = min(plan.rows, height - i)
            part = Part(slot * groups + group, images, i, 0, m, gy.shape[3])
            add_strip(plan, behind, x, gy, gz, part, padded, gw, gb, chunk * groups + group)


@kernel
def add_strip(plan, behind, x, gy, gz, part, padded, gw, gb, chunk):
    """gw[chunk], gb[chunk] += what a part of gy, of whole rows, and its block of x give."""
    top, thread = part.i * plan.sh, np.intp(numba.get_thread_id())
    if padded.shape[1] > 0:
        pad(x, part.block, top - plan.top, plan.left, padded, thread)
        corner = thread * padded.shape[1] * padded.shape[2] * padded.shape[3]
        add_rows(plan, behind, padded, corner, gy, gz, part, gw, gb, chunk)
    else:
        corner = (part.block * x.shape[1] * x.shape[2] + top) * x.shape[3]
        add_rows(plan, behind, x, corner, gy, gz, part, gw, gb, chunk)


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
def add_rows(plan, behind, x, corner, gy, gz, part, gw, gb, chunk):
    """Add what rows of gy give; the first window's first pixel is number `corner` of x."""
    shape, sh, sw, offsets = plan.shape, plan.sh, plan.sw, plan.offsets
    b, images, i, _, count, _ = part
    rows, columns = simd.rows(shape), simd.columns(shape)
    outputs, height, width, taps = gy.shape[1], gy.shape[2], gy.shape[3], gw.shape[2]
    down = height * width * LANES
    for o in range(0, outputs, rows):
        bottom = min(rows, outputs - o) - 1
        if behind.kind != NOTHING:
            gradient_rows(behind, gy, gz, part, o, o + bottom + 1)
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


@kernel
def gradient_rows(behind, y, gz, part, first, last):
    """Outputs `first` to `last` of a part's rows of y become the gradient that gz gives."""
    share, (_, outputs, height, width, _) = simd.splat(np.float32(behind.share)), y.shape
    kind, wide, length = behind.kind, behind.wide * LANES, gz.shape[3] * LANES
    for o in range(first, last):
        for i in range(part.i, part.i + part.rows):
            at = ((part.block * outputs + o) * height + i) * width * LANES
            start = (part.block * outputs + o) * gz.shape[2] + i // behind.high
            start *= length
            if kind == TANH:  # a loop without a choice in it
                for j in range(length // LANES):
                    g = simd_math.multiply(simd.load(gz, start + j * LANES), share)
                    for place in range(at + j * wide, at + (j + 1) * wide, LANES):
                        simd.store(y, place, gradient(TANH, simd.load(y, place), g))
            else:
                for j in range(length // LANES):
                    g = simd_math.multiply(simd.load(gz, start + j * LANES), share)
                    for place in range(at + j * wide, at + (j + 1) * wide, LANES):
                        simd.store(y, place, gradient(kind, simd.load(y, place), g))


# ---- bias --------------------------------------------------------------------------------------


@task(gy="B O OH OW 16", n="int", gb="K O", items="K", also=images_of_blocks, empty="B")
def bias_chunk(gy, n, gb, k):
    """gb[k] (O,) = sum of chunk k's blocks of gy (B, O, OH, OW, 16)."""
    chunks, blocks = gb.shape[0], gy.shape[0]
    gb[k] = 0
    for b in range(k * blocks // chunks, (k + 1) * blocks // chunks):
        images = min(LANES, n - b * LANES)
        part = Part(b, images, 0, 0, gy.shape[2], gy.shape[3])
        bias_rows(gy, part, 0, gy.shape[1], gb, k)


@task(gy="S O OH OW 16", n="int", gb="K O", items=lambda f: -(-f.n // LANES))
def bias_block(gy, n, gb, b):
    """Add block `b`, in the thread's slot of gy, to gb (O,) of its chunk, as `lanes_block` does."""
    chunks, blocks = gb.shape[0], (n + LANES - 1) // LANES
    chunk = ((b + 1) * chunks - 1) // blocks
    if b == chunk * blocks // chunks:
        gb[chunk] = 0
    images, slot = min(LANES, n - b * LANES), np.intp(numba.get_thread_id())
    part = Part(slot, images, 0, 0, gy.shape[2], gy.shape[3])
    bias_rows(gy, part, 0, gy.shape[1], gb, chunk)


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
