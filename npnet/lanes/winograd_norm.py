"""The plans by which `kernels.winograd_norm` does a convolution of a program, and its calls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd
from npnet.kernels import winograd_norm as kernels
from npnet.kernels.simd import LANES
from npnet.kernels.winograd import FREQUENCIES, FREQUENCY_SHAPE
from npnet.kernels.winograd_norm import Backward, Forward
from npnet.lanes.plan import MOST_CHUNKS, Buffer, total
from npnet.lanes.staged import Staged
from npnet.lanes.winograd import (
    GAP,
    MOST_FREQUENCIES,
    TALL,
    frequencies,
    gradient_bytes,
    panels,
)
from npnet.ops.windows import Pair, Window

__all__ = ["Norm", "are_heavy", "backward", "forward", "suits"]

# Transformed pixels and results of a region, for one thread; half the second-level cache. Of many
# channels they are more: weights would be fetched for too few tiles.
REGION_BYTES, LEAST_TILES, MOST_TILES = 5 * 2**17, 4, 16
LEAST_REGIONS = 4  # of a batch, to keep threads busy


class Norm(NamedTuple):
    """A batch norm, and what follows it.

    Attributes:
        y: what it takes.
        constants: see `kernels.norm`.
        slopes: see `kernels.norm_parts`; filled on the way back.
        residual: what is added.
        relu: whether a ReLU follows.
    """

    y: Buffer
    constants: Array
    slopes: Array
    residual: Buffer | None
    relu: bool


def suits(window: Window) -> bool:
    """Whether images keep their size."""
    return window.padding == ((1, 1), (1, 1))


def are_heavy(weight: Array, out: Staged) -> bool:
    """Whether gradients of the frequencies are too many for each chunk of the batch."""
    return _most_chunks(weight) < min(out.extent.blocks, MOST_CHUNKS)


def _most_chunks(weight: Array) -> int:
    return MOST_FREQUENCIES // gradient_bytes(weight.shape[1], weight.shape[0])


def _chunks(weight: Array, chunks: int, items: int) -> int:
    """In how many parts gradients are added up: those of the batch, or, of few, some for each."""
    most = _most_chunks(weight)
    return min(chunks * max(1, min(most, MOST_CHUNKS, items) // chunks), most)


def _regions(size: Pair, channels: int, blocks: int, tall: int = TALL) -> tuple[int, int, int, int]:
    """(rows, columns) of tiles of a region, and how many there are (down, across)."""
    high, wide = -(-size[0] // tall), -(-size[1] // 4)
    fit = REGION_BYTES // (FREQUENCIES * channels * LANES * 4)
    shared = -(-high * wide * blocks // LEAST_REGIONS)
    most = min(max(fit, LEAST_TILES), MOST_TILES, max(2, shared))
    columns = -(-wide // -(-wide // most))
    rows = max(1, min(high, most // columns))
    rows = -(-high // -(-high // rows))
    return rows, columns, -(-high // rows), -(-wide // columns)


def _tiles(rows: int, columns: int) -> int:
    across = FREQUENCY_SHAPE.columns
    return -(-rows * columns // across) * across


def forward(
    x: Buffer | None,
    norm: Norm | None,
    kept: Buffer | None,
    weight: Array,
    bias: Array,
    y: Buffer,
    counts: bool,
    out: Staged,
    tall: int = TALL,
) -> tuple[Array, Array]:
    """y = the convolution of x, or of what the norm gives, which is kept, too, if there is room.

    Returns:
        Sums for the batch norm behind it, if it `counts`, and of each region whether it is spoiled.
    """
    before = x if norm is None else norm.y
    assert before is not None
    channels, outputs = before.shape[0], y.shape[0]
    rows, columns, down, across = _regions(y.size, channels + outputs, out.extent.blocks, tall)
    tiles = _tiles(rows, columns)
    v_apart, m_apart = (count * tiles * LANES + GAP for count in (channels, outputs))
    residual = None if norm is None else norm.residual
    plan = Forward(
        FREQUENCY_SHAPE, tall, rows, columns, down, across, tiles, v_apart, m_apart,
        norm is not None, residual is not None, norm is not None and norm.relu, kept is not None,
        counts, False, False,
    )  # fmt: skip
    items = out.extent.blocks * down * across
    floats = (
        frequencies(tall) * (v_apart + m_apart) + FREQUENCIES * LANES + _image(rows, columns, tall)
    )
    parts, u = np.zeros((items, outputs, 4)), panels(weight, False, tall, out)
    spoiled = np.zeros(items, np.bool_)
    out.alone(
        kernels.forward_region, plan, before.array, (residual or before).array,
        _constants(norm, channels), (kept or before).array, u, bias,
        y.array, out.extent.n, out.scratch((floats,)), parts, spoiled,
        parts=items,
    )  # fmt: skip
    return parts, spoiled


def _image(rows: int, columns: int, tall: int = TALL) -> int:
    return (tall * rows + 2) * (4 * columns + 2) * LANES


def _constants(norm: Norm | None, channels: int) -> Array:
    return lanes.zeros((4, channels)) if norm is None else norm.constants


def backward(
    g: Buffer,
    behind: Norm | None,
    x: Buffer | None,
    before: Norm | None,
    finishes: bool,
    residual: Buffer | None,
    weight: Array,
    gx: Buffer,
    out: Staged,
    weighs: bool = True,
) -> tuple[Array, Array, Array, list[Array]]:
    """gx, the gradient of what the convolution took, plus the residual.

    Args:
        g: the gradient of the result, or of what the norm `behind` it gives, after its ReLU.
        x, before: what the convolution took, or the norm that gives it, if it was not kept.
        finishes: whether gx is to go through the norm's ReLU, and leaves its sums.
        weighs: whether the gradient of the weight is wanted; else what is returned is of no use.

    Returns:
        The gradients of weight and bias, those sums, and arrays that say what is spoiled.
    """
    outputs, channels, wide = g.shape[0], gx.shape[0], lanes.whole(gx.shape[0])
    rows, columns, down, across = _regions(gx.size, wide + outputs, out.extent.blocks)
    tiles = _tiles(rows, columns)
    v_apart, m_apart = (count * tiles * LANES + GAP for count in (outputs, wide))
    relu = before is not None and before.relu and (finishes or x is None)
    plan = Backward(
        FREQUENCY_SHAPE, simd.row_shape(wide), TALL, rows, columns, down, across, tiles,
        v_apart, m_apart, behind is not None, x is None, relu, finishes, weighs,
        residual is not None, False,
    )  # fmt: skip
    items = out.extent.blocks * down * across
    floats = FREQUENCIES * (v_apart + m_apart + LANES) + _image(rows, columns)
    floats += tiles * LANES * wide
    parts, gb = np.zeros((items, channels, 2)), np.zeros((items, outputs), np.float32)
    spoiled, chunks = np.zeros(items, np.bool_), 1
    if weighs:
        chunks = _chunks(weight, out.extent.chunks, items)
    scratch = out.scratch((floats,))
    if wide > channels:  # those that are not there stay zero
        scratch = lanes.zeros(scratch.shape)
    u = panels(weight, True, TALL, out)
    d = out.lasting_room((chunks, FREQUENCIES, outputs, wide))
    slopes = lanes.zeros((2, outputs)) if behind is None else behind.slopes
    raw = x if before is None else before.y
    values = raw if x is None else x
    assert raw is not None
    assert values is not None
    out.alone(
        kernels.backward_region, plan, g.array, (g if behind is None else behind.y).array,
        _constants(behind, outputs), slopes, u, values.array, raw.array,
        _constants(before, channels), (residual or gx).array, gx.array, out.extent.n,
        scratch, d, parts, gb, spoiled,
        parts=chunks if weighs else items,
    )  # fmt: skip
    if not weighs:
        return weight, gb[0], parts, [spoiled]
    gweight, spoiled_outputs = lanes.empty(weight.shape), np.zeros(outputs, np.bool_)
    room = lanes.empty((outputs, FREQUENCIES, LANES))
    out.together(kernels.weights_output, d, room, gweight, spoiled_outputs, late=True)
    return gweight, total(gb, (outputs,), out), parts, [spoiled, spoiled_outputs]
