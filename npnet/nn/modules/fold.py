"""Windows as columns and back, as modules: see the function of the same name in `functional`."""

from __future__ import annotations

from typing import Any

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """The windows of an image as columns.  Shape: (N, C, H, W) -> (N, C*KH*KW, L).

    Raises:
        ShapeError: x has neither 3 nor 4 axes, or the kernel is larger than the padded image.

    Example:
        >>> nn.Unfold(2)(npnet.arange(6.0).view(1, 1, 2, 3))
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])

    Source: Chellapilla, Puri, Simard (2006), section 3, "unrolling".
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns added up to images.  Shape: (N, C*KH*KW, L) -> (N, C, *output_size).

    Raises:
        ShapeError: rows are no multiple of KH * KW, or columns are not as many as windows.

    Example:
        >>> columns = nn.Unfold(2)(npnet.ones(1, 1, 3, 3))
        >>> nn.Fold((3, 3), 2)(columns)[0, 0]
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size, self.dilation = output_size, kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        windows = self.kernel_size, self.dilation, self.padding, self.stride
        return F.fold(input, self.output_size, *windows)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
