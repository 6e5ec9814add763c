"""Calls for a program in which all blocks must be done with one op before another begins.

A batch norm needs sums over the batch, so a network with batch norm is run in stages: each is a
phase of a program, between which all threads wait. Within a stage, a thread takes a block through
all calls before it takes the next, as in a program of one stage. Values lie in blocks, not in
slots, as they live on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.kernels._task import Task
from npnet.kernels.program import BLOCK, Call, Phase
from npnet.kernels.simd import LANES
from npnet.lanes.plan import Buffer, Calls, Draw, Extent, Recorded, Shape

__all__ = ["Staged", "Whole"]

FEW_BLOCKS = 6


@dataclass
class Staged(Recorded):
    """Keeps calls in stages; a call goes to the one that is open.

    Attributes:
        phases: the stages that are closed.
        spare: how many calls more may begin before the room that a call has taken is needed again.
        joins: whether an item may be of several blocks.
    """

    phases: list[Phase] = field(default_factory=list)
    rooms: dict[tuple[Shape, int], Array] = field(default_factory=dict)
    spare: int = 0
    taken: int = 0
    joins: bool = True

    def empty(self, shape: Shape, by: int = BLOCK) -> Buffer:
        return Buffer(lanes.empty((self.extent.blocks, *shape, LANES)))

    def scratch(self, shape: Shape) -> Array:
        """Calls of one shape share their room: none leaves anything there for another."""
        return self.room((self.extent.slots, *shape))

    def room(self, shape: Shape) -> Array:
        """Room for what is needed no longer when the next call begins that takes such."""
        return self.rooms.setdefault((shape, 0), lanes.empty(shape))

    def lasting_room(self, shape: Shape) -> Array:
        """The same for what is still needed when so many calls more have begun as are to spare."""
        self.taken = (self.taken + 1) % (self.spare + 1)
        return self.rooms.setdefault((shape, 1 + self.taken), lanes.empty(shape))

    def drawn(self, draw: Draw, shape: Shape, by: int) -> Buffer:
        x = self.empty(shape)
        rows = np.empty((self.extent.n, math.prod(shape)), np.float32)
        self.draws.append((draw, self.add(lanes.block_to_lanes, rows, x.rows)))
        return x

    def spread(self, x: Buffer, shape: Shape, by: int) -> Buffer:
        return x.viewed(shape)

    def close(self) -> None:
        """Let what comes next wait for all that was added."""
        blocks = self.extent.blocks
        if blocks < FEW_BLOCKS:  # threads share each call's items: they would not come out even
            for call in self.blocks:
                call.count = call.reach.items
                self.phases.append(Phase([call]))
        elif self.blocks:
            self.phases.append(Phase(self.blocks, blocks, blocks))
        late = [Phase(calls, together=True, late=True) for calls in (self.end, self.rest) if calls]
        self.phases += late
        self.blocks, self.end, self.rest = [], [], []

    def alone(self, task: Task, *arguments: object, parts: int = 0) -> None:
        """A stage of one call on the batch, whose items threads share, or share in so many runs."""
        self.close()
        items = task.reach(arguments).items
        if parts:
            self.phases.append(Phase([Call(task, arguments)], items, parts))
        else:
            self.phases.append(Phase([Call(task, arguments, items)]))

    def together(self, task: Task, *arguments: object, late: bool = False) -> None:
        """A stage of one call that puts together what there is of all of the batch.

        Args:
            late: nothing in the program waits for it, as for a gradient of weights.
        """
        self.close()
        items = task.reach(arguments).items
        self.phases.append(Phase([Call(task, arguments, items)], together=True, late=late))


@dataclass
class Whole(Calls):
    """Each call a stage of its own, for ops that want the whole batch."""

    calls: Staged
    whole = True

    @property
    def extent(self) -> Extent:  # type: ignore[override] # asked, never set
        return self.calls.extent

    @property
    def joins(self) -> bool:  # type: ignore[override] # asked, never set
        return self.calls.joins

    def empty(self, shape: Shape, by: int = BLOCK) -> Buffer:
        return self.calls.empty(shape)

    def scratch(self, shape: Shape) -> Array:
        return self.calls.scratch(shape)

    def drawn(self, draw: Draw, shape: Shape, by: int) -> Buffer:
        return self.calls.drawn(draw, shape, by)

    def over(self, x: Buffer) -> Buffer:
        return self.empty(x.shape)

    def gathered(self, x: Buffer) -> Buffer:
        return x

    def spread(self, x: Buffer, shape: Shape, by: int) -> Buffer:
        return x.viewed(shape)

    def span(self, x: Buffer) -> int:
        return x.floats

    def add(self, task: Task, *arguments: object, of: Buffer | None = None) -> None:
        self.calls.alone(task, *arguments)

    def before(self, task: Task, *arguments: object) -> None:
        self.calls.before(task, *arguments)

    def after(self, task: Task, *arguments: object, last: bool = False) -> None:
        self.calls.together(task, *arguments, late=True)
