"""PReLU in lanes."""

from __future__ import annotations

from typing import Any

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels import prelu as kernels
from npnet.kernels._arguments import row_major
from npnet.kernels.program import SLOT
from npnet.kernels.simd import LANES
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.plan import Buffer, Calls, total
from npnet.lanes.unsuited import Unsuited
from npnet.ops import piecewise as ops
from npnet.tape import Variable


@by_lanes(ops.PReLU)
class PReLU(LaneOp):
    """Of one slope for all, an image is one plane."""

    any_axes = True
    chained = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return 0 not in inputs[0].shape

    def forward(self, x: Buffer, out: Calls, weight: Array) -> Buffer:
        self.x, self.shape = x, weight.shape
        self.weight = row_major("prelu", "weight", weight).reshape(-1)
        y = out.empty(x.shape, x.by)
        out.add(kernels.prelu_plane, self._planes(x), self.weight, self._planes(y), of=y)
        return y

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        if weights[0].size > 1:
            raise Unsuited("a PReLU has a slope for each channel")
        return super().by_channels(x, out, *weights)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array, ...]:
        gx, parts = out.over(gy), lanes.empty((out.extent.blocks, self.weight.size))
        arguments = self._planes(self.x), self._planes(gy), self.weight, out.extent.n, parts
        if gy.by == SLOT:
            out.add(kernels.prelu_backward_block, *arguments, self._planes(gx))
        else:
            out.add(kernels.prelu_backward_plane, *arguments, self._planes(gx), of=gx)
        return gx, total(parts, self.shape, out)

    def _planes(self, x: Buffer) -> Array:  # (S or B, C, pixels, 16)
        return x.array.reshape(len(x.array), self.weight.size, -1, LANES)
