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
    """A constant around (..., L)."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A constant around (..., H, W)."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A constant around (..., D, H, W)."""

    axes = 3


class _ZeroPad(_ConstantPad):
    """The constant 0, which is not said."""

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Zeros around (..., L)."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Zeros around (..., H, W)."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Zeros around (..., D, H, W)."""


class ReflectionPad1d(_Pad):
    """The mirror image, without the border, around (N, C, L) or (C, L)."""

    mode, axes = "reflect", 1


class ReflectionPad2d(_Pad):
    """The mirror image, without the border, around (N, C, H, W) or (C, H, W)."""

    mode, axes = "reflect", 2


class ReflectionPad3d(_Pad):
    """The mirror image, without the border, around (N, C, D, H, W) or (C, D, H, W)."""

    mode, axes = "reflect", 3


class ReplicationPad1d(_Pad):
    """The border repeated around (N, C, L) or (C, L)."""

    mode, axes = "replicate", 1


class ReplicationPad2d(_Pad):
    """The border repeated around (N, C, H, W) or (C, H, W)."""

    mode, axes = "replicate", 2


class ReplicationPad3d(_Pad):
    """The border repeated around (N, C, D, H, W) or (C, D, H, W)."""

    mode, axes = "replicate", 3


class CircularPad1d(_Pad):
    """The other end around (N, C, L) or (C, L)."""

    mode, axes = "circular", 1


class CircularPad2d(_Pad):
    """The other end around (N, C, H, W) or (C, H, W)."""

    mode, axes = "circular", 2


class CircularPad3d(_Pad):
    """The other end around (N, C, D, H, W) or (C, D, H, W)."""

    mode, axes = "circular", 3
