"""Losses of an input and a target of its shape. Nothing is broadcast silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.ops import _sums, arithmetic
from npnet.ops.activation import sigmoid_of
from npnet.ops.loss import alike, check_same, check_weight, reduced, reduction_of
from npnet.ops.shape import cast
from npnet.ops.smooth import softplus_of
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]

_ROUNDING = 1e-3  # how far beyond 0 or 1 a probability is still one that was rounded


class SquaredError(Function):
    """y = (x - t)^2;  gx = 2 (x - t) gy, gt = -gx."""

    def forward(self, x: Array, t: Array) -> Array:
        self.difference = np.asarray(x - t)  # of 0-d arrays, NumPy gives a number
        return np.square(self.difference)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        gx = 2 * self.difference * gy
        return gx, -gx if self.needs_input_grad[1] else None


class MeanSquaredError(SquaredError):
    """The mean of (x - t)^2."""

    def forward(self, x: Array, t: Array) -> Array:
        return _sums.mean(super().forward(x, t), tuple(range(x.ndim)))

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        return super().backward(gy / gy.dtype.type(self.difference.size))


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean squared error: `l = w * (x - t)^2`, reduced.

    Args:
        reduction: "mean" (over all numbers; over the sum of w, where given), "sum" or "none".
        weight: w, of the input's shape; default 1.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the shapes differ. PyTorch broadcasts them, and warns.
        ValueError: `reduction` is none of these.

    Example:
        >>> x, t = npnet.tensor([1.0, 5.0]), npnet.tensor([2.0, 2.0])
        >>> F.mse_loss(x, t), F.mse_loss(x, t, reduction="none")
        (tensor(5.), tensor([1., 9.]))

    Source: Rumelhart, Hinton, Williams (1986), Nature 323, eq. 3, with a sum and a half.
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    input, target = alike("mse_loss", "target", input, target)
    if weight is None and reduction == "mean":
        return MeanSquaredError()(input, target)
    return _weighted_mean("mse_loss", SquaredError()(input, target), weight, reduction)


def _weighted_mean(op: str, losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The losses, each times its weight, reduced; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(losses, reduction)
    check_same(op, "weight", losses, weight)
    losses = arithmetic.mul(losses, weight)
    if reduction == "mean":
        return arithmetic.div(reduced(losses, "sum"), reduced(weight, "sum"))
    return reduced(losses, reduction)


class AbsoluteError(Function):
    """y = |x - t|;  gx = gy * sign(x - t), 0 at 0 and NaN, gt = -gx."""

    def forward(self, x: Array, t: Array) -> Array:
        self.difference = np.asarray(x - t)
        return np.abs(self.difference)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        d, zero = self.difference, gy.dtype.type(0)
        gx = np.where(d > 0, gy, np.where(d < 0, -gy, zero))
        return gx, -gx if self.needs_input_grad[1] else None


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean absolute error: `l = w * |x - t|`, reduced. Arguments as of `mse_loss`.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Example:
        >>> x, t = npnet.tensor([1.0, 5.0]), npnet.tensor([2.0, 2.0])
        >>> F.l1_loss(x, t), F.l1_loss(x, t, reduction="sum")
        (tensor(2.), tensor(4.))
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    input, target = alike("l1_loss", "target", input, target)
    return _weighted_mean("l1_loss", AbsoluteError()(input, target), weight, reduction)


class HuberError(Function):
    """y = (d^2 / 2 where |d| < bend, else bend (|d| - bend / 2)) * scale, d = x - t;

    gx = gy * scale * min(max(d, -bend), bend), gt = -gx.
    """

    def __init__(self, bend: float, scale: float) -> None:
        self.bend, self.scale = bend, scale

    def forward(self, x: Array, t: Array) -> Array:
        number = x.dtype.type
        self.difference = d = np.asarray(x - t)
        size = np.abs(d)
        far = number(self.bend) * (size - number(self.bend / 2))
        return np.asarray(np.where(size < self.bend, d * d / 2, far) * number(self.scale))

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        number = gy.dtype.type
        gx = gy * number(self.scale) * np.clip(self.difference, -self.bend, self.bend)
        gx = np.asarray(gx, gy.dtype)
        return gx, -gx if self.needs_input_grad[1] else None


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """`l = d^2 / (2 * beta)` where |d| < beta, else |d| - beta / 2, of d = x - t, reduced.

    Args:
        beta: where the parabola becomes a line; 0 makes it `l1_loss`.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        RuntimeError: `beta` is negative.

    Example:
        >>> F.smooth_l1_loss(npnet.tensor([1.0, 4.0]), npnet.zeros(2), reduction="none", beta=2.0)
        tensor([0.2500, 3.0000])

    Source: Girshick (2015), arXiv:1504.08083, eq. 3.
    """
    op = "smooth_l1_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if not beta >= 0:
        raise RuntimeError(f"{op}: beta must be >= 0, got {beta:g}")
    input, target = alike(op, "target", input, target)
    function = HuberError(beta, 1 / beta) if beta else AbsoluteError()
    return reduced(function(input, target), reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """`l = w * (d^2 / 2` where |d| < delta, else delta * (|d| - delta / 2)) of d = x - t, reduced.

    Of floats of two dtypes the result has that of `input`, as in PyTorch.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        RuntimeError: `delta` is not positive.

    Example:
        >>> F.huber_loss(npnet.tensor([1.0, 4.0]), npnet.zeros(2), reduction="none", delta=2.0)
        tensor([0.5000, 6.0000])

    Source: Huber (1964).
    """
    reduction = reduction_of("huber_loss", reduction)
    if not delta > 0:
        raise RuntimeError(f"huber_loss: delta must be > 0, got {delta:g}")
    x, t = alike("huber_loss", "target", input, target)
    losses = HuberError(delta, 1.0)(x, t)
    if input.dtype.kind in FLOATS:  # the losses have that of input and target together
        losses = cast(losses, input.dtype)
    return _weighted_mean("huber_loss", losses, weight, reduction)


class BCE(Function):
    """y = -(t log x + (1 - t) log(1 - x)), logarithms at least -100, as in PyTorch;

    gx = gy (x - t) / max(x (1 - x), floor), gt = gy (log(1 - x) - log x).
    """

    floor = np.float32(1e-12)  # in PyTorch a float32, whatever the dtype

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        log_x, log_not_x = np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
        return -(t * log_x + (1 - t) * log_not_x)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        gx = gy * (x - t) / np.maximum(x * (1 - x), x.dtype.type(self.floor))
        if not self.needs_input_grad[1]:
            return gx, None
        return gx, gy * (np.log1p(-x) - np.log(x))  # not limited, as in PyTorch


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = -w * (t * log x + (1 - t) * log(1 - x))` of probabilities x, reduced.

    The logarithms are at least -100, so the loss stays finite.

    Args:
        weight: w, broadcast to the input's shape; default 1.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        RuntimeError: an input or a target is no probability (logits go to the `_with_logits` form).
        ShapeError: the target's shape is not the input's; losses do not broadcast.

    Example:
        >>> x, t = npnet.tensor([0.5, 1.0]), npnet.tensor([1.0, 0.0])
        >>> F.binary_cross_entropy(x, t, reduction="none")
        tensor([  0.6931, 100.0000])

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.7.
    """
    op = "binary_cross_entropy"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_same(op, "target", input, target)
    _check_probabilities(input, "input", f"; apply sigmoid, or use {op}_with_logits")
    _check_probabilities(target, "target", "")
    return reduced(_weighted(op, BCE()(input, target), weight), reduction)


def _check_probabilities(x: Tensor, name: str, hint: str) -> None:
    if not bool(np.all((x.array >= 0) & (x.array <= 1))):  # so that NaN is none either
        least, most = x.array.min(), x.array.max()
        if np.isnan(least):
            hint = "; look for the first layer that is not finite"
        elif least >= -_ROUNDING and most <= 1 + _ROUNDING:  # sigmoid would move all of them
            hint = f"; if rounding took them out, write {name}.clamp(0, 1)"
        raise RuntimeError(
            f"binary_cross_entropy: {name} must be probabilities in [0, 1], got "
            f"{least:.9g} to {most:.9g}{hint}"
        )


def _weighted(op: str, losses: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses
    check_weight(op, "weight", losses, weight)
    return arithmetic.mul(losses, weight)


class BCEWithLogits(Function):
    """y = (1 - t) x + v log(1 + exp(-x)), v = 1 + (pos_weight - 1) t;

    gx = gy ((1 - t) - v (1 - sigmoid(x))), gt = gy ((pos_weight - 1) log(1 + exp(-x)) - x).
    """

    def __init__(self, pos_weight: Array | None) -> None:
        self.excess = None if pos_weight is None else pos_weight - 1

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        return (1 - t) * x + self._times_v(softplus_of(-x), t)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        gx = gy * ((1 - t) - self._times_v(sigmoid_of(-x), t))
        if not self.needs_input_grad[1]:
            return gx, None
        return gx, gy * (-x if self.excess is None else self.excess * softplus_of(-x) - x)

    def _times_v(self, values: Array, t: Array) -> Array:
        return values if self.excess is None else values * (1 + self.excess * t)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`l = -w * (p * t * log s + (1 - t) * log(1 - s))`, s = sigmoid(x), reduced; never overflows.

    Args:
        weight: w, broadcast to the input's shape; default 1.
        pos_weight: p, the weight of positive targets, broadcast to the input's shape; default 1.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        RuntimeError: the target is not of a floating point dtype.

    Example:
        >>> x, t = npnet.tensor([0.0, -1000.0]), npnet.tensor([1.0, 0.0])
        >>> F.binary_cross_entropy_with_logits(x, t, reduction="none")
        tensor([0.6931, 0.0000])

    Source: Bishop (1995), section 6.7.
    """
    op = "binary_cross_entropy_with_logits"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if target.dtype.kind in FLOATS:
        input, target = alike(op, "target", input, target)
    check_same(op, "target", input, target)
    if pos_weight is not None:
        check_weight(op, "pos_weight", input, pos_weight)
    loss = BCEWithLogits(None if pos_weight is None else pos_weight.array)
    return reduced(_weighted(op, loss(input, target), weight), reduction)
