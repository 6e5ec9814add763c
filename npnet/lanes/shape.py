"""What moves values in lanes: shape, parts, padding, joining."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import strided
from npnet.kernels.strided import Strides
from npnet.lanes.channels import Channels
from npnet.lanes.function import LaneOp, by_lanes
from npnet.lanes.layout import LanePart
from npnet.lanes.plan import Buffer, Calls, Shape
from npnet.lanes.unsuited import Unsuited
from npnet.ops import indexing, padding, shape
from npnet.tape import Layout, Variable


@by_lanes(shape.Reshape)
class Reshape(LaneOp):
    """Images as features, or as signals, or taken apart: the same values in the same order."""

    view = True
    any_axes = True
    chained = True
    is_view = True

    def __init__(self, op: shape.Reshape) -> None:
        super().__init__(op)
        self.find = lambda array: array.reshape(op.size)

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        values, size = inputs[0].values, op.size
        whole = isinstance(values, Layout) and not values.is_part  # as good as without gaps
        return whole and len(size) >= 2 and size[0] == values.shape[0]

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x_shape = x.shape
        return x.viewed(self.op.size[1:])

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (gy.viewed(self.x_shape),)

    def by_channels(self, x: Channels, out: Calls, *weights: Array) -> Channels:
        if len(self.op.size) != 2:
            raise Unsuited("features become images")
        return x


@by_lanes(shape.Clone)
class Clone(LaneOp):
    """The same blocks: nobody writes to them."""

    any_axes = True

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        return x

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (gy,)


@by_lanes(shape.Permute)
class Permute(LaneOp):
    """Of images taken apart, as the shuffles of channels and pixels do; others leave the lanes."""

    view = True
    any_axes = True
    layout = LanePart

    def __init__(self, op: shape.Permute) -> None:
        super().__init__(op)
        self.find = lambda array: array.transpose(op.dims)

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return len(op.dims) > 4 and op.dims[0] == 0

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        return _transposed(x, self.op.dims, out)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (_transposed(gy, tuple(np.argsort(self.op.dims)), out),)


def _transposed(x: Buffer, dims: tuple[int, ...], out: Calls) -> Buffer:
    """A copy with the axes in another order: long runs, which NumPy copies as fast as any."""
    y = out.empty(tuple([x.shape[d - 1] for d in dims[1:]]), x.by)
    y.array[...] = x.array.transpose(*dims, len(dims))
    return y


@by_lanes(shape.Cat)
class Cat(LaneOp):
    """Along channels or features."""

    images = None
    joins = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return op.dim == 1

    def forward(self, x: Buffer, out: Calls, *others: Buffer) -> Buffer:  # (C, ...), (C', ...) ...
        xs = x, *others
        y = out.empty((sum([each.shape[0] for each in xs]), *x.shape[1:]), x.by)
        self.shapes = [each.shape for each in xs]
        np.concatenate([each.array for each in xs], 1, out=y.array)  # long runs: NumPy is as fast
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer, ...]:
        gradients, first = [], 0
        for size in self.shapes:
            gradients.append(_gather(gy, Strides(first, 0, 0), size, out))
            first += size[0]
        return tuple(gradients)


@by_lanes(indexing.GetItem)
class GetItem(LaneOp):
    """A slice of each axis but the batch's."""

    view = True
    staged = True
    layout = LanePart

    def __init__(self, op: indexing.GetItem) -> None:
        super().__init__(op)
        self.find = lambda array: array[op.slices]

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        taken = _taken(inputs[0].shape, op.slices)
        return taken is not None and taken[0] == range(inputs[0].shape[0]) and all(taken)

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x_shape, taken = x.shape, (_taken((1, *x.shape), self.op.slices) or [])[1:]
        images = [*taken, *[range(1)] * (3 - len(taken))]
        self.strides = Strides(*[r.start for r in images], *[r.step for r in images])
        return _gather(x, self.strides, tuple(map(len, taken)), out)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        gx = out.empty(self.x_shape, gy.by)
        _scatter(gy, self.strides, 0, True, gx, out)
        return (gx,)


def _taken(size: Shape, slices: tuple[Any, ...]) -> list[range] | None:
    """What is taken of each axis; None where that is not a slice of each."""
    at = slices.index(...)
    rest = len(size) - len(slices) + 1
    parts = (*slices[:at], *[slice(None)] * rest, *slices[at + 1 :])
    if rest < 0 or not all(isinstance(part, slice) for part in parts):
        return None
    return [range(*part.indices(n)) for part, n in zip(parts, size, strict=True)]


@by_lanes(padding.PadConstant)
class PadConstant(LaneOp):
    """Where nothing is cut off, and not along the batch."""

    staged = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return not any(op.widths[0]) and min(map(min, op.widths)) >= 0

    def forward(self, x: Buffer, out: Calls) -> Buffer:
        self.x_shape, widths = x.shape, self.op.widths[1:]
        self.strides = Strides(*[before for before, _ in (*widths, (0, 0), (0, 0))][:3])
        y = out.empty(tuple([n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]), x.by)
        _scatter(x, self.strides, self.op.value, True, y, out)
        return y

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer]:
        return (_gather(gy, self.strides, self.x_shape, out),)


def _gather(x: Buffer, strides: Strides, shape: Shape, out: Calls) -> Buffer:
    """A part of x, of images or features as x is."""
    y = out.empty(shape, x.by)
    out.add(strided.gather_plane, _images(x), strides, _images(y), of=y)
    return y


def _scatter(x: Buffer, strides: Strides, value: float, fills: bool, y: Buffer, out: Calls) -> None:
    """Make x a part of y, and the rest `value`, if it fills it."""
    arguments = _images(x), strides, np.float32(value), fills, _images(y)
    out.add(strided.scatter_plane, *arguments, of=y)


def _images(x: Buffer) -> Array:
    """(S or B, C, H, W, 16); features are images of one pixel."""
    return x.array if len(x.shape) == 3 else x.array[:, :, None, None]
