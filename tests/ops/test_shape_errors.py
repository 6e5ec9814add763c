"""What shapes, indices, reductions and arithmetic refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import npnet
from npnet.base.checks import ShapeError
from tests.ops.refusals import Refusal, all_of, check, zeros

ROWS, CLASSES = zeros(2, 3), npnet.as_tensor(np.array([0, 1]))

SHAPES: list[Refusal] = [
    (lambda: ROWS.reshape(4), ShapeError, "reshape: 6 values of shape (2, 3) do not fit into (4,)"),
    (lambda: ROWS.reshape(-1, -1), ShapeError, "do not fit into (-1, -1)"),
    (lambda: ROWS.view(-1, 4), ShapeError, "view: 6 values of shape (2, 3) do not fit into (-1, 4"),
    (lambda: ROWS.t().view(6), RuntimeError, "use reshape() or contiguous() first"),
    (lambda: ROWS.flatten(1, 0), ValueError, "flatten: start_dim 1 comes after end_dim 0"),
    (lambda: ROWS.permute(0, 0), ShapeError, "permute: dims must name each of 2 axes once, got (0"),
    (lambda: ROWS.transpose(0, 2), IndexError, "transpose: dim must lie in [-2, 1], got 2"),
    (lambda: ROWS.squeeze(2), IndexError, "squeeze: dim must lie in [-2, 1], got 2"),
    (lambda: ROWS.unsqueeze(4), IndexError, "unsqueeze: dim must lie in [-3, 2], got 4"),
    (lambda: ROWS.expand(4, 3), ShapeError, "expand: shapes (2, 3) and (4, 3) do not broadcast"),
    (lambda: ROWS.expand(-1, 2, 3), ShapeError, "expand: shape (2, 3) does not expand to (-1, 2"),
    (lambda: ROWS.expand(3), ShapeError, "expand: shape (2, 3) does not expand to (3,)"),
    (lambda: npnet.cat([]), ValueError, "cat: needs at least one tensor, got none"),
    (lambda: npnet.cat([ROWS, zeros(3, 2)]), ShapeError, "sizes must be equal on all axes but 0"),
    (lambda: npnet.cat([ROWS, ROWS], 2), IndexError, "cat: dim must lie in [-2, 1], got 2"),
    (lambda: npnet.stack([]), ValueError, "stack: needs at least one tensor, got none"),
    (lambda: npnet.stack([ROWS, zeros(3)]), ShapeError, "stack: shapes must be equal, got [(2, 3)"),
    (
        lambda: ROWS.gather(0, npnet.as_tensor(np.array([[2, 0, 0]]))),
        IndexError,
        "gather: index must lie in [0, 1], got 0 to 2",
    ),
    (lambda: ROWS.gather(0, CLASSES), ShapeError, "gather: index must have as many axes as input"),
    (
        lambda: ROWS.gather(0, zeros(1, 4, dtype=np.int64)),
        ShapeError,
        "gather: index must be no larger than input but along dim 0",
    ),
    (lambda: ROWS.gather(0, ROWS), RuntimeError, "gather: index must be integers, got float32"),
    (lambda: ROWS[2], IndexError, "x[index]: index 2 is out of bounds for axis 0"),
    (lambda: ROWS[0, 0, 0], IndexError, "x[index]: too many indices for array"),
    (
        lambda: ROWS[npnet.as_tensor(np.array([0, 5]))],
        IndexError,
        "index 5 is out of bounds for axis 0",
    ),
    (lambda: ROWS[zeros(3, dtype=np.uint8)], IndexError, "boolean index did not match"),
    (lambda: ROWS[zeros(2)], IndexError, "arrays used as indices must be of integer"),
    (lambda: ROWS[npnet.as_tensor(np.array([True]))], IndexError, "boolean index did not match"),
    (lambda: ROWS.clone().__setitem__(0, zeros(2)), ShapeError, "x[index] = value: could not broa"),
    (lambda: ROWS.clone().__setitem__(5, 1), IndexError, "x[index] = value: index 5 is out of bou"),
]

NUMBERS: list[Refusal] = [
    (lambda: ROWS.long().mean(), RuntimeError, "mean: input must be floating point, got int64"),
    (lambda: ROWS.long().var(), RuntimeError, "var: input must be floating point, got int64"),
    (lambda: ROWS.sum((0, 0)), RuntimeError, "sum: dim names an axis twice: (0, 0)"),
    (lambda: ROWS.sum(2), IndexError, "sum: dim must lie in [-2, 1], got 2"),
    (lambda: zeros(0).max(), IndexError, "max: there is no max of nothing; input has shape (0,)"),
    (lambda: zeros(0, 2).min(0), IndexError, "min: there is no min of nothing"),
    (lambda: zeros(0).argmax(), IndexError, "argmax: there is no position in nothing"),
    (
        lambda: zeros(2) + zeros(3),
        ShapeError,
        "add: shapes (2,) and (3,) do not broadcast: from the last axis backwards, sizes must",
    ),
    (lambda: npnet.maximum(zeros(2), zeros(3)), ShapeError, "maximum: shapes (2,) and (3,) do not"),
    (lambda: zeros(2) == zeros(3), ShapeError, "eq: shapes (2,) and (3,) do not broadcast"),
    (
        lambda: npnet.maximum(zeros(2), np.ones(2)),
        TypeError,
        "maximum: inputs must be tensors, got ndarray; npnet.as_tensor makes one",
    ),
    (lambda: CLASSES**-1, RuntimeError, "pow: integers to negative integer powers"),
    (
        lambda: npnet.div(ROWS, 2, rounding_mode="up"),
        RuntimeError,
        "div: rounding_mode must be None, 'trunc' or 'floor', got 'up'",
    ),
    (lambda: CLASSES // 0, RuntimeError, "floor_divide: integers can't be divided by 0"),
    (lambda: CLASSES % CLASSES, RuntimeError, "remainder: integers can't be divided by 0"),
    (lambda: npnet.clamp(ROWS), ValueError, "clamp: at least one of min and max must be given"),
    (lambda: npnet.where(ROWS, 1.0, 0.0), TypeError, "where: condition must be bool, got float32"),
]


@all_of(SHAPES, NUMBERS)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    check(call, error, text)
