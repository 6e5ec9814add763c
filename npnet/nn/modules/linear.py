"""Fully connected layers, of one input and of two."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from npnet import creation
from npnet.base.checks import ShapeError
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


class Linear(Module):
    """y = x @ weight.T + bias.

    Shape: x (..., in_features) -> y (..., out_features); weight (out_features, in_features).
    Weight and bias are drawn evenly from [-b, b), b = 1 / sqrt(in_features), as in PyTorch.

    Raises:
        ShapeError: x does not end in in_features.
        RuntimeError: x is of another dtype than the weight.

    Example:
        >>> layer = nn.Linear(400, 120)
        >>> layer(npnet.zeros(8, 400)).shape
        (8, 120)
        >>> layer.weight.shape
        (120, 400)

    Source: Rumelhart, Hinton, Williams (1986), Nature 323.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if min(in_features, out_features) < 0:
            raise ValueError(
                f"Linear: features must be >= 0, got in {in_features}, out {out_features}"
            )
        self.in_features, self.out_features = in_features, out_features
        weight = creation.empty((out_features, in_features), dtype=dtype, device=device)
        self.weight = Parameter(weight)
        if bias:
            self.bias = Parameter(creation.empty(out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        self._check_writable("reset_parameters")
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        try:
            return F.linear(input, self.weight, self.bias)
        except ShapeError as error:
            raise ShapeError(str(error).replace("linear:", "Linear:", 1)) from None

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """y = x. Arguments are taken, as in PyTorch, so that it can stand in for any layer.

    Shape: any, kept.

    Example:
        >>> nn.Identity(54, unused=True)(npnet.tensor([1, 2]))
        tensor([1, 2])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Bilinear(Module):
    """y_o = x1 @ weight_o @ x2 + bias_o.

    Shape: (..., in1_features), (..., in2_features) -> (..., out_features).
    Weight and bias are drawn evenly from [-b, b), b = 1 / sqrt(in1_features), as in PyTorch.

    Raises:
        ValueError: in1_features is not above 0.
        ShapeError: an input ends in another number of features, or the inputs differ in the axes
            before.

    Example:
        >>> layer = nn.Bilinear(3, 4, 5)
        >>> layer(npnet.zeros(8, 3), npnet.zeros(8, 4)).shape
        (8, 5)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        size = (out_features, in1_features, in2_features)
        self.weight = Parameter(creation.empty(size, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(creation.empty(out_features, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        self._check_writable("reset_parameters")
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
