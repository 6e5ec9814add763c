"""The programs of a chain of layers for batches of one shape: inference, and training."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from operator import gt
from sys import getrefcount
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.group import Group
from npnet.compiler.shared import Results, SharedProgram, Unshared
from npnet.compiler.trace import Link
from npnet.kernels import block_ops, lanes
from npnet.kernels.program import BLOCK, SLOT, Call, Phase, Program
from npnet.lanes.function import LaneOp
from npnet.lanes.loss import LaneLoss
from npnet.lanes.plan import Buffer, Extent, Recorded
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["ChainProgram", "InferenceProgram", "TrainingProgram", "Trains"]


class ChainProgram:
    """What all programs share: where the parameters are, and the batch that is loaded.

    Attributes:
        output: what the last layer gave, (N, F); overwritten by each run.
    """

    output: Array
    _load: Call
    _rows: Array  # in the place of images where no batch is loaded; never read
    _to: Array  # where `_load` takes the images
    _program: Program | SharedProgram

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        self.slots, self.calls = slots, Recorded(Extent(shape[0], slots))
        self._weights = [(p, p._values) for link in links for p in link.params]

    def _load_by(self, task: Any, to: Array, features: int) -> None:
        """Begin with `task`, which takes an image or a block of rows (N, features) into `to`."""
        self._rows, self._to = np.empty((self.calls.extent.n, features), np.float32), to
        self._load = Call(task, (self._rows, to))
        self.calls.blocks.append(self._load)

    @functools.cached_property
    def nbytes(self) -> int:
        """Bytes of the arrays that it works on."""
        return self._program.nbytes

    def fits(self) -> bool:
        """Whether the parameters are still where they were."""
        return all(p._values is a for p, a in self._weights)

    def bind(self, x: Array) -> None:
        """Take the images of a batch, and draw what its layers draw."""
        x = np.require(x, np.float32, ("C", "W"))
        self._load.bind((x.reshape(len(x), -1), self._to))
        self.calls.draw()

    def _run(self, x: Array) -> None:
        self.bind(x)
        self._program.run()
        self._load.arguments = self._rows, self._to  # the batch is not kept

    def infer(self, x: Array) -> Array:
        """What the network gives for a batch, where the program ends with it."""
        self._run(x)
        return self.output.copy()


class ForwardProgram(ChainProgram):
    """The layers forward, sixteen images at a time.

    Attributes:
        last, last_by: what the last layer gives for the whole batch, and where that layer put it.
    """

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        super().__init__(links, shape, slots)
        x = self._loaded(shape)
        self.layers: list[tuple[LaneOp, Link]] = []
        kept = False  # whether a layer's backward needs the values of x
        while links:
            layer, used = _next_layer(links, x, not kept)
            self.calls.overwrites = not kept
            x = layer.forward(x, self.calls, *links[0].weights)
            kept = layer.keeps_output or (kept and layer.is_view)
            self.layers.append((layer, links[0]))
            links = links[used:]
        self.last, self.last_by = self.calls.gathered(x), x.by
        self.output = np.empty((shape[0], *x.shape), np.float32)
        rows = self.output.reshape(shape[0], -1)
        self.calls.add(lanes.block_from_lanes, self.last.rows, rows, of=self.last)

    def _loaded(self, shape: tuple[int, ...]) -> Buffer:
        """Room for images, and the call that takes a block of them into it."""
        x = self.calls.empty(shape[1:], SLOT if len(shape) > 2 else BLOCK)
        task = block_ops.load if x.by == SLOT else lanes.block_to_lanes
        self._load_by(task, x.rows, math.prod(shape[1:]))
        return x


class InferenceProgram(ForwardProgram):
    """Forward alone: nothing is kept of a layer when the next has run."""

    def __init__(self, links: list[Link], shape: tuple[int, ...], slots: int) -> None:
        super().__init__(links, shape, slots)
        calls, blocks = self.calls, self.calls.extent.blocks
        if blocks > 1:
            phases = [Phase(calls.blocks, blocks, blocks)]
        else:  # threads share each layer's items, where there are several
            phases = [Phase([call]) for call in calls.blocks]
        phases = [Phase(calls.first, together=True), *phases]
        self._program = Program([p for p in phases if p.calls])


class Trains(ChainProgram):
    """What programs of a training step share, beside their layers.

    Attributes:
        gradients: of each parameter, overwritten by each run.
        unshared: why each of several processes works on the whole batch; None if each has its part.
    """

    gradients: dict[Tensor, Tensor]
    unshared: str | None = None
    _loss: LaneLoss

    def _share(
        self, phases: list[Phase], group: Group | None, spoiled: Sequence[Array] = ()
    ) -> None:
        """Make the program of the phases: of several processes, each does a part of the batch.

        Args:
            spoiled: what says of parts of the batch that they were spoiled.
        """
        phases = [p for p in phases if p.calls]
        self._program = Program(phases)
        if group is None or group.size == 1:
            return
        gradients = [g.array for g in self.gradients.values()]
        results = Results(self.output, [self._loss.parts, *spoiled], gradients, spoiled)
        weights = [p.array for p, _ in self._weights]
        try:
            self._program = SharedProgram(phases, self.calls.extent, group, weights, results)
        except Unshared as error:
            self.unshared = str(error)

    def _keep(self, params: tuple[Tensor, ...], found: list[Array]) -> None:
        """Note a layer's gradients."""
        for p, a in zip(params, found, strict=True):
            self.gradients[p] = result(a if a.shape == p.shape else a.reshape(p.shape))

    def _hand_out(self) -> None:
        """Note who holds the gradients before anybody else does."""
        self._memory = [_memory(g.array) for g in self.gradients.values()]
        self._references = self._count_references()

    def is_held(self) -> bool:
        """Whether anybody but the parameters holds the gradients, as tensors or as their memory."""
        counts = zip(
            self.gradients.items(), self._count_references(), self._references, strict=True
        )
        return any(
            of_g - (p.grad is g) > of_g_alone or any(map(gt, of_memory, of_memory_alone))
            for (p, g), (of_g, of_memory), (of_g_alone, of_memory_alone) in counts
        )

    def _count_references(self) -> list[tuple[int, list[int]]]:
        pairs = zip(self.gradients.values(), self._memory, strict=True)
        return [(getrefcount(g), [*map(getrefcount, memory)]) for g, memory in pairs]

    def takes(self, target: Array) -> bool:
        """Take the targets of the next batch; False if it has no loss of such."""
        return self._loss.bind(target)

    def run(self, x: Array) -> np.float32 | None:
        """The loss of a batch, whose targets it has; None where the eager loop must be asked."""
        self._run(x)
        return self._loss.value()


class TrainingProgram(ForwardProgram, Trains):
    """Forward, loss and backward."""

    def __init__(
        self,
        links: list[Link],
        shape: tuple[int, ...],
        slots: int,
        loss: LaneLoss,
        group: Group | None = None,
    ) -> None:
        super().__init__(links, shape, slots)
        calls, extent = self.calls, self.calls.extent
        self._loss, g = loss, loss.forward(self.last, self.calls)
        g = calls.spread(g, g.shape, self.last_by)
        self.gradients = {}
        calls.overwrites = True  # a gradient is nobody's but the next layer's
        for layer, link in reversed(self.layers):
            first = layer is self.layers[0][0]
            layer.needs_input_grad = (not first, *[True] * len(link.params))
            g, *found = layer.backward(g, calls)
            self._keep(link.params, found)
        blocks = Phase(calls.blocks, extent.blocks, extent.chunks)
        before = Phase(calls.first, together=True)
        after = [Phase(c, together=True, late=True) for c in (calls.end, calls.rest)]
        self._share([before, blocks, *after], group)
        self._hand_out()


def _memory(array: Array) -> list[Array]:
    """An array, what it is a view of, and so on: which of them a view of it holds is NumPy's."""
    found = [array]
    while isinstance(found[-1].base, np.ndarray):
        found.append(found[-1].base)
    return found


def _next_layer(links: list[Link], x: Buffer, may_overwrite: bool) -> tuple[LaneOp, int]:
    """What the first of the links does to `x`, perhaps with those behind; how many they are."""
    layer, used = links[0].layer(), 1
    for link in links[1:]:
        both = link.layer().after(layer, x, may_overwrite)
        if both is None:
            break
        layer, used = both, used + 1
    return layer, used
