"""Losses as modules: see the function of the same meaning in `functional`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.ops.loss import reduction_of
from npnet.tensor import Tensor

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = reduction_of(type(self).__name__, reduction, size_average, reduce)


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """The cross-entropy of the softmax of logits (N, C, ...) and class numbers or probabilities.

    Args:
        weight: of each class, (C,).
        ignore_index: a class number that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: from 0 to 1.

    Shape: input (N, C, ...) or (C,), target (N, ...) or (), or probabilities like input -> (), or
    (N, ...) with reduction="none".

    Raises:
        IndexError: a class number is neither a class nor ignore_index.
        ShapeError: target or weight does not fit input.
        ValueError: reduction is unknown, or label_smoothing is not in [0, 1].

    Example:
        >>> logits, labels = npnet.zeros(3, 10), npnet.tensor([4, 0, -100])
        >>> nn.CrossEntropyLoss()(logits, labels).round(decimals=2)
        tensor(2.3000)
        >>> nn.CrossEntropyLoss(reduction="none")(logits, labels).round(decimals=2)
        tensor([2.3000, 2.3000, 0.0000])

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.9; Szegedy et al.
    (2016), arXiv:1512.00567, section 7, for the smoothing.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class CTCLoss(_Loss):
    """How unlikely sequences of labels are, whenever each comes: see `functional.ctc_loss`.

    Args:
        blank: the class that is no label.
        reduction: "mean", "sum" or "none".
        zero_infinity: 0 in place of an infinite loss, where times are too few for the labels.

    Shape: log_probs (T, N, C), targets (N, S) or (sum of lengths,), both lengths (N,) -> (), or
    (N,) with reduction="none".

    Raises:
        RuntimeError: blank or a label is no class, or a length is larger than there is room for.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> log_probs = npnet.zeros(2, 1, 2).log_softmax(2)
        >>> target, lengths = npnet.tensor([[1]]), (npnet.tensor([2]), npnet.tensor([1]))
        >>> nn.CTCLoss()(log_probs, target, *lengths).neg().exp().round(decimals=2)
        tensor(0.7500)

    Source: Graves et al. (2006), eqs. 6-8, 10-11 and 16.
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of classes, given log-probabilities (N, C, ...).

    Shape: input (N, C, ...) or (C,), target (N, ...) or () -> (), or (N, ...) with
    reduction="none".

    Raises:
        IndexError: a class number is neither a class nor ignore_index.
        ShapeError: target or weight does not fit input.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> log_p = npnet.tensor([[-1.0, -2.0], [-3.0, -4.0]])
        >>> nn.NLLLoss()(log_p, npnet.tensor([0, 1]))
        tensor(2.5000)

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.9.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """`NLLLoss` by the name that PyTorch deprecates, and warns of."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more "
            "details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class L1Loss(_Loss):
    """The mean absolute error.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.L1Loss()(npnet.tensor([1.0, 5.0]), npnet.tensor([2.0, 2.0]))
        tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 * beta) where |d| < beta, else |d| - beta / 2.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        RuntimeError: beta is below 0.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.SmoothL1Loss(reduction="none")(npnet.tensor([0.5, 3.0]), npnet.zeros(2))
        tensor([0.1250, 2.5000])

    Source: Girshick (2015), arXiv:1504.08083, eq. 3.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where |d| < delta, else delta * (|d| - delta / 2).

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        RuntimeError: delta is not above 0.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.HuberLoss(reduction="none")(npnet.tensor([0.5, 3.0]), npnet.zeros(2))
        tensor([0.1250, 2.5000])

    Source: Huber (1964).
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """The divergence of a target from log-probabilities: see `functional.kl_div`.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "batchmean", "sum" nor "none".

    Example:
        >>> p, q = npnet.tensor([[0.5, 0.5]]), npnet.tensor([[0.25, 0.75]])
        >>> nn.KLDivLoss(reduction="batchmean")(q.log(), p).round(decimals=2)
        tensor(0.1400)

    Source: Kullback and Leibler (1951).
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        batch = reduction == "batchmean" and size_average is None and reduce is None
        super().__init__(size_average, reduce, "sum" if batch else reduction)
        self.reduction = "batchmean" if batch else self.reduction
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """The likelihood of counts: see `functional.poisson_nll_loss`.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.PoissonNLLLoss()(npnet.tensor([0.0, 0.0]), npnet.tensor([2.0, 3.0]))
        tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """The likelihood of normal distributions: see `functional.gaussian_nll_loss`.

    Shape: input and target (N, ...), var the same, or with its last axis 1 or left out -> (), or
    (N, ...) with reduction="none".

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: a variance is below 0, or reduction is unknown.

    Example:
        >>> mean, target, var = npnet.tensor([1.0]), npnet.tensor([3.0]), npnet.tensor([1.0])
        >>> nn.GaussianNLLLoss()(mean, target, var)
        tensor(2.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class MSELoss(_Loss):
    """The mean squared error.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.MSELoss()(npnet.tensor([1.0, 5.0]), npnet.tensor([2.0, 2.0]))
        tensor(5.)

    Source: Rumelhart, Hinton, Williams (1986), Nature 323, eq. 3, with a sum and a half.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """The binary cross-entropy of probabilities.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        RuntimeError: an input or a target is not in [0, 1].
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> nn.BCELoss()(npnet.tensor([0.5, 0.5]), npnet.tensor([1.0, 0.0])).round(decimals=2)
        tensor(0.6900)

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.7.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The binary cross-entropy of the sigmoid of logits.

    Args:
        weight: of each loss, broadcast.
        pos_weight: of positive targets, broadcast.

    Shape: input and target of one shape -> (), or that shape with reduction="none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: reduction is neither "mean", "sum" nor "none".

    Example:
        >>> loss = nn.BCEWithLogitsLoss(pos_weight=npnet.tensor([3.0]))
        >>> loss(npnet.tensor([0.0]), npnet.tensor([1.0])).round(decimals=2)
        tensor(2.0800)

    Source: Bishop (1995), Neural networks for pattern recognition, section 6.7.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
