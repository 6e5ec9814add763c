"""How an op is done by kernels, said once: buffers, and calls of kernels that work on them.

An op adds its calls and says nothing of when they run. The loop makes each at once, over all blocks
of the batch, and its buffers hold the whole batch. A program (see `compiler`) keeps the calls in a
table, and a thread takes one block of sixteen images through all of them before it takes the next;
there, images lie in slots, one for each thread, which live as long as a block does.

    def forward(self, x, out):                     # ReLU
        y = out.over(x)                            # room for the result, perhaps that of x
        out.add(relu_span, x.flat, y.flat, out.span(y), of=y)
        return y
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.parts import MOST_CHUNKS, chunk_count
from npnet.kernels import block_ops, lanes
from npnet.kernels._jit import get_num_threads
from npnet.kernels._task import Task
from npnet.kernels.activation import SPAN
from npnet.kernels.program import BLOCK, SLOT, Call
from npnet.kernels.simd import LANES
from npnet.ops.windows import Pair

__all__ = [
    "MOST_CHUNKS",
    "Buffer",
    "Calls",
    "Draw",
    "Extent",
    "Loop",
    "Recorded",
    "Shape",
    "by_spans",
    "chunk_count",
    "longest_parts",
    "total",
]

Shape: TypeAlias = tuple[int, ...]
Draw: TypeAlias = Callable[[int], Array]  # for so many images


def longest_parts(size: int, most: int) -> int:
    """The length of the fewest parts of `size` that are no longer than `most`, or 1."""
    return -(-size // -(-size // max(1, min(most, size))))


class Extent(NamedTuple):
    """For what calls are made: `n` images, on `slots` threads; the loop needs no slots."""

    n: int
    slots: int = 0

    @property
    def blocks(self) -> int:
        return lanes.block_count(self.n)

    @property
    def chunks(self) -> int:
        """In how many parts gradients by weights are added up."""
        return chunk_count(self.blocks)


class Buffer(NamedTuple):
    """Values (S or B, C, H, W, 16) or (S or B, F, 16), found by slot or by block."""

    array: Array
    by: int = BLOCK

    @property
    def shape(self) -> Shape:
        """Of one image."""
        return self.array.shape[1:-1]

    @property
    def flat(self) -> Array:
        return self.array.reshape(-1)

    @property
    def rows(self) -> Array:  # (S or B, features, 16)
        return self.array.reshape(len(self.array), -1, LANES)

    @property
    def planes(self) -> Array:  # (S or B * C, H, W, 16)
        return self.array.reshape(-1, *self.array.shape[2:])

    @property
    def size(self) -> Pair:
        """(H, W) of images."""
        _, _, height, width, _ = self.array.shape
        return height, width

    @property
    def floats(self) -> int:
        """How many one block has."""
        return math.prod(self.array.shape[1:])

    @property
    def flattened(self) -> Buffer:
        """The same values as features."""
        return self.viewed((math.prod(self.shape),))

    def grouped(self, groups: int) -> Array:
        """Each group of channels as a block of its own: (S or B * groups, C / groups, H, W, 16)."""
        return self.array.reshape(len(self.array) * groups, -1, *self.array.shape[2:])

    def viewed(self, shape: Shape) -> Buffer:
        """The same values as images, or features, of another shape."""
        return Buffer(self.array.reshape(len(self.array), *shape, LANES), self.by)


class Calls(ABC):
    """Takes the calls of an op, and makes room for what they give.

    Attributes:
        whole: whether a call works on the whole batch at once, which some ways of doing an op want.
        joins: whether an item may then be of several blocks, which processes that share the batch
            can't share.
    """

    whole: ClassVar[bool]
    joins: bool = True
    extent: Extent

    @abstractmethod
    def empty(self, shape: Shape, by: int = BLOCK) -> Buffer:
        """Room for what an image becomes: in a slot of the thread, or for all of the batch."""

    @abstractmethod
    def scratch(self, shape: Shape) -> Array:
        """Room for what a kernel needs meanwhile, (S, *shape): each thread has a slot."""

    @abstractmethod
    def drawn(self, draw: Draw, shape: Shape, by: int) -> Buffer:
        """What `draw` gives for a batch, (N, *shape): now, or each time that a program runs."""

    @abstractmethod
    def over(self, x: Buffer) -> Buffer:
        """Room for what is alike x: its own, where nobody needs x any more."""

    @abstractmethod
    def gathered(self, x: Buffer) -> Buffer:
        """x for all of the batch, as products over images take it."""

    @abstractmethod
    def spread(self, x: Buffer, shape: Shape, by: int) -> Buffer:
        """x, which is for all of the batch, in images of this shape, found in this way."""

    @abstractmethod
    def span(self, x: Buffer) -> int:
        """How many floats of x a call shall take at a time, in kernels that take spans."""

    @abstractmethod
    def add(self, task: Task, *arguments: object, of: Buffer | None = None) -> Call | None:
        """Call a kernel on each block, after the calls that were added before.

        The call of a program may be given other arrays of the same shapes: see `Call.bind`.

        Args:
            of: whose slots or blocks the kernel's items are counted by: the items of the first
                part of them are those of the first slot or block. Default the batch's blocks.
        """

    @abstractmethod
    def before(self, task: Task, *arguments: object) -> None:
        """Call a kernel before any block is worked on, to put weights in order."""

    @abstractmethod
    def after(self, task: Task, *arguments: object, last: bool = False) -> None:
        """Call a kernel when all blocks are done; the `last` ones when those are."""


def by_spans(task: Task, *arguments: object) -> Array:
    """What a kernel that takes spans makes of arrays that are alike, the result in a new one."""
    flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
    first = arguments[0]
    assert isinstance(first, np.ndarray)
    y = lanes.empty(first.shape)
    task(*flat, y.reshape(-1), SPAN)
    return y


class Loop(Calls):
    """Makes each call at once, over all blocks of a batch of `n`."""

    whole = True

    def __init__(self, n: int) -> None:
        self.extent = Extent(n)

    def empty(self, shape: Shape, by: int = BLOCK) -> Buffer:
        return Buffer(lanes.empty((self.extent.blocks, *shape, LANES)))

    def scratch(self, shape: Shape) -> Array:
        return lanes.empty((get_num_threads(), *shape))

    def drawn(self, draw: Draw, shape: Shape, by: int) -> Buffer:
        return Buffer(lanes.to_lanes(draw(self.extent.n)))

    def over(self, x: Buffer) -> Buffer:
        return Buffer(lanes.empty(x.array.shape))

    def gathered(self, x: Buffer) -> Buffer:
        return x

    def spread(self, x: Buffer, shape: Shape, by: int) -> Buffer:
        return x.viewed(shape)

    def span(self, x: Buffer) -> int:
        return SPAN

    def add(self, task: Task, *arguments: object, of: Buffer | None = None) -> None:
        task(*arguments)  # by the arguments, it knows all its items

    def before(self, task: Task, *arguments: object) -> None:
        task(*arguments)

    def after(self, task: Task, *arguments: object, last: bool = False) -> None:
        task(*arguments)


def total(parts: Array, shape: Shape, out: Calls) -> Array:
    """The sum of parts (P, ...) of a weight's gradient, when all blocks are done."""
    gradient = lanes.empty(shape)
    out.after(block_ops.total_parts, parts.reshape(len(parts), -1), gradient.reshape(-1))
    return gradient


@dataclass
class Recorded(Calls):
    """Keeps the calls of a network's ops, for a program.

    Attributes:
        first: pieces of work before any block.
        blocks: for each block.
        end, rest: pieces of work when all blocks are done, and when those are.
        overwrites: whether nobody but the op that adds calls needs its input.
        draws: what is drawn for each batch, and the call that takes it into blocks.
    """

    whole = False
    extent: Extent
    first: list[Call] = field(default_factory=list)
    blocks: list[Call] = field(default_factory=list)
    end: list[Call] = field(default_factory=list)
    rest: list[Call] = field(default_factory=list)
    overwrites: bool = False
    draws: list[tuple[Draw, Call]] = field(default_factory=list)

    def empty(self, shape: Shape, by: int = BLOCK) -> Buffer:
        parts = self.extent.slots if by == SLOT else self.extent.blocks
        return Buffer(lanes.empty((parts, *shape, LANES)), by)

    def scratch(self, shape: Shape) -> Array:
        return lanes.empty((self.extent.slots, *shape))

    def drawn(self, draw: Draw, shape: Shape, by: int) -> Buffer:
        x = self.empty(shape, by)
        task = block_ops.load if by == SLOT else lanes.block_to_lanes
        call = self.add(task, np.empty((self.extent.n, math.prod(shape)), np.float32), x.rows)
        self.draws.append((draw, call))
        return x

    def draw(self) -> None:
        """Draw what is drawn for each batch, in the order of the ops."""
        for draw, call in self.draws:
            rows, to = call.arguments
            call.bind((draw(self.extent.n).reshape(rows.shape), to))

    def over(self, x: Buffer) -> Buffer:
        return x if self.overwrites else self.empty(x.shape, x.by)

    def gathered(self, x: Buffer) -> Buffer:
        if x.by == BLOCK:
            return x
        copy = self.empty(x.shape)
        self.add(block_ops.copy_out, x.rows, copy.rows, of=copy)
        return copy

    def spread(self, x: Buffer, shape: Shape, by: int) -> Buffer:
        if by == BLOCK:
            return x.viewed(shape)
        copy = self.empty(shape, by)
        self.add(block_ops.copy_in, x.rows, copy.rows, of=x)
        return copy

    def span(self, x: Buffer) -> int:
        return x.floats

    def add(self, task: Task, *arguments: object, of: Buffer | None = None) -> Call:
        parts, by = (self.extent.blocks, BLOCK) if of is None else (len(of.array), of.by)
        call = Call(task, arguments, task.reach(arguments).items // parts, by)
        self.blocks.append(call)
        return call

    def before(self, task: Task, *arguments: object) -> None:
        self.first.append(Call(task, arguments, task.reach(arguments).items))

    def after(self, task: Task, *arguments: object, last: bool = False) -> None:
        calls = self.rest if last else self.end
        calls.append(Call(task, arguments, task.reach(arguments).items))
