"""Products with matrices in lanes: linear layers, and convolutions that are such."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import block_ops, lanes, linear
from npnet.kernels._arguments import row_major
from npnet.kernels.linear import BLOCK_SHAPE, NO_BIAS, SHAPE
from npnet.kernels.simd import TileShape
from npnet.lanes import channels
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.plan import Buffer, Calls
from npnet.ops import linear as ops
from npnet.ops.windows import Window
from npnet.tape import Variable

__all__ = ["Linear", "gradients", "multiply", "multiply_transposed"]


@by_lanes(ops.Linear)
class Linear(LaneOp):
    """For a batch of features (N, F)."""

    chained = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return inputs[0].ndim == 2

    def forward(self, x: Buffer, out: Calls, weight: Array, bias: Array | None = None) -> Buffer:
        self.save_for_backward(weight)
        self.given = x.shape, x.by
        self.x = out.gathered(x)
        b = NO_BIAS if bias is None else row_major("linear", "bias", bias)
        return multiply(self.x, row_major("linear", "weight", weight), b, out)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        bias, (height, width) = weights[1] if weights[1:] else None, x.size
        return channels.convolve(x, weights[0], bias, Window((height, width)), out)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        (weight,) = self.saved
        weight = row_major("linear", "weight", weight)
        needs_x, *needs_weights = self.needs_input_grad
        gx = out.spread(multiply_transposed(gy, weight, out), *self.given) if needs_x else None
        parts = gradients(self.x, gy, out) if any(needs_weights) else (None, None)
        return (gx, *parts[: len(needs_weights)])


def multiply(x: Buffer, weight: Array, bias: Array, out: Calls) -> Buffer:
    """y = x weight^T + bias.

    Shape: x (F,) of an image, weight (O, F), bias (O,) or (1,) -> (O,).
    """
    y = out.empty((len(weight),))
    shape = _tile(out)
    arguments = shape, x.array, weight, weight.shape[1], 1, bias, y.array
    out.add(linear.multiply_panel, *arguments, of=y)
    return y


def multiply_transposed(gy: Buffer, weight: Array, out: Calls) -> Buffer:
    """gx = gy weight. Shape: gy (O,) of an image, weight (O, F) -> (F,)."""
    gx = out.empty((weight.shape[1],))
    shape = _tile(out)
    arguments = shape, gy.array, weight, 1, weight.shape[1], NO_BIAS, gx.array
    out.add(linear.multiply_panel, *arguments, of=gx)
    return gx


def _tile(out: Calls) -> TileShape:
    """Of one block or of two, for which weights are loaded half as often; sums are the same."""
    return SHAPE if out.whole and out.joins else BLOCK_SHAPE


def gradients(x: Buffer, gy: Buffer, out: Calls) -> tuple[Array, Array]:
    """gweight = gy^T x, gbias = sum of gy, over the batch.

    Shape: x (F,), gy (O,) of an image -> (O, F), (O,).
    """
    (features,), (outputs,) = x.shape, gy.shape
    width = lanes.whole(features)  # of rows (N, F), whose last vector is whole
    images, gb = lanes.zeros((out.extent.n, width)), np.empty(outputs, np.float32)
    gweight = lanes.empty((outputs, features))
    gw = gweight if width == features else lanes.empty((outputs, width))
    out.add(lanes.block_from_lanes, x.array, images)
    out.after(linear.gradients_panel, SHAPE, images, gy.array, gw, gb)
    if gw is not gweight:
        out.after(block_ops.compact_row, gw, gweight, last=True)
    return gweight, gb
