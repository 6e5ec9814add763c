"""Batch norm, of features (N, C) and of images (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    gradient_mistakes,
    made,
)
from npnet.nn import functional as F
from npnet.tensor import Tensor, as_tensor

__all__ = ["BATCH_NORM1D", "BATCH_NORM2D"]

_REQUIRED = ("num_features",)
EPS, MOMENTUM = 1e-5, 0.1  # PyTorch's defaults


def _rows(images: bool) -> tuple[Any, ...]:
    tail = (3, 4) if images else ()
    many = (2, 3, 5, 2) if images else (7, 3)
    of_3, of_2 = {"num_features": 3}, {"num_features": 2}
    return (
        ("plain", "plain", "training", of_3, (4, 3, *tail)),
        ("sizes", "sizes", "another size", of_3, many),
        ("eps", "eps", "eps 0.5", {"num_features": 2, "eps": 0.5}, (4, 2, *tail)),
        ("running", "running", "running statistics", of_3, (4, 3, *tail)),
        ("momentum", "running", "momentum 0.3", {**of_3, "momentum": 0.3}, (4, 3, *tail)),
        ("eval", "eval", "evaluation after training", of_3, (4, 3, *tail)),
        ("strided", "strided", "a strided input", of_3, (4, 3, *tail)),
        ("float32", "float32", "float32", of_3, (4, 3, *tail)),
        ("again", "again", "a second call", of_3, (4, 3, *tail)),
        ("derivative", "derivative", "finite differences", of_2, (4, 2, *tail)),
    )


def _defaults(init: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"eps": EPS, "momentum": MOMENTUM}


def _cases(kind: str, images: bool) -> tuple[Case, ...]:
    shapes = lambda init: dict.fromkeys(("weight", "bias"), (init["num_features"],))  # noqa: E731  # a table's entry
    found = made(kind, _REQUIRED, lambda init, size: size, shapes, _rows(images), _defaults)
    return tuple(_evaluated(case) if "eval" in case.tags else case for case in found)


def _evaluated(case: Case) -> Case:
    """A call in training, and two in evaluation; the first of them has a backward pass."""
    (first,) = case.job.calls
    assert first.x is not None
    other = Call(first.x[::-1] * 0.5 + 1, first.gy, training=False)
    small = Call(first.x[:1] + 2, None, training=False)
    return replace(case, job=replace(case.job, calls=(replace(first, gy=None), other, small)))


def _right(s: Sample) -> Outputs:
    eps, momentum = s.init.get("eps", EPS), s.init.get("momentum", MOMENTUM)
    running = None
    if "running_mean" in s.seen:
        mean, var = _before(s)
        running = as_tensor(mean.copy()), as_tensor(var.copy())

    def forward(_: Sample, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        given = running if running is not None else (None, None)
        return F.batch_norm(x, *given, weight, bias, s.training, momentum, eps)

    if running is None and not s.training:
        return {}  # nothing to evaluate with
    out = by_tape(forward)(s)
    if running is not None:
        out["running_mean"], out["running_var"] = (t.array.copy() for t in running)
    return out


def _before(s: Sample) -> tuple[Array, Array]:
    channels = s.x.shape[1]
    mean = s.before.get("running_mean", np.zeros(channels))
    return np.asarray(mean, np.float64), np.asarray(
        s.before.get("running_var", np.ones(channels)), np.float64
    )


# ---- mistakes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Norm:
    """What a batch norm does, right by default.

    Attributes:
        axes: what is added up for mean and variance; None: all but the channels.
        unbiased: whether the variance is divided by N - 1.
        scale: of variance and eps, what x - mean is multiplied by.
        constant: whether backward takes mean ("mean"), variance ("var") or both for constants.
        count: what backward divides by, of the number of values of a channel and the batch.
    """

    axes: tuple[int, ...] | None = None
    unbiased: bool = False
    scale: Callable[[Array, float], Array] = lambda var, eps: 1 / np.sqrt(var + eps)
    constant: str = ""
    count: Callable[[int, int], float] = lambda m, n: m

    def __call__(self, s: Sample) -> Outputs:
        if not s.training:
            return {}
        eps = s.init.get("eps", EPS)
        axes = self.axes or (0, *range(2, s.x.ndim))
        mean = s.x.mean(axes, keepdims=True)
        var = s.x.var(axes, keepdims=True, ddof=int(self.unbiased))
        rstd = self.scale(var, eps)
        hat = (s.x - mean) * rstd
        shape = (1, -1, *(1,) * (s.x.ndim - 2))
        weight, bias = (s.weights[name].reshape(shape) for name in ("weight", "bias"))
        out: Outputs = {"y": hat * weight + bias}
        if s.gy is None:
            return out
        own = (0, *range(2, s.x.ndim))
        g, m = s.gy * weight, self.count(s.x.size // mean.size, len(s.x))
        gx = g
        if self.constant not in ("mean", "both"):
            gx = gx - g.sum(axes, keepdims=True) / m
        if self.constant not in ("var", "both"):
            gx = gx - hat * (g * hat).sum(axes, keepdims=True) / m
        return {
            **out,
            "gx": gx * rstd,
            "weight": (s.gy * hat).sum(own),
            "bias": s.gy.sum(own),
        }


def _only(names: str, compute: Callable[[Sample], Outputs]) -> Callable[[Sample], Outputs]:
    return lambda s: {k: v for k, v in compute(s).items() if k in names.split()}


def _running(new: Callable[[Sample, Array, Array, float], tuple[Array, Array]]) -> Callable[[Sample], Outputs]:
    """Other running statistics: of the sample, the batch's mean and unbiased variance, momentum."""

    def compute(s: Sample) -> Outputs:
        axes = (0, *range(2, s.x.ndim))
        if not s.training or s.x.size == s.x.shape[1]:
            return {}
        mean, var = s.x.mean(axes), s.x.var(axes, ddof=1)
        momentum = s.init.get("momentum", MOMENTUM)
        return dict(zip(("running_mean", "running_var"), new(s, mean, var, momentum), strict=True))

    return compute


def _moved(s: Sample, mean: Array, var: Array, momentum: float) -> tuple[Array, Array]:
    old_mean, old_var = _before(s)
    return old_mean + momentum * (mean - old_mean), old_var + momentum * (var - old_var)


def _biased(s: Sample, mean: Array, var: Array, momentum: float) -> tuple[Array, Array]:
    m = s.x.size // s.x.shape[1]
    return _moved(s, mean, var * (m - 1) / m, momentum)


def _by_batch(s: Sample) -> Outputs:
    """Evaluation with the statistics of the batch itself."""
    if s.training:
        return {}
    return _Norm()(replace(s, training=True))


def _moved_in_eval(s: Sample) -> Outputs:
    """Running statistics that evaluation moves, too."""
    return {} if s.training else _running(_moved)(replace(s, training=True))


def _of_x(s: Sample) -> Outputs:
    own = (0, *range(2, s.x.ndim))
    return {} if s.gy is None else {"weight": (s.gy * s.x).sum(own)}


def _unweighted(s: Sample) -> Outputs:
    ones = {**s.weights, "weight": np.ones_like(s.weights["weight"])}
    return _only("gx", _Norm())(replace(s, weights=ones))


def _kept(axes: tuple[int, ...]) -> Callable[[Sample], Outputs]:
    """Gradients of weight and bias that are added up over some axes alone."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None or not s.training:
            return {}
        own = (0, *range(2, s.x.ndim))
        mean, var = s.x.mean(own, keepdims=True), s.x.var(own, keepdims=True)
        hat = (s.x - mean) / np.sqrt(var + s.init.get("eps", EPS))
        return {"weight": (s.gy * hat).sum(axes), "bias": s.gy.sum(axes)}

    return compute


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


_WRONG_AXIS = "each channel is standardised by itself, over the batch and all rows and columns"


def _axes(images: bool) -> tuple[Mistake, ...]:
    """Sums over the wrong axes."""
    channels = _mistake(
        "sums-over-channels",
        "mean and variance are those of each sample over its channels: the wrong axis",
        _WRONG_AXIS,
        _Norm(axes=(1, 2, 3) if images else (1,)),
    )
    everything = _mistake(
        "sums-over-all",
        "mean and variance are one number for all channels",
        _WRONG_AXIS,
        _Norm(axes=(0, 1, 2, 3) if images else (0, 1)),
    )
    if not images:
        wrong = _mistake(
            "gradient-wrong-axis",
            "the gradients of weight and bias are added up over the wrong axis",
            "add up over the batch, axis 0",
            _kept((1,)),
        )
        return channels, everything, wrong
    return (
        channels,
        everything,
        _mistake(
            "sums-over-batch-alone",
            "mean and variance are taken over the batch alone, for each pixel",
            _WRONG_AXIS + ": axis=(0, 2, 3)",
            _Norm(axes=(0,)),
        ),
        _mistake(
            "sums-over-space-alone",
            "mean and variance are those of each image by itself, over rows and columns alone",
            _WRONG_AXIS + ": axis=(0, 2, 3)",
            _Norm(axes=(2, 3)),
        ),
        _mistake(
            "gradient-not-over-space",
            "the gradients of weight and bias are added up over the batch alone",
            "add up over (0, 2, 3)",
            _kept((0,)),
        ),
        _mistake(
            "gradient-not-over-batch",
            "the gradients of weight and bias are not added up over the batch",
            "add up over (0, 2, 3)",
            _kept((2, 3)),
        ),
        _mistake(
            "batch-for-count",
            "backward divides by the batch size N, where N * H * W values were averaged",
            "divide by the number of values of a channel, N * H * W",
            _only("gx", _Norm(count=lambda m, n: n)),
        ),
    )


_MISTAKES = (
    _mistake(
        "unbiased-variance",
        "forward divides by the unbiased variance (N - 1)",
        "the batch is standardised by the biased variance (divided by N), as in PyTorch",
        _Norm(unbiased=True),
    ),
    _mistake(
        "eps-outside-root",
        "eps is added to the standard deviation, and not to the variance",
        "(x - mean) / sqrt(var + eps)",
        _Norm(scale=lambda var, eps: 1 / (np.sqrt(var) + eps)),
    ),
    _mistake(
        "eps-missing",
        "eps is left out, or is not the one that was given",
        "(x - mean) / sqrt(var + eps), with the eps of __init__",
        _Norm(scale=lambda var, eps: 1 / np.sqrt(var)),
    ),
    _mistake(
        "divided-by-variance",
        "forward divides by the variance, and not by its root",
        "(x - mean) / sqrt(var + eps)",
        _Norm(scale=lambda var, eps: 1 / (var + eps)),
    ),
    _mistake(
        "statistics-constant",
        "backward takes mean and variance for constants",
        "both depend on x: gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat))",
        _only("gx", _Norm(constant="both")),
    ),
    _mistake(
        "variance-constant",
        "backward leaves out the path through the variance",
        "gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat)): the last term is missing",
        _only("gx", _Norm(constant="var")),
    ),
    _mistake(
        "mean-constant",
        "backward leaves out the path through the mean",
        "gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat)): mean(gy) is missing",
        _only("gx", _Norm(constant="mean")),
    ),
    _mistake(
        "weight-missing-in-gx",
        "backward leaves the weight (gamma) out of the gradient of x",
        "multiply grad_output by the weight first",
        _unweighted,
    ),
    _mistake(
        "weight-of-x",
        "the gradient of the weight uses x, and not the standardised x",
        "gweight = sum of gy * xhat",
        _of_x,
    ),
    _mistake(
        "running-biased",
        "the running variance follows the biased variance",
        "PyTorch keeps the unbiased one: var * N / (N - 1)",
        _running(_biased),
    ),
    _mistake(
        "momentum-reversed",
        "momentum is the share of the old running statistics, and not of the new ones",
        "PyTorch's convention: running = (1 - momentum) * running + momentum * new",
        _running(lambda s, mean, var, momentum: _moved(s, mean, var, 1 - momentum)),
    ),
    _mistake(
        "momentum-reversed-biased",
        "momentum is the share of the old running statistics, and the variance is the biased one",
        "running = (1 - momentum) * running + momentum * new, with the unbiased variance",
        _running(lambda s, mean, var, momentum: _biased(s, mean, var, 1 - momentum)),
    ),
    _mistake(
        "running-not-moved",
        "running statistics do not move in training",
        "running = (1 - momentum) * running + momentum * new, in each training step",
        _running(lambda s, mean, var, momentum: _before(s)),
    ),
    _mistake(
        "running-replaced",
        "running statistics are those of the last batch",
        "running = (1 - momentum) * running + momentum * new",
        _running(lambda s, mean, var, momentum: (mean, var)),
    ),
    _mistake(
        "running-deviation",
        "the running variance follows the standard deviation",
        "keep the variance",
        _running(lambda s, mean, var, momentum: _moved(s, mean, np.sqrt(var), momentum)),
    ),
    _mistake(
        "batch-statistics-in-eval",
        "evaluation uses the statistics of the batch",
        "use running_mean and running_var in evaluation",
        _by_batch,
    ),
    _mistake(
        "running-moved-in-eval",
        "running statistics move in evaluation, too",
        "leave them alone in evaluation",
        _moved_in_eval,
    ),
)


def _kind(name: str, words: tuple[str, ...], images: bool) -> Kind:
    right = each(_right)
    generic = gradient_mistakes(right, ("gx", "weight", "bias"))
    weights: Mapping[str, Any] = dict.fromkeys(("weight", "bias"))
    return Kind(
        name, words, _REQUIRED, ("eps", "momentum"), tuple(weights), _cases(name, images), right,
        (*_axes(images), *_MISTAKES, *generic),
    )  # fmt: skip


BATCH_NORM1D = _kind("batch_norm1d", ("batchnorm1d", "batchnorm", "bn1d", "batchnormalization"), False)
BATCH_NORM2D = _kind("batch_norm2d", ("batchnorm2d", "bn2d", "spatialbatchnorm"), True)
