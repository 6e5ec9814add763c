"""Pooling in lanes, also together with the activation before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import activated_pool, lanes
from npnet.kernels import pool as kernels
from npnet.kernels.pool import COVER, Means
from npnet.lanes import pool_plans
from npnet.lanes.activation import Activation
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.plan import Buffer, Calls, Shape
from npnet.ops import pool as ops
from npnet.ops import reduce
from npnet.tape import Variable

BYTE_NUMBERS = 256  # places in a window that a byte can number


@by_lanes(ops.MaxPool2d)
class MaxPool2d(LaneOp):
    """The winner of each window is kept as its place there."""

    chained = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not op.return_indices

    def forward(self, x: Buffer, out: Calls) -> Buffer:  # (C, H, W) -> (C, OH, OW)
        window, self.x_shape = self.op.window, x.shape
        self.windows = pool_plans.windows(window, x.size)
        y = out.empty((x.shape[0], *window.output_size(x.size)), x.by)
        self.winner = _numbers(y.planes.shape, math.prod(window.kernel))
        out.add(kernels.max_pool2d_plane, x.planes, self.windows, y.planes, self.winner, of=y)
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        gx = out.empty(self.x_shape, gy.by)
        arguments = gy.planes, self.winner, self.windows, gx.planes
        out.add(kernels.max_pool2d_backward_plane, *arguments, of=gx)
        return (gx,)


def _numbers(shape: Shape, count: int) -> Array:
    """Room for numbers below `count`."""
    return (
        np.empty(shape, np.uint8) if count <= BYTE_NUMBERS else lanes.empty(shape).view(np.uint32)
    )


class Means2d(LaneOp):
    """What is a mean of windows, wherever they lie."""

    chained = True

    def means(self, size: Shape) -> Means:
        """Where, in images (H, W)."""
        raise NotImplementedError

    def after(self, first: LaneOp, x: Buffer) -> LaneOp | None:
        if not (isinstance(first, Activation) and len(x.shape) == 3):
            return None
        return ActivatedMeans2d(first, self) if self.means(x.size).apart == COVER else None

    def forward(self, x: Buffer, out: Calls) -> Buffer:  # (C, H, W) -> (C, OH, OW)
        y = self.planned(x, out)
        out.add(kernels.avg_pool2d_plane, x.planes, self.plan, y.planes, of=y)
        return self.given(y)

    def planned(self, x: Buffer, out: Calls) -> Buffer:
        """Room for the means (C, OH, OW), when it is known where the windows lie."""
        self.x_shape, self.plan = x.shape, self.means(x.size)
        return out.empty((x.shape[0], *self.plan.shares.shape), x.by)

    def given(self, y: Buffer) -> Buffer:
        """The means in the shape that the op gives them."""
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        gx, gy = out.empty(self.x_shape, gy.by), self.by_window(gy)
        out.add(kernels.avg_pool2d_backward_plane, gy.planes, self.plan, gx.planes, of=gx)
        return (gx,)

    def by_window(self, gy: Buffer) -> Buffer:
        """gy, which has the shape of what the op gave, as (C, OH, OW)."""
        return gy


@by_lanes(ops.AvgPool2d)
class AvgPool2d(Means2d):
    """Means of windows."""

    def means(self, size: Shape) -> Means:
        op = self.op
        return pool_plans.means(op.window, size, op.count_include_pad, op.divisor)


@by_lanes(ops.AdaptiveAvgPool2d)
class AdaptiveAvgPool2d(Means2d):
    """Means of bins."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return min(op.size) > 0

    def means(self, size: Shape) -> Means:
        return pool_plans.bins(size, self.op.size)


@by_lanes(reduce.Mean)
class PixelMean(Means2d):
    """The mean over the pixels of each image: one bin."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return sorted(op.axes) == [2, 3]

    def means(self, size: Shape) -> Means:
        return pool_plans.bins(size, (1, 1))

    def given(self, y: Buffer) -> Buffer:  # (C,), or (C, 1, 1)
        return y if self.op.keepdim else y.viewed(y.shape[:1])

    def by_window(self, gy: Buffer) -> Buffer:
        return gy.viewed((gy.shape[0], 1, 1))

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        y = super().by_channels(x, out)
        return Channels(self.by_window(y.buffer), y.channels)  # features are images of one pixel


class ActivatedMeans2d(LaneOp):
    """An activation and the means after it, whose windows cover each pixel once.

    The activation writes over its input, and its gradient over its output; see
    `kernels.activated_pool`.
    """

    def __init__(self, activation: Activation, means: Means2d) -> None:
        super().__init__(means.op)
        self.kind, self.inner = activated_pool.ACTIVATIONS[activation.kernel], means

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x, y = x, self.inner.planned(x, out)
        arguments = self.kind, x.planes, self.inner.plan, y.planes
        out.add(activated_pool.activated_pool_plane, *arguments, of=y)
        return self.inner.given(y)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        arguments = self.kind, self.inner.by_window(gy).planes, self.inner.plan, self.x.planes
        out.add(activated_pool.activated_pool_backward_plane, *arguments, of=self.x)
        return (self.x,)
