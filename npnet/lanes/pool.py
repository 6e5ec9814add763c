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
from npnet.lanes.conv import ActivatedConv2d
from npnet.lanes.correlate import Epilogue
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.plan import Buffer, Calls, Shape
from npnet.ops import pool as ops
from npnet.ops import reduce
from npnet.ops.windows import Pair
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

    def after(self, first: LaneOp, x: Buffer, overwrites: bool) -> LaneOp | None:
        if isinstance(first, ActivatedConv2d):
            size = first.conv.window.output_size(x.size)
        elif isinstance(first, Activation) and overwrites and len(x.shape) == 3:
            size = x.size
        else:
            return None
        return ActivatedMeans2d(first, self) if self.means(size).apart == COVER else None

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


def _whole_windows(plan: Means) -> tuple[Pair, float]:
    """Rows, columns and factor of windows that are all alike; else those of single pixels."""
    sizes = []
    for table in (plan.rows, plan.columns):
        size = int(table[0, 2])
        places = size * np.arange(len(table))
        alike = np.stack([places, 0 * places, 0 * places + size], 1)
        sizes.append(size if np.array_equal(table, alike) else 1)
    share = plan.shares.flat[0]
    high, wide = sizes
    if 1 in sizes or (plan.shares != share).any():
        return (1, 1), 1.0
    return (high, wide), float(share)


class ActivatedMeans2d(LaneOp):
    """An activation, perhaps of a convolution, and means after it that cover each pixel once.

    Backward, the gradient takes the place of the activation's result; see `kernels.activated_pool`.
    """

    def __init__(self, first: Activation | ActivatedConv2d, means: Means2d) -> None:
        super().__init__(means.op)
        self.first, self.inner = first, means
        activation = first.activation if isinstance(first, ActivatedConv2d) else first
        self.kind = activated_pool.ACTIVATIONS[activation.kernel]

    def forward(self, x: Buffer, out: Calls, *weights: Array) -> Buffer:
        first = self.first
        if isinstance(first, Activation):
            self.y = first.forward(x, out)
            return self.inner.forward(self.y, out)
        plan = self.inner.means(first.conv.window.output_size(x.size))
        epilogue = Epilogue(first.activation, *_whole_windows(plan))
        self.y = first.followed(x, out, weights, epilogue)
        if epilogue.means is None:
            return self.inner.forward(self.y, out)
        self.inner.plan = plan
        return self.inner.given(epilogue.means)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        first, gz, plan = self.first, self.inner.by_window(gy), self.inner.plan
        if isinstance(first, ActivatedConv2d):
            pool, share = _whole_windows(plan)
            if pool != (1, 1):
                first.needs_input_grad = self.needs_input_grad
                return first.backward_from(gz, pool, share, out)
        arguments = self.kind, gz.planes, plan, self.y.planes
        out.add(activated_pool.activated_pool_backward_plane, *arguments, of=self.y)
        if isinstance(first, Activation):
            return (self.y,)
        first.conv.needs_input_grad = self.needs_input_grad
        return first.conv.backward(self.y, out)
