"""Losses of classes: cross-entropy and negative log-likelihood, and what all losses share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_number, not_tensors
from npnet.ops import _sums, choices, reduce, shape
from npnet.ops.activation import log_softmax, log_softmax_of
from npnet.ops.broadcasting import as_operands
from npnet.ops.dtypes import check_dtypes
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "alike",
    "check_same",
    "check_shape",
    "check_weight",
    "cross_entropy",
    "nll_loss",
    "reduced",
    "reduction_of",
]

REDUCTIONS = ("none", "mean", "sum")


def reduction_of(
    op: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """The reduction, also by PyTorch's names of old, with its warning.

    reduce=False is "none"; else size_average=False is "sum", True is "mean".
    """
    if size_average is not None or reduce is not None:
        averaged = "sum" if size_average is False else "mean"
        reduction = "none" if reduce is False else averaged
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=3,
        )
        return "mean"
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction must be none, mean or sum; got {reduction!r}")
    return reduction


def check_shape(op: str, name: str, input: Tensor, other: Tensor) -> None:
    """Raise unless `other` has the shape of the input."""
    for x in (input, other):
        if not isinstance(x, Variable):
            raise not_tensors(op, x)
    if input.shape != other.shape:
        raise ShapeError(
            f"{op}: {name} must have the shape of input; got input {input.shape}, {name} "
            f"{other.shape} (losses do not broadcast{_shape_fix(name, input, other)})"
        )


def check_same(op: str, name: str, input: Tensor, other: Tensor) -> None:
    """Raise unless `other` has the shape and the dtype of the input."""
    check_shape(op, name, input, other)
    check_dtypes(op, input, other)


def alike(op: str, name: str, input: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the dtype that they promote to, a floating point one; raise unless shapes agree."""
    check_shape(op, name, input, other)
    if input.dtype != other.dtype:
        x, y = as_operands(op, input, other)
        check_dtypes(op, x, y)
        return x, y
    check_dtypes(op, input)
    return input, other


def _shape_fix(name: str, input: Tensor, other: Tensor) -> str:
    """What gives `other` the shape of the input without mixing its values up, where that is known.

    To reshape (3, 2) as (2, 3) would put values to other items' places.
    """
    write, shape = name.partition(" ")[0], input.shape  # "target (probabilities)"
    if _without_ones(shape) == _without_ones(other.shape):
        return f": write {write}.reshape({', '.join(map(str, shape))})"
    if other.ndim == 2 and other.shape == shape[::-1]:
        return f": write {write}.t()"
    if other.shape == (shape[0], *shape[2:]):
        if write != name:
            return f": if these are class numbers, write {write}.long()"
        if len(shape) == 2:
            return f": of class numbers, write one_hot({write}.long(), {shape[1]}).float()"
    return ""


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]


def check_weight(op: str, name: str, input: Tensor, weight: Tensor) -> None:
    """Raise unless `weight` broadcasts to the input, has its dtype and wants no gradient."""
    check_dtypes(op, input, weight)
    if shape.broadcast_shapes(op, input.shape, weight.shape) != input.shape:
        raise ShapeError(
            f"{op}: {name} must broadcast to input; got input {input.shape}, {name} {weight.shape}"
        )
    if weight.requires_grad:
        raise NotImplementedError(f"{op}: no gradient goes to {name}; pass {name}.detach()")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their mean or their sum."""
    if reduction == "none":
        return losses
    return reduce.mean(losses) if reduction == "mean" else reduce.sum(losses)


class NLL(Function):
    """y_n = -c_n * x_{n, k_n} for classes k;  gx_{n, k_n} = -c_n * gy_n, all else 0.

    Where `counted` is False, y_n and gx_n are 0 whatever x_n is.
    """

    def __init__(self, classes: Array, coefficients: Array, counted: Array) -> None:
        self.places = np.expand_dims(classes, 1)  # (N, 1, ...)
        self.coefficients, self.counted = coefficients, counted

    def forward(self, x: Array) -> Array:  # (N, C, ...) -> (N, ...)
        self.x_shape = x.shape
        picked = np.take_along_axis(x, self.places, 1)[:, 0]
        return np.where(self.counted, -self.coefficients * picked, x.dtype.type(0))

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.x_shape, gy.dtype)
        arrives = np.where(self.counted, -self.coefficients * gy, gy.dtype.type(0))
        np.put_along_axis(gx, self.places, np.expand_dims(arrives, 1), 1)
        return (gx,)


def _with_batch(op: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Input and target with a batch axis, and whether it was missing."""
    check_dtypes(op, input)
    if not isinstance(target, Variable):
        raise not_tensors(op, target)
    if input.ndim > 1:
        return input, target, False
    if input.ndim == 0:
        raise ShapeError(f"{op}: input must have axes (N, C) or (C,), got a single number")
    if target.ndim and not target.is_floating_point():
        raise ShapeError(
            f"{op}: one class number goes with input {input.shape}, got {target.shape}"
        )
    return input[None], target[None], True


def _check_classes(op: str, input: Tensor, target: Tensor, ignore_index: int) -> bool:
    """Class numbers (N, ...) that fit log-probabilities or logits (N, C, ...).

    Returns:
        Whether all count, and there are any.
    """
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: target must be class numbers (integers), got {target.dtype}")
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ShapeError(
            f"{op}: class numbers must have shape {expected} for input {input.shape}, got "
            f"{target.shape}{_classes_fix(input, target, expected)}"
        )
    classes, given = input.shape[1], target.array
    if given.size and given.min() >= 0 and given.max() < classes:  # the usual case
        return not (0 <= ignore_index < classes and bool((given == ignore_index).any()))
    counted = given[given != ignore_index]
    if counted.size and not 0 <= counted.min() <= counted.max() < classes:
        worst = counted.max() if counted.max() >= classes else counted.min()
        raise IndexError(
            f"{op}: target must lie in [0, {classes - 1}] for {classes} classes, got {worst}"
        )
    return bool(given.size) and counted.size == given.size


def _classes_fix(input: Tensor, target: Tensor, expected: tuple[int, ...]) -> str:
    if target.shape == input.shape:
        return "; probabilities as target, one-hot ones too, must be floats: write target.float()"
    if _without_ones(target.shape) == _without_ones(expected):
        return f"; write target.reshape({', '.join(map(str, expected))})"
    return ""


def _check_class_weight(op: str, input: Tensor, weight: Tensor | None) -> None:
    classes = input.shape[1]
    if weight is None:
        return
    if weight.shape != (classes,):
        raise ShapeError(
            f"{op}: weight must be ({classes},), one for each class; got {weight.shape}"
        )
    check_dtypes(op, input, weight)
    if weight.requires_grad:
        raise NotImplementedError(f"{op}: no gradient goes to weight; pass weight.detach()")


def _by_class(weight: Tensor, ndim: int) -> Tensor:  # (C,) -> (C, 1, ...)
    return weight.reshape(-1, *[1] * (ndim - 2))


def _class_loss(
    logp: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Tensor:
    """The loss of class numbers y, given log-probabilities (N, C, ...).

    l_n = -(1 - s) * w_y * logp_{n, y} - s / C * sum over c of w_c * logp_nc
    """
    counted = target.array != ignore_index
    classes = np.where(counted, target.array, 0)
    coefficients = np.ones((), logp.dtype) if weight is None else weight.array[classes]
    losses = NLL(classes, coefficients, counted)(logp)
    if smoothing:
        spread = logp if weight is None else logp * _by_class(weight, logp.ndim)
        spread = choices.where(result(counted), -spread.sum(1), 0.0)
        losses = losses * (1 - smoothing) + spread * (smoothing / logp.shape[1])
    if reduction != "mean":
        return reduced(losses, reduction)
    # A weighted mean; NaN if nothing counts, as in PyTorch.
    return losses.sum() / result(np.asarray((counted * coefficients).sum(), logp.dtype))


class CrossEntropy(Function):
    """The mean cross-entropy of the softmax and class numbers.

        y = mean over n of -sum over c of t_nc * log softmax(x_n)_c;  gx = gy * (softmax(x) - t) / N

    where t is one_hot(classes) smoothed, see `cross_entropy`. Computed as the log-softmax, whose
    gradient is that of NLL and its own: gx = glogp - softmax(x) * sum(glogp), glogp = -t * gy / N.
    """

    def __init__(self, classes: Array, smoothing: float) -> None:
        self.classes, self.smoothing = classes, smoothing

    def forward(self, x: Array) -> Array:  # (N, C) -> ()
        self.logp = logp = log_softmax_of(x, 1)  # which is enough: x may be written to
        losses = -logp[np.arange(len(logp)), self.classes]
        if self.smoothing:
            certain, spread = self._weights(x)
            losses = losses * certain - _sums.add_up(logp, (1,)) * spread
        return _sums.add_up(losses, (0,)) / x.dtype.type(len(x))

    def backward(self, gy: Array) -> tuple[Array]:
        logp = self.logp
        share = gy / logp.dtype.type(len(logp))
        certain, spread = self._weights(logp) if self.smoothing else (logp.dtype.type(1), None)
        glogp = np.zeros_like(logp)
        glogp[np.arange(len(logp)), self.classes] = -(share * certain)
        if spread is not None:
            glogp -= share * spread
        total = _sums.add_up(glogp, (1,), keepdims=True)
        gx = np.exp(logp)
        gx *= total
        return (np.subtract(glogp, gx, out=gx),)

    def _weights(self, x: Array) -> tuple[Any, Any]:
        """Of the class, and of every class, in the dtype."""
        return x.dtype.type(1 - self.smoothing), x.dtype.type(self.smoothing / x.shape[1])


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

    Raises:
        ShapeError: the target's shape does not fit the input's, or the weight is not (C,).
        IndexError: a class number is outside 0 to C - 1, and not `ignore_index`.
        ValueError: `label_smoothing` or `reduction` is none of these.

    Example:
        >>> x, y = npnet.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), npnet.tensor([0, 2])
        >>> F.cross_entropy(x, y), F.cross_entropy(x, y, reduction="none")
        (tensor(0.6691), tensor([0.2395, 1.0986]))
        >>> F.cross_entropy(x, npnet.tensor([0, -100]))  # of one sample: the other is ignored
        tensor(0.2395)

    Source: Szegedy et al. (2016), arXiv:1512.00567, section 7, for the smoothing.
    """
    op = "cross_entropy"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_number(op, "label_smoothing", label_smoothing, least=0, most=1)
    x, y, single = _with_batch(op, input, target)
    _check_class_weight(op, x, weight)
    if target.is_floating_point():
        if ignore_index >= 0:
            raise RuntimeError(f"{op}: ignore_index is for class numbers, target has {y.dtype}")
        loss = _probability_loss(x, log_softmax(x, 1), y, weight, reduction, label_smoothing)
    else:
        all_count = _check_classes(op, x, y, ignore_index)
        plain = weight is None and reduction == "mean" and x.ndim == 2 and not single
        if plain and all_count:
            return CrossEntropy(y.array.copy(), label_smoothing)(x)
        loss = _class_loss(log_softmax(x, 1), y, weight, ignore_index, reduction, label_smoothing)
    return loss[0] if single and reduction == "none" else loss


def _probability_loss(
    x: Tensor, logp: Tensor, p: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    check_same("cross_entropy", "target (probabilities)", x, p)
    t = p * (1 - smoothing) + smoothing / x.shape[1] if smoothing else p
    losses = -(logp * t if weight is None else logp * t * _by_class(weight, x.ndim)).sum(1)
    if reduction != "mean":
        return reduced(losses, reduction)
    return losses.sum() / losses.numel()


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

    Shape: input (N, C), (C,) or (N, C, d1, ...), target (N,), () or (N, d1, ...).

    Raises:
        ShapeError: the target's shape does not fit the input's, or the weight is not (C,).
        IndexError: a class number is outside 0 to C - 1, and not `ignore_index`.
        TypeError: the target is not of integers.

    Example:
        >>> x, y = npnet.tensor([[-1.0, -2.0], [-3.0, -4.0]]), npnet.tensor([0, 1])
        >>> F.nll_loss(x, y), F.nll_loss(x, y, weight=npnet.tensor([3.0, 1.0]))
        (tensor(2.5000), tensor(1.7500))

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.9.
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    x, y, single = _with_batch("nll_loss", input, target)
    _check_class_weight("nll_loss", x, weight)
    _check_classes("nll_loss", x, y, ignore_index)
    loss = _class_loss(x, y, weight, ignore_index, reduction)
    return loss[0] if single and reduction == "none" else loss
