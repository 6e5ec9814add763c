"""Layers that learn from their first batch how many channels or features there are.

Until then their weights are `UninitializedParameter`s; with the first batch these become
parameters, the same objects, and the layer one of the ordinary class. So an optimizer may be made
before or after; weights are loaded after.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.base.checks import ShapeError
from npnet.nn.module import Module
from npnet.nn.modules.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Single
from npnet.nn.modules.linear import Linear
from npnet.nn.modules.norm import BatchNorm1d, BatchNorm2d
from npnet.nn.parameter import Parameter
from npnet.ops.windows import Pair
from npnet.tensor import Tensor

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyLinear",
    "UninitializedParameter",
]


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet: it holds nothing, and no op takes it."""

    __slots__ = ()

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Become a parameter of this shape, of any values."""
        self.data = Tensor(np.empty(shape, self.dtype))
        self.__class__ = Parameter  # type: ignore[assignment] # which has the same slots

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class _Lazy(Module):
    """What lazy layers share.

    Attributes:
        becomes: the ordinary class.
        first_axis: of the input's axes that which says how many there are, from the last.
        counted: the attribute that says it.
    """

    becomes: ClassVar[type[Module]]
    first_axis: ClassVar[int]
    counted: ClassVar[str]

    def _wait(self) -> None:
        """Forget the weights of a layer that was made for any number."""
        setattr(self, self.counted, 0)
        for name, p in [*self._parameters.items()]:
            if p is not None:
                setattr(self, name, UninitializedParameter(np.empty(0, p.dtype)))

    def _begin(self, input: Tensor) -> None:
        """Become a layer for such inputs."""
        if not -input.ndim <= self.first_axis < input.ndim:
            raise ShapeError(f"{type(self).__name__}: input has too few axes, got {input.shape}")
        count = input.shape[self.first_axis]
        for name, shape in self._shapes(count).items():
            p = getattr(self, name)
            if isinstance(p, UninitializedParameter):
                p.materialize(shape)
        setattr(self, self.counted, count)
        self.__class__ = self.becomes  # type: ignore[assignment] # a base of it
        self.reset_parameters()

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        """Of the parameters."""
        raise NotImplementedError


class _LazyConvolution(_Lazy):
    counted = "in_channels"
    groups: int
    out_channels: int
    kernel_size: tuple[int, ...]
    transposed: bool

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        if count % self.groups:
            raise ValueError(
                f"{type(self).__name__}: groups must divide in_channels {count}, got {self.groups}"
            )
        made = self.out_channels
        rows = (count, made // self.groups) if self.transposed else (made, count // self.groups)
        return {"weight": (*rows, *self.kernel_size), "bias": (made,)}


class LazyConv1d(_LazyConvolution, Conv1d):
    """Conv1d whose `in_channels` is that of its first input.  Shape: as of `Conv1d`."""

    becomes = Conv1d
    first_axis = -2

    def __init__(
        self,
        out_channels: int,
        kernel_size: Single,
        stride: Single = 1,
        padding: Single | str = 0,
        dilation: Single = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        options = (kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        Conv1d.__init__(self, max(groups, 1), out_channels, *options, device, dtype)
        self._wait()

    def forward(self, input: Tensor) -> Tensor:
        self._begin(input)
        return Conv1d.forward(self, input)


class LazyConv2d(_LazyConvolution, Conv2d):
    """Conv2d whose `in_channels` is that of its first input.  Shape: as of `Conv2d`."""

    becomes = Conv2d
    first_axis = -3

    def __init__(
        self,
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
        options = (kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        Conv2d.__init__(self, max(groups, 1), out_channels, *options, device, dtype)
        self._wait()

    def forward(self, input: Tensor) -> Tensor:
        self._begin(input)
        return Conv2d.forward(self, input)


class LazyConvTranspose1d(_LazyConvolution, ConvTranspose1d):
    """ConvTranspose1d whose `in_channels` is that of its first input."""

    becomes = ConvTranspose1d
    first_axis = -2

    def __init__(
        self,
        out_channels: int,
        kernel_size: Single,
        stride: Single = 1,
        padding: Single = 0,
        output_padding: Single = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Single = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        options = (
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
        )
        ConvTranspose1d.__init__(self, max(groups, 1), out_channels, *options, device, dtype)
        self._wait()

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        self._begin(input)
        return ConvTranspose1d.forward(self, input, output_size)


class LazyConvTranspose2d(_LazyConvolution, ConvTranspose2d):
    """ConvTranspose2d whose `in_channels` is that of its first input."""

    becomes = ConvTranspose2d
    first_axis = -3

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        options = (
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
        )
        ConvTranspose2d.__init__(self, max(groups, 1), out_channels, *options, device, dtype)
        self._wait()

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        self._begin(input)
        return ConvTranspose2d.forward(self, input, output_size)


class LazyLinear(_Lazy, Linear):
    """Linear whose `in_features` is that of its first input.  Shape: as of `Linear`."""

    becomes = Linear
    first_axis = -1
    counted = "in_features"

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        Linear.__init__(self, 0, out_features, bias, device, dtype)
        self._wait()

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, count), "bias": (self.out_features,)}

    def forward(self, input: Tensor) -> Tensor:
        self._begin(input)
        return Linear.forward(self, input)


class _LazyBatchNorm(_Lazy):
    counted = "num_features"

    def _begin(self, input: Tensor) -> None:
        for name in ("running_mean", "running_var"):
            buffer = getattr(self, name)
            if buffer is not None and input.ndim > 1:
                setattr(self, name, Tensor(np.empty(input.shape[1], buffer.dtype)))
        super()._begin(input)

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (count,), "bias": (count,)}


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """BatchNorm1d whose `num_features` is that of its first input.  Shape: (N, C) or (N, C, L)."""

    becomes = BatchNorm1d
    first_axis = 1

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        options: Any = (eps, momentum, affine, track_running_stats, device, dtype)
        BatchNorm1d.__init__(self, 0, *options, bias=bias)
        self._wait()

    def forward(self, input: Tensor) -> Tensor:
        self._begin(input)
        return BatchNorm1d.forward(self, input)


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """BatchNorm2d whose `num_features` is that of its first input.  Shape: (N, C, H, W)."""

    becomes = BatchNorm2d
    first_axis = 1

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        options: Any = (eps, momentum, affine, track_running_stats, device, dtype)
        BatchNorm2d.__init__(self, 0, *options, bias=bias)
        self._wait()

    def forward(self, input: Tensor) -> Tensor:
        self._begin(input)
        return BatchNorm2d.forward(self, input)
