"""What a program does to one block of sixteen images, beyond the kernels of the eager ops.

Arrays with S slots live as long as a block is worked on: each thread has a slot of its own. Arrays
with B blocks hold the whole batch.
"""

from __future__ import annotations

import numba
import numpy as np

from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import Facts, need, task, wider
from npnet.kernels.lanes import block_count, rows_to_lanes
from npnet.kernels.simd import LANES
from npnet.kernels.weight_gradient import add_strip

__all__ = ["add_weight_gradients", "compact_row", "copy_in", "copy_out", "load", "sum_parts"]


@task(x="N F", y="S F 16", items=lambda f: block_count(f.N))
def load(x, y, b):
    """Block `b` of images x (N, F) -> the thread's slot of y (S, F, 16)."""
    rows_to_lanes(x, b, y, np.intp(numba.get_thread_id()))


@task(x="S F 16", y="B F 16", items="B")
def copy_out(x, y, b):
    """The thread's slot of x (S, F, 16) -> block `b` of y (B, F, 16)."""
    copy_block(x, np.intp(numba.get_thread_id()), y, b)


@task(x="B F 16", y="S F 16", items="B")
def copy_in(x, y, b):
    """Block `b` of x (B, F, 16) -> the thread's slot of y (S, F, 16)."""
    copy_block(x, b, y, np.intp(numba.get_thread_id()))


@kernel
def copy_block(x, start, y, at):
    size = x.shape[1] * LANES
    for i in range(0, size, LANES):
        simd.store(y, at * size + i, simd.load(x, start * size + i))


def _strips(f: Facts) -> None:
    """The farthest number that a strip reads is one of its image's."""
    need(f, min(f.n, f.blocks, f.strip, f.sh, f.sw) > 0, "its numbers must be positive")
    need(f, f.B == f.S, f"x must have a slot of each of gy's, {f.S}, got {f.B}")
    count = f.T + f.shape.columns
    need(f, count == f.P, f"offsets must have {count} numbers, got {f.P}")
    rows, image = f.OH, f.x
    if len(f.padded):
        rows, image = min(f.strip, f.OH), f.padded
        need(f, image.shape[0] >= f.S, f"padded must have {f.S} slots, got {image.shape[0]}")
        need(f, image.shape[1] == f.C, f"padded must have {f.C} channels")
    width = image.shape[3]
    last = ((rows - 1) * f.sh * width + (f.OW - 1) * f.sw) * LANES
    size = image[0].size
    farthest = last + int(f.offsets.max()) + LANES
    need(f, f.offsets.min() >= 0 and farthest <= size, "the windows must lie inside the image")


@task(
    x="B C H W 16", gy="S O OH OW 16", n="int", blocks="int", shape="tile", strip="int",
    top="int", left="int", padded="PS PC PH PW PL", offsets="P: int64 table", sh="int", sw="int",
    gw="K O T", gb="K O", items=lambda f: f.blocks, also=_strips, empty="PS PC PH PW PL",
)  # fmt: skip
def add_weight_gradients(
    x, gy, n, blocks, shape, strip, top, left, padded, offsets, sh, sw, gw, gb, b
):  # fmt: skip
    """Add block `b`'s gradients by a convolution's weight and bias to those of its chunk.

    x (S, C, H, W, 16), gy (S, O, OH, OW, 16) -> gw (chunks, O, taps), gb (chunks, O), which the
    first block of a chunk begins anew; from `shape` to `sw` it is a `lanes_plan`.
    """
    slot, chunks = np.intp(numba.get_thread_id()), gw.shape[0]
    chunk = ((b + 1) * chunks - 1) // blocks
    if b == chunk * blocks // chunks:
        gw[chunk] = 0
        gb[chunk] = 0
    images = min(LANES, n - b * LANES)
    plan = (shape, strip, top, left, padded, offsets, sh, sw)
    for s in range((gy.shape[2] + strip - 1) // strip):
        add_strip(x, slot, gy, slot, images, s, plan, gw, gb, chunk)


SPAN = 1024  # floats that `sum_parts` adds up at a time


@task(parts="P F", total="F", items=lambda f: -(-f.F // SPAN))
def sum_parts(parts, total, k):
    """Span `k` of total (F,): the sum of parts (P, F) in their order."""
    first, last = k * SPAN, min((k + 1) * SPAN, total.size)
    for i in range(first, last):
        total[i] = parts[0, i]
    for p in range(1, parts.shape[0]):
        for i in range(first, last):
            total[i] += parts[p, i]


@task(x="R W", y="R F", items="R", also=wider)
def compact_row(x, y, k):
    """Row `k` of y (R, F), which is that of x (R, F or more)."""
    for i in range(y.shape[1]):
        y[k, i] = x[k, i]
