"""Losses of margins and distances as modules: see the function of the same meaning."""

from __future__ import annotations

from collections.abc import Callable

from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from npnet.nn.modules.distance import PairwiseDistance
from npnet.nn.modules.loss import _Loss, _WeightedLoss
from npnet.tensor import Tensor

__all__ = [
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class SoftMarginLoss(_Loss):
    """log(1 + exp(-t * x)) of targets 1 and -1.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.SoftMarginLoss()(npnet.zeros(2), npnet.tensor([1.0, -1.0])).round(decimals=2)
        tensor(0.6900)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """The margin between all targets of a sample and all other classes.

    Shape: input and target (N, C) or (C,); behind a sample's classes, target is -1.

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        RuntimeError: a target is neither a class nor -1.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> x, targets = npnet.tensor([[0.0, 1.0, 0.5, 0.5]]), npnet.tensor([[1, -1, 0, 0]])
        >>> nn.MultiLabelMarginLoss()(x, targets)
        tensor(0.2500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The binary cross-entropy of the sigmoid of logits, its mean over the classes.

    Shape: input and target (N, C) or (C,).

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> x, targets = npnet.zeros(1, 3), npnet.tensor([[1, 0, 1]])
        >>> nn.MultiLabelSoftMarginLoss()(x, targets).round(decimals=2)
        tensor(0.6900)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """The margin between the class of a sample and all others.

    Shape: input (N, C) and target (N,), or (C,) and ().

    Args:
        p: 1 or 2.
        weight: of each class, (C,).

    Raises:
        ValueError: p is neither 1 nor 2, or reduction is unknown.
        IndexError: a target is no class.
        ShapeError: target or weight does not fit input.

    Example:
        >>> nn.MultiMarginLoss()(npnet.tensor([[1.0, 2.0, 1.5, 0.5]]), npnet.tensor([1]))
        tensor(0.1250)

    Source: Crammer and Singer (2001), section 3, for p = 1.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ShapeError(f"MultiMarginLoss: weight must be (C,), got {weight.shape}")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class _MarginLoss(_Loss):
    """A loss of one margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class MarginRankingLoss(_MarginLoss):
    """max(-t * (x1 - x2) + margin, 0): the first shall be larger where t = 1.

    Shape: x1, x2 and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> x1, x2 = npnet.tensor([3.0, 1.0]), npnet.tensor([1.0, 3.0])
        >>> nn.MarginRankingLoss(reduction="none")(x1, x2, npnet.tensor([1, 1]))
        tensor([0., 2.])
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """1 - cos where the target is 1, max(cos - margin, 0) where it is -1.

    Shape: inputs (N, D) and target (N,), or (D,) and ().

    Raises:
        ShapeError: the inputs' shapes differ, or target is not (N,).
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> a, b = npnet.tensor([[3.0, 4.0]]), npnet.tensor([[4.0, 3.0]])
        >>> nn.CosineEmbeddingLoss()(a, b, npnet.tensor([1])).round(decimals=2)
        tensor(0.0400)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class HingeEmbeddingLoss(_MarginLoss):
    """x where the target is 1, max(margin - x, 0) where it is -1.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> x, target = npnet.tensor([0.5, 0.25]), npnet.tensor([1, -1])
        >>> nn.HingeEmbeddingLoss(reduction="none")(x, target)
        tensor([0.5000, 0.7500])
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(_MarginLoss):
    """max(|a - p| - |a - n| + margin, 0): see `functional.triplet_margin_loss`.

    Shape: a, p and n (N, D) or (D,).

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: margin is not above 0, or reduction is unknown.

    Example:
        >>> anchor, near, far = npnet.tensor([[0.0]]), npnet.tensor([[2.0]]), npnet.tensor([[-5.0]])
        >>> nn.TripletMarginLoss(margin=4.0, eps=0)(anchor, near, far)
        tensor(1.)

    Source: Balntas et al. (2016), eqs. 4 and 6 (swap).
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be above 0, got {margin:g}")
        self.p, self.eps, self.swap = p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """max(d(a, p) - d(a, n) + margin, 0) of a distance d; default the 2-norm.

    Shape: a, p and n (N, ...), of which d gives (N,).

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: margin is not above 0, or reduction is unknown.

    Example:
        >>> anchor, near, far = npnet.tensor([[0.0]]), npnet.tensor([[2.0]]), npnet.tensor([[-5.0]])
        >>> distance = lambda a, b: (a - b).abs().sum(1)
        >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=distance, margin=4)
        >>> loss(anchor, near, far)
        tensor(1.)

    Source: Balntas et al. (2016), eqs. 4 and 6 (swap).
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if not margin > 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: margin must be above 0, got {margin:g}"
            )
        self.distance_function: Callable[[Tensor, Tensor], Tensor] = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
