"""The plan by which `kernels.correlate` walks the windows of a convolution, and its calls."""

from __future__ import annotations

import functools
import math

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, simd
from npnet.kernels._arguments import fixed
from npnet.kernels.correlate import Correlation, correlate_row, pack_panel
from npnet.lanes.plan import Buffer, Calls
from npnet.ops.windows import Window

__all__ = ["correlate", "walk_of_axis", "walks"]


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
) -> None:
    """Fill y with the convolution of x, or, transposed, with the gradient that gradients x give.

    Then y + residual, then max(y, 0). Zeros around are left out, not multiplied.

    Args:
        window: what `walks` says.

    Shape: x (C, H, W) of an image, weight (O, C/groups, KH, KW), transposed (C, O/groups, KH, KW),
        bias (O,) or (1,) -> y (O, OH, OW); residual (B, O, OH, OW, 16).
    """
    outputs, channels = y.shape[0] // groups, x.shape[0] // groups
    plan = _correlation(window, outputs, transposed, residual is not None, relu, groups)
    rows = plan.shape.rows
    panels = lanes.empty((groups * -(-outputs // rows), channels, *weight.shape[2:], rows))
    out.before(pack_panel, weight, transposed, groups, panels)
    added = (y if residual is None else Buffer(residual)).grouped(groups)
    out.add(correlate_row, plan, x.grouped(groups), panels, bias, added, y.grouped(groups), of=y)


def walks(window: Window) -> bool:
    """Whether the kernel can walk the windows, and those of the gradient by the input: where the
    stride and the dilation have a common divisor, its taps are not one in so many phases.
    """
    return all(math.gcd(s, d) == 1 for s, d in zip(window.stride, window.dilation, strict=True))


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
