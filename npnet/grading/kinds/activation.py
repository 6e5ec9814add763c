"""Activations: ReLU, sigmoid and tanh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import npnet.ops.activation as ops
from npnet.base.arrays import Array
from npnet.grading.jobs import Call
from npnet.grading.kinds.base import (
    Case,
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    made,
)
from npnet.grading.kinds.gradients import gradient_mistakes

__all__ = ["RELU", "SIGMOID", "TANH"]

Local = Callable[[Array, Array], Array]  # of x and y, what grad_output is multiplied by

_ROWS: tuple[Any, ...] = (
    ("plain", "plain", "x (4, 5)", {}, (4, 5)),
    ("images", "sizes", "images (2, 3, 4, 5)", {}, (2, 3, 4, 5)),
    ("one", "batch_of_one", "a batch of 1", {}, (1, 7)),
    ("strided", "strided", "a strided input", {}, (4, 5)),
    ("float32", "float32", "float32", {}, (4, 5)),
    ("again", "again", "a second call", {}, (4, 5)),
    ("derivative", "derivative", "finite differences", {}, (4, 5)),
    ("extreme", "extreme", "values of 1000, -1000 and 0", {}, (3, 6)),
)


def _cases(kind: str) -> tuple[Case, ...]:
    cases = made(kind, (), lambda init, size: size, lambda init: {}, _ROWS)
    call = cases[-1].job.calls[0]
    x = np.resize(np.array([0.0, 1000.0, -1000.0, 0.5, -0.5, 0.0]), (3, 6))
    extreme = replace(cases[-1].job, calls=(Call(x, call.gy),))
    return (*cases[:-1], replace(cases[-1], job=extreme))


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))


def _value(name: str, says: str, fix: str, f: Callable[[Array], Array], df: Local) -> Mistake:
    """Another function, with its own derivative."""

    def compute(s: Sample) -> Outputs:
        y = f(s.x)
        return {"y": y} if s.gy is None else {"y": y, "gx": s.gy * df(s.x, y)}

    return Mistake(name, says, fix, each(compute))


def _slope(name: str, says: str, fix: str, f: Callable[[Array], Array], df: Local) -> Mistake:
    """Another derivative of the right function."""
    return Mistake(
        name, says, fix,
        each(lambda s: {} if s.gy is None else {"gx": s.gy * df(s.x, f(s.x))}),
    )  # fmt: skip


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _of_gradient(s: Sample) -> Outputs:
    return {} if s.gy is None else {"gx": np.maximum(s.gy, 0)}


_RELU_MISTAKES = (
    _slope(
        "not-masked",
        "backward passes grad_output through everywhere, also where the input was below 0",
        "grad_output * (x > 0)",
        _relu,
        lambda x, y: np.ones_like(x),
    ),
    Mistake(
        "mask-of-gradient",
        "backward asks whether grad_output is above 0, and not whether the input was",
        "keep x > 0 in forward, and multiply by it",
        each(_of_gradient),
    ),
    _slope(
        "mask-reversed",
        "backward passes grad_output where the input was below 0",
        "grad_output * (x > 0)",
        _relu,
        lambda x, y: (x < 0) * 1.0,
    ),
    _slope(
        "times-output",
        "backward multiplies by the output, and not by its derivative",
        "the derivative of x is 1: grad_output * (x > 0)",
        _relu,
        lambda x, y: y,
    ),
    _slope(
        "ties",
        "backward passes grad_output where the input is exactly 0",
        "PyTorch's derivative at 0 is 0: x > 0, and not x >= 0",
        _relu,
        lambda x, y: (x >= 0) * 1.0,
    ),
    _slope(
        "ties-half",
        "backward passes half of grad_output where the input is exactly 0",
        "PyTorch's derivative at 0 is 0: x > 0",
        _relu,
        lambda x, y: (np.sign(x) + 1) / 2,
    ),
    _value(
        "absolute",
        "forward takes the absolute value",
        "np.maximum(x, 0)",
        np.abs,
        lambda x, y: np.sign(x),
    ),
    _value(
        "negative-part",
        "forward keeps what is below 0",
        "np.maximum(x, 0), and not np.minimum",
        lambda x: np.minimum(x, 0),
        lambda x, y: (x < 0) * 1.0,
    ),
    _value(
        "leaky",
        "forward lets a hundredth through below 0: a leaky ReLU",
        "np.maximum(x, 0)",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x, y: np.where(x > 0, 1, 0.01),
    ),
    _value(
        "step",
        "forward gives 1 where the input is above 0: a step",
        "multiply by x: x * (x > 0)",
        lambda x: (x > 0) * 1.0,
        lambda x, y: (x > 0) * 1.0,
    ),
)
_SIGMOID_MISTAKES = (
    _slope(
        "derivative-of-input",
        "backward computes x * (1 - x) of the input",
        "keep y in forward: grad_output * y * (1 - y)",
        _sigmoid,
        lambda x, y: x * (1 - x),
    ),
    _slope(
        "applied-twice",
        "backward applies the sigmoid to the output once more",
        "grad_output * y * (1 - y), where y is the output as it is",
        _sigmoid,
        lambda x, y: _sigmoid(y) * (1 - _sigmoid(y)),
    ),
    _slope(
        "half-of-derivative",
        "backward multiplies by y alone",
        "grad_output * y * (1 - y)",
        _sigmoid,
        lambda x, y: y,
    ),
    _slope(
        "tanh-derivative",
        "backward computes 1 - y * y, which is the derivative of tanh",
        "grad_output * y * (1 - y)",
        _sigmoid,
        lambda x, y: 1 - y * y,
    ),
    _value(
        "exponent-sign",
        "forward has the sign of the exponent wrong: 1 / (1 + exp(x))",
        "1 / (1 + exp(-x))",
        lambda x: _sigmoid(-x),
        lambda x, y: -y * (1 - y),
    ),
)
_TANH_MISTAKES = (
    _slope(
        "derivative-of-input",
        "backward computes 1 - x * x of the input",
        "keep y in forward: grad_output * (1 - y * y)",
        np.tanh,
        lambda x, y: 1 - x * x,
    ),
    _slope(
        "not-squared",
        "backward computes 1 - y without the square",
        "grad_output * (1 - y * y)",
        np.tanh,
        lambda x, y: 1 - y,
    ),
    _slope(
        "applied-twice",
        "backward applies tanh to the output once more",
        "grad_output * (1 - y * y), where y is the output as it is",
        np.tanh,
        lambda x, y: 1 - np.tanh(y) ** 2,
    ),
    _value(
        "exponent-factor",
        "forward computes tanh(x / 2): the exponent lacks its 2",
        "(exp(2x) - 1) / (exp(2x) + 1), or np.tanh",
        lambda x: np.tanh(x / 2),
        lambda x, y: (1 - y * y) / 2,
    ),
)


def _kind(
    name: str, words: tuple[str, ...], f: Callable[..., object], own: Sequence[Mistake]
) -> Kind:
    right = each(by_tape(lambda s, x: f(x)))  # type: ignore[arg-type, return-value]  # an op of one Tensor
    mistakes = (*own, *gradient_mistakes(right, ("gx",)))
    return Kind(name, words, (), (), (), _cases(name), right, mistakes)


RELU = _kind("relu", ("relu", "rectifier"), ops.relu, _RELU_MISTAKES)
SIGMOID = _kind("sigmoid", ("sigmoid", "logistic"), ops.sigmoid, _SIGMOID_MISTAKES)
TANH = _kind("tanh", ("tanh",), ops.tanh, _TANH_MISTAKES)
