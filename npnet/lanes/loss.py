"""Losses in lanes: a kernel computes the mean of a block and its gradient in one go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import elementwise, lanes, loss
from npnet.kernels.program import Call
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.layout import Lanes, to_lanes
from npnet.lanes.plan import Buffer, Calls, Loop, by_spans
from npnet.lanes.unsuited import Unsuited
from npnet.ops import elementwise_loss
from npnet.ops import loss as ops
from npnet.tape import Values, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["LOSSES", "LaneLoss"]


class LaneLoss(LaneOp):
    """A mean over the batch. The kernel also computes `gx`, its gradient by the first input."""

    gx: Buffer
    parts: Array  # sums of each block, which NumPy adds up, so that threads change no bit
    count: int  # of what the mean is taken of

    def value(self) -> np.float32:
        """The loss, when the calls have run."""
        return np.float32(self.parts.sum(dtype=np.float64) / self.count)

    def bind(self, target: Array) -> bool:
        """Take the targets of a program's next batch; False if they are of another kind."""
        raise NotImplementedError

    def apply(self, inputs: tuple[Variable, ...]) -> Tensor:
        x, *others = [to_lanes(v.values) for v in inputs[: self.images]]
        n = x.shape[0]
        self.forward(Buffer(x.blocks), Loop(n), *[Buffer(other.blocks) for other in others])
        self.n = n
        return result(np.asarray(self.value()))

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        assert isinstance(gy, np.ndarray)
        gx = self.gx.array
        if gy != 1:  # as it is in a loss that backward was called on
            gx = by_spans(elementwise.scale_span, gx, np.float32(gy))
        return (Lanes(gx, self.n), *[None] * (len(self.needs_input_grad) - 1))


@by_lanes(ops.CrossEntropy)
class CrossEntropy(LaneLoss):
    """Of logits (N, C)."""

    call: Call | None

    def forward(self, x: Buffer, out: Calls) -> Buffer:  # (C,) -> its gradient
        if len(x.shape) != 1:
            raise Unsuited("cross_entropy takes images")
        self.count = out.extent.n
        self.x, self.gx = x, out.empty(x.shape)
        self.parts = np.empty(out.extent.blocks, np.float32)
        self.call = out.add(loss.cross_entropy_block, *self._arguments(self.op.classes))
        return self.gx

    def _arguments(self, labels: Array) -> tuple[Any, ...]:
        if labels.dtype != np.int64 or not labels.flags.carray:
            labels = np.require(labels, np.int64, ("C", "W", "A"))
        numbers = np.float32(1 / self.count), np.float32(self.op.smoothing)
        return self.x.array, labels, *numbers, self.gx.array, self.parts

    def bind(self, target: Array) -> bool:
        if target.shape != (self.count,) or target.dtype.kind not in "iu":
            return False
        assert self.call is not None
        try:
            self.call.bind(self._arguments(target))
        except IndexError:  # one is no class
            return False
        return True


@by_lanes(elementwise_loss.MeanSquaredError)
class MeanSquaredError(LaneLoss):
    """For a target that wants no gradient, which comes into lanes if it is not there."""

    images = 2
    joins = True
    load: Call | None

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not inputs[1].requires_grad

    def forward(self, x: Buffer, out: Calls, target: Buffer | None = None) -> Buffer:
        self.shape = (out.extent.n, *x.shape)
        self.count = math.prod(self.shape)
        self.gx, self.parts = out.empty(x.shape), np.empty(out.extent.blocks, np.float32)
        if target is None:
            self.target = target = out.empty(x.shape)
            rows = np.zeros((out.extent.n, math.prod(x.shape)), np.float32)
            self.load = out.add(lanes.block_to_lanes, rows, target.rows)
        scale = np.float32(2 / self.count)
        arguments = x.rows, target.rows, out.extent.n, scale, self.gx.rows, self.parts
        out.add(loss.squares_block, *arguments)
        return self.gx

    def bind(self, target: Array) -> bool:
        if target.shape != self.shape or target.dtype != np.float32:
            return False
        assert self.load is not None
        rows = np.require(target, np.float32, ("C", "W")).reshape(len(target), -1)
        self.load.bind((rows, self.target.rows))
        return True


def _cross_entropy(n: int, label_smoothing: float = 0.0) -> LaneLoss:
    return CrossEntropy(ops.CrossEntropy(np.zeros(n, np.int64), label_smoothing))


def _mse_loss(n: int) -> LaneLoss:
    return MeanSquaredError(elementwise_loss.MeanSquaredError())


# Of a program, by the public function: what makes the loss of a batch of `n`.
LOSSES: dict[Callable[..., Any], Callable[..., LaneLoss]] = {
    ops.cross_entropy: _cross_entropy,
    elementwise_loss.mse_loss: _mse_loss,
}
