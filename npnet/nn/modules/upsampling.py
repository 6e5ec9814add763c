"""Images in another size, as modules: see the functions in `functional`."""

from __future__ import annotations

from typing import Any

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Signals, images or volumes in another size: see `functional.interpolate`.

    Shape: (N, C, L), (N, C, H, W) or (N, C, D, H, W) -> the same with other sizes.

    Raises:
        ValueError: there is neither size nor scale_factor, or both; or align_corners is given of a
            mode that has none.
        NotImplementedError: mode is unknown, or not for so many axes.

    Example:
        >>> nn.Upsample(scale_factor=2)(npnet.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 1., 2., 2.]]])

    Source: Keys (1981), IEEE TASSP 29, for bicubic.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name, self.size = type(self).__name__, size
        self.scale_factor: Any = None
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(map(float, scale_factor))
        elif scale_factor:
            self.scale_factor = float(scale_factor)
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        options = self.size, self.scale_factor, self.mode, self.align_corners
        return F.interpolate(input, *options, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` by the nearest pixel.  Shape: (N, C, H, W) -> (N, C, OH, OW).

    Raises:
        ValueError: there is neither size nor scale_factor, or both.

    Example:
        >>> nn.UpsamplingNearest2d(scale_factor=2)(npnet.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` by bilinear interpolation with aligned corners.

    Shape: (N, C, H, W) -> (N, C, OH, OW).

    Raises:
        ValueError: there is neither size nor scale_factor, or both.
        NotImplementedError: x has other axes.

    Example:
        >>> nn.UpsamplingBilinear2d(size=(1, 3))(npnet.tensor([[[[0.0, 4.0]]]]))
        tensor([[[[0., 2., 4.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
