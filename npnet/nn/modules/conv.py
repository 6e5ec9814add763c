"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops.windows import Pair, Window, as_pair
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["Conv2d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _check_channels(inputs: int, outputs: int, groups: int) -> None:
    if groups < 1 or inputs % groups or outputs % groups:
        raise ValueError(
            f"Conv2d: groups must be >= 1 and divide in_channels {inputs} and "
            f"out_channels {outputs}, got {groups}"
        )
    if min(inputs, outputs) < 1:
        raise ValueError(f"Conv2d: channels must be >= 1, got in {inputs}, out {outputs}")


class Conv2d(Module):
    """y = weight * x + bias, a cross-correlation: see `functional.conv2d`.

    Shape: x (N, C, H, W) -> y (N, O, OH, OW); weight (O, C/groups, KH, KW), bias (O,).
    Both are drawn evenly from [-b, b), b = 1 / sqrt(C/groups * KH * KW), as in PyTorch.

    Args:
        padding: a number, (vertical, horizontal), "valid" or "same".
        padding_mode: what padding holds: "zeros", or as `functional.pad`'s modes.
        device: "cpu".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"Conv2d: padding_mode must be one of {', '.join(_PADDING_MODES)}; "
                f"got {padding_mode!r}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = as_pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = as_pair("Conv2d", "stride", stride, 1)
        self.dilation = as_pair("Conv2d", "dilation", dilation, 1)
        self.padding_mode = padding_mode
        self.padding = (
            padding if isinstance(padding, str) else as_pair("Conv2d", "padding", padding, 0)
        )
        # The rule for "same" and "valid" stands in one place; here it also refuses what can't be.
        self._around = Window.around(
            "Conv2d", self.padding, self.kernel_size, self.stride, self.dilation
        )
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        kind = np.dtype(np.float32 if dtype is None else dtype)
        self.weight = Parameter(result(np.empty(shape, kind)).to(device=device))
        if bias:
            self.bias = Parameter(np.empty(out_channels, kind))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        self._check_writable("reset_parameters")
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # gives the bound in the docstring
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            (top, bottom), (left, right) = self._around
            input, padding = F.pad(input, (left, right, top, bottom), self.padding_mode), 0
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text
