"""Layers that learn the size of their input from the first one they are given."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.nn.module import Module
from npnet.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from npnet.nn.modules.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Single
from npnet.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from npnet.nn.modules.linear import Linear
from npnet.nn.parameter import Buffer, Parameter
from npnet.ops.windows import Pair
from npnet.tensor import Tensor

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "UninitializedBuffer",
    "UninitializedParameter",
]


class UninitializedParameter(Parameter):
    """A parameter whose size is not known yet; the first input makes it an ordinary one.

    Example:
        >>> layer = nn.LazyLinear(10)
        >>> layer.weight
        <UninitializedParameter>
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True) -> None:
        super().__init__(None, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        copy = type(self)(self.requires_grad)
        memo[id(self)] = copy
        return copy

    def detach(self) -> Tensor:
        """Itself: what a state holds of it is not known either."""
        return self

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class UninitializedBuffer(Buffer):
    """A buffer whose size is not known yet.

    Example:
        >>> nn.LazyBatchNorm1d().running_mean
        <UninitializedBuffer>
    """

    __slots__ = ()

    def detach(self) -> Tensor:
        """Itself: what a state holds of it is not known either."""
        return self

    def __repr__(self) -> str:
        return "<UninitializedBuffer>"


class _Lazy(Module):
    """What all lazy layers do: be nobody's layer until the first input, and then an ordinary one.

    Attributes:
        becomes: the class that it has from then on.
        size_name: its argument that the input tells.
        channel_axis: where in an input the size stands.
    """

    becomes: ClassVar[type[Module]]
    size_name: ClassVar[str]
    channel_axis: ClassVar[int]

    def _wait(self, least: int, **options: Any) -> None:
        """Look like a layer for no input at all, whose options are known."""
        template = self.becomes(**{self.size_name: least}, **options)
        self.__dict__.update(template.__dict__)
        self.__dict__["_options"] = options
        for name, p in self._parameters.items():
            if p is not None:
                self._parameters[name] = UninitializedParameter()
        for name, b in self._buffers.items():
            if b is not None and b.ndim:
                self._buffers[name] = UninitializedBuffer()
        setattr(self, self.size_name, 0)
        self._first_hook = self.register_forward_pre_hook(_first_input)
        self._load_hook = self.register_load_state_dict_pre_hook(_first_state)

    def has_uninitialized_params(self) -> bool:
        """Whether there was no input yet."""
        return any(isinstance(p, UninitializedParameter) for p in self._parameters.values())

    def initialize_parameters(self, input: Tensor) -> None:
        """Become an ordinary layer for inputs such as this one."""
        self._become(input.shape[self.channel_axis])

    def _become(self, size: int) -> None:
        options = self.__dict__.pop("_options")
        made = self.becomes(**{self.size_name: size}, **options)
        for p in self.parameters(recurse=False):
            made.to(p.dtype)  # that it was converted to before
        for name, own in self.named_parameters(recurse=False):
            own.__class__ = Parameter  # the same object, which an optimizer may have already
            own.data = made.get_parameter(name).detach()
        self._buffers.update(made._buffers)
        setattr(self, self.size_name, size)
        self.__dict__.pop("_first_hook").remove()
        self.__dict__.pop("_load_hook").remove()
        self.__class__ = self.becomes  # type: ignore[assignment] # as in PyTorch


def _first_input(module: Any, args: tuple[Any, ...]) -> None:
    module.initialize_parameters(*args)


def _first_state(module: Any, state: Any, prefix: str, *others: Any) -> None:
    """A state tells the size too."""
    weight = state.get(f"{prefix}weight", state.get(f"{prefix}running_mean"))
    if weight is None or isinstance(weight, UninitializedParameter):
        return
    shape = tuple(np.shape(weight))
    axis = 1 if len(shape) > 1 and not module._transposed else 0
    groups = 1 if module._transposed else getattr(module, "groups", 1)
    module._become(shape[axis] * groups)


class _LazyLayer(_Lazy):
    """A layer with a weight (O, I, ...)."""

    _transposed: ClassVar[bool] = False


class LazyLinear(_LazyLayer, Linear):
    """`Linear` whose in_features the first input tells.

    Shape: x (..., in_features) -> y (..., out_features).

    Raises:
        ShapeError: a later input has another number of features.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        >>> model(npnet.zeros(8, 16, 5, 5)).shape
        (8, 10)
        >>> model[1]
        Linear(in_features=400, out_features=10, bias=True)
    """

    becomes, size_name, channel_axis = Linear, "in_features", -1

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self._wait(1, out_features=out_features, bias=bias, device=device, dtype=dtype)


class LazyConv1d(_LazyLayer, Conv1d):
    """`Conv1d` whose in_channels the first input tells.

    Shape: x (N, C, L) or (C, L) -> y (N, O, OL).

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyConv1d(6, 3)
        >>> y = layer(npnet.zeros(8, 4, 20))
        >>> layer
        Conv1d(4, 6, kernel_size=(3,), stride=(1,))
    """

    becomes, size_name, channel_axis = Conv1d, "in_channels", -2

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
        self._wait(
            groups,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class LazyConv2d(_LazyLayer, Conv2d):
    """`Conv2d` whose in_channels the first input tells.

    Shape: x (N, C, H, W) or (C, H, W) -> y (N, O, OH, OW).

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyConv2d(6, 5)
        >>> layer.weight
        <UninitializedParameter>
        >>> layer(npnet.zeros(8, 3, 32, 32)).shape
        (8, 6, 28, 28)
        >>> layer.weight.shape
        (6, 3, 5, 5)
    """

    becomes, size_name, channel_axis = Conv2d, "in_channels", -3

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
        self._wait(
            groups,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class LazyConvTranspose1d(_LazyLayer, ConvTranspose1d):
    """`ConvTranspose1d` whose in_channels the first input tells.

    Shape: x (N, C, L) or (C, L) -> y (N, O, OL).

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyConvTranspose1d(4, 2, stride=2)
        >>> y = layer(npnet.zeros(8, 6, 10))
        >>> layer.weight.shape
        (6, 4, 2)
    """

    becomes, size_name, channel_axis = ConvTranspose1d, "in_channels", -2
    _transposed = True

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
        self._wait(
            groups,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
            bias=bias,
            dilation=dilation,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class LazyConvTranspose2d(_LazyLayer, ConvTranspose2d):
    """`ConvTranspose2d` whose in_channels the first input tells.

    Shape: x (N, C, H, W) or (C, H, W) -> y (N, O, OH, OW).

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyConvTranspose2d(6, 2, stride=2)
        >>> y = layer(npnet.zeros(8, 16, 7, 7))
        >>> layer.weight.shape
        (16, 6, 2, 2)
    """

    becomes, size_name, channel_axis = ConvTranspose2d, "in_channels", -3
    _transposed = True

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
        self._wait(
            groups,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
            bias=bias,
            dilation=dilation,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class _LazyNorm(_LazyLayer):
    """A norm, all of which have the same options."""

    size_name, channel_axis = "num_features", 1

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
        self._wait(
            1,
            eps=eps,
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
            device=device,
            dtype=dtype,
            bias=bias,
        )


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` whose num_features the first input tells.

    Shape: (N, C) or (N, C, L), kept.

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyBatchNorm1d()
        >>> y = layer(npnet.zeros(8, 6))
        >>> layer.num_features
        6
    """

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` whose num_features the first input tells.

    Shape: (N, C, H, W), kept.

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyBatchNorm2d()
        >>> y = layer(npnet.zeros(8, 6, 14, 14))
        >>> layer
        BatchNorm2d(6, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` whose num_features the first input tells.

    Shape: (N, C, D, H, W), kept.

    Raises:
        ShapeError: a later input has another number of channels.

    Example:
        >>> layer = nn.LazyBatchNorm3d()
        >>> y = layer(npnet.zeros(2, 6, 4, 8, 8))
        >>> layer.weight.shape
        (6,)
    """

    becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` whose num_features the first input tells.

    Shape: (N, C, L) or (C, L), kept.

    Raises:
        ShapeError: a later input has another number of channels, and the norm is affine.

    Example:
        >>> layer = nn.LazyInstanceNorm1d()
        >>> y = layer(npnet.zeros(8, 6, 20))
        >>> layer.num_features
        6
    """

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` whose num_features the first input tells.

    Shape: (N, C, H, W) or (C, H, W), kept.

    Raises:
        ShapeError: a later input has another number of channels, and the norm is affine.

    Example:
        >>> layer = nn.LazyInstanceNorm2d()
        >>> y = layer(npnet.zeros(8, 6, 14, 14))
        >>> layer.num_features
        6
    """

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` whose num_features the first input tells.

    Shape: (N, C, D, H, W) or (C, D, H, W), kept.

    Raises:
        ShapeError: a later input has another number of channels, and the norm is affine.

    Example:
        >>> layer = nn.LazyInstanceNorm3d()
        >>> y = layer(npnet.zeros(2, 6, 4, 8, 8))
        >>> layer.num_features
        6
    """

    becomes = InstanceNorm3d
