"""Linear layers in lanes."""

from __future__ import annotations

from typing import Any

from npnet.base.arrays import Array
from npnet.kernels import linear
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.layout import Lanes
from npnet.ops import linear as ops
from npnet.tape import Variable


@by_lanes(ops.Linear)
class Linear(LaneFunction):
    """For a batch of features (N, F)."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return inputs[0].ndim == 2

    def forward(self, x: Lanes, weight: Array, bias: Array | None = None) -> Lanes:
        self.save_for_backward(x, weight)
        return Lanes(linear.linear(x.blocks, weight, bias), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes | Array | None, ...]:
        x, weight = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        gx = gweight = gbias = None
        if needs_x:
            gx = Lanes(linear.linear_backward_data(gy.blocks, weight), x.shape[0])
        if needs_weight or any(needs_bias):
            gweight, gbias = linear.linear_backward_weight(x.blocks, gy.blocks, x.shape[0])
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]
