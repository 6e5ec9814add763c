"""Activations in lanes."""

from __future__ import annotations

from typing import ClassVar

from npnet.kernels import activation
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.lanes.fusion import Masked, Normalised
from npnet.lanes.layout import Lanes
from npnet.ops import activation as ops


class Activation(LaneFunction):
    """An activation whose gradient follows from its result.

    Attributes:
        kernel: its name in `kernels.activation`.
    """

    kernel: ClassVar[str]

    def forward(self, x: Lanes) -> Lanes:
        y = Lanes(getattr(activation, self.kernel)(x.blocks), x.shape[0])
        self.save_for_backward(y)
        return y

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        (y,) = self.saved
        kernel = getattr(activation, f"{self.kernel}_backward")
        return (Lanes(kernel(y.blocks, gy.blocks), gy.shape[0]),)


@by_lanes(ops.Tanh)
class Tanh(Activation):
    kernel = "tanh"


@by_lanes(ops.Sigmoid)
class Sigmoid(Activation):
    kernel = "sigmoid"


@by_lanes(ops.ReLU)
class ReLU(Activation):
    """Where it follows a batch norm, by that one's kernel."""

    kernel = "relu"

    def forward(self, x: Lanes) -> Lanes:
        self.constants = None
        if isinstance(x, Normalised) and (plain := x.plain_operands) is not None:
            _, self.constants = plain
        y = x.rectified()
        self.save_for_backward(y)
        return y

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        (y,) = self.saved
        return (Masked(gy.shape, gy.blocks, y.blocks, self.constants),)


@by_lanes(ops.LeakyReLU)
class LeakyReLU(LaneFunction):
    """Its gradient follows from its input."""

    def forward(self, x: Lanes) -> Lanes:
        self.save_for_backward(x)
        return Lanes(activation.leaky_relu(x.blocks, self.op.slope), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        (x,) = self.saved
        gx = activation.leaky_relu_backward(x.blocks, gy.blocks, self.op.slope)
        return (Lanes(gx, gy.shape[0]),)
