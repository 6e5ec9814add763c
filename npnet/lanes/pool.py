"""Pooling in lanes."""

from __future__ import annotations

from typing import Any

from npnet.kernels import pool
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.layout import Lanes
from npnet.ops import pool as ops
from npnet.ops import reduce
from npnet.tape import Variable


@by_lanes(ops.MaxPool2d)
class MaxPool2d(LaneFunction):
    """The winner of each window is kept as its place there."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not op.return_indices

    def forward(self, x: Lanes) -> Lanes:  # (N, C, H, W) -> (N, C, OH, OW)
        self.size = x.size
        y, self.winner = pool.max_pool2d(x.blocks, self.op.window)
        return Lanes(y, x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        gx = pool.max_pool2d_backward(gy.blocks, self.winner, self.op.window, self.size)
        return (Lanes(gx, gy.shape[0]),)


@by_lanes(ops.AvgPool2d)
class AvgPool2d(LaneFunction):
    """Means of windows."""

    def __init__(self, op: ops.AvgPool2d) -> None:
        super().__init__(op)
        self.options = op.count_include_pad, op.divisor

    def forward(self, x: Lanes) -> Lanes:  # (N, C, H, W) -> (N, C, OH, OW)
        self.size = x.size
        return Lanes(pool.avg_pool2d(x.blocks, self.op.window, *self.options), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        gx = pool.avg_pool2d_backward(gy.blocks, self.op.window, self.size, *self.options)
        return (Lanes(gx, gy.shape[0]),)


@by_lanes(ops.AdaptiveAvgPool2d)
class AdaptiveAvgPool2d(LaneFunction):
    """Means of bins."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return min(op.size) > 0

    def forward(self, x: Lanes) -> Lanes:  # (N, C, H, W) -> (N, C, OH, OW)
        self.x_size = x.size
        return Lanes(pool.adaptive_avg_pool2d(x.blocks, self.op.size), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        gx = pool.adaptive_avg_pool2d_backward(gy.blocks, self.x_size)
        return (Lanes(gx, gy.shape[0]),)


@by_lanes(reduce.Mean)
class PixelMean(LaneFunction):
    """The mean over the pixels of each image: one bin."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return sorted(op.axes) == [2, 3]

    def forward(self, x: Lanes) -> Lanes:  # (N, C, H, W) -> (N, C), or (N, C, 1, 1)
        self.x_size = x.size
        y = pool.adaptive_avg_pool2d(x.blocks, (1, 1))
        return Lanes(y if self.op.keepdim else y[:, :, 0, 0], x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        return (Lanes(pool.adaptive_avg_pool2d_backward(gy.images, self.x_size), gy.shape[0]),)
