"""The plans by which `kernels.weight_gradient` adds up a convolution's gradients, and its calls."""

from __future__ import annotations

import functools
import math

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import block_ops, lanes, simd, turned_gradient
from npnet.kernels import weight_gradient as kernels
from npnet.kernels._arguments import fixed
from npnet.kernels.simd import LANES
from npnet.kernels.turned_gradient import ByChannels
from npnet.kernels.weight_gradient import ALONE, Behind, ByLanes
from npnet.lanes.plan import MOST_CHUNKS, Buffer, Calls, Shape, longest_parts, total
from npnet.ops.windows import Pair, Window

__all__ = ["backward_bias", "backward_weight", "put_together"]

LEAST_ITEMS = 4  # with fewer chunks, they are split too, to keep as many threads busy
NEAR_BYTES = 7 * 2**12  # of gradients that stay in the nearest cache
TURNED_BYTES = 7 * 2**14  # of turned pixels at one tap; all taps stay in the second cache


def backward_weight(
    x: Buffer,
    gy: Buffer,
    window: Window,
    out: Calls,
    groups: int = 1,
    behind: Behind = ALONE,
    gz: Buffer | None = None,
    biased: bool = True,
) -> tuple[Array, Array | None]:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i*SH - PT + u*DH, j*SW - PL + v*DW],

    and gbias[o] = sum of gy[o, i, j], which is in the cache then; where it costs a pass over gy,
    only if it is `biased`.

    Args:
        behind: in programs, what followed, with gradients gz; then gy is its activation's result
            when the calls begin.

    Shape: x (C, H, W), gy (O, OH, OW) of an image -> (O, C/groups, KH, KW), (O,).
    """
    channels = x.shape[0]
    if not out.whole:
        return _by_blocks(x, gy, window, out, groups, behind, gy if gz is None else gz)
    if groups > 1 or window.dilation != (1, 1):
        return _by_lanes(x, gy, window, out, groups)
    if channels < LANES or (LANES < channels < 2 * LANES and max(window.kernel) > 1):
        return _by_lanes(x, gy, window, out, 1)  # half a tile of channels is slower
    return _by_channels(x, gy, window, out, biased)


def backward_bias(gy: Buffer, out: Calls) -> Array:
    """gbias[o] = sum of gy[o] over images and pixels. Shape: gy (O, OH, OW) of an image -> (O,)."""
    gb = lanes.empty((out.extent.chunks, gy.shape[0]))
    if out.whole:
        out.add(kernels.bias_chunk, gy.array, out.extent.n, gb)
        return total(gb, gb.shape[1:], out)
    gbias = lanes.empty(gy.shape[:1])
    out.add(kernels.bias_block, gy.array, out.extent.n, gb)
    out.after(block_ops.sum_parts, gb, gbias)
    return gbias


# ---- by channels -------------------------------------------------------------------------------


def _by_channels(
    x: Buffer, gy: Buffer, window: Window, out: Calls, biased: bool
) -> tuple[Array, Array | None]:
    (channels, *_), (outputs, *_), taps = x.shape, gy.shape, math.prod(window.kernel)
    plan, chunks = _channels_plan(window, channels, x.size, out.extent.chunks, biased)
    tiles = -(-channels // plan.across)
    gw, gb = (
        lanes.empty((chunks, tiles, taps, outputs, plan.across)),
        lanes.empty((chunks, outputs)),
    )
    gweight, turned = lanes.empty((outputs, channels, *window.kernel)), out.scratch(plan.turned)
    out.add(turned_gradient.channels_chunk, plan, x.array, gy.array, out.extent.n, turned, gw, gb)
    put_together(gw, gweight, out)
    return gweight, total(gb, gb.shape[1:], out) if biased else None


def put_together(gw: Array, gweight: Array, out: Calls) -> None:
    """gw (chunks, tiles, taps, O, channels of a tile), added up, -> gweight (O, C, KH, KW)."""
    taps = gw.shape[2]
    tmp = out.scratch((2 * (taps + LANES) * LANES,))
    out.after(turned_gradient.add_chunks, gw, tmp, gweight.reshape(*gweight.shape[:2], taps))


@functools.lru_cache(256)
def _channels_plan(
    window: Window, channels: int, size: Pair, chunks: int, biased: bool
) -> tuple[ByChannels, int]:
    """The plan, and how many chunks there are."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window.kernel, window.stride, window.reach(size)
    shape, (height, width) = simd.row_shape(lanes.whole(channels)), window.output_size(size)
    together = 1
    if channels <= LANES and kh * kw > 1:
        shape, together = simd.row_shape(), simd.row_shape().columns
    across = shape.columns // together * LANES
    pixels = TURNED_BYTES // (4 * LANES * across)
    columns = longest_parts(width, math.isqrt(2 * pixels))  # nearly square: fewer are turned twice
    rows = longest_parts(height, pixels // columns)
    parts = min(-(-LEAST_ITEMS // chunks), -(-channels // across))
    plan = ByChannels(shape, together, top, left, kh, kw, sh, sw, rows, columns, parts, biased)
    return plan, chunks * -(-LEAST_ITEMS // (parts * chunks))


# ---- by lanes ----------------------------------------------------------------------------------


def _by_lanes(
    x: Buffer, gy: Buffer, window: Window, out: Calls, groups: int
) -> tuple[Array, Array]:
    """In chunks of strips: of few blocks and no groups, an image has several."""
    blocks, height = out.extent.blocks, gy.shape[1]
    channels, outputs = x.shape[0] // groups, gy.shape[0] // groups
    least = -(-LEAST_ITEMS // max(blocks * groups, 1))
    plan, room = _lanes_plan(window, channels, x.size, outputs, least, groups)
    chunks = out.extent.chunks
    if groups == 1:
        chunks *= max(1, min(MOST_CHUNKS, blocks * -(-height // plan.rows)) // chunks)
    taps = channels * math.prod(window.kernel)
    gw = lanes.empty((chunks * groups, outputs, taps))
    gb = lanes.empty((chunks * groups, _width(outputs, groups)))
    images = x.grouped(groups), gy.grouped(groups)
    out.add(kernels.lanes_chunk, plan, *images, out.extent.n, out.scratch(room), gw, gb)
    gweight = total(gw.reshape(chunks, -1), (gy.shape[0], channels, *window.kernel), out)
    return gweight, total(gb.reshape(chunks, -1), gy.shape[:1], out)


def _by_blocks(
    x: Buffer, gy: Buffer, window: Window, out: Calls, groups: int, behind: Behind, gz: Buffer
) -> tuple[Array, Array]:
    """Added up over the blocks of a chunk, and then over the chunks."""
    chunks, channels, outputs = out.extent.chunks, x.shape[0] // groups, gy.shape[0] // groups
    plan, room = _lanes_plan(window, channels, x.size, outputs, 1, groups)
    gweight, gbias = lanes.empty((gy.shape[0], channels, *window.kernel)), lanes.empty(gy.shape[:1])
    gw = lanes.empty((chunks * groups, outputs, gweight[0].size))
    gb = lanes.empty((chunks * groups, _width(outputs, groups)))
    images = x.grouped(groups), gy.grouped(groups), gz.grouped(groups)
    out.add(kernels.lanes_block, plan, behind, *images, out.extent.n, out.scratch(room), gw, gb)
    out.after(block_ops.sum_parts, gw.reshape(chunks, -1), gweight.reshape(-1))
    out.after(block_ops.sum_parts, gb.reshape(chunks, -1), gbias)
    return gweight, gbias


def _width(outputs: int, groups: int) -> int:
    """Of a chunk's gradients of the bias, in whole cache lines where groups need not lie side by
    side: what threads write in turns to one takes longer than the sum.
    """
    return lanes.whole(outputs) if groups == 1 else outputs


@functools.lru_cache(256)
def _lanes_plan(
    window: Window, channels: int, size: Pair, outputs: int, least: int, groups: int
) -> tuple[ByLanes, Shape]:
    """The plan, and the room that a thread needs for what a strip reads with zeros around.

    A strip's rows of gy, of as many outputs as a tile has, stay in the nearest cache; an image has
    `least` strips or more, if it has so many rows.
    """
    shape, (height, width), (high, _) = simd.lane_shape(outputs), size, window.extent
    out_height, out_width = window.output_size(size)
    fit = NEAR_BYTES // (4 * LANES * shape.rows * out_width)
    rows = longest_parts(out_height, min(fit, out_height // least))
    (top, bottom), (left, right) = window.reach(size)
    room: Shape = (0, 0, 0, LANES)
    if top + bottom + left + right > 0:
        height, width = (rows - 1) * window.stride[0] + high, left + width + right
        room = (channels, height, width, LANES)
    offsets = _offsets(channels, window, height, width, shape.columns)
    return ByLanes(shape, rows, top, left, *window.stride, groups, offsets), room


def _offsets(channels: int, window: Window, height: int, width: int, columns: int) -> Array:
    """Where the taps stand in an image; then the zeros of a tile's columns.

    Of one channel of 4x4 pixels, 2x2 taps stand at 0, 16, 64 and 80 floats.
    """
    (kh, kw), (dh, dw) = window.kernel, window.dilation
    c, u, v = np.ogrid[:channels, :kh, :kw]
    taps = ((c * height + u * dh) * width + v * dw) * LANES
    return fixed(np.append(taps.ravel(), np.zeros(columns, np.int64)))
