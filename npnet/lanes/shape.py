"""What moves values in lanes: shape, parts, padding, joining."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import lanes, places
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneFunction, LaneOp, by_lanes
from npnet.lanes.layout import LanePart, Lanes
from npnet.lanes.plan import Buffer, Calls
from npnet.lanes.unsuited import Unsuited
from npnet.ops import indexing, padding, shape
from npnet.tape import Layout, Variable


@by_lanes(shape.Reshape)
class Reshape(LaneOp):
    """Images as features, or features as images: in lanes too the same values in the same order."""

    view = True
    chained = True
    is_view = True

    def __init__(self, op: shape.Reshape) -> None:
        super().__init__(op)
        self.find = lambda array: array.reshape(op.size)

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        values, size = inputs[0].values, op.size
        whole = isinstance(values, Layout) and not values.is_part  # as good as without gaps
        return whole and len(size) in (2, 4) and size[0] == values.shape[0]

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x_shape = x.shape
        return x.viewed(self.op.size[1:])

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (gy.viewed(self.x_shape),)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        if len(self.op.size) != 2:
            raise Unsuited("features become images")
        return x


@by_lanes(shape.Cat)
class Cat(LaneFunction):
    """Along channels or features."""

    images = None
    joins = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return op.dim == 1

    def forward(self, *xs: Lanes) -> Lanes:
        blocks = [x.blocks for x in xs]
        self.counts = [x.shape[1] for x in xs]
        y = lanes.empty((len(blocks[0]), sum(self.counts), *blocks[0].shape[2:]))
        return Lanes(np.concatenate(blocks, 1, out=y), xs[0].shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes, ...]:
        gradients, first = [], 0
        for count in self.counts:
            sizes = (count, *gy.images.shape[2:4])
            part = places.take(gy.images, (first, 0, 0), (1, 1, 1), sizes)
            gradients.append(gy.like(part))
            first += count
        return tuple(gradients)


@by_lanes(indexing.GetItem)
class GetItem(LaneFunction):
    """A slice of each axis but the batch's."""

    view = True

    def __init__(self, op: indexing.GetItem) -> None:
        super().__init__(op)
        self.find = lambda array: array[op.slices]

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        places = _places(inputs[0].shape, op.slices)
        return places is not None and places[0] == range(inputs[0].shape[0]) and all(places)

    def forward(self, x: Lanes) -> Lanes:
        images = x.images
        self.x_size = images.shape[1:4]
        taken = (_places(x.shape, self.op.slices) or [])[1:]
        taken += [range(1)] * (3 - len(taken))
        self.starts, self.steps, sizes = zip(
            *[(r.start, r.step, len(r)) for r in taken], strict=True
        )
        y = places.take(images, self.starts, self.steps, sizes)
        return LanePart(x.like(y).blocks, x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        gx = places.put(gy.images, self.starts, self.steps, self.x_size)
        return (gy.like(gx),)


def _places(size: tuple[int, ...], slices: tuple[Any, ...]) -> list[range] | None:
    """What is taken of each axis; None where that is not a slice of each."""
    at = slices.index(...)
    rest = len(size) - len(slices) + 1
    parts = (*slices[:at], *[slice(None)] * rest, *slices[at + 1 :])
    if rest < 0 or not all(isinstance(part, slice) for part in parts):
        return None
    return [range(*part.indices(n)) for part, n in zip(parts, size, strict=True)]


@by_lanes(padding.PadConstant)
class PadConstant(LaneFunction):
    """Where nothing is cut off, and not along the batch."""

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not any(op.widths[0]) and min(map(min, op.widths)) >= 0

    def forward(self, x: Lanes) -> Lanes:
        images = x.images
        self.x_size = images.shape[1:4]
        widths = (*self.op.widths[1:], (0, 0), (0, 0))[:3]
        self.starts = [before for before, _ in widths]
        sizes = [n + a + b for n, (a, b) in zip(self.x_size, widths, strict=True)]
        return x.like(places.put(images, self.starts, (1, 1, 1), sizes, self.op.value))

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        return (gy.like(places.take(gy.images, self.starts, (1, 1, 1), self.x_size)),)
