"""Norms of single samples: of groups, layers, roots of mean squares, local."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from npnet import creation
from npnet.base.checks import check_count
from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.nn.modules.batchnorm import add_affine, reset_affine
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class GroupNorm(Module):
    """Norm of groups of channels: see `functional.group_norm`.  Shape: (N, C, ...), kept.

    Args:
        affine: whether there is a weight (1 at first) and, unless `bias` is False, a bias (0).

    Raises:
        ValueError: num_groups does not divide num_channels, or a group of one sample is one value.
        ShapeError: x has not num_channels channels.

    Example:
        >>> nn.GroupNorm(3, 6)(npnet.zeros(8, 6, 14, 14)).shape
        (8, 6, 14, 14)

    Source: Wu and He (2018), arXiv:1803.08494, section 3.1.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % check_count("GroupNorm", "num_groups", num_groups):
            raise ValueError(
                f"GroupNorm: num_groups must divide num_channels, got {num_groups} "
                f"and {num_channels}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        add_affine(self, (num_channels,), affine, affine and bias, device, dtype)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(Module):
    """Layer norm over the last axes: see `functional.layer_norm`.  Shape: (..., *shape), kept.

    Raises:
        ShapeError: x does not end in normalized_shape.

    Example:
        >>> nn.LayerNorm(2)(npnet.tensor([[1.0, 3.0]])).detach().round(decimals=2)
        tensor([[-1.,  1.]])

    Source: Ba, Kiros, Hinton (2016), arXiv:1607.06450.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        has_bias = elementwise_affine and bias
        add_affine(self, self.normalized_shape, elementwise_affine, has_bias, device, dtype)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha / size * sum of x^2 over `size` channels)^beta.  Shape: (N, C, ...), kept.

    Raises:
        ShapeError: x has less than 3 axes.
        ValueError: size is below 1.

    Example:
        >>> nn.LocalResponseNorm(2)(npnet.zeros(8, 6, 14, 14)).shape
        (8, 6, 14, 14)

    Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, whose alpha is alpha / size here.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class RMSNorm(Module):
    """The norm by roots of mean squares: see `functional.rms_norm`.  Shape: (..., *shape), kept.

    Raises:
        ShapeError: x does not end in normalized_shape.

    Example:
        >>> nn.RMSNorm(2, eps=0.0)(npnet.tensor([[1.0, 7.0]])).detach().round(decimals=2)
        tensor([[0.2000, 1.4000]])

    Source: Zhang and Sennrich (2019), arXiv:1910.07467, eq. 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        ones = creation.ones(self.normalized_shape, dtype=dtype, device=device)
        self.register_parameter("weight", Parameter(ones) if elementwise_affine else None)

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        self._check_writable("reset_parameters")
        if self.weight is not None:
            self.weight.array[...] = 1

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
