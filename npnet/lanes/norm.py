"""Normalisation in lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels._arguments import row_major
from npnet.kernels.group_norm import backward_group, normalise_group
from npnet.kernels.norm import Backward, backward_channel, statistics_of_channel
from npnet.kernels.simd import LANES
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.fusion import WaitingLanes, normalised, planes
from npnet.lanes.layout import Lanes
from npnet.ops import norm as ops
from npnet.tape import Variable


@by_lanes(ops.BatchNorm)
class BatchNorm(LaneFunction):
    """Together with the addition and the ReLU that may follow it.

    The statistics are computed at once, y when it is asked for. What that needs of the weights is
    kept by value, and so is what backward needs.
    """

    any_axes = True

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
class GroupNorm(LaneFunction):
    """Of groups that lie within an image; a layer norm's are its last axes."""

    any_axes = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        shape = inputs[0].shape
        return 0 not in shape and op.parts(shape)[0] % shape[0] == 0

    def forward(self, x: Lanes, weight: Array, bias: Array) -> Lanes:  # (N, C, ...)
        n, blocks = x.shape[0], x.blocks
        groups, self.rows, self.weights, _ = self.op.parts(x.shape)
        self.size = len(blocks), groups // n * self.rows, -1, LANES
        self.save_for_backward(x, weight)
        self.statistics, y = lanes.empty((*self.size[:2], 3, LANES)), lanes.empty(blocks.shape)
        scale, shift = self._by_group("weight", weight), self._by_group("bias", bias)
        images, result = blocks.reshape(self.size), y.reshape(self.size)
        normalise_group(images, np.float32(self.op.eps), scale, shift, self.statistics, result)
        return Lanes(y, n)

    def backward(self, gy: Lanes) -> tuple[Lanes, Array, Array]:
        x, weight = self.saved
        n, gx = x.shape[0], lanes.empty(x.blocks.shape)
        blocks, groups = self.size[:2]
        parts = np.empty((blocks * groups // self.rows, 2, self.rows, self.weights), np.float32)
        g, images, result = (a.reshape(self.size) for a in (gy.blocks, x.blocks, gx))
        scale = self._by_group("weight", weight)
        backward_group(g, images, scale, self.statistics, n, parts, result)
        gbias, gweight = parts.sum(0, dtype=np.float64).astype(np.float32)
        return Lanes(gx, n), gweight.reshape(weight.shape), gbias.reshape(weight.shape)

    def _by_group(self, name: str, weight: Array) -> Array:
        """A row of weights for each group that has its own."""
        return row_major("group_norm", name, weight).reshape(self.rows, self.weights)
