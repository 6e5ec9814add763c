"""Distances of vectors, as modules."""

from __future__ import annotations

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`: see `functional.cosine_similarity`.

    Shape: (N, D, ...), (N, D, ...) -> (N, ...) of dim=1.

    Raises:
        ShapeError: the shapes do not broadcast.
        IndexError: there is no axis `dim`.

    Example:
        >>> a, b = npnet.tensor([[3.0, 4.0]]), npnet.tensor([[4.0, 3.0]])
        >>> nn.CosineSimilarity()(a, b).round(decimals=2)
        tensor([0.9600])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of differences of vectors.  Shape: (N, D), (N, D) -> (N,).

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> nn.PairwiseDistance(eps=0)(npnet.tensor([[3.0, 4.0]]), npnet.zeros(1, 2))
        tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
