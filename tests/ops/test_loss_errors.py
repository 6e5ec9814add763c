"""What losses and one-hot codes refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from tests.ops.refusals import ONE_DTYPE, Refusal, all_of, check, wanting, zeros

NAN = float("nan")
ROWS, CLASSES = zeros(2, 3), npnet.as_tensor(np.array([0, 1]))

LOSSES: list[Refusal] = [
    (
        lambda: F.cross_entropy(ROWS, npnet.as_tensor(np.array([0, 3]))),
        IndexError,
        "cross_entropy: target must lie in [0, 2] for 3 classes, got 3",
    ),
    (
        lambda: F.cross_entropy(ROWS, npnet.as_tensor(np.array([-1, 0]))),
        IndexError,
        "cross_entropy: target must lie in [0, 2] for 3 classes, got -1",
    ),
    (
        lambda: F.cross_entropy(ROWS, npnet.as_tensor(np.array([0, 1, 2]))),
        ShapeError,
        "cross_entropy: class numbers must have shape (2,) for input (2, 3), got (3,)",
    ),
    (
        lambda: F.cross_entropy(zeros(3), npnet.as_tensor(np.array([0]))),
        ShapeError,
        "cross_entropy: one class number goes with input (3,), got (1,)",
    ),
    (
        lambda: F.cross_entropy(ROWS, npnet.as_tensor(np.array([True, False]))),
        TypeError,
        "cross_entropy: target must be class numbers (integers), got bool",
    ),
    (lambda: F.cross_entropy(ROWS, zeros(2)), ShapeError, "must have the shape of input; got"),
    (lambda: F.cross_entropy(zeros(), CLASSES), ShapeError, "input must have axes (N, C) or (C,)"),
    (
        lambda: F.cross_entropy(ROWS, CLASSES, label_smoothing=NAN),
        ValueError,
        "cross_entropy: label_smoothing must be >= 0 and <= 1, got nan",
    ),
    (
        lambda: F.cross_entropy(ROWS, CLASSES, label_smoothing=1.5),
        ValueError,
        "cross_entropy: label_smoothing must be >= 0 and <= 1, got 1.5",
    ),
    (
        lambda: F.cross_entropy(ROWS, CLASSES, zeros(4)),
        ShapeError,
        "cross_entropy: weight must be (3,), one for each class; got (4,)",
    ),
    (
        lambda: F.cross_entropy(ROWS, CLASSES, wanting(3)),
        NotImplementedError,
        "cross_entropy: no gradient goes to weight; pass weight.detach()",
    ),
    (
        lambda: F.cross_entropy(ROWS, ROWS, ignore_index=1),
        RuntimeError,
        "cross_entropy: ignore_index is for class numbers, target has float32",
    ),
    (
        lambda: F.cross_entropy(ROWS, CLASSES, reduction="avg"),
        ValueError,
        "cross_entropy: reduction must be none, mean or sum; got 'avg'",
    ),
    (lambda: F.cross_entropy(ROWS.long(), CLASSES), RuntimeError, f"cross_entropy: {ONE_DTYPE}"),
    (
        lambda: F.nll_loss(ROWS, zeros(2)),
        TypeError,
        "nll_loss: target must be class numbers (integers), got float32",
    ),
    (
        lambda: F.mse_loss(zeros(2, 1), zeros(2)),
        ShapeError,
        "mse_loss: target must have the shape of input; got input (2, 1), target (2,) "
        "(losses do not broadcast",
    ),
    (lambda: F.mse_loss(ROWS, ROWS, weight=zeros(3)), ShapeError, "mse_loss: weight must have the"),
    (lambda: F.mse_loss(ROWS.long(), ROWS.long()), RuntimeError, f"mse_loss: {ONE_DTYPE} int64"),
    (
        lambda: F.binary_cross_entropy(ROWS + 2, ROWS),
        RuntimeError,
        "binary_cross_entropy: input must be probabilities in [0, 1], got 2 to 2; apply sigmoid",
    ),
    (
        lambda: F.binary_cross_entropy(ROWS + NAN, ROWS),
        RuntimeError,
        "input must be probabilities in [0, 1], got nan to nan",
    ),
    (
        lambda: F.binary_cross_entropy(ROWS, ROWS - 1),
        RuntimeError,
        "binary_cross_entropy: target must be probabilities in [0, 1], got -1 to -1",
    ),
    (
        lambda: F.binary_cross_entropy(ROWS, ROWS, zeros(4, 2, 3)),
        ShapeError,
        "binary_cross_entropy: weight must broadcast to input; got input (2, 3), weight (4, 2, 3)",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(ROWS, ROWS, pos_weight=wanting(3)),
        NotImplementedError,
        "binary_cross_entropy_with_logits: no gradient goes to pos_weight",
    ),
    (lambda: F.one_hot(zeros(2)), TypeError, "one_hot: classes must be integers, got float32"),
    (lambda: F.one_hot(CLASSES - 1), RuntimeError, "one_hot: classes must lie in [0, 0], got -1"),
    (lambda: F.one_hot(CLASSES, 1), RuntimeError, "one_hot: classes must lie in [0, 0], got 0 to"),
    (lambda: F.one_hot(CLASSES, -2), RuntimeError, "one_hot: num_classes must be positive, or -1"),
    (lambda: F.one_hot(CLASSES[:0]), RuntimeError, "num_classes must be given for an empty tensor"),
]


@all_of(LOSSES)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    check(call, error, text)


@pytest.mark.parametrize("name", ["size_average", "reduce"])
@pytest.mark.parametrize(
    "loss",
    [
        F.cross_entropy,
        F.nll_loss,
        F.mse_loss,
        F.binary_cross_entropy,
        F.binary_cross_entropy_with_logits,
    ],
)
def test_deprecated_arguments_are_warned_of(loss: Any, name: str) -> None:
    probabilities = npnet.full((2, 3), 0.5)
    classes = loss in (F.cross_entropy, F.nll_loss)
    target = npnet.zeros(2).long() if classes else probabilities
    for value in (True, False):
        with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
            y = loss(probabilities, target, **{name: value})
        reduction = "mean" if value else {"size_average": "sum", "reduce": "none"}[name]
        assert y.tolist() == loss(probabilities, target, reduction=reduction).tolist()


def test_elementwise_mean_is_mean_of_old() -> None:
    x, y = np.ones(2, np.float32), np.zeros(2, np.float32)
    with pytest.warns(UserWarning, match="'elementwise_mean' is deprecated"):
        loss = npnet.nn.MSELoss(reduction="elementwise_mean")(npnet.tensor(x), npnet.tensor(y))
    assert loss.item() == 1
