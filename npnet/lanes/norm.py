"""Normalisation in lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels._arguments import row_major
from npnet.kernels.group_norm import backward_group, backward_groups_of_block, normalise_group
from npnet.kernels.norm import Backward, backward_channel, statistics_of_channel
from npnet.kernels.program import SLOT
from npnet.kernels.simd import LANES
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneFunction, LaneOp, by_lanes
from npnet.lanes.fusion import WaitingLanes, normalised, planes
from npnet.lanes.layout import Lanes
from npnet.lanes.plan import Buffer, Calls, total
from npnet.lanes.unsuited import Unsuited
from npnet.ops import norm as ops
from npnet.tape import Variable


@by_lanes(ops.BatchNorm)
class BatchNorm(LaneFunction):
    """Together with the addition and the ReLU that may follow it.

    The statistics are computed at once, y when it is asked for. What that needs of the weights is
    kept by value, and so is what backward needs.
    """

    any_axes = True
    staged = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return 0 not in inputs[0].shape  # an empty batch has no statistics

    def forward(self, x: Lanes, weight: Array, bias: Array) -> Lanes:  # (N, C, ...)
        self.save_for_backward(x)
        self.constants = self._constants(x, weight, bias)
        if True in self.needs_input_grad:
            x = Lanes(x.blocks, x.shape[0])  # which backward needs too
        return normalised(x, self.constants)

    def _constants(self, x: Lanes, weight: Array, bias: Array) -> Array:
        """Of each channel mean, weight * r, bias, r, as `kernels.norm` takes them: (4, C)."""
        op, constants = self.op, np.empty((4, x.shape[1]), np.float32)
        mean, scale, shift, r = constants
        if op.given is None:
            statistics_of_channel(planes(x.blocks), x.shape[0], mean, r)
            op.mean, op.var = mean, r.copy()
        else:
            mean[...], r[...] = op.given
        scale[...], shift[...] = weight, bias
        r += np.float32(op.eps)
        np.divide(np.float32(1), np.sqrt(r, out=r), out=r)
        scale *= r
        return constants

    def backward(self, gy: Lanes) -> tuple[Lanes, Array, Array]:
        (x,) = self.saved
        mask, n = gy.pending, x.shape[0]
        if mask is None or mask.gradient is None:
            g, y, relu = gy.blocks, None, False
        else:  # where the ReLU took this result alone, the mask follows from x
            g, relu = mask.gradient, True
            y = None if mask.constants is self.constants else mask.output
        gx, images = lanes.empty(g.shape), planes(x.blocks)
        gr, out = (g, images) if y is None else (lanes.empty(g.shape), planes(y))
        totals = np.empty((2, g.shape[1]), np.float32)
        plan = Backward(n, relu, y is not None, self.op.given is None)
        arguments = planes(g), images, out, plan, self.constants, totals, planes(gr), planes(gx)
        backward_channel(*arguments)
        if y is not None:
            assert isinstance(gy, WaitingLanes)
            gy.settle(gr)  # the residual's gradient
        return Lanes(gx, n), totals[1], totals[0]


@by_lanes(ops.LayerNorm)
@by_lanes(ops.GroupNorm)
class GroupNorm(LaneOp):
    """Of groups that lie within an image; a layer norm's are its last axes.

    Without weights there is one for all, 1.
    """

    any_axes = True
    chained = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        shape = inputs[0].shape
        return 0 not in shape and op.parts(shape)[0] % shape[0] == 0

    def forward(
        self, x: Buffer, out: Calls, weight: Array | None = None, bias: Array | None = None
    ) -> Buffer:
        n = out.extent.n
        samples, rows, weights, _ = self.op.parts((n, *x.shape))
        self.groups = samples // n * rows
        self.rows: int = 1 if weight is None else rows
        self.weights: int = 1 if weight is None else weights
        self.x, self.statistics = x, out.empty((self.groups, 3), x.by).array
        self.shape = () if weight is None else weight.shape
        self.scale, shift = self._by_group("weight", weight, 1), self._by_group("bias", bias, 0)
        y = out.empty(x.shape, x.by)
        arguments = np.float32(self.op.eps), self.scale, shift, self.statistics
        out.add(normalise_group, self._grouped(x), *arguments, self._grouped(y), of=y)
        return y

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        raise Unsuited("a norm adds up channels")

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array, ...]:
        gx, parts = out.over(gy), out.extent.blocks * self.groups // self.rows
        gw, gb = (lanes.empty((parts, self.rows, self.weights)) for _ in range(2))
        given = self._grouped(gy), self._grouped(self.x), self.scale, self.statistics
        arguments = *given, out.extent.n, gw, gb, self._grouped(gx)
        if gy.by == SLOT:
            out.add(backward_groups_of_block, *arguments)
        else:
            out.add(backward_group, *arguments, of=gx)
        count = len(self.needs_input_grad) - 1
        return (gx, *[total(part, self.shape, out) for part in (gw, gb)[:count]])

    def _grouped(self, x: Buffer) -> Array:
        return x.array.reshape(len(x.array), self.groups, -1, LANES)

    def _by_group(self, name: str, weight: Array | None, default: float) -> Array:
        """A row of weights for each group that has its own."""
        if weight is None:
            return np.full((self.rows, self.weights), default, np.float32)
        return row_major("group_norm", name, weight).reshape(self.rows, self.weights)
