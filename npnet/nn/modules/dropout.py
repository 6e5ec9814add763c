"""Dropout as modules: see the function of the same name in `functional`."""

from __future__ import annotations

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    """What all have in common."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must lie in [0, 1], got {p:g}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, values are 0 with probability p and else x / (1 - p).  Shape: any.

    Raises:
        ValueError: p is not in [0, 1].
        RuntimeError: x is of integers.

    Example:
        >>> layer = nn.Dropout(0.5)
        >>> set(layer(npnet.ones(1000)).tolist()) == {0.0, 2.0}
        True
        >>> layer.eval()(npnet.ones(3))
        tensor([1., 1., 1.])

    Source: Srivastava et al. (2014); scaled in training, so that evaluation need not be.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """The same of whole channels of sequences.  Shape: (N, C, L) or (C, L).

    Raises:
        ValueError: p is not in [0, 1].
        ShapeError: x has neither 2 nor 3 axes.

    Example:
        >>> y = nn.Dropout1d(0.5)(npnet.ones(8, 100, 5))
        >>> bool((y.amax(2) == y.amin(2)).all())
        True

    Source: Tompson et al. (2015), arXiv:1411.4280, section 3.2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """The same of whole channels of images.  Shape: (N, C, H, W).

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> y = nn.Dropout2d(0.5)(npnet.ones(8, 100, 3, 3))
        >>> bool((y.amax((2, 3)) == y.amin((2, 3))).all())
        True

    Source: Tompson et al. (2015), arXiv:1411.4280, section 3.2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """The same of whole channels of volumes.  Shape: (N, C, D, H, W) or (C, D, H, W).

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> y = nn.Dropout3d(0.5)(npnet.ones(8, 100, 2, 3, 3))
        >>> bool((y.amax((2, 3, 4)) == y.amin((2, 3, 4))).all())
        True

    Source: Tompson et al. (2015), arXiv:1411.4280, section 3.2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1 of SELU networks.  Shape: any.

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> nn.AlphaDropout(0.5).eval()(npnet.tensor([1.0, 2.0]))
        tensor([1., 2.])

    Source: Klambauer et al. (2017), arXiv:1706.02515, section "New dropout technique".
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.  Shape: (N, C, ...).

    Raises:
        ValueError: p is not in [0, 1].
        ShapeError: x has but one axis.

    Example:
        >>> nn.FeatureAlphaDropout(0.5).eval()(npnet.ones(1, 1, 2))
        tensor([[[1., 1.]]])

    Source: Klambauer et al. (2017), as of `AlphaDropout`.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
