"""What a batch norm computes, with a switch for each thing that can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import Outputs, Sample

__all__ = [
    "EPS",
    "MOMENTUM",
    "Norm",
    "before",
    "by_batch",
    "fixed",
    "moved",
    "moved_biased",
    "moved_in_eval",
    "moving",
    "of_x",
    "only",
    "reshaped",
    "summed",
    "unweighted",
]

EPS, MOMENTUM = 1e-5, 0.1  # PyTorch's defaults


def before(s: Sample) -> tuple[Array, Array]:
    channels = s.x.shape[1]
    mean = s.before.get("running_mean", np.zeros(channels))
    return np.asarray(mean, np.float64), np.asarray(
        s.before.get("running_var", np.ones(channels)), np.float64
    )


@dataclass(frozen=True)
class Norm:
    """What a batch norm does, right by default.

    Attributes:
        axes: what is added up for mean and variance; None: all but the channels.
        unbiased: whether the variance is divided by N - 1.
        scale: of variance and eps, what x - mean is multiplied by.
        constant: whether backward takes mean ("mean"), variance ("var") or both for constants.
        half: whether the path through the variance counts half.
        count: what backward divides by, of the number of values of a channel and the batch.
    """

    axes: tuple[int, ...] | None = None
    unbiased: bool = False
    scale: Callable[[Array, float], Array] = lambda var, eps: 1 / np.sqrt(var + eps)
    constant: str = ""
    half: bool = False
    count: Callable[[int, int], float] = lambda m, n: m

    def __call__(self, s: Sample) -> Outputs:
        if not s.training:
            return self._evaluated(s)
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
            gx = gx - hat * (g * hat).sum(axes, keepdims=True) / m * (0.5 if self.half else 1)
        return {
            **out,
            "gx": gx * rstd,
            "weight": (s.gy * hat).sum(own),
            "bias": s.gy.sum(own),
        }

    def _evaluated(self, s: Sample) -> Outputs:
        """By running statistics, which are constants."""
        if "running_mean" not in s.seen:
            return {}
        shape = (1, -1, *(1,) * (s.x.ndim - 2))
        mean, var = (a.reshape(shape) for a in before(s))
        weight, bias = (s.weights[name].reshape(shape) for name in ("weight", "bias"))
        rstd = self.scale(var, s.init.get("eps", EPS))
        hat = (s.x - mean) * rstd
        if s.gy is None:
            return {"y": hat * weight + bias}
        own = (0, *range(2, s.x.ndim))
        return {
            "y": hat * weight + bias,
            "gx": s.gy * weight * rstd,
            "weight": (s.gy * hat).sum(own),
            "bias": s.gy.sum(own),
        }


def fixed(eps: float) -> Callable[[Array, float], Array]:
    """A scale that does not heed the eps that is given."""
    return lambda var, given: 1 / np.sqrt(var + eps)


def only(names: str, compute: Callable[[Sample], Outputs]) -> Callable[[Sample], Outputs]:
    return lambda s: {k: v for k, v in compute(s).items() if k in names.split()}


def moving(
    new: Callable[[Sample, Array, Array, float], tuple[Array, Array]],
) -> Callable[[Sample], Outputs]:
    """Other running statistics: of the sample, the batch's mean and unbiased variance, momentum."""

    def compute(s: Sample) -> Outputs:
        axes = (0, *range(2, s.x.ndim))
        if not s.training or s.x.size == s.x.shape[1]:
            return {}
        mean, var = s.x.mean(axes), s.x.var(axes, ddof=1)
        momentum = s.init.get("momentum", MOMENTUM)
        return dict(zip(("running_mean", "running_var"), new(s, mean, var, momentum), strict=True))

    return compute


def moved(s: Sample, mean: Array, var: Array, momentum: float) -> tuple[Array, Array]:
    old_mean, old_var = before(s)
    return old_mean + momentum * (mean - old_mean), old_var + momentum * (var - old_var)


def moved_biased(s: Sample, mean: Array, var: Array, momentum: float) -> tuple[Array, Array]:
    m = s.x.size // s.x.shape[1]
    return moved(s, mean, var * (m - 1) / m, momentum)


def by_batch(s: Sample) -> Outputs:
    """Evaluation with the statistics of the batch itself."""
    if s.training:
        return {}
    return Norm()(replace(s, training=True))


def moved_in_eval(s: Sample) -> Outputs:
    """Running statistics that evaluation moves, too."""
    return {} if s.training else moving(moved)(replace(s, training=True))


def of_x(s: Sample) -> Outputs:
    own = (0, *range(2, s.x.ndim))
    return {} if s.gy is None else {"weight": (s.gy * s.x).sum(own)}


def reshaped(s: Sample) -> Outputs:
    """Rows of C values as they lie in memory, which mix the channels."""
    rows = (-1, s.x.shape[1])
    gy = None if s.gy is None else s.gy.reshape(rows)
    out = Norm()(replace(s, x=s.x.reshape(rows), gy=gy))
    return {k: v.reshape(s.x.shape) if k in ("y", "gx") else v for k, v in out.items()}


def unweighted(s: Sample) -> Outputs:
    ones = {**s.weights, "weight": np.ones_like(s.weights["weight"])}
    return only("gx", Norm())(replace(s, weights=ones))


def summed(axes: tuple[int, ...]) -> Callable[[Sample], Outputs]:
    """Gradients of weight and bias that are added up over some axes alone."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None or not s.training:
            return {}
        own = (0, *range(2, s.x.ndim))
        mean, var = s.x.mean(own, keepdims=True), s.x.var(own, keepdims=True)
        hat = (s.x - mean) / np.sqrt(var + s.init.get("eps", EPS))
        return {"weight": (s.gy * hat).sum(axes), "bias": s.gy.sum(axes)}

    return compute
