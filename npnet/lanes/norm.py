"""Normalisation in lanes."""

from __future__ import annotations

from typing import Any

from npnet.base.arrays import Array
from npnet.kernels import norm
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.fusion import WaitingLanes, normalised
from npnet.lanes.layout import Lanes
from npnet.ops import norm as ops
from npnet.tape import Variable


@by_lanes(ops.BatchNorm)
class BatchNorm(LaneFunction):
    """Together with the addition and the ReLU that may follow it.

    The statistics are computed at once, y when it is asked for. What that needs of the weights is
    kept by value, and so is what backward needs.
    """

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return 0 not in inputs[0].shape  # an empty batch has no statistics

    def forward(self, x: Lanes, weight: Array, bias: Array) -> Lanes:  # (N, C, ...)
        self.save_for_backward(x)
        op = self.op
        if op.given is None:
            self.constants, op.var = norm.statistics(x.blocks, weight, bias, op.eps, x.shape[0])
            op.mean = self.constants[0]
        else:
            mean, var = op.given
            self.constants = norm.constants(mean, var, weight, bias, op.eps)
        if True in self.needs_input_grad:
            x = Lanes(x.blocks, x.shape[0])  # which backward needs too
        return normalised(x, self.constants)

    def backward(self, gy: Lanes) -> tuple[Lanes, Array, Array]:
        (x,) = self.saved
        mask = gy.pending
        if mask is None or mask.gradient is None:
            g, y, relu = gy.blocks, None, False
        else:  # where the ReLU took this result alone, the mask follows from x
            g, relu = mask.gradient, True
            y = None if mask.constants is self.constants else mask.output
        gx, gr, gweight, gbias = norm.batch_norm_backward(
            g, x.blocks, self.constants, x.shape[0], y, relu, self.op.given is None
        )
        if y is not None:
            assert isinstance(gy, WaitingLanes)
            gy.settle(gr)  # the residual's gradient
        return Lanes(gx, x.shape[0]), gweight, gbias
