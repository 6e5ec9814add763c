"""Losses. Their shapes must agree: nothing is broadcast silently."""

from __future__ import annotations

import numpy as np

from npnet._checks import ShapeError, check_number
from npnet.ops import arithmetic, reduce
from npnet.ops.activation import log_softmax, sigmoid_of
from npnet.ops.linear import check_dtypes
from npnet.tensor import Array, Function, Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "mse_loss",
    "nll_loss",
]

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(
    op: str, reduction: str, size_average: bool | None, reduce: bool | None
) -> None:
    for name, value in (("size_average", size_average), ("reduce", reduce)):
        if value is not None:
            raise NotImplementedError(
                f"{op}: {name} is not supported (PyTorch deprecates it); use reduction"
            )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction must be none, mean or sum; got {reduction!r}")


def _check_same(op: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{op}: target must have the shape of input; got input {input.shape}, target "
            f"{target.shape} (losses do not broadcast: reshape one, or one_hot class numbers)"
        )
    check_dtypes(op, input, target)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return reduce.mean(losses) if reduction == "mean" else reduce.sum(losses)


def _weighted(losses: Tensor, weight: Tensor | None) -> Tensor:
    return losses if weight is None else arithmetic.mul(losses, weight)


# ---- of classes --------------------------------------------------------------------------------


class WeightedNLL(Function):
    """y_n = -sum over c of t_nc * x_nc, for log-probabilities x;  gx = -t * gy, gt = -x * gy."""

    def forward(self, x: Array, t: Array) -> Array:  # (N, C, ...) -> (N, ...)
        self.save_for_backward(x, t)
        with np.errstate(invalid="ignore"):  # a class that does not count may have x = -inf
            return -np.where(t == 0, x.dtype.type(0), t * x).sum(1)  # type: ignore[no-any-return]

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        g = np.expand_dims(gy, 1)
        return -t * g, -x * g if self.needs_input_grad[1] else None


def _check_classes(op: str, input: Tensor, target: Tensor, ignore_index: int) -> None:
    """Class numbers (N, ...) that fit log-probabilities or logits (N, C, ...)."""
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ShapeError(
            f"{op}: class numbers must have shape {expected} for input {input.shape}, got "
            f"{target.shape}; probabilities as target must be floats of the input's shape"
        )
    counted = target.array[target.array != ignore_index]
    classes = input.shape[1]
    if counted.size and not 0 <= counted.min() <= counted.max() < classes:
        worst = counted.max() if counted.max() >= classes else counted.min()
        raise IndexError(
            f"{op}: target must lie in [0, {classes - 1}] for {classes} classes, got {worst}"
        )


def _class_coefficients(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, smoothing: float
) -> tuple[Array, Array]:
    """What each log-probability counts, (N, C, ...), and each sample in a mean, (N, ...).

    t_nc = w_y * (1 - smoothing) * [c = y_n] + w_c * smoothing / C, and 0 if y_n is ignored
    """
    classes, dtype = input.shape[1], input.dtype
    w = np.ones(classes, dtype) if weight is None else weight.array.astype(dtype, copy=False)
    kept = target.array != ignore_index
    y = np.where(kept, target.array, 0)
    by_class = (classes, *[1] * (target.ndim - 1))
    hit = np.expand_dims(y, 1) == np.arange(classes).reshape(by_class)
    spread = dtype.type(smoothing / classes) * w.reshape(by_class)
    t = hit * (w.reshape(by_class) * dtype.type(1 - smoothing)) + spread
    return t * np.expand_dims(kept, 1), w[y] * kept


def _class_loss(
    log_probabilities: Tensor, coefficients: Array, counts: Array, reduction: str
) -> Tensor:
    losses = WeightedNLL()(log_probabilities, Tensor(coefficients))
    if reduction == "mean":  # a weighted mean; NaN if nothing counts, as in PyTorch
        return arithmetic.div(reduce.sum(losses), Tensor(np.asarray(counts.sum())))
    return _reduced(losses, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of the softmax of `input` and the target.

        l_n = -sum over c of w_c * t_nc * log softmax(x_n)_c

    For class numbers y, t_nc is 1 - s for c = y_n, and s / C is added for every class, where s is
    `label_smoothing`; the mean divides by the sum of w_y over the samples that are not ignored.
    For probabilities p, t = (1 - s) * p + s / C; the mean divides by the number of samples.

    Args:
        input: logits.
        target: class numbers (integers), or probabilities (floats, of the input's shape).
        weight: of each class, (C,); default 1.
        ignore_index: a class number that does not count.
        reduction: "mean", "sum" or "none" (a loss a sample).
        label_smoothing: s, from 0 to 1.

    Shape: input (N, C), (C,) or (N, C, d1, ...); class numbers (N,), () or (N, d1, ...).

    Source: Szegedy et al. (2016), arXiv:1512.00567, section 7, for the smoothing.
    """
    op = "cross_entropy"
    check_reduction(op, reduction, size_average, reduce)
    check_number(op, "label_smoothing", label_smoothing, least=0, most=1)
    if input.ndim == 0:
        raise ShapeError("cross_entropy: input must have axes (N, C) or (C,), got a single number")
    single = input.ndim == 1
    x, y = (input[None], target[None]) if single else (input, target)
    _check_weight(op, weight, x.shape[1])
    logp = log_softmax(x, 1)
    if target.is_floating_point():
        losses = WeightedNLL()(logp, _probabilities(x, y, weight, label_smoothing))
        total = _reduced(losses, "sum" if reduction == "mean" else reduction)
        if reduction == "mean":
            total = arithmetic.div(total, losses.numel())
    else:
        _check_classes(op, x, y, ignore_index)
        t, counts = _class_coefficients(x, y, weight, ignore_index, label_smoothing)
        total = _class_loss(logp, t, counts, reduction)
    return total[0] if single and reduction == "none" else total


def _check_weight(op: str, weight: Tensor | None, classes: int) -> None:
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(
            f"{op}: weight must be ({classes},), one for each class; got {weight.shape}"
        )


def _probabilities(x: Tensor, target: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    _check_same("cross_entropy", x, target)
    t = target * (1 - smoothing) + smoothing / x.shape[1] if smoothing else target
    if weight is None:
        return t
    return arithmetic.mul(t, weight.reshape(-1, *[1] * (x.ndim - 2)))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood `l_n = -w_y * x_{n,y}` of classes y, given log-probabilities x.

    The mean divides by the sum of w_y over the samples that are not ignored. Arguments and shapes
    as of `cross_entropy`, which is this after `log_softmax`.
    """
    check_reduction("nll_loss", reduction, size_average, reduce)
    if input.ndim == 0:
        raise ShapeError("nll_loss: input must have axes (N, C) or (C,), got a single number")
    single = input.ndim == 1
    x, y = (input[None], target[None]) if single else (input, target)
    if y.is_floating_point():
        raise TypeError(f"nll_loss: target must be class numbers (integers), got {y.dtype}")
    _check_weight("nll_loss", weight, x.shape[1])
    _check_classes("nll_loss", x, y, ignore_index)
    loss = _class_loss(x, *_class_coefficients(x, y, weight, ignore_index, 0.0), reduction)
    return loss[0] if single and reduction == "none" else loss


# ---- of numbers --------------------------------------------------------------------------------


class SquaredError(Function):
    """y = (x - t)^2;  gx = 2 (x - t) gy, gt = -gx."""

    def forward(self, x: Array, t: Array) -> Array:
        self.difference = x - t
        return np.square(self.difference)  # type: ignore[no-any-return]

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        gx = 2 * self.difference * gy
        return gx, -gx if self.needs_input_grad[1] else None


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

    Raises:
        ShapeError: the shapes differ. PyTorch broadcasts them, and warns.
    """
    check_reduction("mse_loss", reduction, size_average, reduce)
    _check_same("mse_loss", input, target)
    losses = SquaredError()(input, target)
    if weight is None:
        return _reduced(losses, reduction)
    _check_same("mse_loss (weight)", input, weight)
    losses = arithmetic.mul(losses, weight)
    if reduction == "mean":
        return arithmetic.div(_reduced(losses, "sum"), _reduced(weight, "sum"))
    return _reduced(losses, reduction)


class BCE(Function):
    """y = -(t log x + (1 - t) log(1 - x)), logarithms at least -100, as in PyTorch;

    gx = gy (x - t) / max(x (1 - x), 1e-12), gt = gy (log(1 - x) - log x).
    """

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        log_x, log_not_x = self._logarithms(x)
        return -(t * log_x + (1 - t) * log_not_x)

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        gx = gy * (x - t) / np.maximum(x * (1 - x), x.dtype.type(1e-12))
        if not self.needs_input_grad[1]:
            return gx, None
        log_x, log_not_x = self._logarithms(x)
        return gx, gy * (log_not_x - log_x)

    def _logarithms(self, x: Array) -> tuple[Array, Array]:
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)


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

    Raises:
        RuntimeError: an input is no probability (give logits to the `_with_logits` form).
    """
    check_reduction("binary_cross_entropy", reduction, size_average, reduce)
    _check_same("binary_cross_entropy", input, target)
    if not bool(np.all((input.array >= 0) & (input.array <= 1))):
        raise RuntimeError(
            "binary_cross_entropy: input must be probabilities in [0, 1], got "
            f"{input.array.min():g} to {input.array.max():g}; apply sigmoid, or use "
            "binary_cross_entropy_with_logits"
        )
    return _reduced(_weighted(BCE()(input, target), weight), reduction)


class BCEWithLogits(Function):
    """y = (1 - t) x + v log(1 + exp(-x)), v = 1 + (pos_weight - 1) t;

    gx = gy ((1 - t) - v (1 - sigmoid(x))), gt = gy ((pos_weight - 1) log(1 + exp(-x)) - x).
    """

    def __init__(self, pos_weight: Array) -> None:
        self.excess = pos_weight - 1

    def forward(self, x: Array, t: Array) -> Array:
        self.save_for_backward(x, t)
        y: Array = (1 - t) * x + (1 + self.excess * t) * self._softplus(x)
        return y

    def backward(self, gy: Array) -> tuple[Array, Array | None]:
        x, t = self.saved
        gx = gy * ((1 - t) - (1 + self.excess * t) * sigmoid_of(-x))
        if not self.needs_input_grad[1]:
            return gx, None
        return gx, gy * (self.excess * self._softplus(x) - x)

    def _softplus(self, x: Array) -> Array:  # log(1 + exp(-x)), without overflow
        y: Array = np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))
        return y


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
    """
    op = "binary_cross_entropy_with_logits"
    check_reduction(op, reduction, size_average, reduce)
    _check_same(op, input, target)
    p = np.ones((), input.dtype) if pos_weight is None else pos_weight.array
    return _reduced(_weighted(BCEWithLogits(p)(input, target), weight), reduction)
