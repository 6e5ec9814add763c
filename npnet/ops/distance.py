"""How far vectors are apart: norms, cosines, and the losses that compare samples by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from npnet.base.checks import ShapeError, check_number
from npnet.ops import arithmetic, choices, compare, functions, norms
from npnet.ops import reduce as sums
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import Number
from npnet.ops.loss import reduced, reduction_of
from npnet.ops.norms import pairwise_distance

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "normalize",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

COSINE_EPS = 1e-12  # of cosine_embedding_loss, as in PyTorch


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """y = x / max(|x|_p, eps) along `dim`.

    Args:
        out: a tensor that the result is written into.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis: of a vector it must be 0.

    Example:
        >>> F.normalize(npnet.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    check_tensors("normalize", input)
    length = norms.norm(input, p, dim, keepdim=True)
    y = arithmetic.div(input, choices.clamp(length, min=eps))
    return y if out is None else out.copy_(y)


def _check_triplet(op: str, anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    if not anchor.shape == positive.shape == negative.shape:
        raise ShapeError(
            f"{op}: anchor, positive and negative must have one shape, got {anchor.shape}, "
            f"{positive.shape} and {negative.shape} (losses do not broadcast)"
        )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`l = max(d(a, p) - d(a, n) + margin, 0)`, reduced.

    Args:
        distance_function: d; default `pairwise_distance`.
        swap: take d(p, n) in place of d(a, n) where it is smaller.

    Shape: all (N, D) -> (N,) before it is reduced.

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: `margin` is not positive.

    Example:
        >>> a, p, n = npnet.tensor([[0.0]]), npnet.tensor([[2.0]]), npnet.tensor([[1.0]])
        >>> F.triplet_margin_with_distance_loss(
        ...     a, p, n, distance_function=lambda x, y: (x - y).abs().sum(dim=1))
        tensor(2.)

    Source: Balntas et al. (2016), eqs. 4 and 6 (swap).
    """
    check_tensors("triplet_margin_with_distance_loss", anchor)
    op = "triplet_margin_with_distance_loss"
    reduction = reduction_of(op, reduction)
    check_number(op, "margin", margin, above=0)
    _check_triplet(op, anchor, positive, negative)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def _triplet(
    distance: Callable[[Tensor, Tensor], Tensor],
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = choices.minimum(far, distance(positive, negative))
    losses = choices.clamp(arithmetic.add(arithmetic.sub(near, far), margin), min=0)
    return reduced(losses, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = max(|a - p + eps| - |a - n + eps| + margin, 0)` of p-norms, reduced.

    Arguments and shapes as of `triplet_margin_with_distance_loss`.

    Shape: all (N, D) -> (), or (N,) with reduction "none".

    Raises:
        ShapeError: the shapes differ; losses do not broadcast.
        ValueError: `margin` is not positive.

    Example:
        >>> a, p, n = npnet.zeros(1, 2), npnet.tensor([[0.0, 2.0]]), npnet.tensor([[3.0, 0.0]])
        >>> F.triplet_margin_loss(a, p, n, margin=2.0, eps=0)
        tensor(1.)

    Source: Balntas et al. (2016), as of `triplet_margin_with_distance_loss`.
    """
    check_tensors("triplet_margin_loss", anchor)
    op = "triplet_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    check_number(op, "margin", margin, above=0)
    _check_triplet(op, anchor, positive, negative)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`l = 1 - cos` where the target is 1, max(cos - margin, 0) where it is -1, reduced.

    Shape: inputs (N, D) and target (N,), or (D,) and ().

    Raises:
        ShapeError: the inputs differ in shape, or the target has not one number a row.

    Example:
        >>> x, y = npnet.tensor([[1.0, 0.0], [1.0, 0.0]]), npnet.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> F.cosine_embedding_loss(x, y, npnet.tensor([1, -1]), reduction="none")
        tensor([1., 1.])
    """
    check_tensors("cosine_embedding_loss", input1)
    op = "cosine_embedding_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    if input1.shape != input2.shape or input1.ndim not in (1, 2):
        raise ShapeError(
            f"{op}: inputs must be of one shape (N, D) or (D,), got {input1.shape} "
            f"and {input2.shape}"
        )
    if target.shape != input1.shape[:-1]:
        raise ShapeError(
            f"{op}: target must be {input1.shape[:-1]} for inputs {input1.shape}, "
            f"got {target.shape}"
        )
    dots = _sum_of_products(input1, input2)
    lengths = [arithmetic.add(_sum_of_products(x, x), COSINE_EPS) for x in (input1, input2)]
    cosine = arithmetic.div(dots, functions.sqrt(arithmetic.mul(*lengths)))
    far = choices.clamp(arithmetic.sub(cosine, margin), min=0)
    losses = arithmetic.add(
        _where_equal(target, 1, arithmetic.sub(1, cosine)), _where_equal(target, -1, far)
    )
    return reduced(losses, reduction)


def _sum_of_products(x: Tensor, y: Tensor) -> Tensor:
    return sums.sum(arithmetic.mul(x, y), -1)


def _where_equal(target: Tensor, label: Number, losses: Tensor) -> Tensor:
    return choices.where(compare.eq(target, label), losses, 0)
