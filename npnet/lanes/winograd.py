"""The plans by which `kernels.winograd` does a convolution of a whole batch, and its calls."""

from __future__ import annotations

import functools

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd
from npnet.kernels import winograd as kernels
from npnet.kernels.simd import LANES
from npnet.kernels.winograd import FEWER, FREQUENCIES, FREQUENCY_SHAPE, Gradients, Strips
from npnet.kernels.winograd_tiles import SHORT, TALL
from npnet.lanes.plan import Buffer, Calls
from npnet.lanes.weight_gradient import put_together
from npnet.ops.windows import Pair

__all__ = [
    "SHORT",
    "TALL",
    "backward_weight",
    "correlate",
    "frequencies",
    "gradient_bytes",
    "panels",
]

LEAST_STRIPS = 4  # of a batch, to keep threads busy
# Transformed pixels and results of the tiles that are worked on at a time, for one thread.
SCRATCH_BYTES = 2**19
# Between frequencies, so that they do not all fall on the same lines of the cache.
GAP = LANES

MOST_FREQUENCIES = 2**25  # bytes of the frequencies' gradients


def correlate(
    x: Buffer,
    weight: Array,
    bias: Array,
    before: Pair,
    y: Buffer,
    transposed: bool,
    out: Calls,
    residual: Array | None = None,
    relu: bool = False,
    tall: int = TALL,
) -> bool:
    """y[o, i, j] = bias[o] + sum over c, u, v of
        weight[o, c, u, v] * x[c, i - top + u, j - left + v].

    With `transposed`, weight[c, o, 2 - u, 2 - v] instead. Then y + residual, then max(y, 0).

    Args:
        before: (top, left), how many zeros stand before the first pixel.
        tall: rows of results of a tile; of `SHORT` ones the results are more exact.

    Returns:
        Whether all sums are finite. Otherwise y is of no use: the transforms carry NaN and
        infinity over to pixels that are none of theirs.

    Shape: x (C, H, W) of an image, weight (O, C, 3, 3), bias (O,) or (1,) -> y (O, OH, OW);
        residual (B, O, OH, OW, 16).
    """
    (channels, *_), outputs, blocks = x.shape, y.shape[0], len(x.array)
    adds = residual is not None
    plan = _strips(channels, outputs, y.size, blocks, before, adds, relu, tall)
    u = panels(weight, transposed, tall, out)
    floats = frequencies(tall) * (plan.v_apart + plan.m_apart) + FREQUENCIES * LANES
    scratch = out.scratch((floats,))
    spoiled, added = (
        np.empty(blocks * plan.strips, np.bool_),
        y.array if residual is None else residual,
    )
    out.add(kernels.correlate_strip, plan, x.array, u, bias, added, y.array, scratch, spoiled)
    return not spoiled.any()


def frequencies(tall: int) -> int:
    """How many numbers stand for a tile with so many rows of results."""
    return FREQUENCIES if tall == TALL else FEWER


def panels(weight: Array, transposed: bool, tall: int, out: Calls) -> Array:
    """The transformed weights, in panels that a register tile multiplies by."""
    outputs, inputs = weight.shape[1::-1] if transposed else weight.shape[:2]
    rows = FREQUENCY_SHAPE.rows
    count, together = -(-outputs // rows), LANES // rows
    u = lanes.empty((frequencies(tall), count, -(-inputs // together) * together, rows))
    out.before(
        kernels.weight_panel, weight, transposed, lanes.empty((count, FREQUENCIES, LANES)), u
    )
    return u


@functools.lru_cache(256)
def _strips(
    channels: int,
    outputs: int,
    size: Pair,
    blocks: int,
    before: Pair,
    adds: bool,
    relu: bool,
    tall: int,
) -> Strips:
    total = _tile_count(size, tall)
    most = max(2, -(-total * blocks // (2 * LEAST_STRIPS)) * 2)
    tiles = min(_tiles_at_a_time(channels + outputs, total), most)
    v_apart, m_apart = (count * tiles * LANES + GAP for count in (channels, outputs))
    strips = -(-total // tiles)
    return Strips(FREQUENCY_SHAPE, tall, *before, tiles, strips, v_apart, m_apart, adds, relu)


def backward_weight(x: Buffer, gy: Buffer, before: Pair, chunks: int, out: Calls) -> Array:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i - top + u, j - left + v].

    Shape: x (C, H, W), gy (O, OH, OW) of an image -> (O, C, 3, 3).
    """
    (channels, *_), (outputs, *_), wide = x.shape, gy.shape, lanes.whole(x.shape[0])
    plan = _gradients(channels, outputs, gy.size, before)
    floats = FREQUENCIES * (plan.v_apart + plan.z_apart + LANES) + plan.tiles * LANES * wide
    scratch = out.scratch((floats,))
    scratch[:, : FREQUENCIES * plan.v_apart] = 0
    d = lanes.empty((chunks, FREQUENCIES, outputs, wide))
    out.add(kernels.gradients_chunk, plan, x.array, gy.array, out.extent.n, scratch, d)
    taps, gweight = lanes.empty((1, 9, outputs, wide)), lanes.empty((outputs, channels, 3, 3))
    out.after(kernels.gradients_output, d, lanes.empty((outputs, FREQUENCIES, LANES)), taps)
    put_together(taps[None], gweight, out)
    return gweight


@functools.lru_cache(256)
def _gradients(channels: int, outputs: int, size: Pair, before: Pair) -> Gradients:
    wide = lanes.whole(channels)
    tiles = _tiles_at_a_time(2 * wide + outputs, _tile_count(size))
    v_apart, z_apart = (count * tiles * LANES + GAP for count in (wide, outputs))
    return Gradients(simd.row_shape(wide), *before, tiles, v_apart, z_apart)


def gradient_bytes(channels: int, outputs: int) -> int:
    """What `backward_weight` needs for the gradients of the frequencies in one chunk."""
    return 4 * FREQUENCIES * outputs * lanes.whole(channels)


def _tile_count(size: Pair, tall: int = TALL) -> int:
    """How many tiles of `tall` x 4 results cover an image (OH, OW)."""
    return -(-size[0] // tall) * -(-size[1] // 4)


def _tiles_at_a_time(channels: int, total: int) -> int:
    """An even number of tiles whose transforms fit the cache, but four if there are so many."""
    fit = SCRATCH_BYTES // (FREQUENCIES * channels * LANES * 4)
    return min(max(fit // 2 * 2, 4), -(-total // 2) * 2)
