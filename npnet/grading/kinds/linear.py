"""Linear layers: y = x @ weight.T + bias."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npnet.grading.kinds.base import (
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    made,
)
from npnet.grading.kinds.gradients import gradient_mistakes
from npnet.nn import functional as F

__all__ = ["LINEAR"]

_right = each(by_tape(lambda s, x, weight, bias: F.linear(x, weight, bias)))
_REQUIRED = ("in_features", "out_features")
_SMALL = {"in_features": 5, "out_features": 3}
_ROWS = (
    ("plain", "plain", "x (4, 5) -> (4, 3)", _SMALL, (4, 5)),
    ("wide", "sizes", "x (3, 2) -> (3, 7)", {"in_features": 2, "out_features": 7}, (3, 2)),
    ("one", "batch_of_one", "a batch of 1", _SMALL, (1, 5)),
    ("strided", "strided", "a strided input", _SMALL, (4, 5)),
    ("float32", "float32", "float32", _SMALL, (4, 5)),
    ("again", "again", "a second call", _SMALL, (4, 5)),
    ("derivative", "derivative", "finite differences", _SMALL, (4, 5)),
)
_CASES = made(
    "linear",
    _REQUIRED,
    lambda init, size: (size[0], init["out_features"]),
    lambda i: {"weight": (i["out_features"], i["in_features"]), "bias": (i["out_features"],)},
    _ROWS,
)


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


def _grad(s: Sample) -> np.ndarray:
    assert s.gy is not None
    return s.gy


_MISTAKES = (
    _mistake(
        "bias-missing",
        "forward leaves the bias out",
        "add the bias: y = x @ weight.T + bias",
        lambda s: {"y": s.x @ s.weights["weight"].T},
    ),
    _mistake(
        "bias-subtracted",
        "forward takes the bias off",
        "add the bias",
        lambda s: {"y": s.x @ s.weights["weight"].T - s.weights["bias"]},
    ),
    _mistake(
        "broadcasting-not-undone",
        "the gradient of the bias has still the batch: broadcasting is not undone",
        "the bias was broadcast over the batch: add its gradient up over axis 0",
        lambda s: {"bias": _grad(s)} if s.gy is not None else {},
    ),
    _mistake(
        "bias-wrong-axis",
        "the gradient of the bias is added up over the wrong axis",
        "add up over the batch, axis 0: grad_output.sum(axis=0)",
        lambda s: {"bias": _grad(s).sum(1)} if s.gy is not None else {},
    ),
    _mistake(
        "bias-summed-to-a-number",
        "the gradient of the bias is added up to one number",
        "add up over the batch alone: grad_output.sum(axis=0)",
        lambda s: {"bias": s.gy.sum()} if s.gy is not None else {},
    ),
    _mistake(
        "last-sample-alone",
        "the gradient of the weights is that of the last sample: = for += over the batch",
        "add up over the batch",
        lambda s: _of_last(s),
    ),
    _mistake(
        "input-of-output",
        "the gradient of the weights uses the output where the input belongs",
        "keep x in forward: grad_weight = grad_output.T @ x",
        lambda s: {"weight": s.gy.T @ _forward(s)} if s.gy is not None else {},
    ),
)


def _forward(s: Sample) -> np.ndarray:
    return s.x @ s.weights["weight"].T + s.weights["bias"]


def _of_last(s: Sample) -> Outputs:
    return {} if s.gy is None else {"weight": np.outer(s.gy[-1], s.x[-1]), "bias": s.gy[-1]}


LINEAR = Kind(
    "linear",
    ("linear", "dense", "fullyconnected", "affine", "fc", "innerproduct"),
    _REQUIRED,
    (),
    ("weight", "bias"),
    _CASES,
    _right,
    (*_MISTAKES, *gradient_mistakes(_right, ("gx", "weight", "bias"))),
)
