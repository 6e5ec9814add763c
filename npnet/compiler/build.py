"""The programs of a chain of layers for batches of one shape: inference, and training."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from npnet.base.arrays import Array
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
from npnet.kernels.conv import suits_winograd
from npnet.kernels.dense import is_linear
from npnet.kernels.program import BLOCK, SLOT, Call, Phase, Program
from npnet.lanes import activation, conv
from npnet.tensor import Tensor

__all__ = ["ChainProgram", "InferenceProgram", "TrainingProgram"]


class ChainProgram:
    """What all programs share: where the parameters are, and the batch that is loaded.

    Attributes:
        output: what the last layer gave, (N, F); overwritten by each run.
    """

    output: Array
    _load: Call
    _to: Array  # where `_load` takes the images
    _program: Program

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        self.slots, self.room, self.calls = slots, Room(shape[0], slots), Calls()
        self._weights = [(p, p._values) for link in links for p in link.params]

    def _load_by(self, task: Any, to: Array, features: int) -> None:
        """Begin with `task`, which takes an image or a block of rows (N, features) into `to`."""
        rows = np.empty((self.room.n, features), np.float32)
        self._load, self._to = Call(task, (rows, to)), to
        self.calls.forward.append(self._load)

    @functools.cached_property
    def nbytes(self) -> int:
        """Bytes of the arrays that it works on."""
        return self._program.nbytes

    def fits(self) -> bool:
        """Whether the parameters are still where they were."""
        return all(p._values is a for p, a in self._weights)

    def bind(self, x: Array) -> None:
        """Take the images of a batch."""
        x = np.require(x, np.float32, ("C", "W"))
        self._load.bind((x.reshape(len(x), -1), self._to))

    def infer(self, x: Array) -> Array:
        """What the network gives for a batch, where the program ends with it."""
        self.bind(x)
        self._program.run()
        return self.output.copy()


class ForwardProgram(ChainProgram):
    """The layers forward, sixteen images at a time."""

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        super().__init__(links, shape, slots)
        x = self._loaded(shape)
        self.layers: list[Layer] = []
        rest, kept = list(links), False  # whether a layer's backward needs the values of x
        while rest:
            layer = _next_layer(rest, x, not kept, self.room, self.calls)
            self.layers.append(layer)
            x = layer.forward(x)
            kept = layer.keeps_output or (kept and layer.is_view)
        if x.by == SLOT or len(x.shape) != 1:
            raise Unsuited("its last layer is none of features")
        self.last = x
        self.output = np.empty((self.room.n, *x.shape), np.float32)
        self.calls.forward.append(Call(lanes.block_from_lanes, (x.array, self.output)))

    def _loaded(self, shape: tuple[int, ...]) -> Buffer:
        """Room for images, and the call that takes a block of them into it."""
        x = self.room.empty(shape[1:], SLOT if len(shape) == 4 else BLOCK)
        task = block_ops.load if x.by == SLOT else lanes.block_to_lanes
        self._load_by(task, x.rows, math.prod(shape[1:]))
        return x


class InferenceProgram(ForwardProgram):
    """Forward alone: nothing is kept of a layer when the next has run."""

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        super().__init__(links, shape, slots)
        room, calls = self.room, self.calls
        if room.blocks > 1:
            phases = [Phase(calls.forward, room.blocks, room.blocks)]
        else:  # threads share each layer's items, where there are several
            phases = [Phase([call]) for call in calls.forward]
        self._program = Program([p for p in (Phase(calls.before), *phases) if p.calls])


class TrainingProgram(ForwardProgram):
    """Forward, loss and backward.

    Attributes:
        gradients: of each parameter, overwritten by each run.
    """

    def __init__(
        self,
        links: list[Link],
        shape: tuple[int, ...],
        slots: int,
        loss: Callable[[Buffer, Room, Calls], Loss],
    ) -> None:
        super().__init__(links, shape, slots)
        room, calls = self.room, self.calls
        self._loss = loss(self.last, room, calls)
        g = self._loss.gx
        for layer in reversed(self.layers):
            g = layer.backward(g, layer is not self.layers[0])
        self.gradients = {p: Tensor(array) for p, array in calls.gradients.items()}
        blocks = Phase([*calls.forward, *calls.backward], room.blocks, room.chunks)
        pieces = [Phase(c) for c in (calls.before, calls.after, calls.last)]
        self._program = Program([p for p in (pieces[0], blocks, *pieces[1:]) if p.calls])
        self._references = [
            (getrefcount(g), getrefcount(g._values)) for p, g in self.gradients.items()
        ]

    def is_held(self) -> bool:
        """Whether anybody but the parameters holds the gradients, as tensors or as their memory."""
        counts = zip(self.gradients.items(), self._references, strict=True)
        return any(
            getrefcount(g) - (p.grad is g) > of_g or getrefcount(g._values) > of_array
            for (p, g), (of_g, of_array) in counts
        )

    def takes(self, target: Array) -> bool:
        """Take the targets of the next batch; False if it has no loss of such."""
        return self._loss.bind(target)

    def run(self, x: Array) -> np.float32:
        """The loss of a batch, whose targets it has."""
        self.bind(x)
        self._program.run()
        return self._loss.value()


def _next_layer(
    rest: list[Link], x: Buffer, may_overwrite: bool, room: Room, calls: Calls
) -> Layer:
    """What the first of the links does to `x`, taken off the list, perhaps with the second."""
    link = rest.pop(0)
    op = link.op
    if isinstance(op, conv.Conv2d):
        return _convolution(link, op, x, room, calls)
    if (
        isinstance(op, activation.Activation)
        and may_overwrite
        and rest
        and covers(rest[0].op, x.shape[1:])
    ):
        return ActivatedPool2d(op, rest.pop(0), room, calls)
    layer = LAYERS[type(op)](link, room, calls)
    layer.may_overwrite = may_overwrite
    return layer


def _convolution(link: Link, op: conv.Conv2d, x: Buffer, room: Room, calls: Calls) -> Layer:
    if is_linear(op.window, x.shape[1:]):
        return Linear(link, room, calls)
    if x.by == BLOCK:
        raise Unsuited("a convolution follows linear layers")
    if op.fast and suits_winograd(op.window, min(link.params[0].shape[:2])):
        raise Layered("Winograd's algorithm wants the whole batch")
    return Conv2d(link, room, calls)
