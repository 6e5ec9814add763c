"""Convolution in lanes; in which way, `convolve` says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.backend import winograd_wanted
from npnet.base.arrays import Array
from npnet.kernels import block_ops, lanes, weight_gradient, winograd
from npnet.kernels._arguments import row_major
from npnet.kernels.linear import NO_BIAS
from npnet.lanes import channels, dense
from npnet.lanes.channels import Channels
from npnet.lanes.convolve import convolve, suits_dense, suits_winograd
from npnet.lanes.correlate import correlate
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.fusion import Convolution, Pending, WaitingLanes
from npnet.lanes.layout import Lanes
from npnet.lanes.linear import gradients, multiply_transposed
from npnet.lanes.plan import Buffer, Calls, Shape
from npnet.ops import conv as ops
from npnet.ops.windows import Window
from npnet.tape import Variable

__all__ = ["Conv2d"]

# For each weight, for a convolution to wait for a batch norm: to copy and to scale a weight takes
# three times as long as the pass over a result that this saves.
LEAST_RESULTS = 4

MOST_FREQUENCIES = 2**25  # bytes of the frequencies' gradients


@by_lanes(ops.Conv2d)
class Conv2d(LaneOp):
    """For any window without dilation and groups."""

    chained = True

    def __init__(self, op: ops.Conv2d) -> None:
        super().__init__(op)
        self.window, self.fast = op.window, winograd_wanted()

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return op.groups == 1 and op.window.dilation == (1, 1)

    def fused(self, x: Lanes, *others: Any) -> Lanes | None:
        weight, bias = others[0], None if len(others) == 1 else others[1]
        shape = (x.shape[0], len(weight), *self.window.output_size(x.size))
        if True in self.needs_input_grad or LEAST_RESULTS * weight.size > math.prod(shape):
            return None
        copies = weight.copy(), None if bias is None else bias.copy()  # they may change
        waits = Convolution(x.blocks, *copies, self.window, self.fast)
        return WaitingLanes(shape, Pending(waits))

    def forward(self, x: Buffer, out: Calls, weight: Array, bias: Array | None = None) -> Buffer:
        self.save_for_backward(weight)
        self.given, self.size = (x.shape, x.by), x.size
        self.x = out.gathered(x) if suits_dense(self.window, x.size, weight.shape, out) else x
        return convolve(self.x, weight, bias, self.window, self.fast, out)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        return channels.convolve(
            x, weights[0], weights[1] if weights[1:] else None, self.window, out
        )

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        (weight,) = self.saved
        needs_x, *needs_weights = self.needs_input_grad
        gx = self._backward_data(gy, weight, out) if needs_x else None
        if not any(needs_weights):
            return (gx, *[None] * len(needs_weights))
        return (gx, *self._backward_weight(gy, weight.shape, out)[: len(needs_weights)])

    def _backward_data(self, gy: Buffer, weight: Array, out: Calls) -> Buffer:
        """gx[c, h, w] = sum over o, u, v of weight[o, c, u, v] * gy[o, i, j],
        where i*SH - PT + u = h and j*SW - PL + v = w.
        """
        weight, window = row_major("conv2d", "weight", weight), self.window
        if suits_dense(window, self.size, weight.shape, out):
            matrix = dense.gather(weight, window, self.size)
            return out.spread(multiply_transposed(gy.flattened, matrix, out), *self.given)
        gx = out.empty(*self.given)
        before = (2 - window.padding[0][0], 2 - window.padding[1][0])
        if not (
            self.fast
            and suits_winograd(window, min(weight.shape[:2]))
            and winograd.correlate(gy.array, weight, NO_BIAS, before, gx.array, True)
        ):
            correlate(gy, weight, NO_BIAS, window, gx, True, out)
        return gx

    def _backward_weight(self, gy: Buffer, shape: Shape, out: Calls) -> tuple[Array, Array]:
        """gweight[o, c, u, v] = sum over images, i, j of
            gy[o, i, j] * x[c, i*SH - PT + u, j*SW - PL + v],

        and the bias's gradient, the sum of gy.
        """
        if suits_dense(self.window, self.size, shape, out):
            found = self._dense_gradients(gy, shape, out)
            if found is not None:
                return found
        if out.whole:
            return _backward_weight(self.x.array, gy.array, self.window, out.extent.n, self.fast)
        return self._gradients_by_block(gy, shape, out)

    def _dense_gradients(self, gy: Buffer, shape: Shape, out: Calls) -> tuple[Array, Array] | None:
        """Those of the matrix, added up where a weight stands several times.

        None where they are not finite: taps that saw nothing but the zeros around have 0 * NaN.
        """
        gmatrix, gbiases = gradients(self.x.flattened, gy.flattened, out)
        if not self.window.is_padded:
            return gmatrix.reshape(shape), gbiases
        if not np.isfinite(gmatrix).all():
            return None
        gweight = dense.scatter_add(gmatrix, self.window, self.size, shape[0])
        return gweight, gbiases.reshape(shape[0], -1).sum(1)

    def _gradients_by_block(self, gy: Buffer, shape: Shape, out: Calls) -> tuple[Array, Array]:
        """Added up over the blocks of a chunk, and then over the chunks."""
        extent, outputs, taps = out.extent, shape[0], math.prod(shape[1:])
        plan = weight_gradient.lanes_plan(
            shape[1], self.size, outputs, self.window, extent.slots, 1
        )
        gw, gb = lanes.empty((extent.chunks, outputs, taps)), lanes.empty((extent.chunks, outputs))
        arguments = self.x.array, gy.array, extent.n, extent.blocks, *plan, gw, gb
        out.add(block_ops.add_weight_gradients, *arguments)
        gweight, gbias = lanes.empty(shape), lanes.empty((outputs,))
        out.after(block_ops.sum_parts, gw.reshape(extent.chunks, -1), gweight.reshape(-1))
        out.after(block_ops.sum_parts, gb, gbias)
        return gweight, gbias


def _backward_weight(
    x: Array, gy: Array, window: Window, n: int, fast: bool
) -> tuple[Array, Array]:
    """Of a whole batch of `n` images."""
    channels, outputs = x.shape[1], gy.shape[1]
    most = MOST_FREQUENCIES // max(1, winograd.gradient_bytes(channels, outputs))
    if (
        fast
        and suits_winograd(window, min(outputs, channels))
        and most >= min(len(x), weight_gradient.CHUNKS)
    ):
        chunks = min(most, weight_gradient.chunk_count(len(x)))
        before = (window.padding[0][0], window.padding[1][0])
        gweight = winograd.backward_weight(x, gy, before, n, chunks)
        if np.isfinite(gweight).all():  # as in `winograd.correlate`
            return gweight, weight_gradient.backward_bias(gy, n)
    return weight_gradient.backward_weight(x, gy, window, n)
