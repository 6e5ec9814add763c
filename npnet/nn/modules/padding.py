"""Padding as modules: see `functional.pad`."""

from __future__ import annotations

from typing import ClassVar

from npnet.base.checks import ShapeError, check_count
from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Values put around the last axes, of which there are `axes`.

    Args:
        padding: one width for all sides; or (before, after) for the last axis, then for the one
            before it, and so on; negative widths cut off.
    """

    mode: ClassVar[str]
    axes: ClassVar[int]
    padding: tuple[int, ...]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        widths = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)
        if len(widths) != 2 * self.axes:
            raise ValueError(
                f"{type(self).__name__}: padding must be an int or {2 * self.axes} ints, "
                f"got {padding!r}"
            )
        for width in widths:
            check_count(type(self).__name__, "a width", width, least=-(2**62))
        self.padding = widths

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.axes + 1, self.axes + 2):
            sizes = ", ".join(("D", "H", "W")[-self.axes :])
            raise ShapeError(
                f"{type(self).__name__}: input must be (N, C, {sizes}) or (C, {sizes}), "
                f"got {input.shape}"
            )
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """A constant put around the last axes, of any number of axes."""

    value: float

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A constant around (..., L).

    Shape: (..., L) -> (..., l + L + r) for padding (l, r), or a number for both.

    Raises:
        ValueError: padding is neither a number nor 2 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ConstantPad1d((1, 2), 9)(npnet.tensor([[1, 2, 3]]))
        tensor([[9, 1, 2, 3, 9, 9]])
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A constant around (..., H, W).

    Shape: (..., H, W) -> (..., t + H + b, l + W + r) for padding (l, r, t, b), or a number for all.

    Raises:
        ValueError: padding is neither a number nor 4 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ConstantPad2d((1, 0, 0, 1), 9)(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[9, 1, 2],
                 [9, 3, 4],
                 [9, 9, 9]]])
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A constant around (..., D, H, W).

    Shape: (..., D, H, W) -> (..., f + D + k, t + H + b, l + W + r) for padding (l, r, t, b, f, k),
    or a number for all.

    Raises:
        ValueError: padding is neither a number nor 6 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ConstantPad3d(1, 9.0)(npnet.zeros(2, 3, 4, 5)).shape
        (2, 5, 6, 7)
    """

    axes = 3


class _ZeroPad(_ConstantPad):
    """The constant 0, which is not said."""

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Zeros around (..., L).

    Shape: (..., L) -> (..., l + L + r) for padding (l, r), or a number for both.

    Raises:
        ValueError: padding is neither a number nor 2 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ZeroPad1d((1, 2))(npnet.tensor([[1, 2, 3]]))
        tensor([[0, 1, 2, 3, 0, 0]])
    """


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Zeros around (..., H, W).

    Shape: (..., H, W) -> (..., t + H + b, l + W + r) for padding (l, r, t, b), or a number for all.

    Raises:
        ValueError: padding is neither a number nor 4 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ZeroPad2d((1, 0, 0, 1))(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[0, 1, 2],
                 [0, 3, 4],
                 [0, 0, 0]]])
    """


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Zeros around (..., D, H, W).

    Shape: (..., D, H, W) -> (..., f + D + k, t + H + b, l + W + r) for padding (l, r, t, b, f, k),
    or a number for all.

    Raises:
        ValueError: padding is neither a number nor 6 of them.
        ShapeError: negative padding takes off more than there is.

    Example:
        >>> nn.ZeroPad3d(1)(npnet.zeros(2, 3, 4, 5)).shape
        (2, 5, 6, 7)
    """


class ReflectionPad1d(_Pad):
    """The mirror image, without the border, around (N, C, L) or (C, L).

    Shape: (..., L) -> (..., l + L + r) for padding (l, r), or a number for both.

    Raises:
        ValueError: padding is neither a number nor 2 of them.
        ShapeError: the input has other axes, or padding is not less than the axis.

    Example:
        >>> nn.ReflectionPad1d((2, 1))(npnet.tensor([[1, 2, 3]]))
        tensor([[3, 2, 1, 2, 3, 2]])
    """

    mode, axes = "reflect", 1


class ReflectionPad2d(_Pad):
    """The mirror image, without the border, around (N, C, H, W) or (C, H, W).

    Shape: (..., H, W) -> (..., t + H + b, l + W + r) for padding (l, r, t, b), or a number for all.

    Raises:
        ValueError: padding is neither a number nor 4 of them.
        ShapeError: the input has other axes, or padding is not less than the axis.

    Example:
        >>> nn.ReflectionPad2d((1, 0, 0, 1))(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 1, 2],
                 [4, 3, 4],
                 [2, 1, 2]]])
    """

    mode, axes = "reflect", 2


class ReflectionPad3d(_Pad):
    """The mirror image, without the border, around (N, C, D, H, W) or (C, D, H, W).

    Shape: (..., D, H, W) -> (..., f + D + k, t + H + b, l + W + r) for padding (l, r, t, b, f, k),
    or a number for all.

    Raises:
        ValueError: padding is neither a number nor 6 of them.
        ShapeError: the input has other axes, or padding is not less than the axis.

    Example:
        >>> nn.ReflectionPad3d(1)(npnet.zeros(2, 3, 4, 5)).shape
        (2, 5, 6, 7)
    """

    mode, axes = "reflect", 3


class ReplicationPad1d(_Pad):
    """The border repeated around (N, C, L) or (C, L).

    Shape: (..., L) -> (..., l + L + r) for padding (l, r), or a number for both.

    Raises:
        ValueError: padding is neither a number nor 2 of them.
        ShapeError: the input has other axes, or padding takes off more than there is.

    Example:
        >>> nn.ReplicationPad1d((2, 1))(npnet.tensor([[1, 2, 3]]))
        tensor([[1, 1, 1, 2, 3, 3]])
    """

    mode, axes = "replicate", 1


class ReplicationPad2d(_Pad):
    """The border repeated around (N, C, H, W) or (C, H, W).

    Shape: (..., H, W) -> (..., t + H + b, l + W + r) for padding (l, r, t, b), or a number for all.

    Raises:
        ValueError: padding is neither a number nor 4 of them.
        ShapeError: the input has other axes, or padding takes off more than there is.

    Example:
        >>> nn.ReplicationPad2d((1, 0, 0, 1))(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[1, 1, 2],
                 [3, 3, 4],
                 [3, 3, 4]]])
    """

    mode, axes = "replicate", 2


class ReplicationPad3d(_Pad):
    """The border repeated around (N, C, D, H, W) or (C, D, H, W).

    Shape: (..., D, H, W) -> (..., f + D + k, t + H + b, l + W + r) for padding (l, r, t, b, f, k),
    or a number for all.

    Raises:
        ValueError: padding is neither a number nor 6 of them.
        ShapeError: the input has other axes, or padding takes off more than there is.

    Example:
        >>> nn.ReplicationPad3d(1)(npnet.zeros(2, 3, 4, 5)).shape
        (2, 5, 6, 7)
    """

    mode, axes = "replicate", 3


class CircularPad1d(_Pad):
    """The other end around (N, C, L) or (C, L).

    Shape: (..., L) -> (..., l + L + r) for padding (l, r), or a number for both.

    Raises:
        ValueError: padding is neither a number nor 2 of them.
        ShapeError: the input has other axes, or padding is more than the axis.

    Example:
        >>> nn.CircularPad1d((2, 1))(npnet.tensor([[1, 2, 3]]))
        tensor([[2, 3, 1, 2, 3, 1]])
    """

    mode, axes = "circular", 1


class CircularPad2d(_Pad):
    """The other end around (N, C, H, W) or (C, H, W).

    Shape: (..., H, W) -> (..., t + H + b, l + W + r) for padding (l, r, t, b), or a number for all.

    Raises:
        ValueError: padding is neither a number nor 4 of them.
        ShapeError: the input has other axes, or padding is more than the axis.

    Example:
        >>> nn.CircularPad2d((1, 0, 0, 1))(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 1, 2],
                 [4, 3, 4],
                 [2, 1, 2]]])
    """

    mode, axes = "circular", 2


class CircularPad3d(_Pad):
    """The other end around (N, C, D, H, W) or (C, D, H, W).

    Shape: (..., D, H, W) -> (..., f + D + k, t + H + b, l + W + r) for padding (l, r, t, b, f, k),
    or a number for all.

    Raises:
        ValueError: padding is neither a number nor 6 of them.
        ShapeError: the input has other axes, or padding is more than the axis.

    Example:
        >>> nn.CircularPad3d(1)(npnet.zeros(2, 3, 4, 5)).shape
        (2, 5, 6, 7)
    """

    mode, axes = "circular", 3
