"""Recurrent layers whose cells are by kernels: of float32, on arrays as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import recurrent
from npnet.lanes.function import LaneFunction, by_lanes
from npnet.ops import recurrent as ops
from npnet.tape import Function, Values, Variable

__all__ = ["LSTM"]


@by_lanes(ops.LSTM)
class LSTM(ops.LSTM, LaneFunction):
    """The op with another cell; nothing of it is in lanes."""

    images = 0

    def __init__(self, op: Any) -> None:
        LaneFunction.__init__(self, op)
        ops.LSTM.__init__(self, op.reverse, op.counts)

    @staticmethod
    def takes(op: Any, *inputs: Variable) -> bool:
        return all(x.shape for x in inputs) and 0 not in inputs[0].shape

    def differentiate(self, gy: Values) -> tuple[Any, ...]:
        return Function.differentiate(self, gy)  # on an array

    def cell(self, t: int, n: int, a: Array, b: Array, h: Array) -> Array:
        y = np.empty((n, self.c.shape[1]), np.float32)
        recurrent.lstm_row(a, b, self.kept[t, :n], self.c_before[t, :n], self.c[:n], y)
        return self.projected(y)

    def cell_backward(self, t: int, n: int, g: Array, ga: Array, gb: Array) -> None:
        kept = self.kept[t, :n]
        g = self.unprojected(g, kept)
        recurrent.lstm_backward_row(g, kept, self.c_before[t, :n], self.gc[:n], ga)
