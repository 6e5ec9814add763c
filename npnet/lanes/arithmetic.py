"""Sums and products in lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import elementwise, gates
from npnet.kernels.simd import LANES
from npnet.lanes.function import LaneFunction, LaneOp, by_lanes
from npnet.lanes.layout import Lanes
from npnet.lanes.plan import Buffer, Calls, by_spans
from npnet.ops import arithmetic as ops
from npnet.tape import Variable


class OfTwoBatches(LaneFunction):
    """An op of two batches of one shape."""

    images = 2
    any_axes = True
    joins = True

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return inputs[0].shape == inputs[1].shape


@by_lanes(ops.Add)
class Add(OfTwoBatches):
    """The sum, as it is between layers."""

    staged = True

    def forward(self, x: Lanes, other: Lanes) -> Lanes:
        return x.plus(other)

    def backward(self, gy: Lanes) -> tuple[Lanes, Lanes]:
        return gy, gy


@by_lanes(ops.Mul)
class Mul(OfTwoBatches):
    """The product."""

    def forward(self, x: Lanes, other: Lanes) -> Lanes:
        needs_x, needs_other = self.needs_input_grad
        self.save_for_backward(x if needs_other else None, other if needs_x else None)
        return _product(x, other)

    def backward(self, gy: Lanes) -> tuple[Lanes | None, Lanes | None]:
        x, other = self.saved
        gx = None if other is None else _product(gy, other)
        return gx, None if x is None else _product(gy, x)


def _product(a: Lanes, b: Lanes) -> Lanes:
    return Lanes(by_spans(elementwise.multiply_span, a.blocks, b.blocks), a.shape[0])


@by_lanes(ops.Gate)
class Gate(LaneOp):
    """Of images in lanes, or numbers for their channels that are."""

    images = 2
    joins = True

    def forward(self, x: Buffer, out: Calls, gate: Buffer) -> Buffer:
        needs_x, needs_gate = self.needs_input_grad
        self.x, self.gate = x if needs_gate else None, gate if needs_x else None
        return _scaled(x, gate, out)

    def backward(self, gy: Buffer, out: Calls) -> tuple[Buffer | None, Buffer | None]:
        gx = None if self.gate is None else _scaled(gy, self.gate, out)
        if self.x is None:
            return gx, None
        ggate = out.empty((gy.shape[0], 1, 1), gy.by)
        out.add(gates.dot_plane, _pixels(gy), _pixels(self.x), _vectors(ggate), of=ggate)
        return gx, ggate


def _scaled(x: Buffer, gate: Buffer, out: Calls) -> Buffer:
    y = out.empty(x.shape, x.by)
    out.add(gates.scale_plane, _pixels(x), _vectors(gate), _pixels(y), of=y)
    return y


def _pixels(x: Buffer) -> Array:  # (S or B * C, H * W, 16)
    height, width = x.size
    return x.array.reshape(-1, height * width, LANES)


def _vectors(gate: Buffer) -> Array:  # (S or B * C, 16)
    return gate.array.reshape(-1, LANES)


@by_lanes(ops.Scale)
class Scale(LaneFunction):
    """A batch times a number."""

    any_axes = True

    def forward(self, x: Lanes) -> Lanes:
        factor = np.float32(self.op.factor)
        return Lanes(by_spans(elementwise.scale_span, x.blocks, factor), x.shape[0])

    def backward(self, gy: Lanes) -> tuple[Lanes]:
        return (self.forward(gy),)
