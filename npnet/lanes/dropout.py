"""Dropout in lanes, of single values and of whole channels."""

from __future__ import annotations

import math

from npnet.base.arrays import Array
from npnet.kernels import elementwise, gates
from npnet.kernels.simd import LANES
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.plan import Buffer, Calls
from npnet.lanes.unsuited import Unsuited
from npnet.ops import dropout as ops


@by_lanes(ops.Dropout)
class Dropout(LaneOp):
    """A program draws a new mask for each batch, as the loop does."""

    any_axes = True
    chained = True
    draws = True

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.mask = out.drawn(self.op.draw, self.op.size[1:], x.by)
        return self._masked(x, out)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (self._masked(gy, out),)

    def _masked(self, x: Buffer, out: Calls) -> Buffer:
        y, mask = out.over(x), self.mask
        if mask.shape == x.shape:
            out.add(elementwise.multiply_span, x.flat, mask.flat, y.flat, out.span(y), of=y)
        else:
            runs, numbers = _runs(x, math.prod(mask.shape)), mask.array.reshape(-1, LANES)
            out.add(gates.scale_plane, runs, numbers, _runs(y, math.prod(mask.shape)), of=y)
        return y

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        raise Unsuited("dropout draws a mask for a batch")


def _runs(x: Buffer, count: int) -> Array:
    """As many equal parts of each image, (S or B * count, pixels, 16)."""
    return x.array.reshape(len(x.array) * count, -1, LANES)
