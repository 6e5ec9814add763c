"""Convolution in lanes; in which way, `convolve` says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.backend import winograd_wanted
from npnet.base.arrays import Array
from npnet.kernels._arguments import row_major
from npnet.kernels.activated_pool import ACTIVATIONS
from npnet.kernels.linear import NO_BIAS
from npnet.kernels.program import BLOCK, SLOT
from npnet.kernels.weight_gradient import Behind
from npnet.lanes import channels, dense, weight_gradient, winograd
from npnet.lanes.channels import Channels
from npnet.lanes.convolve import convolve, suits_dense, suits_winograd, walk
from npnet.lanes.correlate import Epilogue, walks
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.fusion import Convolution, Pending, WaitingLanes
from npnet.lanes.layout import Lanes
from npnet.lanes.linear import gradients, multiply, multiply_transposed
from npnet.lanes.plan import MOST_CHUNKS, Buffer, Calls, Shape
from npnet.lanes.unsuited import Layered, Unsuited
from npnet.ops import conv as ops
from npnet.ops import conv_transpose
from npnet.ops.windows import Pair
from npnet.tape import Variable

__all__ = ["ActivatedConv2d", "Conv2d", "ConvTranspose2d"]

# For each weight, for a convolution to wait for a batch norm: to copy and to scale a weight takes
# three times as long as the pass over a result that this saves.
LEAST_RESULTS = 4


@by_lanes(ops.Conv2d)
class Conv2d(LaneOp):
    """For any window and groups that the kernel can walk."""

    chained = True

    def __init__(self, op: ops.Conv2d) -> None:
        super().__init__(op)
        self.window, self.fast = op.window, winograd_wanted()

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return walks(op.window)

    def fused(self, x: Lanes, *others: Any) -> Lanes | None:
        weight, bias = others[0], None if len(others) == 1 else others[1]
        shape = (x.shape[0], len(weight), *self.window.output_size(x.size))
        if True in self.needs_input_grad or LEAST_RESULTS * weight.size > math.prod(shape):
            return None
        copies = weight.copy(), None if bias is None else bias.copy()  # they may change
        waits = Convolution(x.blocks, *copies, self.window, self.fast, self.op.groups)
        return WaitingLanes(shape, Pending(waits))

    def forward(
        self,
        x: Buffer,
        out: Calls,
        weight: Array,
        bias: Array | None = None,
        epilogue: Epilogue | None = None,
    ) -> Buffer:
        self.save_for_backward(weight)
        self.given, self.size = (x.shape, x.by), x.size
        suits_dense = self._suits_dense(weight.shape, out)
        self.x = out.gathered(x) if suits_dense else in_slots(x, out)
        weights, groups = (weight, bias), self.op.groups
        return convolve(
            self.x, *weights, self.window, self.fast, out, groups=groups, epilogue=epilogue
        )

    def _suits_dense(self, weight: Shape, out: Calls) -> bool:
        return suits_dense(self.window, self.size, weight, self.op.groups, out)

    def _suits_winograd(self, weight: Shape) -> bool:
        return self.fast and suits_winograd(self.window, min(weight[:2]), self.op.groups)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        if self.op.groups > 1 or self.window.dilation != (1, 1):
            raise Unsuited("a convolution has groups or dilation")
        return channels.convolve(
            x, weights[0], weights[1] if weights[1:] else None, self.window, out
        )

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        (weight,) = self.saved
        needs_x, *needs_weights = self.needs_input_grad
        gx = self.backward_data(gy, weight, NO_BIAS, out) if needs_x else None
        if not any(needs_weights):
            return (gx, *[None] * len(needs_weights))
        biased = any(needs_weights[1:])
        return (gx, *self.backward_weight(gy, weight.shape, out, biased)[: len(needs_weights)])

    def backward_data(self, gy: Buffer, weight: Array, bias: Array, out: Calls) -> Buffer:
        """gx[c, h, w] = sum over o, u, v of weight[o, c, u, v] * gy[o, i, j],
        where i*SH - PT + u*DH = h and j*SW - PL + v*DW = w; plus bias[c], of a transposed one.
        """
        weight, window = row_major("conv2d", "weight", weight), self.window
        if self._suits_dense(weight.shape, out):
            matrix = dense.gather(weight, window, self.size)
            if bias is NO_BIAS:
                gx = multiply_transposed(gy.flattened, matrix, out)
            else:
                biases = np.repeat(bias, math.prod(self.size))
                gx = multiply(gy.flattened, np.ascontiguousarray(matrix.T), biases, out)
            return out.spread(gx, *self.given)
        shape, by = self.given
        gx = out.empty(shape, SLOT)
        before = (2 - window.padding[0][0], 2 - window.padding[1][0])
        if not (
            self._suits_winograd(weight.shape)
            and winograd.correlate(gy, weight, bias, before, gx, True, out)
        ):
            walk(gy, weight, bias, window, gx, True, self.fast, out, groups=self.op.groups)
        return out.gathered(gx) if by == BLOCK else gx

    def backward_weight(
        self, gy: Buffer, shape: Shape, out: Calls, biased: bool = True
    ) -> tuple[Array, Array | None]:
        """gweight[o, c, u, v] = sum over images, i, j of
            gy[o, i, j] * x[c, i*SH - PT + u*DH, j*SW - PL + v*DW],

        and the bias's gradient, the sum of gy, if there is one; it costs a pass over gy.
        """
        if self._suits_dense(shape, out):
            found = self._dense_gradients(gy, shape, out)
            if found is not None:
                return found
        if out.whole and self._suits_winograd(shape):
            gweight = self._winograd_gradients(gy, shape, out)
            if gweight is not None:
                return gweight, weight_gradient.backward_bias(gy, out) if biased else None
        return weight_gradient.backward_weight(
            self.x, gy, self.window, out, self.op.groups, biased=biased
        )

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

    def _winograd_gradients(self, gy: Buffer, shape: Shape, out: Calls) -> Array | None:
        """None where they are not finite, as in `winograd.correlate`, or take too much memory."""
        most = winograd.MOST_FREQUENCIES // max(1, winograd.gradient_bytes(shape[1], shape[0]))
        if most < min(out.extent.blocks, MOST_CHUNKS):
            return None
        before = (self.window.padding[0][0], self.window.padding[1][0])
        chunks = min(most, out.extent.chunks)
        gweight = winograd.backward_weight(self.x, gy, before, chunks, out)
        return gweight if np.isfinite(gweight).all() else None


class ActivatedConv2d(LaneOp):
    """A convolution and the activation of its result, made while that is in registers."""

    keeps_output = True

    def __init__(self, conv: Conv2d, activation: Any) -> None:
        super().__init__(conv.op)
        self.conv, self.activation = conv, activation

    def forward(self, x: Buffer, out: Calls, *weights: Array) -> Buffer:
        return self.followed(x, out, weights, Epilogue(self.activation))

    def followed(
        self, x: Buffer, out: Calls, weights: tuple[Array, ...], epilogue: Epilogue
    ) -> Buffer:
        """The result by an epilogue that has more than the activation."""
        weight, bias = weights[0], None if len(weights) == 1 else weights[1]
        self.activation.y = y = self.conv.forward(x, out, weight, bias, epilogue)
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        return self.backward_from(gy, (1, 1), 1.0, out)

    def backward_from(
        self, gz: Buffer, pool: Pair, share: float, out: Calls
    ) -> tuple[Buffer | Array | None, ...]:
        """The gradients, where gz is that of the means over windows that cover the result.

        The activation's result becomes the gradient as the weight's one is added up: then a strip
        of it is in the nearest cache, and the pixels' one comes after.
        """
        conv, y, (weight,) = self.conv, self.activation.y, self.conv.saved
        conv.needs_input_grad = self.needs_input_grad
        needs_x, *needs_weights = self.needs_input_grad
        if conv._suits_dense(weight.shape, out):
            (g,) = self.activation.backward(gz, out)
            return conv.backward(g, out)
        behind = Behind(ACTIVATIONS[self.activation.kernel], *pool, share)
        options = conv.window, out, conv.op.groups, behind
        gradients = weight_gradient.backward_weight(conv.x, y, *options, in_slots(gz, out))
        gx = conv.backward_data(y, weight, NO_BIAS, out) if needs_x else None
        return (gx, *gradients[: len(needs_weights)])


def in_slots(x: Buffer, out: Calls) -> Buffer:
    """Images of a program, where they may follow linear layers, as convolutions take them."""
    return x if out.whole or x.by == SLOT else out.spread(x, x.shape, SLOT)


@by_lanes(conv_transpose.ConvTranspose2d)
class ConvTranspose2d(LaneOp):
    """What a convolution from y to x makes of a gradient x; gx is that convolution of gy."""

    chained = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return walks(op.window)

    def __init__(self, op: conv_transpose.ConvTranspose2d) -> None:
        super().__init__(op)
        self.conv = Conv2d(ops.Conv2d(op.window, op.groups))

    @property
    def fast(self) -> bool:
        """Whether Winograd's algorithm may be used."""
        return self.conv.fast

    @fast.setter
    def fast(self, fast: bool) -> None:
        self.conv.fast = fast

    def forward(self, x: Buffer, out: Calls, weight: Array, bias: Array | None = None) -> Buffer:
        if not out.whole and self.conv._suits_winograd(weight.shape):
            raise Layered("Winograd's algorithm wants the whole batch")
        if not out.whole and dense.is_linear(self.op.window, self.op.size):
            raise Layered("a matrix from one pixel to all wants the whole batch")
        self.save_for_backward(weight)
        self.by, outputs = x.by, weight.shape[1] * self.op.groups
        self.x = x = in_slots(x, out)
        self.conv.size, self.conv.given = self.op.size, ((outputs, *self.op.size), x.by)
        b = NO_BIAS if bias is None else row_major("conv_transpose2d", "bias", bias)
        return self.conv.backward_data(x, weight, b, out)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        raise Unsuited("a transposed convolution mixes channels")

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | Array | None, ...]:
        (weight,) = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        gx = self.conv.forward(gy, out, weight) if needs_x else None
        if gx is not None and self.by == BLOCK:
            gx = out.gathered(gx)
        self.conv.x = gy
        gweight = None
        if needs_weight:
            gweight, _ = self.conv.backward_weight(self.x, weight.shape, out, False)
        gbias = weight_gradient.backward_bias(gy, out) if any(needs_bias) else None
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]
