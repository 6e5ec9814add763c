"""How a loss is done to one block of images: the calls of a program, from logits to gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.arrays import Array
from npnet.compiler.layers import Buffer, Calls, Room
from npnet.kernels import lanes, loss
from npnet.kernels.program import BLOCK, Call
from npnet.nn import functional as F

__all__ = ["LOSSES", "Loss", "loss_of"]


class Loss:
    """The mean of a loss over the batch, and the gradient `gx` by the logits `x`."""

    def __init__(self, x: Buffer, room: Room, calls: Calls) -> None:
        self.x, self.n, self.gx = x, room.n, room.empty(x.shape, BLOCK)
        self.parts = np.empty(room.blocks, np.float32)

    def bind(self, target: Array) -> bool:
        """Take the targets of a batch; False if the program has no loss of such targets."""
        raise NotImplementedError

    def value(self) -> np.float32:
        """The loss, when the program has run."""
        raise NotImplementedError


class CrossEntropy(Loss):
    """The cross-entropy of the softmax and class numbers (N,), which may be smoothed."""

    def __init__(self, x: Buffer, room: Room, calls: Calls, label_smoothing: float = 0.0) -> None:
        super().__init__(x, room, calls)
        self.numbers = np.float32(1 / self.n), np.float32(label_smoothing)
        self.call = Call(loss.cross_entropy_block, self._arguments(np.zeros(self.n, np.int64)))
        calls.forward.append(self.call)

    def _arguments(self, classes: Array) -> tuple[Any, ...]:
        return self.x.array, classes, *self.numbers, self.gx.array, self.parts

    def bind(self, target: Array) -> bool:
        if target.shape != (self.n,) or target.dtype.kind not in "iu":
            return False
        if target.min() < 0 or target.max() >= self.x.shape[0]:
            return False
        self.call.bind(self._arguments(np.require(target, np.int64, ("C", "W"))))
        return True

    def value(self) -> np.float32:
        return np.float32(self.parts.sum(dtype=np.float64) / self.n)


class MeanSquaredError(Loss):
    """The mean of (x - t)^2 for targets t (N, F)."""

    def __init__(self, x: Buffer, room: Room, calls: Calls) -> None:
        super().__init__(x, room, calls)
        self.count = room.n * x.shape[0]
        self.target = room.empty(x.shape, BLOCK)
        rows = np.zeros((room.n, x.shape[0]), np.float32)
        self.load = Call(lanes.block_to_lanes, (rows, self.target.array))
        scale = np.float32(2 / self.count)
        squares = Call(
            loss.squares_block,
            (x.array, self.target.array, room.n, scale, self.gx.array, self.parts),
        )
        calls.forward += [self.load, squares]

    def bind(self, target: Array) -> bool:
        if target.shape != (self.n, *self.x.shape) or target.dtype != np.float32:
            return False
        self.load.bind((np.require(target, np.float32, ("C", "W")), self.target.array))
        return True

    def value(self) -> np.float32:
        return np.float32(self.parts.sum(dtype=np.float64) / self.count)


LOSSES: dict[Callable[..., Any], Callable[..., Loss]] = {
    F.cross_entropy: CrossEntropy,
    F.mse_loss: MeanSquaredError,
}

# What the modules compute as long as nobody puts something else in place of it.
_FUNCTIONS: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.MSELoss: "mse_loss",
}
_FORWARDS = {kind: kind.forward for kind in _FUNCTIONS}


def loss_of(criterion: Callable[..., Any]) -> Callable[..., Loss] | None:
    """What makes the loss of a function or a module; None of one whose options have no kernel.

    A module is of just the kind: a subclass may compute anything.
    """
    kind: Any = type(criterion)
    if kind not in _FUNCTIONS:
        return LOSSES.get(criterion) if kind is type(F.mse_loss) else None
    assert isinstance(criterion, nn.Module)
    loss = LOSSES.get(getattr(F, _FUNCTIONS[kind]))
    patched = "forward" in vars(criterion) or kind.forward is not _FORWARDS[kind]
    if loss is None or patched or criterion.reduction != "mean":
        return None
    if isinstance(criterion, nn.MSELoss):
        return loss
    smoothing = criterion.label_smoothing
    known = type(smoothing) in (int, float) and 0 <= smoothing <= 1
    # an ignore_index below 0 is seen by `bind` as a class that there is not
    if criterion.weight is not None or criterion.ignore_index >= 0 or not known:
        return None
    return functools.partial(loss, label_smoothing=smoothing)
