"""The program of a chain of layers, a loss and a batch size."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.compiler.chain import Layered, Link, Unsuited
from npnet.compiler.layers import (
    LAYERS,
    ActivatedPool2d,
    Buffer,
    Calls,
    Conv2d,
    Layer,
    Linear,
    Room,
    covers,
)
from npnet.compiler.losses import Loss
from npnet.kernels import block_ops, lanes
from npnet.kernels.conv import is_linear, suits_winograd
from npnet.kernels.program import BLOCK, SLOT, Call, Phase, Program
from npnet.ops.activation import LaneActivation
from npnet.ops.conv import LaneConv2d
from npnet.tensor import Function, Tensor

__all__ = ["TrainingProgram", "known"]

Array: TypeAlias = npt.NDArray[Any]


def known(op: Function) -> bool:
    """Whether a program can do an op."""
    return type(op) in LAYERS


class TrainingProgram:
    """Forward, loss and backward of batches of one shape.

    Attributes:
        gradients: of each parameter, overwritten by each run.
        logits: (N, classes) of the last run.
    """

    def __init__(
        self, links: list[Link], loss: type[Loss], shape: tuple[int, ...], slots: int
    ) -> None:
        self.shape, self.slots = shape, slots
        room, calls = Room(shape[0], slots), Calls()
        x = room.empty(shape[1:], SLOT if len(shape) == 4 else BLOCK)
        rows = np.empty((room.n, int(np.prod(shape[1:]))), np.float32)
        task = block_ops.load if x.by == SLOT else lanes.block_to_lanes
        self._load, self._rows = Call(task, (rows, x.rows)), x.rows
        calls.forward.append(self._load)
        layers: list[Layer] = []
        rest = list(links)
        while rest:
            may_overwrite = not layers or not layers[-1].keeps_output
            layers.append(_next_layer(rest, x, may_overwrite, room, calls))
            x = layers[-1].forward(x)
        if x.by == SLOT or len(x.shape) != 1:
            raise Unsuited("its last layer is none of features")
        self.logits = np.empty((room.n, *x.shape), np.float32)
        calls.forward.append(Call(lanes.block_from_lanes, (x.array, self.logits)))
        self._loss = loss(x, room, calls)
        g = self._loss.gx
        for layer in reversed(layers):
            g = layer.backward(g, layer is not layers[0])
        self.gradients = {p: Tensor(array) for p, array in calls.gradients.items()}
        self._weights = [(p, p._values) for p in self.gradients]
        blocks = Phase([*calls.forward, *calls.backward], room.blocks, room.chunks)
        pieces = [Phase(c) for c in (calls.before, calls.after, calls.last)]
        self._program = Program([p for p in (pieces[0], blocks, *pieces[1:]) if p.calls])

    def fits(self) -> bool:
        """Whether the parameters are still where they were, and want gradients."""
        return all(p._values is a and p.requires_grad for p, a in self._weights)

    def run(self, x: Array, target: Array) -> np.float32 | None:
        """The loss of a batch; None, and nothing is done, if the targets do not suit it."""
        if not self._loss.bind(target):
            return None
        x = np.require(x, np.float32, ("C", "W"))
        self._load.bind((x.reshape(len(x), -1), self._rows))
        self._program.run()
        return self._loss.value()


def _next_layer(
    rest: list[Link], x: Buffer, may_overwrite: bool, room: Room, calls: Calls
) -> Layer:
    """What the first of the links does to `x`, taken off the list, perhaps with the second."""
    link = rest.pop(0)
    op = link.op
    if isinstance(op, LaneConv2d):
        return _convolution(link, op, x, room, calls)
    if (
        isinstance(op, LaneActivation)
        and may_overwrite
        and rest
        and covers(rest[0].op, x.shape[1:])
    ):
        return ActivatedPool2d(op, rest.pop(0), room, calls)
    layer = LAYERS[type(op)](link, room, calls)
    layer.may_overwrite = may_overwrite
    return layer


def _convolution(link: Link, op: LaneConv2d, x: Buffer, room: Room, calls: Calls) -> Layer:
    if is_linear(op.window, x.shape[1:]):
        return Linear(link, room, calls)
    if x.by == BLOCK:
        raise Unsuited("a convolution follows linear layers")
    if op.fast and suits_winograd(op.window, min(link.params[0].shape[:2])):
        raise Layered("Winograd's algorithm wants the whole batch")
    return Conv2d(link, room, calls)
