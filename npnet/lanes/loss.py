"""Losses in lanes: a kernel computes the mean and its gradient in one go."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import elementwise, loss
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.layout import Lanes
from npnet.ops import elementwise_loss
from npnet.ops import loss as ops
from npnet.tape import Variable


class LaneLoss(LaneFunction):
    """A mean loss whose kernel also computes `gx`, the gradient by the first input."""

    gx: Lanes

    def backward(self, gy: Array) -> tuple[Lanes | None, ...]:
        gx = self.gx
        if gy != 1:  # as it is in a loss that backward was called on
            gx = Lanes(elementwise.scale(gx.blocks, float(gy)), gx.shape[0])
        return (gx, *[None] * (len(self.needs_input_grad) - 1))


@by_lanes(ops.CrossEntropy)
class CrossEntropy(LaneLoss):
    """Of logits (N, C)."""

    def forward(self, x: Lanes) -> Array:
        y, gx = loss.cross_entropy(x.blocks, self.op.classes, self.op.smoothing)
        self.gx = Lanes(gx, x.shape[0])
        return np.asarray(y)


@by_lanes(elementwise_loss.MeanSquaredError)
class MeanSquaredError(LaneLoss):
    """For a target that wants no gradient, which comes into lanes if it is not there."""

    images = 2
    joins = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not inputs[1].requires_grad

    def forward(self, x: Lanes, t: Lanes) -> Array:
        y, gx = loss.mse_loss(x.blocks, t.blocks, x.shape[0])
        self.gx = Lanes(gx, x.shape[0])
        return np.asarray(y)
