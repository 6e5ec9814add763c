"""Instance normalisation."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy.typing as npt

from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from npnet.nn.modules.batchnorm import _NormBase
from npnet.tensor import Tensor

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    """Instance norm: see `functional.instance_norm`.

    Args:
        affine: whether there is a weight (1 at first) and, unless `bias` is False, a bias (0).
        track_running_stats: whether running statistics are kept, and used in evaluation.
    """

    unbatched: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        single = input.ndim == len(self.unbatched)
        if not single and input.ndim != len(self.unbatched) + 1:
            kind = f"({', '.join(self.unbatched)})"
            raise ShapeError(
                f"{type(self).__name__}: input must be {kind.replace('(', '(N, ')} or {kind}, "
                f"got {input.shape}"
            )
        x = input[None] if single else input
        if x.shape[1] != self.num_features:
            if self.affine:
                raise ShapeError(
                    f"{type(self).__name__}: input has {x.shape[1]} channels but num_features is "
                    f"{self.num_features}; got {input.shape}"
                )
            warnings.warn(
                f"input's size at dim={0 if single else 1} does not match num_features. "
                "You can silence this warning by not passing in num_features, which is not used "
                "because affine=False",
                stacklevel=2,
            )
        y = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y[0] if single else y


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of sequences.  Shape: (N, C, L) or (C, L), kept.

    Raises:
        ShapeError: the input has other axes; with affine, not num_features channels.
        ValueError: a channel has but one value, unless running statistics are used.

    Example:
        >>> nn.InstanceNorm1d(1)(npnet.tensor([[[1.0, 3.0]]])).round(decimals=2)
        tensor([[[-1.,  1.]]])

    Source: Ulyanov, Vedaldi, Lempitsky (2016), arXiv:1607.08022, eq. 7.
    """

    unbatched = ("C", "L")


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of images.  Shape: (N, C, H, W) or (C, H, W), kept.

    Raises:
        ShapeError: the input has other axes; with affine, not num_features channels.
        ValueError: a channel has but one value, unless running statistics are used.

    Example:
        >>> layer = nn.InstanceNorm2d(6, affine=True)
        >>> layer(npnet.zeros(8, 6, 14, 14)).shape
        (8, 6, 14, 14)

    Source: Ulyanov, Vedaldi, Lempitsky (2016), arXiv:1607.08022, eq. 7.
    """

    unbatched = ("C", "H", "W")


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of volumes.  Shape: (N, C, D, H, W) or (C, D, H, W), kept.

    Raises:
        ShapeError: the input has other axes; with affine, not num_features channels.
        ValueError: a channel has but one value, unless running statistics are used.

    Example:
        >>> nn.InstanceNorm3d(6)(npnet.zeros(2, 6, 4, 8, 8)).shape
        (2, 6, 4, 8, 8)

    Source: Ulyanov, Vedaldi, Lempitsky (2016), arXiv:1607.08022, eq. 7.
    """

    unbatched = ("C", "D", "H", "W")
