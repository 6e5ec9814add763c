"""Channels as pixels, as modules: see the functions in `functional`."""

from __future__ import annotations

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Channels as pixels of a larger image.  Shape: (..., C*r*r, H, W) -> (..., C, H*r, W*r).

    Raises:
        ShapeError: the channels are no multiple of r^2, or there are less than 3 axes.
        ValueError: r is below 1.

    Example:
        >>> nn.PixelShuffle(2)(npnet.arange(8).view(1, 4, 1, 2))
        tensor([[[[0, 2, 1, 3],
                  [4, 6, 5, 7]]]])

    Source: Shi et al. (2016), arXiv:1609.05158, equation 4.
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of PixelShuffle.  Shape: (..., C, H*r, W*r) -> (..., C*r*r, H, W).

    Raises:
        ShapeError: height or width is no multiple of r.
        ValueError: r is below 1.

    Example:
        >>> nn.PixelUnshuffle(2)(npnet.arange(8).view(1, 1, 2, 4)).shape
        (1, 4, 1, 2)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
