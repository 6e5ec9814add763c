"""Losses that are negative log-likelihoods of distributions, and the divergence of two."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops import arithmetic, choices, functions, shape
from npnet.ops.loss import alike, check_shape, reduced, reduction_of
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]


class KLDivergence(Function):
    """y = t (log t - x), 0 where t = 0;  gx = -t gy, gt = gy (log t + 1 - x)."""

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        return np.asarray(np.where(t == 0, 0, t * np.log(t)) - t * x)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        return -t * gy, gy * (np.log(t) + 1 - x) if self.needs_input_grad[1] else None


class LogKLDivergence(Function):
    """y = exp(t) (t - x);  gx = -exp(t) gy, gt = gy exp(t) (t - x + 1)."""

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        return np.asarray(np.exp(t) * (t - x))

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        p = np.exp(t)
        return -p * gy, gy * p * (t - x + 1) if self.needs_input_grad[1] else None


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """`l = t * (log t - x)`: the target's divergence from what x is the logarithm of, reduced.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms if `log_target`.
        reduction: "batchmean" divides the sum by the number of samples, which is the divergence;
            "mean", by the number of values, warns as PyTorch does; "sum" or "none".

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.

    Example:
        >>> x, t = npnet.tensor([[0.5, 0.5]]).log(), npnet.tensor([[1.0, 0.0]])
        >>> F.kl_div(x, t, reduction="batchmean")  # log 2
        tensor(0.6931)

    Source: Kullback and Leibler (1951).
    """
    batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = reduction_of("kl_div", "sum" if batch else reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    for x in (input, target):
        if isinstance(x, Variable) and x.dtype.kind not in FLOATS:
            raise RuntimeError(f"kl_div: input and target must be floating point, got {x.dtype}")
    x, t = alike("kl_div", "target", input, target)
    loss = reduced((LogKLDivergence() if log_target else KLDivergence())(x, t), reduction)
    return arithmetic.div(loss, input.shape[0]) if batch and input.ndim else loss


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = exp(x) - t * x`, the likelihood of counts t of a Poisson distribution, reduced.

    Args:
        log_input: False takes the rate itself: l = x - t * log(x + eps).
        full: add log t! where t > 1, by Stirling: t * log t - t + log(2 pi t) / 2.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Example:
        >>> F.poisson_nll_loss(npnet.tensor([0.0, 0.0]), npnet.tensor([0.0, 3.0]), reduction="none")
        tensor([1., 1.])
    """
    op = "poisson_nll_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_shape(op, "target", input, target)
    if log_input:
        losses = arithmetic.sub(functions.exp(input), arithmetic.mul(target, input))
    else:
        logarithm = functions.log(arithmetic.add(input, eps))
        losses = arithmetic.sub(input, arithmetic.mul(target, logarithm))
    if full:
        losses = arithmetic.add(losses, _stirling(target))
    return reduced(losses, reduction)


def _stirling(t: Tensor) -> Tensor:
    """log t! where t > 1, else 0."""
    counts = functions.as_float(t)
    large = result(np.asarray(counts.array > 1))
    safe = choices.where(large, counts, 1)
    logarithm = functions.log(arithmetic.mul(safe, 2 * math.pi))
    log_power = arithmetic.sub(arithmetic.mul(safe, functions.log(safe)), safe)
    return choices.where(large, arithmetic.add(log_power, arithmetic.mul(logarithm, 0.5)), 0)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """`l = (log v + (x - t)^2 / v) / 2`, v = max(var, eps), of normal distributions, reduced.

    Args:
        var: the variances: a number, or a tensor of the input's shape, or without its last axis,
            or that broadcasts to it. Where var < eps, its gradient is as if it were not limited.
        full: add log(2 pi) / 2.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ValueError: a variance is negative, or eps is not positive.
        ShapeError: the variances do not fit the input.

    Example:
        >>> x, t, var = npnet.tensor([0.0, 3.0]), npnet.tensor([0.0, 1.0]), npnet.tensor([1.0, 4.0])
        >>> F.gaussian_nll_loss(x, t, var, reduction="none")
        tensor([0.0000, 1.1931])

    Source: Nix and Weigend (1994), "Estimating the mean and variance of the target probability
        distribution".
    """
    op = "gaussian_nll_loss"
    reduction = reduction_of(op, reduction)
    check_shape(op, "target", input, target)
    if not eps > 0:
        raise ValueError(f"{op}: eps must be positive, got {eps:g}")
    v = var if isinstance(var, Variable) else result(np.full(input.shape, var, input.dtype))
    if v.shape != input.shape and v.shape == input.shape[:-1]:
        v = shape.unsqueeze(v, -1)
    if shape.broadcast_shapes(op, input.shape, v.shape) != input.shape:
        raise ShapeError(
            f"{op}: var must be {input.shape}, or {input.shape[:-1]}, or broadcast to the first; "
            f"got {v.shape}"
        )
    if (v.array < 0).any():
        raise ValueError(f"{op}: var must be >= 0, got {v.array.min()}")
    off = np.maximum(v.array, eps).astype(v.dtype) - v.array
    v = arithmetic.add(v, result(np.asarray(off)))
    difference = arithmetic.sub(input, target)
    losses = arithmetic.add(
        functions.log(v), arithmetic.div(arithmetic.mul(difference, difference), v)
    )
    losses = arithmetic.mul(losses, 0.5)
    if full:
        losses = arithmetic.add(losses, 0.5 * math.log(2 * math.pi))
    return reduced(losses, reduction)
