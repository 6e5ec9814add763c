"""What padding, linear layers, normalisation and activations refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from tests.ops.refusals import ONE_DTYPE, Refusal, all_of, check, zeros

NAN = float("nan")
X, W = zeros(2, 3, 8, 8), zeros(4, 3, 3, 3)
ROWS = zeros(2, 3)

LAYERS: list[Refusal] = [
    (lambda: F.pad(X, (1,)), ShapeError, "pad: needs a pair for each of up to 4 axes, got (1,)"),
    (lambda: F.pad(X, (1,) * 10), ShapeError, "pad: needs a pair for each of up to 4 axes"),
    (
        lambda: F.pad(X, (1, 1), "wrap"),
        NotImplementedError,
        "pad: mode must be constant, reflect, replicate or circular; got 'wrap'",
    ),
    (lambda: F.pad(X, (8, 0), "reflect"), ShapeError, "pad: reflect padding (8, 0) does not fit"),
    (lambda: F.pad(X, (9, 0), "circular"), ShapeError, "pad: circular padding (9, 0) does not"),
    (lambda: F.pad(X, (-5, -5)), ShapeError, "pad: constant padding (-5, -5) does not fit shape"),
    (
        lambda: F.pad(X, (1, 1), "reflect", 1.0),
        ValueError,
        "pad: mode 'reflect' takes no value, got 1.0",
    ),
    (
        lambda: F.linear(zeros(1, 256), zeros(120, 400)),
        ShapeError,
        "linear: input has 256 features but weight takes 400; got x (1, 256), weight (120, 400) "
        "(LeNet wants 32x32 images: resize with transforms.Resize(32))",
    ),
    (
        lambda: F.linear(zeros(2, 1, 4, 4), zeros(3, 16)),
        ShapeError,
        "(flatten the images first: x.flatten(1))",
    ),
    (lambda: F.linear(ROWS, zeros(4, 3), zeros(3)), ShapeError, "linear: bias must be (4,)"),
    (lambda: F.linear(ROWS, zeros(3)), ShapeError, "linear: weight must have 2 axes (out_features"),
    (lambda: npnet.matmul(ROWS, ROWS), ShapeError, "got (2, 3) and (2, 3)"),
    (lambda: npnet.matmul(zeros(), ROWS), ShapeError, "matmul: the last axis of the left"),
    (
        lambda: npnet.matmul(zeros(2, 1, 3), zeros(3, 3, 2)),
        ShapeError,
        "matmul: shapes (2,) and (3,) do not broadcast",
    ),
    (
        lambda: F.batch_norm(X, None, None),
        ValueError,
        "batch_norm: without training, running_mean and running_var are needed",
    ),
    (
        lambda: F.batch_norm(X, None, None, training=True, eps=NAN),
        ValueError,
        "batch_norm: eps must be > 0, got nan",
    ),
    (
        lambda: F.batch_norm(X, None, None, training=True, momentum="0.1"),  # type: ignore[arg-type]
        TypeError,
        "batch_norm: momentum must be a number, got str",
    ),
    (
        lambda: F.batch_norm(X, zeros(4), zeros(4)),
        ShapeError,
        "batch_norm: running_mean must be (3,), got (4,); input (2, 3, 8, 8)",
    ),
    (
        lambda: F.batch_norm(zeros(1, 3), None, None, training=True),
        ValueError,
        "batch_norm: training needs more than one value for each channel, got input (1, 3)",
    ),
    (
        lambda: F.batch_norm(zeros(3), None, None, training=True),
        ShapeError,
        "batch_norm: input must have axes (N, C, ...), got (3,)",
    ),
    (lambda: F.batch_norm(X.long(), zeros(3), zeros(3)), RuntimeError, f"batch_norm: {ONE_DTYPE}"),
    (lambda: F.group_norm(X, 2), ShapeError, "group_norm: num_groups must divide the number of ch"),
    (lambda: F.group_norm(X, 0), ValueError, "group_norm: num_groups must be >= 1, got 0"),
    (lambda: F.group_norm(X, 1.0), TypeError, "group_norm: num_groups must be an int, got 1.0"),
    (lambda: F.group_norm(X, 3, eps=None), TypeError, "group_norm: eps must be a number, got N"),
    (lambda: F.group_norm(X, 3, zeros(4)), ShapeError, "group_norm: weight must be (3,), got (4,)"),
    (lambda: F.group_norm(zeros(3), 1), ShapeError, "group_norm: input must have axes (N, C, ...)"),
    (
        lambda: F.group_norm(zeros(1, 3), 3),
        ValueError,
        "group_norm: a group of one sample needs mo",
    ),
    (lambda: F.group_norm(X.long(), 3), RuntimeError, f"group_norm: {ONE_DTYPE}"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "GroupNorm: num_groups must divide num_channels, got"),
    (lambda: F.layer_norm(X, (7,)), ShapeError, "layer_norm: input must end in (7,), got (2, 3"),
    (lambda: F.layer_norm(X, ()), ShapeError, "layer_norm: normalized_shape must name at least"),
    (lambda: F.layer_norm(X, (8,), eps="0"), TypeError, "layer_norm: eps must be a number, got st"),
    (lambda: F.layer_norm(X, (8,), zeros(7)), ShapeError, "layer_norm: weight must be (8,), got"),
    (lambda: F.softmax(ROWS, 2), IndexError, "softmax: dim must lie in [-2, 1], got 2"),
    (lambda: F.log_softmax(ROWS, -3), IndexError, "log_softmax: dim must lie in [-2, 1], got -3"),
    (lambda: F.softmax(X.long(), 1), RuntimeError, f"softmax: {ONE_DTYPE} int64"),
    (lambda: F.gelu(X, "fast"), RuntimeError, "gelu: approximate must be 'none' or 'tanh', got"),
    (lambda: F.gelu(X.long()), RuntimeError, f"gelu: {ONE_DTYPE} int64"),
    (lambda: F.leaky_relu(X.long()), RuntimeError, f"leaky_relu: {ONE_DTYPE} int64"),
    (lambda: F.dropout(X, NAN), ValueError, "dropout: p must lie in [0, 1], got nan"),
    (lambda: F.dropout(X, 1.5), ValueError, "dropout: p must lie in [0, 1], got 1.5"),
    (lambda: F.dropout(X.long()), RuntimeError, f"dropout: {ONE_DTYPE} int64"),
]


@all_of(LAYERS)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    check(call, error, text)


def test_softmax_without_dim_guesses_and_warns() -> None:
    with pytest.warns(UserWarning, match="softmax: dim is guessed to be 1; pass it"):
        y = F.softmax(ROWS)
    np.testing.assert_allclose(y.numpy().sum(1), 1, rtol=1e-6)
