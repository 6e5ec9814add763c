"""The cell of an LSTM, one step of one sequence at a time, whose numbers lie side by side.

A row of gates (4 H) has those of i, f, k and o after each other, one of what is kept (5 H) also
tanh(c). The last vector of each may be a part of one.

Source: Gers, Schmidhuber, Cummins (2000); see `ops.recurrent.LSTM` for the equations.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd, simd_exp, simd_math
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["lstm_backward_row", "lstm_row"]


def _gates(f: Facts) -> None:
    """There are four gates of H numbers, and what is kept has them and tanh(c)."""
    need(f, f.G == 4 * f.H, f"rows must have 4 gates of {f.H} numbers, got {f.G}")
    need(f, f.K == 5 * f.H, f"kept must have 5 times {f.H} numbers in a row, got {f.K}")


@task(a="N G", b="N G", kept="N K", before="N H", c="N H", h="N H", items="N", also=_gates)
def lstm_row(a, b, kept, before, c, h, n):
    """Sequence `n`: c = f c + i k, h = o tanh c; kept = (i, f, k, o, tanh c), before = old c."""
    size = c.shape[1]
    for j in range(0, size, LANES):
        count = min(LANES, size - j)
        at, to, of_c = n * 4 * size + j, n * 5 * size + j, n * size + j
        i = simd_exp.sigmoid(
            simd.add(simd_math.load_part(a, at, count), simd_math.load_part(b, at, count))
        )
        at += size
        f = simd_exp.sigmoid(
            simd.add(simd_math.load_part(a, at, count), simd_math.load_part(b, at, count))
        )
        at += size
        k = simd_exp.tanh(
            simd.add(simd_math.load_part(a, at, count), simd_math.load_part(b, at, count))
        )
        at += size
        o = simd_exp.sigmoid(
            simd.add(simd_math.load_part(a, at, count), simd_math.load_part(b, at, count))
        )
        old = simd_math.load_part(c, of_c, count)
        new = simd.add(simd_math.multiply(old, f), simd_math.multiply(i, k))
        tanh_c = simd_exp.tanh(new)
        simd_math.store_part(before, of_c, count, old)
        simd_math.store_part(c, of_c, count, new)
        simd_math.store_part(h, of_c, count, simd_math.multiply(o, tanh_c))
        simd_math.store_part(kept, to, count, i)
        simd_math.store_part(kept, to + size, count, f)
        simd_math.store_part(kept, to + 2 * size, count, k)
        simd_math.store_part(kept, to + 3 * size, count, o)
        simd_math.store_part(kept, to + 4 * size, count, tanh_c)


@task(g="N H", kept="N K", before="N H", gc="N H", ga="N G", items="N", also=_gates)
def lstm_backward_row(g, kept, before, gc, ga, n):
    """Sequence `n`: ga = the gradients of the gates, gc = that of the old c, from those of h, c."""
    size, one = gc.shape[1], simd.splat(np.float32(1))
    for j in range(0, size, LANES):
        count = min(LANES, size - j)
        at, to, of_c = n * 5 * size + j, n * 4 * size + j, n * size + j
        i = simd_math.load_part(kept, at, count)
        f = simd_math.load_part(kept, at + size, count)
        k = simd_math.load_part(kept, at + 2 * size, count)
        o = simd_math.load_part(kept, at + 3 * size, count)
        tanh_c = simd_math.load_part(kept, at + 4 * size, count)
        gh = simd_math.load_part(g, of_c, count)
        slope = simd_math.subtract(one, simd_math.multiply(tanh_c, tanh_c))
        of_tanh = simd_math.multiply(simd_math.multiply(gh, o), slope)
        total = simd.add(simd_math.load_part(gc, of_c, count), of_tanh)
        slope_i = simd_math.multiply(simd_math.subtract(one, i), i)
        slope_f = simd_math.multiply(simd_math.subtract(one, f), f)
        slope_k = simd_math.subtract(one, simd_math.multiply(k, k))
        slope_o = simd_math.multiply(simd_math.subtract(one, o), o)
        old = simd_math.load_part(before, of_c, count)
        gi = simd_math.multiply(slope_i, simd_math.multiply(total, k))
        gf = simd_math.multiply(slope_f, simd_math.multiply(total, old))
        gk = simd_math.multiply(slope_k, simd_math.multiply(total, i))
        go = simd_math.multiply(slope_o, simd_math.multiply(gh, tanh_c))
        simd_math.store_part(ga, to, count, gi)
        simd_math.store_part(ga, to + size, count, gf)
        simd_math.store_part(ga, to + 2 * size, count, gk)
        simd_math.store_part(ga, to + 3 * size, count, go)
        simd_math.store_part(gc, of_c, count, simd_math.multiply(total, f))
