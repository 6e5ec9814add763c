"""What a program does to one block of sixteen images, beyond the kernels of the eager ops.

Arrays with S slots live as long as a block is worked on: each thread has a slot of its own. Arrays
with B blocks hold the whole batch.
"""

from __future__ import annotations

import numba
import numpy as np

from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._task import task, wider
from npnet.kernels.lanes import block_count, rows_to_lanes
from npnet.kernels.simd import LANES

__all__ = ["compact_row", "copy_in", "copy_out", "load", "sum_parts", "total_parts"]


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


SUM_SPAN = 1024  # floats that `sum_parts` adds up at a time


@task(parts="P W", total="F", items=lambda f: -(-f.F // SUM_SPAN), also=wider)
def sum_parts(parts, total, k):
    """Span `k` of total (F,): the sum of parts (P, F or more) in their order."""
    first, last = k * SUM_SPAN, min((k + 1) * SUM_SPAN, total.size)
    for i in range(first, last):
        total[i] = parts[0, i]
    for p in range(1, parts.shape[0]):
        for i in range(first, last):
            total[i] += parts[p, i]


@task(parts="P W", total="F", items=lambda f: -(-f.F // LANES), also=wider)
def total_parts(parts, total, k):
    """Numbers of a cache line, the `k`-th of total (F,): sums in float64, as parts are many."""
    for i in range(k * LANES, min((k + 1) * LANES, total.size)):
        value = 0.0
        for p in range(parts.shape[0]):
            value += parts[p, i]
        total[i] = value


@task(x="R W", y="R F", items="R", also=wider)
def compact_row(x, y, k):
    """Row `k` of y (R, F), which is that of x (R, F or more)."""
    for i in range(y.shape[1]):
        y[k, i] = x[k, i]
