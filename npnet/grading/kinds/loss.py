"""Softmax and cross-entropy as one layer: the loss of logits and class numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

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
from npnet.nn import functional as F
from npnet.tensor import as_tensor

__all__ = ["CROSS_ENTROPY"]

_ROWS: tuple[Any, ...] = (
    ("plain", "plain", "logits (4, 5)", {}, (4, 5)),
    ("wide", "sizes", "logits (6, 3)", {}, (6, 3)),
    ("square", "sizes", "as many classes as samples", {}, (4, 4)),
    ("one", "batch_of_one", "a batch of 1", {}, (1, 5)),
    ("strided", "strided", "a strided input", {}, (4, 5)),
    ("float32", "float32", "float32", {}, (4, 5)),
    ("again", "again", "a second call", {}, (4, 5)),
    ("derivative", "derivative", "finite differences", {}, (4, 5)),
    ("upstream", "upstream", "a loss that is one term of a sum: grad_output 0.7", {}, (4, 5)),
    ("large", "extreme", "logits from 780 to 800", {}, (3, 4)),
    ("sure", "sure", "logits of 800 and -800", {}, (3, 4)),
)


def _cases() -> tuple[Case, ...]:
    found = made("cross_entropy", (), lambda init, size: (), lambda init: {}, _ROWS)
    cases = []
    for number, case in enumerate(found):
        rng = np.random.default_rng(100 + number)
        calls: list[Call] = []
        for call in case.job.calls:
            assert call.x is not None
            n, classes = call.x.shape
            target = rng.integers(0, classes, n)
            if calls and calls[0].x is not None and len(calls[0].x) == n:
                target = calls[0].extra["target"]  # of finite differences: the same
            other = {"sure": _sure, "large": _large}.get(case.name)
            x = call.x if other is None else other(n, classes)
            gy = np.array(0.7 if case.name == "upstream" else 1.0, x.dtype)
            calls.append(
                replace(call, x=x, gy=None if call.gy is None else gy, extra={"target": target})
            )
        cases.append(replace(case, job=replace(case.job, calls=tuple(calls))))
    return tuple(cases)


def _large(n: int, classes: int) -> Array:
    """Logits whose exp overflows, of probabilities that are none of them 0."""
    return 800 - 20.0 * np.arange(n * classes).reshape(n, classes) / (n * classes)


def _sure(n: int, classes: int) -> Array:
    x = np.zeros((n, classes))
    x[:, 1], x[:, 2] = 800, -800
    return x


_right = each(by_tape(lambda s, x: F.cross_entropy(x, as_tensor(np.asarray(s.extra["target"])))))


def _softmax(x: Array, axis: int = 1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _parts(s: Sample) -> tuple[Array, Array, int]:
    """Probabilities, targets as ones among zeros, and the batch size."""
    n, classes = s.x.shape
    return _softmax(s.x), np.eye(classes)[np.asarray(s.extra["target"])], n


def _loss(
    name: str, says: str, fix: str, value: Callable[[Array, Array, int], Any],
    slope: Callable[[Array, Array, int], Array] | None = None,
) -> Mistake:  # fmt: skip
    """Of probabilities, ones and N: another loss, and its gradient."""

    def compute(s: Sample) -> Outputs:
        with np.errstate(all="ignore"):
            p, ones, n = _parts(s)
            out: Outputs = {"y": value(p, ones, n)}
            if s.gy is not None and slope is not None:
                out["gx"] = s.gy * slope(p, ones, n)
            return out

    return Mistake(name, says, fix, each(compute))


def _slope(name: str, says: str, fix: str, slope: Callable[[Array, Array, int], Array]) -> Mistake:
    """Another gradient of the right loss."""

    def compute(s: Sample) -> Outputs:
        return {} if s.gy is None else {"gx": s.gy * slope(*_parts(s))}

    return Mistake(name, says, fix, each(compute))


def _through(p: Array, g: Array) -> Array:
    """The derivative of softmax, applied."""
    return p * (g - (g * p).sum(1, keepdims=True))


def _nll(p: Array, ones: Array) -> Array:
    return -np.log((p * ones).sum(1))


def _unshifted(s: Sample) -> Outputs:
    with np.errstate(all="ignore"):
        e = np.exp(s.x)
        p = e / e.sum(1, keepdims=True)
        _, ones, n = _parts(s)
        out: Outputs = {"y": -(np.log(p[np.arange(n), ones.argmax(1)])).mean()}
        return out if s.gy is None else {**out, "gx": s.gy * (p - ones) / n}


def _twice(s: Sample) -> Outputs:
    """Softmax of probabilities."""
    p, ones, n = _parts(s)
    q = _softmax(p)
    out: Outputs = {"y": _nll(q, ones).mean()}
    return out if s.gy is None else {**out, "gx": s.gy * _through(p, (q - ones) / n)}


def _twice_unmindful(s: Sample) -> Outputs:
    """Softmax of probabilities, and a gradient that knows of one alone."""
    p, ones, n = _parts(s)
    return {} if s.gy is None else {"gx": s.gy * (_softmax(p) - ones) / n}


def _over_batch(s: Sample) -> Outputs:
    p, (_, ones, n) = _softmax(s.x, 0), _parts(s)
    with np.errstate(all="ignore"):
        out: Outputs = {"y": _nll(p, ones).mean()}
    return out if s.gy is None else {**out, "gx": s.gy * (p - ones) / n}


def _over_all(s: Sample) -> Outputs:
    p, (_, ones, n) = _softmax(s.x.reshape(1, -1)).reshape(s.x.shape), _parts(s)
    with np.errstate(all="ignore"):
        out: Outputs = {"y": _nll(p, ones).mean()}
    return out if s.gy is None else {**out, "gx": s.gy * (p - ones) / n}


def _with_eps(eps: float) -> Callable[[Array, Array, int], Any]:
    return lambda p, ones, n: -np.log((p * ones).sum(1) + eps).mean()


def _clipped(eps: float) -> Callable[[Array, Array, int], Any]:
    return lambda p, ones, n: -np.log(np.clip((p * ones).sum(1), eps, 1)).mean()


_TWICE = "cross-entropy takes logits: apply softmax once, here or in the network"
_EPS = "log-sum-exp needs no eps: log p[t] = x[t] - max - log(sum(exp(x - max)))"
_MISTAKES = (
    _loss(
        "batch-not-averaged",
        "the loss is added up over the batch, and not averaged",
        "divide by N, the loss and its gradient",
        lambda p, ones, n: _nll(p, ones).sum(),
        lambda p, ones, n: p - ones,
    ),
    _slope(
        "batch-factor-missing-in-gx",
        "the gradient is not divided by the batch size, as the loss is",
        "(p - onehot) / N",
        lambda p, ones, n: p - ones,
    ),
    _slope(
        "batch-factor-twice",
        "the gradient is divided twice by the batch size",
        "(p - onehot) / N",
        lambda p, ones, n: (p - ones) / n**2,
    ),
    Mistake("softmax-twice", "softmax is applied twice", _TWICE, each(_twice)),
    Mistake(
        "softmax-twice",
        "softmax is applied twice, and the gradient knows of one alone",
        _TWICE,
        each(_twice_unmindful),
    ),
    _slope(
        "softmax-derivative-twice",
        "the gradient (p - onehot) / N goes through softmax's derivative once more",
        "(p - onehot) / N is the gradient of the logits already",
        lambda p, ones, n: _through(p, (p - ones) / n),
    ),
    _slope(
        "onehot-missing",
        "the gradient is p / N: 1 is not taken off at the targets",
        "(p - onehot) / N",
        lambda p, ones, n: p / n,
    ),
    _slope(
        "onehot-added",
        "the gradient is (p + onehot) / N",
        "take 1 off at the targets: (p - onehot) / N",
        lambda p, ones, n: (p + ones) / n,
    ),
    _slope(
        "onehot-of-all-rows",
        "1 is taken off in all rows at the targets of all: p[:, target] -= 1",
        "one place in each row: p[np.arange(N), target] -= 1",
        lambda p, ones, n: (p - (ones.sum(0) > 0)) / n,
    ),
    _slope(
        "gradient-of-probabilities",
        "the gradient is that of the probabilities, -onehot / (N * p), not of the logits",
        "go on through softmax: (p - onehot) / N",
        lambda p, ones, n: -ones / p / n,
    ),
    _loss(
        "sign-missing",
        "the loss has the wrong sign",
        "-log of the target's probability",
        lambda p, ones, n: -_nll(p, ones).mean(),
        lambda p, ones, n: -(p - ones) / n,
    ),
    _loss(
        "log-missing",
        "the loss is the probability, without its logarithm",
        "-log of the target's probability",
        lambda p, ones, n: -(p * ones).sum(1).mean(),
    ),
    _loss(
        "log-missing",
        "the loss is 1 less the probability, without its logarithm",
        "-log of the target's probability",
        lambda p, ones, n: (1 - (p * ones).sum(1)).mean(),
    ),
    _loss(
        "base-of-logarithm",
        "the logarithm is to the base 2 or 10",
        "np.log is the natural one",
        lambda p, ones, n: _nll(p, ones).mean() / np.log(2),
    ),
    _loss(
        "base-of-logarithm",
        "the logarithm is to the base 10",
        "np.log is the natural one",
        lambda p, ones, n: _nll(p, ones).mean() / np.log(10),
    ),
    _loss(
        "averaged-over-classes",
        "the loss is averaged over samples and classes",
        "divide by N alone",
        lambda p, ones, n: _nll(p, ones).mean() / p.shape[1],
        lambda p, ones, n: (p - ones) / p.size,
    ),
    _slope(
        "averaged-over-classes",
        "the gradient is divided by samples and classes",
        "divide by N alone",
        lambda p, ones, n: (p - ones) / p.size,
    ),
    _loss(
        "binary",
        "the loss is the binary one, which also counts 1 - p of the other classes",
        "-log of the target's probability alone",
        lambda p, ones, n: -(ones * np.log(p) + (1 - ones) * np.log(1 - p)).sum() / n,
    ),
    _loss(
        "squares",
        "the loss is that of squares",
        "-log of the target's probability",
        lambda p, ones, n: ((p - ones) ** 2).sum() / n,
    ),
    Mistake(
        "softmax-over-batch",
        "softmax is taken over the batch: the wrong axis",
        "the classes are axis 1",
        each(_over_batch),
    ),
    Mistake(
        "softmax-over-all",
        "softmax is taken over the whole batch at once: the probabilities of all rows add up to 1",
        "each row by itself: e / e.sum(axis=1, keepdims=True)",
        each(_over_all),
    ),
    Mistake(
        "overflow",
        "exp overflows: large logits give NaN or infinity",
        "take each row's maximum off before exp",
        each(_unshifted),
    ),
    *(
        _loss(
            "eps-in-log",
            f"{e:g} is added within the logarithm: sure mistakes cost too little",
            _EPS,
            f,
        )
        for eps in (1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
        for e, f in ((eps, _with_eps(eps)), (eps, _clipped(eps)))
    ),
)

CROSS_ENTROPY = Kind(
    "cross_entropy",
    ("crossentropy", "softmaxloss", "softmaxcrossentropy", "softmaxce", "nllloss", "logloss"),
    (),
    (),
    (),
    _cases(),
    _right,
    (*_MISTAKES, *gradient_mistakes(_right, ("gx",))),
)
