"""Convolution in lanes."""

from __future__ import annotations

import math
from typing import Any

from npnet.backend import winograd_wanted
from npnet.base.arrays import Array
from npnet.kernels import conv
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.fusion import Convolved
from npnet.lanes.layout import Lanes
from npnet.ops import conv as ops
from npnet.tape import Variable

# For each weight, for a convolution to wait for a batch norm: to copy and to scale a weight takes
# three times as long as the pass over a result that this saves.
LEAST_RESULTS = 4


@by_lanes(ops.Conv2d)
class Conv2d(LaneFunction):
    """For any window without dilation and groups."""

    def __init__(self, op: ops.Conv2d) -> None:
        super().__init__(op)
        self.window, self.fast = op.window, winograd_wanted()

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return op.groups == 1 and op.window.dilation == (1, 1)

    def forward(self, x: Lanes, weight: Array, bias: Array | None = None) -> Lanes:
        shape = (x.shape[0], len(weight), *self.window.output_size(x.size))
        if True not in self.needs_input_grad and LEAST_RESULTS * weight.size <= math.prod(shape):
            copies = weight.copy(), None if bias is None else bias.copy()  # they may change
            return Convolved(shape, x.blocks, *copies, self.window, self.fast)
        self.save_for_backward(x, weight)
        return Lanes(conv.conv2d(x.blocks, weight, bias, self.window, self.fast), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes | Array | None, ...]:
        x, weight = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        gx = gweight = gbias = None
        if needs_x:
            blocks = conv.conv2d_backward_data(gy.blocks, weight, self.window, x.size, self.fast)
            gx = Lanes(blocks, x.shape[0])
        if needs_weight or any(needs_bias):
            gweight, gbias = conv.conv2d_backward_weight(
                x.blocks, gy.blocks, self.window, x.shape[0], self.fast
            )
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]
