"""Batch norm, of features (N, C) and of images (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

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
from npnet.grading.kinds.norm_rules import (
    EPS,
    MOMENTUM,
    Norm,
    before,
    by_batch,
    fixed,
    moved,
    moved_biased,
    moved_in_eval,
    moving,
    of_x,
    only,
    reshaped,
    summed,
    unweighted,
)
from npnet.nn import functional as F
from npnet.tensor import Tensor, as_tensor

__all__ = ["BATCH_NORM1D", "BATCH_NORM2D"]

_REQUIRED = ("num_features",)


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
        mean, var = before(s)
        running = as_tensor(mean.copy()), as_tensor(var.copy())

    def forward(_: Sample, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mean, var = running if running is not None else (None, None)
        return F.batch_norm(x, mean, var, weight, bias, s.training, momentum, eps)

    if running is None and not s.training:
        return {}  # nothing to evaluate with
    out = by_tape(forward)(s)
    if running is not None:
        out["running_mean"], out["running_var"] = (t.array.copy() for t in running)
    return out


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


_WRONG_AXIS = "each channel is standardised by itself, over the batch and all rows and columns"


def _axes(images: bool) -> tuple[Mistake, ...]:
    """Sums over the wrong axes."""
    channels = _mistake(
        "sums-over-channels",
        "mean and variance are those of each sample over its channels: the wrong axis",
        _WRONG_AXIS,
        Norm(axes=(1, 2, 3) if images else (1,)),
    )
    everything = _mistake(
        "sums-over-all",
        "mean and variance are one number for all channels",
        _WRONG_AXIS,
        Norm(axes=(0, 1, 2, 3) if images else (0, 1)),
    )
    if not images:
        wrong = _mistake(
            "gradient-wrong-axis",
            "the gradients of weight and bias are added up over the wrong axis",
            "add up over the batch, axis 0",
            summed((1,)),
        )
        return channels, everything, wrong
    return (
        channels,
        everything,
        _mistake(
            "sums-over-batch-alone",
            "mean and variance are taken over the batch alone, for each pixel",
            _WRONG_AXIS + ": axis=(0, 2, 3)",
            Norm(axes=(0,)),
        ),
        _mistake(
            "sums-over-space-alone",
            "mean and variance are those of each image by itself, over rows and columns alone",
            _WRONG_AXIS + ": axis=(0, 2, 3)",
            Norm(axes=(2, 3)),
        ),
        _mistake(
            "gradient-not-over-space",
            "the gradients of weight and bias are added up over the batch alone",
            "add up over (0, 2, 3)",
            summed((0,)),
        ),
        _mistake(
            "gradient-not-over-batch",
            "the gradients of weight and bias are not added up over the batch",
            "add up over (0, 2, 3)",
            summed((2, 3)),
        ),
        _mistake(
            "channels-not-last",
            "images are reshaped to (N * H * W, C) and not transposed before: channels are mixed",
            "x.transpose(0, 2, 3, 1).reshape(-1, C), and back the other way",
            reshaped,
        ),
        _mistake(
            "batch-for-count",
            "backward divides by the batch size N, where N * H * W values were averaged",
            "divide by the number of values of a channel, N * H * W",
            only("gx", Norm(count=lambda m, n: n)),
        ),
    )


_MISTAKES = (
    _mistake(
        "unbiased-variance",
        "forward divides by the unbiased variance (N - 1)",
        "the batch is standardised by the biased variance (divided by N), as in PyTorch",
        Norm(unbiased=True),
    ),
    _mistake(
        "eps-outside-root",
        "eps is added to the standard deviation, and not to the variance",
        "(x - mean) / sqrt(var + eps)",
        Norm(scale=lambda var, eps: 1 / (np.sqrt(var) + eps)),
    ),
    _mistake(
        "eps-missing",
        "eps is left out, or is not the one that was given",
        "(x - mean) / sqrt(var + eps), with the eps of __init__",
        Norm(scale=lambda var, eps: 1 / np.sqrt(var)),
    ),
    *(
        _mistake(
            "eps-fixed",
            f"eps is {eps:g}, whatever is given",
            "keep the eps of __init__",
            Norm(scale=fixed(eps)),
        )
        for eps in (1e-6, 1e-5, 1e-4, 1e-3)  # smaller ones are as none
    ),
    _mistake(
        "divided-by-variance",
        "forward divides by the variance, and not by its root",
        "(x - mean) / sqrt(var + eps)",
        Norm(scale=lambda var, eps: 1 / (var + eps)),
    ),
    _mistake(
        "statistics-constant",
        "backward takes mean and variance for constants",
        "both depend on x: gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat))",
        only("gx", Norm(constant="both")),
    ),
    _mistake(
        "variance-constant",
        "backward leaves out the path through the variance",
        "gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat)): the last term is missing",
        only("gx", Norm(constant="var")),
    ),
    _mistake(
        "mean-constant",
        "backward leaves out the path through the mean",
        "gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat)): mean(gy) is missing",
        only("gx", Norm(constant="mean")),
    ),
    _mistake(
        "variance-halved",
        "backward takes half of the path through the variance: the 2 of the square is missing",
        "the derivative of (x - mean)^2 is 2 * (x - mean), and that of var^(-1/2) has the 1/2",
        only("gx", Norm(half=True)),
    ),
    _mistake(
        "count-missing",
        "backward adds up where it must average: the sums over the batch are not divided by N",
        "gx = weight * rstd * (gy - mean(gy) - xhat * mean(gy * xhat)), means and not sums",
        only("gx", Norm(count=lambda m, n: 1)),
    ),
    _mistake(
        "weight-missing-in-gx",
        "backward leaves the weight (gamma) out of the gradient of x",
        "multiply grad_output by the weight first",
        unweighted,
    ),
    _mistake(
        "weight-of-x",
        "the gradient of the weight uses x, and not the standardised x",
        "gweight = sum of gy * xhat",
        of_x,
    ),
    _mistake(
        "running-biased",
        "the running variance follows the biased variance",
        "PyTorch keeps the unbiased one: var * N / (N - 1)",
        moving(moved_biased),
    ),
    _mistake(
        "momentum-reversed",
        "momentum is the share of the old running statistics, and not of the new ones",
        "PyTorch's convention: running = (1 - momentum) * running + momentum * new",
        moving(lambda s, mean, var, momentum: moved(s, mean, var, 1 - momentum)),
    ),
    _mistake(
        "momentum-reversed-biased",
        "momentum is the share of the old running statistics, and the variance is the biased one",
        "running = (1 - momentum) * running + momentum * new, with the unbiased variance",
        moving(lambda s, mean, var, momentum: moved_biased(s, mean, var, 1 - momentum)),
    ),
    _mistake(
        "running-not-moved",
        "running statistics do not move in training",
        "running = (1 - momentum) * running + momentum * new, in each training step",
        moving(lambda s, mean, var, momentum: before(s)),
    ),
    _mistake(
        "running-replaced",
        "running statistics are those of the last batch",
        "running = (1 - momentum) * running + momentum * new",
        moving(lambda s, mean, var, momentum: (mean, var)),
    ),
    _mistake(
        "running-deviation",
        "the running variance follows the standard deviation",
        "keep the variance",
        moving(lambda s, mean, var, momentum: moved(s, mean, np.sqrt(var), momentum)),
    ),
    _mistake(
        "batch-statistics-in-eval",
        "evaluation uses the statistics of the batch",
        "use running_mean and running_var in evaluation",
        by_batch,
    ),
    _mistake(
        "running-moved-in-eval",
        "running statistics move in evaluation, too",
        "leave them alone in evaluation",
        moved_in_eval,
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


BATCH_NORM1D = _kind(
    "batch_norm1d", ("batchnorm1d", "batchnorm", "bn1d", "batchnormalization"), False
)
BATCH_NORM2D = _kind("batch_norm2d", ("batchnorm2d", "bn2d", "spatialbatchnorm"), True)
