"""Losses of margins: by how much the right score shall be above the others, or above zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import arithmetic, choices, compare, shape
from npnet.ops import reduce as means
from npnet.ops.dtypes import check_dtypes
from npnet.ops.loss import check_shape, check_weight, reduced, reduction_of
from npnet.ops.smooth import logsigmoid
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
]


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = max(-t * (x1 - x2) + margin, 0)`, reduced: x1 shall be larger where t = 1.

    Shape: all three (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the three shapes differ; losses do not broadcast.
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Example:
        >>> x1, x2 = npnet.tensor([3.0, 3.0]), npnet.tensor([1.0, 1.0])
        >>> F.margin_ranking_loss(x1, x2, npnet.tensor([1, -1]), margin=0.5, reduction="none")
        tensor([0.0000, 2.5000])
    """
    op = "margin_ranking_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_shape(op, "input2", input1, input2)
    check_shape(op, "target", input1, target)
    difference = arithmetic.mul(arithmetic.neg(target), arithmetic.sub(input1, input2))
    return reduced(choices.clamp(arithmetic.add(difference, margin), min=0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = x` where the target is 1, max(margin - x, 0) where it is -1, reduced.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Example:
        >>> x, t = npnet.tensor([0.25, 0.25]), npnet.tensor([1, -1])
        >>> F.hinge_embedding_loss(x, t, reduction="none")
        tensor([0.2500, 0.7500])
    """
    op = "hinge_embedding_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_shape(op, "target", input, target)
    far = choices.clamp(arithmetic.sub(margin, input), min=0)
    losses = arithmetic.add(
        choices.where(compare.ne(target, 1), far, 0),
        choices.where(compare.ne(target, -1), input, 0),
    )
    return reduced(losses, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = log(1 + exp(-t * x))` of targets 1 and -1, reduced.

    Shape: both (...) -> (), or (...) with reduction "none".

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Example:
        >>> F.soft_margin_loss(npnet.tensor([0.0, 2.0]), npnet.tensor([1, -1]), reduction="none")
        tensor([0.6931, 2.1269])
    """
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    check_shape("soft_margin_loss", "target", input, target)
    check_dtypes("soft_margin_loss", input)
    product = arithmetic.mul(shape.cast(target, input.dtype), input)
    return reduced(arithmetic.neg(logsigmoid(product)), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of -w * (t * log s + (1 - t) * log(1 - s)), s = sigmoid(x), reduced.

    Shape: input and target (N, C) or (C,); the loss of each is (N,) or ().

    Raises:
        ShapeError: the target's shape is not the input's; losses do not broadcast.

    Example:
        >>> F.multilabel_soft_margin_loss(npnet.zeros(1, 2), npnet.tensor([[1.0, 0.0]]))  # log 2
        tensor(0.6931)
    """
    op = "multilabel_soft_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_shape(op, "target", input, target)
    losses = arithmetic.add(
        arithmetic.mul(target, logsigmoid(input)),
        arithmetic.mul(arithmetic.sub(1, target), logsigmoid(arithmetic.neg(input))),
    )
    losses = arithmetic.neg(losses)
    if weight is not None:
        check_weight(op, "weight", input, weight)
        losses = arithmetic.mul(losses, weight)
    return reduced(means.mean(losses, input.ndim - 1), reduction)


def _rows(op: str, input: Tensor) -> tuple[int, int]:
    """(N, C) of scores (N, C) or (C,)."""
    check_dtypes(op, input)
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise ShapeError(f"{op}: input must be (N, C) or (C,), got {input.shape}")
    return (input.shape[0], input.shape[1]) if input.ndim == 2 else (1, input.numel())


class MultiMargin(Function):
    """y_n = sum over c != k_n of w_k max(m - x_{n, k} + x_nc, 0)^p / C;

    gx_nc = gy w_k p z^(p - 1) / C where z = m - x_{n, k} + x_nc > 0, and gx_{n, k} = -sum of those.
    """

    def __init__(self, classes: Array, p: int, margin: float, weight: Array | None) -> None:
        self.classes, self.p, self.margin, self.weight = classes, p, margin, weight

    def forward(self, x: Array) -> Array:  # (N, C) -> (N,)
        rows = np.arange(len(x))
        z = x.dtype.type(self.margin) - x[rows, self.classes][:, None] + x
        z = np.maximum(z, 0)
        z[rows, self.classes] = 0
        self.scale = np.full(len(x), 1 / x.shape[1], x.dtype)
        if self.weight is not None:
            self.scale *= self.weight[self.classes]
        self.slope = (z > 0).astype(x.dtype) if self.p == 1 else 2 * z
        return np.asarray((z if self.p == 1 else z * z).sum(1) * self.scale)

    def backward(self, gy: Array) -> tuple[Array]:
        gx = self.slope * (gy * self.scale)[:, None]
        gx[np.arange(len(gx)), self.classes] = -gx.sum(1)
        return (gx,)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = sum over c != t of w_t * max(margin - x_t + x_c, 0)^p / C` of class numbers t, reduced.

    Args:
        p: 1 or 2.
        weight: of each class, (C,); default 1.

    Shape: input (N, C) and target (N,), or (C,) and ().

    Raises:
        ShapeError: the target has not one number a sample, or the weight is not (C,).
        IndexError: a class number is outside 0 to C - 1.
        ValueError: p is neither 1 nor 2.

    Example:
        >>> x = npnet.tensor([[0.0, 0.5, 3.0]])
        >>> F.multi_margin_loss(x, npnet.tensor([1]))  # (0.5 + 3.5) / 3
        tensor(1.3333)

    Source: Crammer and Singer (2001), section 3, for p = 1.
    """
    op = "multi_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{op}: p must be 1 or 2, got {p}")
    n, classes = _rows(op, input)
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"{op}: target must be class numbers (integers), got {target.dtype}")
    if target.numel() != n or target.ndim > 1:
        raise ShapeError(f"{op}: target must be ({n},), one class for each; got {target.shape}")
    if weight is not None:
        if weight.shape != (classes,):
            raise ShapeError(f"{op}: weight must be ({classes},), got {weight.shape}")
        check_dtypes(op, input, weight)
    numbers = target.array.reshape(-1).copy()
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < classes:
        raise IndexError(
            f"{op}: target must lie in [0, {classes - 1}] for {classes} classes, got "
            f"{numbers.min()} to {numbers.max()}"
        )
    function = MultiMargin(numbers, p, margin, None if weight is None else weight.array)
    losses = function(shape.reshape(input, (n, classes)))
    if reduction == "none" and not target.ndim:
        losses = shape.reshape(losses, ())
    return reduced(losses, reduction)


class MultiLabelMargin(Function):
    """y_n = sum over targets k and others c of max(1 - x_nk + x_nc, 0) / C;

    gx_nc = gy / C times how many targets are within 1 of c, gx_nk = -gy / C times how many others.

    Args:
        times: how often each class is named as a target, (N, C).
    """

    def __init__(self, times: Array) -> None:
        self.times = times

    def forward(self, x: Array) -> Array:  # (N, C) -> (N,)
        z = 1 - x[:, :, None] + x[:, None, :]  # (N, k, c)
        pairs = self.times[:, :, None] * (self.times == 0)[:, None, :]
        self.within = pairs * (z > 0)
        return np.asarray((pairs * np.maximum(z, 0)).sum((1, 2)) / x.dtype.type(x.shape[1]))

    def backward(self, gy: Array) -> tuple[Array]:
        counts = self.within.sum(1) - self.within.sum(2)
        return (counts * (gy / gy.dtype.type(counts.shape[1]))[:, None],)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = sum over targets k and all others c of max(1 - x_k + x_c, 0) / C`, reduced.

    Args:
        target: for each sample its classes' numbers, then -1; what follows it does not count.

    Shape: input and target (N, C), or (C,).

    Raises:
        ShapeError: the target's shape is not the input's.
        RuntimeError: a class number is larger than C - 1.

    Example:
        >>> x = npnet.tensor([[2.0, 0.5, 0.0]])
        >>> F.multilabel_margin_loss(x, npnet.tensor([[0, -1, -1]]))
        tensor(0.)
        >>> F.multilabel_margin_loss(x, npnet.tensor([[1, -1, -1]]))  # (2.5 + 0.5) / 3
        tensor(1.)
    """
    op = "multilabel_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    n, classes = _rows(op, input)
    check_shape(op, "target", input, target)
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"{op}: target must be class numbers (integers), got {target.dtype}")
    numbers = target.array.reshape(n, classes)
    named = np.cumsum(numbers < 0, 1) == 0
    if named.any() and numbers[named].max() >= classes:
        raise RuntimeError(
            f"{op}: target must lie in [-1, {classes - 1}] for {classes} classes, got "
            f"{numbers[named].max()}"
        )
    times = np.zeros((n, classes), input.dtype)
    rows, places = np.nonzero(named)
    np.add.at(times, (rows, numbers[rows, places]), 1)
    losses = MultiLabelMargin(times)(shape.reshape(input, (n, classes)))
    if input.ndim < 2:
        losses = shape.reshape(losses, ())
    return reduced(losses, reduction)
