"""Activations in lanes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import activation
from npnet.kernels._task import Task
from npnet.lanes.conv import ActivatedConv2d, Conv2d
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.fusion import masked
from npnet.lanes.layout import Lanes, to_lanes
from npnet.lanes.plan import Buffer, Calls
from npnet.ops import activation as ops
from npnet.ops import piecewise, smooth
from npnet.tape import Values, Variable


class Activation(LaneOp):
    """An activation whose gradient follows from its result, in place where nobody needs its input.

    Attributes:
        kernel: its name in `kernels.simd_windows`.
        span, backward_span: the kernels (x, y) and (y, gy, gx).
    """

    any_axes = True
    chained = True
    keeps_output = True
    kernel: ClassVar[str]
    span: ClassVar[Task]
    backward_span: ClassVar[Task]

    def after(self, first: LaneOp, x: Buffer, overwrites: bool) -> LaneOp | None:
        return ActivatedConv2d(first, self) if type(first) is Conv2d else None

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.y = y = out.over(x)
        out.add(self.span, x.flat, y.flat, out.span(y), of=y)
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        gx = out.over(gy)
        out.add(self.backward_span, self.y.flat, gy.flat, gx.flat, out.span(gx), of=gx)
        return (gx,)


@by_lanes(ops.Tanh)
class Tanh(Activation):
    kernel = "tanh"
    span, backward_span = activation.tanh_span, activation.tanh_backward_span


@by_lanes(ops.Sigmoid)
class Sigmoid(Activation):
    kernel = "sigmoid"
    span, backward_span = activation.sigmoid_span, activation.sigmoid_backward_span


@by_lanes(ops.ReLU)
class ReLU(Activation):
    """Where it follows a batch norm, by that one's kernel, and its gradient waits for that one."""

    kernel = "relu"
    span, backward_span = activation.relu_span, activation.relu_backward_span
    constants: Array | None = None

    def fused(self, x: Lanes, *others: Any) -> Lanes | None:
        pending, n = x.pending, x.shape[0]
        if pending is None or not pending.is_norm:
            return None
        self.constants = pending.constants if pending.residual is None else None
        y = Lanes(pending.compute(n, relu=True), n)
        self.y = Buffer(y.blocks)
        return y

    def differentiate(self, gy: Values) -> tuple[Lanes]:
        return (masked(to_lanes(gy), self.y.array, self.constants),)


class ActivationOfInput(LaneOp):
    """An activation whose gradient follows from its input.

    Attributes:
        span, backward_span: the kernels (x, *numbers, y) and (x, gy, *numbers, gx).
    """

    any_axes = True
    chained = True
    span: ClassVar[Task]
    backward_span: ClassVar[Task]

    def numbers(self) -> tuple[np.float32, ...]:
        """The op's options, as kernels take them."""
        return ()

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x, y = x, out.empty(x.shape, x.by)
        out.add(self.span, x.flat, *self.numbers(), y.flat, out.span(y), of=y)
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        gx = out.over(gy)
        arguments = self.x.flat, gy.flat, *self.numbers(), gx.flat, out.span(gx)
        out.add(self.backward_span, *arguments, of=gx)
        return (gx,)


@by_lanes(ops.LeakyReLU)
class LeakyReLU(ActivationOfInput):
    """Forward is backward of gy = x."""

    backward_span = activation.leaky_relu_backward_span

    def numbers(self) -> tuple[np.float32, ...]:
        return (np.float32(self.op.slope),)

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x, y = x, out.empty(x.shape, x.by)
        out.add(self.backward_span, x.flat, x.flat, *self.numbers(), y.flat, out.span(y), of=y)
        return y


@by_lanes(ops.ELU)
class ELU(ActivationOfInput):
    span, backward_span = activation.elu_span, activation.elu_backward_span

    def numbers(self) -> tuple[np.float32, ...]:
        return (np.float32(self.op.alpha),)


@by_lanes(ops.SiLU)
class SiLU(ActivationOfInput):
    span, backward_span = activation.silu_span, activation.silu_backward_span


@by_lanes(ops.Hardswish)
class Hardswish(ActivationOfInput):
    span, backward_span = activation.hardswish_span, activation.hardswish_backward_span


@by_lanes(piecewise.Hardtanh)
class Hardtanh(ActivationOfInput):
    """ReLU6 too."""

    span, backward_span = activation.hardtanh_span, activation.hardtanh_backward_span

    def numbers(self) -> tuple[np.float32, ...]:
        return np.float32(self.op.low), np.float32(self.op.high)


@by_lanes(piecewise.Hardsigmoid)
class Hardsigmoid(ActivationOfInput):
    span, backward_span = activation.hardsigmoid_span, activation.hardsigmoid_backward_span


@by_lanes(smooth.ScaledELU)
class ScaledELU(ActivationOfInput):
    """SELU and CELU."""

    span, backward_span = activation.scaled_elu_span, activation.scaled_elu_backward_span

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return bool(op.rate > 0)

    def numbers(self) -> tuple[np.float32, ...]:
        op = self.op
        return np.float32(op.alpha * op.scale), np.float32(op.scale), np.float32(op.rate)


@by_lanes(smooth.Softplus)
class Softplus(ActivationOfInput):
    span, backward_span = activation.softplus_span, activation.softplus_backward_span

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return bool(op.beta != 0)

    def numbers(self) -> tuple[np.float32, ...]:
        return np.float32(self.op.beta), np.float32(self.op.threshold)


@by_lanes(smooth.Mish)
class Mish(ActivationOfInput):
    span, backward_span = activation.mish_span, activation.mish_backward_span
