"""Pooling as modules: see the function of the same name in `functional`."""

from __future__ import annotations

from typing import Any

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.ops.windows import Pair
from npnet.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "FractionalMaxPool2d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxUnpool1d",
    "MaxUnpool2d",
]


def _tuple(value: Any, count: int) -> tuple[Any, ...]:
    """So many numbers of one; a sequence as it is, which the function checks."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


class _MaxPoolNd(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _options(self) -> tuple[Any, ...]:
        windows = self.kernel_size, self.stride, self.padding, self.dilation
        return *windows, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value of each window.  Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: x has other axes, the kernel is larger than the padded input, or padding is more
            than half the kernel.
        ValueError: kernel_size or stride is below 1.

    Example:
        >>> pool = nn.MaxPool1d(2, return_indices=True)
        >>> pool(npnet.tensor([[1.0, 3.0, 7.0, 7.0]]))
        (tensor([[3., 7.]]), tensor([[1, 2]]))

    Source: Riesenhuber and Poggio (1999), Nature Neuroscience 2(11).
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(input, *self._options())


class MaxPool2d(_MaxPoolNd):
    """The largest value of each window.  Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: x has other axes, the kernel is larger than the padded input, or padding is more
            than half the kernel.
        ValueError: kernel_size or stride is below 1.

    Example:
        >>> nn.MaxPool2d(2)(npnet.arange(8.0).view(1, 2, 4))
        tensor([[[5., 7.]]])
        >>> nn.MaxPool2d(3, stride=2, padding=1)(npnet.zeros(8, 6, 28, 28)).shape
        (8, 6, 14, 14)

    Source: Riesenhuber and Poggio (1999), Nature Neuroscience 2(11).
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, *self._options())


class _Windows(Module):
    """A pool by windows that are told by kernel, stride and padding."""

    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_Windows):
    """The mean of each window.  Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: x has other axes, the kernel is larger than the padded input, or padding is more
            than half the kernel.

    Example:
        >>> nn.AvgPool1d(2)(npnet.tensor([[1.0, 3.0, 5.0, 7.0]]))
        tensor([[2., 6.]])

    Source: LeCun et al. (1998), section II.B; there with a weight and a bias.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _tuple(kernel_size, 1)
        self.stride = _tuple(kernel_size if stride is None else stride, 1)
        self.padding = _tuple(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding
        return F.avg_pool1d(input, *windows, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_Windows):
    """The mean of each window.  Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: x has other axes, the kernel is larger than the padded input, or padding is more
            than half the kernel.
        RuntimeError: divisor_override is 0.

    Example:
        >>> nn.AvgPool2d(2)(npnet.arange(8.0).view(1, 2, 4))
        tensor([[[2.5000, 4.5000]]])

    Source: LeCun et al. (1998), section II.B; there with a weight and a bias.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return F.avg_pool2d(input, *windows, self.count_include_pad, self.divisor_override)


class MaxUnpool1d(_Windows):
    """The maxima of MaxPool1d at their places.  Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: indices are not of the input's shape.
        RuntimeError: an index is outside of the output.
        ValueError: output_size is further than a stride from what it would be.

    Example:
        >>> y, indices = nn.MaxPool1d(2, return_indices=True)(npnet.tensor([[1.0, 3.0, 7.0, 5.0]]))
        >>> nn.MaxUnpool1d(2)(y, indices)
        tensor([[0., 3., 7., 0.]])

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 2.1.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
    ) -> None:
        super().__init__()
        self.kernel_size = _tuple(kernel_size, 1)
        self.stride = _tuple(kernel_size if stride is None else stride, 1)
        self.padding = _tuple(padding, 1)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: list[int] | None = None
    ) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding
        return F.max_unpool1d(input, indices, *windows, output_size)


class MaxUnpool2d(_Windows):
    """The maxima of MaxPool2d at their places.  Shape: (N, C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: indices are not of the input's shape.
        RuntimeError: an index is outside of the output.
        ValueError: output_size is further than a stride from what it would be.

    Example:
        >>> y, indices = nn.MaxPool2d(2, return_indices=True)(npnet.arange(8.0).view(1, 1, 2, 4))
        >>> nn.MaxUnpool2d(2)(y, indices)
        tensor([[[[0., 0., 0., 0.],
                  [0., 5., 0., 7.]]]])

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 2.1.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
    ) -> None:
        super().__init__()
        self.kernel_size = _tuple(kernel_size, 2)
        self.stride = _tuple(kernel_size if stride is None else stride, 2)
        self.padding = _tuple(padding, 2)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: list[int] | None = None
    ) -> Tensor:
        kernel, stride, padding = self.kernel_size, self.stride, self.padding
        return F.max_unpool2d(input, indices, kernel, stride, padding, output_size)


class _Power(Module):
    def __init__(
        self,
        norm_type: float,
        kernel_size: Any,
        stride: Any = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_Power):
    """(sum over the window of x^p)^(1/p).  Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: x has other axes, or the kernel is larger than it.

    Example:
        >>> nn.LPPool1d(2, 2)(npnet.tensor([[3.0, 4.0, 6.0, 8.0]]))
        tensor([[ 5., 10.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        p = float(self.norm_type)
        return F.lp_pool1d(input, p, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_Power):
    """(sum over the window of x^p)^(1/p).  Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: x has other axes, or the kernel is larger than it.

    Example:
        >>> nn.LPPool2d(1, 2)(npnet.arange(8.0).view(1, 2, 4))
        tensor([[[10., 18.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        p = float(self.norm_type)
        return F.lp_pool2d(input, p, self.kernel_size, self.stride, self.ceil_mode)


class FractionalMaxPool2d(Module):
    """The largest value of windows that begin at random places.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ValueError: there is neither output_size nor output_ratio, or both, or a ratio is not
            between 0 and 1.
        ShapeError: output_size + kernel_size - 1 is larger than the image.

    Example:
        >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(npnet.zeros(8, 6, 20, 20)).shape
        (8, 6, 14, 14)

    Source: Graham (2014), arXiv:1412.6071, section 2.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        output_size: int | Pair | None = None,
        output_ratio: float | tuple[float, float] | None = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            given = "neither" if output_size is None else "both"
            raise ValueError(
                f"FractionalMaxPool2d: needs an output_size or an output_ratio, got {given}"
            )
        self.kernel_size, self.return_indices = _tuple(kernel_size, 2), return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _tuple(output_size, 2)
        self.output_ratio = None if output_ratio is None else _tuple(output_ratio, 2)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(
                f"FractionalMaxPool2d: output_ratio must be between 0 and 1, got {output_ratio}"
            )

    def forward(self, input: Tensor) -> Any:
        size, ratio = self.output_size, self.output_ratio
        samples: Any = self._random_samples
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            size,
            ratio,
            self.return_indices,
            samples,
        )


class _Adaptive(Module):
    output_size: Any

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of OL bins that cover the signal.  Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: x has other axes.
        ValueError: a size is below 0.

    Example:
        >>> nn.AdaptiveAvgPool1d(2)(npnet.tensor([[1.0, 3.0, 5.0, 7.0]]))
        tensor([[2., 6.]])

    Source: Lin, Chen, Yan (2014), arXiv:1312.4400, section 3.2, for a single bin.
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """The mean of OH x OW bins that cover the image.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: x has other axes.
        ValueError: a size is below 0.

    Example:
        >>> nn.AdaptiveAvgPool2d((1, 2))(npnet.arange(8.0).view(1, 2, 4))
        tensor([[[2.5000, 4.5000]]])

    Source: Lin, Chen, Yan (2014), arXiv:1312.4400, section 3.2, for a single bin.
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool1d(_Adaptive):
    """The largest value of OL bins that cover the signal.

    Shape: (N, C, L) or (C, L) -> (N, C, OL).

    Raises:
        ShapeError: x has other axes.
        ValueError: a size is below 0.

    Example:
        >>> nn.AdaptiveMaxPool1d(2)(npnet.tensor([[1.0, 3.0, 7.0, 5.0]]))
        tensor([[3., 7.]])
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest value of OH x OW bins that cover the image.

    Shape: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    Raises:
        ShapeError: x has other axes.
        ValueError: a size is below 0.

    Example:
        >>> nn.AdaptiveMaxPool2d((1, 2))(npnet.arange(8.0).view(1, 2, 4))
        tensor([[[5., 7.]]])
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)
