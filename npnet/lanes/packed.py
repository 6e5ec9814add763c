"""The plans by which `kernels.packed` and `kernels.phases` do a convolution, and their calls."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd
from npnet.kernels._arguments import fixed
from npnet.kernels.packed import Order, Packed, correlate_part, pack_weights
from npnet.kernels.phases import Phases, correlate_tiles
from npnet.kernels.simd import LANES
from npnet.lanes.correlate import walk_of_axis
from npnet.lanes.plan import Buffer, Calls
from npnet.ops.windows import Pair, Window

__all__ = ["correlate", "correlate_phases", "suits_packed", "suits_phases"]

LEAST_CHANNELS, LEAST_OUTPUTS = 16, 24  # for which a copied pixel is used
LEAST_IN_PHASES = 32  # channels, for which sums of a phase are long enough
MOST_WEIGHTS = 512  # pairs of channels for a pixel: phases have nearly twice the weights
PACKED_BYTES = 2**15  # of pixels that are packed at a time
RESULT_BYTES = 2**20  # of a part, which are added to several times
LEAST_PARTS = 8  # of a batch, to keep threads busy
LEAST_PIXELS = 24  # of a part: each fetches all weights for itself
MOST_CHANNELS = 256  # of which pixels are transformed at a time


def suits_packed(window: Window, channels: int, outputs: int, groups: int) -> bool:
    """Whether the windows of a convolution, or of its gradient by the input, are better packed."""
    return (
        groups == 1
        and window.dilation == (1, 1)
        and max(window.stride) > 1
        and channels >= LEAST_CHANNELS
        and outputs >= LEAST_OUTPUTS
    )


def suits_phases(window: Window, channels: int, outputs: int, size: Pair) -> bool:
    """Whether phases are faster, of a convolution that is better packed."""
    return (
        window.kernel == (3, 3)
        and window.stride == (2, 2)
        and channels >= LEAST_IN_PHASES
        and channels * outputs <= MOST_WEIGHTS * size[0] * size[1]
    )


def correlate(
    x: Buffer,
    weight: Array,
    bias: Array,
    window: Window,
    y: Buffer,
    transposed: bool,
    out: Calls,
    residual: Array | None = None,
    relu: bool = False,
) -> None:
    """As `lanes.correlate.correlate` of one group without dilation."""
    adds, blocks = residual is not None, out.extent.blocks
    sizes = x.shape[0], y.shape[0], y.size, blocks
    order, plan, room = _packed(window, *sizes, transposed, adds, relu)
    w = _weights(order, weight, transposed, room, out)
    added, near = y.array if residual is None else residual, out.scratch((room.near,))
    out.add(correlate_part, plan, x.array, w, bias, added, y.array, near, of=y)


def correlate_phases(
    x: Buffer,
    weight: Array,
    bias: Array,
    window: Window,
    y: Buffer,
    transposed: bool,
    out: Calls,
    residual: Array | None = None,
    relu: bool = False,
) -> bool:
    """The same of 3x3 windows with stride 2.

    Returns:
        Whether all sums are finite. Otherwise y is of no use: where there should be infinity may
        be NaN.
    """
    adds, blocks = residual is not None, out.extent.blocks
    sizes = x.shape[0], y.shape[0], y.size, blocks
    order, plan, room = _phases(window, *sizes, transposed, adds, relu)
    w = _weights(order, weight, transposed, room, out)
    added, near = y.array if residual is None else residual, out.scratch((room.near,))
    spoiled = np.empty(len(x.array) * plan.parts, np.bool_)
    out.add(correlate_tiles, plan, x.array, w, bias, added, y.array, near, spoiled, of=y)
    return not spoiled.any()


class Room(NamedTuple):
    """How many numbers packed weights are, how many vectors they take meanwhile, and the numbers
    of the pixels that are near.
    """

    weights: int
    turned: int
    near: int


def _room(window: Window, order: Order, channels: int, outputs: int, near: int) -> Room:
    turned = channels * math.prod(window.kernel) + LANES
    return Room(order.weights(outputs, channels), turned, near)


def _weights(order: Order, weight: Array, transposed: bool, room: Room, out: Calls) -> Array:
    """Room for packed weights, which are there before any block."""
    w, tmp = lanes.empty((room.weights,)), out.scratch((room.turned, LANES))
    out.before(pack_weights, order, weight, transposed, tmp, w)
    return w


def _table(rows: Sequence[Sequence[int]]) -> Array:
    return fixed(np.array(rows, np.int64))


def _parts(outputs: int, size: Pair, blocks: int, grid: int) -> int:
    """Of a block whose results are made for so many pixels each time."""
    results = 4 * LANES * outputs * math.prod(size) // RESULT_BYTES
    parts = max(1, results, min(-(-LEAST_PARTS // max(1, blocks)), grid // LEAST_PIXELS))
    return parts + (parts > 1 and blocks * parts % 2)  # two threads have as many


@functools.lru_cache(256)
def _packed(
    window: Window,
    channels: int,
    outputs: int,
    size: Pair,
    blocks: int,
    transposed: bool,
    adds: bool,
    relu: bool,
) -> tuple[Order, Packed, Room]:
    """Each phase's taps in the order of the pixels that they see."""
    shape, (rows, columns) = simd.row_shape(), (_walk(window, a, transposed) for a in (0, 1))
    terms, steps = PACKED_BYTES // (4 * LANES * shape.columns), window.stride
    order = Order(shape, rows[0], columns[0], rows[1], columns[1], terms)
    grid = math.prod(size) // (len(rows[2]) * len(columns[2]))
    parts = _parts(outputs, size, blocks, grid)
    if transposed:
        steps = (1, 1)
    plan = Packed(shape, rows[2], columns[2], *steps, terms, parts, adds, relu)
    return order, plan, _room(window, order, channels, outputs, plan.near)


def _walk(window: Window, axis: int, transposed: bool) -> tuple[Array, Array, Array]:
    """The tables of an axis: those of `Order`, phases and taps, and that of `Packed`."""
    kernel, stride, (before, _) = window.kernel[axis], window.stride[axis], window.padding[axis]
    taps: list[int] = []
    phases, walk = [], []
    for first, count, base in walk_of_axis(kernel, stride, before, 1, transposed).tolist():
        phases.append((len(taps), count))
        walk.append((count, base))
        if transposed:  # they are numbered from the last
            taps += [kernel - 1 - first - i * stride for i in range(count)]
        else:
            taps += [first + i for i in range(count)]
    return _table(phases), _table([(tap, tap) for tap in taps]), _table(walk)


# Passes, see `kernels.phases`; backward, a phase with two taps has the first three and the other
# one the last two.
FORWARD = [(1, 0, 0, -1, 0, 1), (0, 1, 1, 3, 0, 0), (0, 1, 2, 4, 1, 1)]
TWO_TAPS = [(1, 0, 0, -1, 0, 2), (0, 1, 1, -1, 0, 0), (0, 1, 2, -1, 2, 2)]
ONE_TAP = [(1, 1, 3, -1, 0, 0), (1, 1, 4, -1, 2, 2)]


@functools.lru_cache(256)
def _phases(
    window: Window,
    channels: int,
    outputs: int,
    size: Pair,
    blocks: int,
    transposed: bool,
    adds: bool,
    relu: bool,
) -> tuple[Order, Phases, Room]:
    """Forward, a tile reads five pixels along an axis, and four at most backward."""
    shape = simd.row_shape()
    (rows, row_places), (columns, column_places) = (
        _passes(before, transposed) for before, _ in window.padding
    )
    taps = [(0, 2), (2, 2), (0, 0), (1, 1)] if transposed else [(0, 2), (0, 0), (2, 2), (1, 1)]
    step, apart = (2, 4) if transposed else (4, 2)
    down, across = (-(-n // apart) for n in size)
    run = -(-channels // -(-channels // MOST_CHANNELS))
    single, both = _table([(i, 1) for i in range(len(taps))]), _table(taps)
    order = Order(shape, single, single, both, both, run)
    parts = _parts(outputs, size, blocks, down * across * 4)
    plan = Phases(shape, rows, columns, row_places, column_places, step, apart, down, across, run,
                  parts, adds, relu)  # fmt: skip
    return order, plan, _room(window, order, channels, outputs, plan.near)


def _passes(before: int, transposed: bool) -> tuple[Array, Array]:
    """The tables of an axis with so many zeros before it: passes, and where a tile reads."""
    if not transposed:
        return _table(FORWARD), fixed(np.array([2, 0, 4, 1, 3]) - before)
    walk = walk_of_axis(3, 2, before, 1, True).tolist()
    two = next(phase for phase in (0, 1) if walk[phase][1] == 2)
    base, other = walk[two][2], walk[1 - two][2]
    passes = [(two, p) for p in TWO_TAPS] + [(1 - two, p) for p in ONE_TAP]
    table = _table([(*p[:4], p[4] + phase, p[5] + phase) for phase, p in passes])
    return table, fixed(np.array([base + 1, base, base + 2, other, other + 1]))
