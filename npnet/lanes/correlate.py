"""The plans by which `kernels.correlate` and `unrolled` walk the windows of a convolution."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd
from npnet.kernels._arguments import fixed
from npnet.kernels._task import Task
from npnet.kernels.correlate import Correlation, correlate_row, pack_panel
from npnet.kernels.simd_windows import WindowShape
from npnet.kernels.unrolled import Unrolled, unrolled_row
from npnet.lanes.plan import Buffer, Calls
from npnet.ops.windows import Pair, Window

__all__ = ["Epilogue", "Pointwise", "activate", "correlate", "walk_of_axis", "walks"]

# Taps along a row for which a kernel is compiled for them alone. With fewer it gains less, and
# there are many more layers of such.
LEAST_TAPS, MOST_TAPS = 4, 7
REGISTERS = 31  # for a tile's sums and what they are made of; one is left for a weight
USUAL_TILE, LEAST_TILE, MOST_ROWS = 16, 8, 8  # vectors


class Pointwise(Protocol):
    """What becomes of each number by itself.

    Attributes:
        kernel: its name in `simd_windows`.
        span: the kernel (x, y).
    """

    @property
    def kernel(self) -> str: ...

    @property
    def span(self) -> Task: ...


@dataclass
class Epilogue:
    """What becomes of a convolution's result, while it is in registers where that can be.

    Attributes:
        pool: rows and columns of windows that cover the result side by side, of which means are
            wanted; or (1, 1).
        share: what a window's sum is multiplied by.
        means: where they are, if they were made with the rest.
    """

    activation: Pointwise
    pool: Pair = (1, 1)
    share: float = 1.0
    means: Buffer | None = None


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
    groups: int = 1,
    epilogue: Epilogue | None = None,
) -> None:
    """Fill y with the convolution of x, or, transposed, with the gradient that gradients x give.

    Then y + residual, then max(y, 0); or an epilogue. Zeros around are left out, not multiplied.

    Args:
        window: what `walks` says.

    Shape: x (C, H, W) of an image, weight (O, C/groups, KH, KW), transposed (C, O/groups, KH, KW),
        bias (O,) or (1,) -> y (O, OH, OW); residual (B, O, OH, OW, 16).
    """
    outputs, channels = y.shape[0] // groups, x.shape[0] // groups
    plan: Unrolled | Correlation | None = None
    if groups == 1 and residual is None and not relu:
        after = ("", (1, 1), 1.0)
        if epilogue is not None:
            after = epilogue.activation.kernel, epilogue.pool, epilogue.share
        plan = _unrolled(window, x.size[1], y.size[1], outputs, transposed, *after)
    if plan is None:
        plan = _correlation(window, outputs, transposed, residual is not None, relu, groups)
    rows = plan.shape.rows
    panels = lanes.empty((groups * -(-outputs // rows), channels, *weight.shape[2:], rows))
    out.before(pack_panel, weight, transposed, groups, panels)
    if isinstance(plan, Unrolled):
        means = y
        if epilogue is not None and epilogue.pool != (1, 1):
            high, wide = epilogue.pool
            means = out.empty((outputs, y.size[0] // high, y.size[1] // wide), y.by)
            epilogue.means = means
        out.add(unrolled_row, plan, x.array, panels, bias, y.array, means.array, of=y)
        return
    added = (y if residual is None else Buffer(residual)).grouped(groups)
    out.add(correlate_row, plan, x.grouped(groups), panels, bias, added, y.grouped(groups), of=y)
    if epilogue is not None:
        activate(y, epilogue.activation, out)


def activate(y: Buffer, activation: Pointwise, out: Calls) -> None:
    """Let an activation take the place of what it is of."""
    out.add(activation.span, y.flat, y.flat, out.span(y), of=y)


def walks(window: Window) -> bool:
    """Whether the kernel can walk the windows, and those of the gradient by the input: where the
    stride and the dilation have a common divisor, its taps are not one in so many phases.
    """
    return all(math.gcd(s, d) == 1 for s, d in zip(window.stride, window.dilation, strict=True))


@functools.lru_cache(256)
def _unrolled(
    window: Window,
    width: int,
    out_width: int,
    outputs: int,
    transposed: bool,
    activation: str,
    pool: Pair,
    share: float,
) -> Unrolled | None:
    """The plan for rows of `width` pixels that become `out_width`, if there is one."""
    (_, taps), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    if not simd.WIDE:  # tiles are a column wide, and no faster this way
        return None
    if not LEAST_TAPS <= taps <= MOST_TAPS or (transposed and (sh, sw) != (1, 1)):
        return None
    (_, _, top), (_, _, base) = (
        walk_of_axis(size, stride, before, apart, transposed)[0]
        for size, stride, (before, _), apart in zip(
            window.kernel, (sh, sw), window.padding, (dh, dw), strict=True
        )
    )
    inside = base == 0 and (out_width - 1) * sw + (taps - 1) * dw < width
    tile = _tile(outputs, out_width, inside, pool[1])
    if tile is None:
        return None
    rows, columns = tile
    within = None if inside else width
    shape = WindowShape(rows, columns, taps, sw, dw, int(base), within, activation, pool[1])
    return Unrolled(shape, int(top), sh, dh, pool[0], share)


def _tile(outputs: int, width: int, inside: bool, pool: int) -> Pair | None:
    """Rows and columns of the tile that wastes least; without padding a row has several."""
    found = []
    for rows in range(1, MOST_ROWS + 1):
        for columns in range(1 if inside else width, width + 1):
            size, read = rows * columns, columns if rows > 1 else 1
            if width % columns or columns % pool or size < LEAST_TILE or size + read > REGISTERS:
                continue
            waste = -(-outputs // rows) * rows * max(1, (rows + columns) / size)
            found.append((waste, abs(size - USUAL_TILE), rows + columns, (rows, columns)))
    return min(found)[-1] if found else None


@functools.lru_cache(256)
def _correlation(
    window: Window, outputs: int, transposed: bool, adds: bool, relu: bool, groups: int
) -> Correlation:
    rows, columns = (
        walk_of_axis(
            window.kernel[a],
            window.stride[a],
            window.padding[a][0],
            window.dilation[a],
            transposed,
        )
        for a in (0, 1)
    )
    steps = (1, 1) if transposed else window.stride
    shape = simd.product_shape(outputs)
    return Correlation(shape, rows, columns, *steps, *window.dilation, groups, adds, relu)


@functools.cache
def walk_of_axis(kernel: int, stride: int, before: int, apart: int, transposed: bool) -> Array:
    """(first tap, taps, base) for each phase: result phase + t * phases reads, with its i-th tap
    (first tap + i * phases), what stands at base + t * step + i * apart.

    Forward there is one phase, and step is the stride: 3 taps, padded by 1 before, are
    [[0, 3, -1]], so result t reads from t * stride - 1 on. Transposed, step is 1, the taps are
    numbered from the last, and phase r takes the taps k whose k * apart is r + before modulo the
    stride. With stride
    2 that is [[1, 1, 0], [0, 2, 0]]: pixel 2t saw the middle tap alone, of window t; pixel 2t + 1
    saw the last tap of window t and the first of window t + 1, numbered 0 and 2 from the last.
    """
    if not transposed:
        return fixed(np.array([[0, kernel, -before]]))
    plan = []
    for r in range(stride):
        first = next(k for k in range(stride) if (r + before - k * apart) % stride == 0)
        taps = range(first, kernel, stride)
        last = taps[-1] if taps else 0
        plan.append([kernel - 1 - last, len(taps), (r + before - last * apart) // stride])
    return fixed(np.array(plan))
