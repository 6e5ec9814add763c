"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.checks import check_count
from npnet.nn import functional as F
from npnet.nn import init
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops.images import as_single
from npnet.ops.windows import Pair, Window, as_pair
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]

Single: TypeAlias = int | tuple[int]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What convolutions share: options, parameters, how these are drawn, and the `repr`."""

    dims: ClassVar[int]  # of an image: 1 or 2
    transposed: ClassVar[bool] = False
    output_padding: tuple[int, ...]  # of the transposed ones

    def __init__(
        self,
        channels: tuple[int, int],
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: npt.DTypeLike | None,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = channels
        self.groups, self.padding_mode = groups, padding_mode
        self._check_options()
        self.kernel_size = self._numbers("kernel_size", kernel_size, 1)
        self.stride = self._numbers("stride", stride, 1)
        self.dilation = self._numbers("dilation", dilation, 1)
        self.padding = padding if isinstance(padding, str) else self._numbers("padding", padding, 0)
        self.output_padding = (0,) * self.dims
        seen, made = self.in_channels, self.out_channels
        rows = (seen, made // groups) if self.transposed else (made, seen // groups)
        kind = np.dtype(np.float32 if dtype is None else dtype)
        self.weight = Parameter(
            result(np.empty((*rows, *self.kernel_size), kind)).to(device=device)
        )
        if bias:
            self.bias = Parameter(np.empty(self.out_channels, kind))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check_options(self) -> None:
        name, seen, made = type(self).__name__, self.in_channels, self.out_channels
        for option, channels in (("in_channels", seen), ("out_channels", made)):
            if not isinstance(channels, int):
                check_count(name, option, channels)
        if self.groups < 1 or seen % self.groups or made % self.groups:
            raise ValueError(
                f"{name}: groups must be >= 1 and divide in_channels {seen} and "
                f"out_channels {made}, got {self.groups}"
            )
        if min(seen, made) < 1:
            raise ValueError(f"{name}: channels must be >= 1, got in {seen}, out {made}")
        modes = _PADDING_MODES[:1] if self.transposed else _PADDING_MODES
        if self.padding_mode not in modes:
            raise ValueError(
                f"{name}: padding_mode must be one of {', '.join(modes)}; got {self.padding_mode!r}"
            )

    def _numbers(self, option: str, value: Any, least: int) -> tuple[int, ...]:
        """One number for each axis."""
        name = type(self).__name__
        if self.dims == 1:
            return (as_single(name, option, value, least),)
        return as_pair(name, option, value, least)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        self._check_writable("reset_parameters")
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # gives the bound in the docstring
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding != (0,) * self.dims:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.dims:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.dims:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Correlation(_ConvNd):
    """What Conv1d and Conv2d share: padding, which may be other than zeros."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        options = kernel_size, stride, padding, dilation, groups, bias, padding_mode
        super().__init__((in_channels, out_channels), *options, device, dtype)
        # The rule for "same" and "valid" stands in one place; here it also refuses what can't be.
        rows = (0,) * (2 - self.dims)
        kernel, step, apart = (
            (*(1 for _ in rows), *numbers)
            for numbers in (self.kernel_size, self.stride, self.dilation)
        )
        text: Any = self.padding
        around = text if isinstance(text, str) else (*rows, *text)
        name = type(self).__name__
        pairs = Window.around(name, around, kernel, step, apart)  # type: ignore[arg-type] # pairs
        self._around = tuple(n for pair in pairs[::-1][: self.dims] for n in pair)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with what is around, and the padding with zeros that remains."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._around, self.padding_mode), 0


class Conv2d(_Correlation):
    """y = weight * x + bias, a cross-correlation: see `functional.conv2d`.

    Shape: x (N, C, H, W) or (C, H, W) -> y (N, O, OH, OW); weight (O, C/groups, KH, KW), bias (O,).
    Both are drawn evenly from [-b, b), b = 1 / sqrt(C/groups * KH * KW), as in PyTorch.

    Args:
        padding: a number, (vertical, horizontal), "valid" or "same".
        padding_mode: what padding holds: "zeros", or as `functional.pad`'s modes.
        device: "cpu".

    Raises:
        ValueError: groups does not divide both channels, padding is "same" and stride is not 1, or
            a name or a mode of padding is unknown.
        ShapeError: x has other axes or channels, or the kernel is larger than the padded input.
        RuntimeError: x is of another dtype than the weight.

    Example:
        >>> layer = nn.Conv2d(1, 6, 5, padding=2)
        >>> layer(npnet.zeros(8, 1, 28, 28)).shape
        (8, 6, 28, 28)
        >>> layer.weight.shape
        (6, 1, 5, 5)

    Source: LeCun et al. (1998), section II; Dumoulin and Visin (2016), arXiv:1603.07285.
    """

    dims = 2

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
        options = kernel_size, stride, padding, dilation, groups, bias, padding_mode
        super().__init__(in_channels, out_channels, *options, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        options: Any = self.stride, padding, self.dilation, self.groups
        return F.conv2d(x, self.weight, self.bias, *options)


class Conv1d(_Correlation):
    """y = weight * x + bias, a cross-correlation of signals: see `functional.conv1d`.

    Shape: x (N, C, L) or (C, L) -> y (N, O, OL); weight (O, C/groups, K), bias (O,). Both are drawn
    evenly from [-b, b), b = 1 / sqrt(C/groups * K), as in PyTorch.

    Args:
        padding: a number, "valid" or "same".
        padding_mode: what padding holds: "zeros", or as `functional.pad`'s modes.
        device: "cpu".

    Raises:
        ValueError: groups does not divide both channels, padding is "same" and stride is not 1, or
            a name or a mode of padding is unknown.
        ShapeError: x has other axes or channels, or the kernel is larger than the padded input.
        RuntimeError: x is of another dtype than the weight.

    Example:
        >>> layer = nn.Conv1d(4, 6, 3, padding="same")
        >>> layer(npnet.zeros(8, 4, 20)).shape
        (8, 6, 20)

    Source: LeCun et al. (1998), section II; Dumoulin and Visin (2016), arXiv:1603.07285.
    """

    dims = 1

    def __init__(
        self,
        in_channels: int,
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
        options = kernel_size, stride, padding, dilation, groups, bias, padding_mode
        super().__init__(in_channels, out_channels, *options, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        options: Any = self.stride, padding, self.dilation, self.groups
        return F.conv1d(x, self.weight, self.bias, *options)


class _ConvTransposeNd(_ConvNd):
    """What ConvTranspose1d and ConvTranspose2d share."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        dilation: Any,
        padding_mode: str,
        device: Any,
        dtype: npt.DTypeLike | None,
    ) -> None:
        if isinstance(padding, str):
            raise TypeError(f"{type(self).__name__}: padding must be numbers, got {padding!r}")
        options = kernel_size, stride, padding, dilation, groups, bias, padding_mode
        super().__init__((in_channels, out_channels), *options, device, dtype)
        self.output_padding = self._numbers("output_padding", output_padding, 0)

    def _added(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding by which the output has this size; the layer's own without one."""
        if output_size is None:
            return self.output_padding
        name, leading = type(self).__name__, input.ndim - self.dims
        wanted = tuple(output_size)
        wanted = wanted[leading:] if len(wanted) == leading + self.dims else wanted
        if len(wanted) != self.dims:
            raise ValueError(
                f"{name}: output_size must have {self.dims} or {leading + self.dims} numbers, "
                f"got {tuple(output_size)}"
            )
        padding: Any = self.padding
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[leading:],
                self.stride,
                padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        )
        most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
        if any(not a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"{name}: output_size must lie between {least} and {most} for input "
                f"{input.shape}, got {wanted}"
            )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of a convolution: see `functional.conv_transpose2d`.

    Shape: x (N, C, H, W) or (C, H, W) -> y (N, O, OH, OW); weight (C, O/groups, KH, KW), bias (O,).
    Both are drawn evenly from [-b, b), b = 1 / sqrt(O/groups * KH * KW), as in PyTorch. `forward`
    takes the output's size in place of `output_padding`.

    Args:
        padding_mode: "zeros".
        device: "cpu".

    Raises:
        ValueError: groups does not divide both channels, padding_mode is not "zeros", or
            output_size is out of reach.
        RuntimeError: output_padding is less than neither stride nor dilation.
        ShapeError: x has other axes or channels.

    Example:
        >>> layer = nn.ConvTranspose2d(16, 6, 3, stride=2, padding=1)
        >>> layer(npnet.zeros(8, 16, 7, 7)).shape
        (8, 6, 13, 13)
        >>> layer(npnet.zeros(8, 16, 7, 7), output_size=(14, 14)).shape
        (8, 6, 14, 14)

    Source: Zeiler et al. (2010); Dumoulin and Visin (2016), arXiv:1603.07285, section 4.
    """

    dims = 2

    def __init__(
        self,
        in_channels: int,
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
        options = kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode
        super().__init__(in_channels, out_channels, *options, device, dtype)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        added = self._added(input, output_size)
        options: Any = self.stride, self.padding, added, self.groups, self.dilation
        return F.conv_transpose2d(input, self.weight, self.bias, *options)


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of a convolution of signals: see `functional.conv_transpose1d`.

    Shape: x (N, C, L) or (C, L) -> y (N, O, OL); weight (C, O/groups, K), bias (O,). Both are drawn
    evenly from [-b, b), b = 1 / sqrt(O/groups * K), as in PyTorch. `forward` takes the output's
    size in place of `output_padding`.

    Args:
        padding_mode: "zeros".
        device: "cpu".

    Raises:
        ValueError: groups does not divide both channels, padding_mode is not "zeros", or
            output_size is out of reach.
        RuntimeError: output_padding is less than neither stride nor dilation.
        ShapeError: x has other axes or channels.

    Example:
        >>> layer = nn.ConvTranspose1d(6, 4, 2, stride=2)
        >>> layer(npnet.zeros(8, 6, 10)).shape
        (8, 4, 20)

    Source: Zeiler et al. (2010); Dumoulin and Visin (2016), arXiv:1603.07285, section 4.
    """

    dims = 1

    def __init__(
        self,
        in_channels: int,
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
        options = kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode
        super().__init__(in_channels, out_channels, *options, device, dtype)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        added = self._added(input, output_size)
        options: Any = self.stride, self.padding, added, self.groups, self.dilation
        return F.conv_transpose1d(input, self.weight, self.bias, *options)
