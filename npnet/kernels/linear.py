"""Linear layers in lanes: forward, and the gradients by input and by weight.

A tile holds rows features of the result by columns blocks of sixteen images. The gradient by the
weight is a product over images, for which x is turned back into rows (N, F): then sixteen features
are the lanes, and no sum over lanes is needed. Runs of `PRODUCTS` are added one by one, and then
the runs' sums.
"""

from __future__ import annotations

import numpy as np

from npnet.kernels import simd
from npnet.kernels._task import Facts, need, task
from npnet.kernels.simd import LANES

__all__ = ["BLOCK_SHAPE", "NO_BIAS", "SHAPE", "gradients_panel", "multiply_panel"]


SHAPE = simd.row_shape()
# Where blocks come one by one. Each weight is loaded for one product then, whatever the tile is; a
# sum of fewer rows waits for the product before.
BLOCK_SHAPE = simd.TILES[12, 1] if simd.WIDE else SHAPE
NO_BIAS = np.zeros(1, np.float32)
PRODUCTS = 64 * LANES  # of a sum, one by one


def _matrix(f: Facts) -> None:
    last = (f.O - 1) * f.down + (f.F - 1) * f.along
    need(f, min(f.down, f.along) >= 0 and last < f.w.size, f"w must have {last + 1} numbers")
    need(f, f.biases in (1, f.O), f"bias must have 1 number or {f.O}, got {f.biases}")


def _tiles(f: Facts) -> int:
    return int(-(-f.O // f.shape.rows) * -(-f.B // f.shape.columns))


@task(
    shape="tile", x="B F 16", w="WO WF", down="int", along="int", bias="biases", y="B O 16",
    items=_tiles, also=_matrix, empty="B",
)  # fmt: skip
def multiply_panel(shape, x, w, down, along, bias, y, k):
    """A tile of y[o] = bias[o] + sum over i of w[o * down + i * along] * x[i].

    x (B, F, 16), w any matrix, bias (O,) or (1,) -> y (B, O, 16).
    """
    blocks, features, _ = x.shape
    outputs, rows, columns = y.shape[1], simd.rows(shape), simd.columns(shape)
    panels = (outputs + rows - 1) // rows
    o, b = k % panels * rows, k // panels * columns
    last = min(rows, outputs - o) - 1
    # a tile that reaches out of the batch computes its first block again, and drops it
    right = features * LANES if b + columns <= blocks else 0
    bias_step = 1 if bias.shape[0] == outputs else 0
    acc = simd.from_rows(shape, bias, o * bias_step, bias_step, last)
    at, start, place = o * down, b * features * LANES, (b * outputs + o) * LANES
    stored = columns if b + columns <= blocks else 1
    for first in range(0, max(features, 1), PRODUCTS):
        if first > 0:
            acc = simd.zeros(shape)
        for _ in range(first, min(first + PRODUCTS, features)):
            acc = simd.add_row_products(acc, w, at, down, last, x, start, right)
            at += along
            start += LANES
        if first > 0:
            acc = simd.add_tile(acc, y, place, LANES, outputs * LANES, last + 1, stored)
        simd.store_tile(acc, y, place, LANES, outputs * LANES, last + 1, stored)


def _whole_rows(f: Facts) -> None:
    need(f, f.W % LANES == 0, f"rows must be a multiple of {LANES}, got {f.W}")


def _panels(f: Facts) -> int:
    return int(-(-f.O // f.shape.rows))


@task(
    shape="tile", x="N W", gy="B O 16", gw="O W", gb="O", items=_panels, also=_whole_rows,
    empty="N B",
)  # fmt: skip
def gradients_panel(shape, x, gy, gw, gb, k):
    """A tile's rows of gw[o] = sum over n of gy[o, n] * x[n], and of gb[o] = sum of gy[o, n].

    x (N, F) with F a multiple of 16, gy (B, O, 16) -> gw (O, F), gb (O,).
    """
    n, width = x.shape
    outputs, rows, columns = gy.shape[1], simd.rows(shape), simd.columns(shape)
    o = k * rows
    last = min(rows, outputs - o) - 1
    for f in range(0, width, columns * LANES):
        right = LANES if f + columns * LANES <= width else 0
        stored, place = columns if right > 0 else 1, o * width + f
        for first in range(0, max(gy.shape[0], 1), PRODUCTS // LANES):
            acc = simd.zeros(shape)
            for b in range(first, min(first + PRODUCTS // LANES, gy.shape[0])):
                at = (b * outputs + o) * LANES
                start = b * LANES * width + f
                for _ in range(min(LANES, n - b * LANES)):
                    acc = simd.add_row_products(acc, gy, at, LANES, last, x, start, right)
                    at += 1
                    start += width
            if first > 0:
                acc = simd.add_tile(acc, gw, place, width, LANES, last + 1, stored)
            simd.store_tile(acc, gw, place, width, LANES, last + 1, stored)
    for r in range(o, o + last + 1):
        total = 0.0
        for b in range(gy.shape[0]):
            images = simd.load(gy, (b * outputs + r) * LANES)
            total += simd.total(images, min(LANES, n - b * LANES))
        gb[r] = total
