"""Pad: new pixels on the borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from npnet.base.checks import unknown_name
from npnet.transforms.base import Transform
from npnet.transforms.images import Array, channel_values, whole_numbers

__all__ = ["Pad"]


class Pad(Transform):
    """Add pixels on the borders; Pad(2) makes LeNet's 32x32 of MNIST's 28x28.

    Args:
        padding: pixels on every side, or (left and right, top and bottom), or (left, top, right,
            bottom), as in torchvision.
        fill: value of the new pixels in the constant mode: one number, or one for each channel.
        padding_mode: constant, edge, reflect or symmetric.

    Shape: (..., H, W) -> (..., top + H + bottom, left + W + right), dtype unchanged.

    Example:
        >>> npnet.transforms.Pad((1, 0, 0, 1), fill=9)(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[9, 1, 2],
                 [9, 3, 4],
                 [9, 9, 9]]])
    """

    exact: ClassVar[bool] = True

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        modes = ("constant", "edge", "reflect", "symmetric")
        if padding_mode not in modes:
            raise ValueError("Pad: " + unknown_name("padding_mode", padding_mode, modes))
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode
        self._borders()

    def _borders(self) -> tuple[int, ...]:
        """Pixels on the left, top, right and bottom."""
        sides = whole_numbers("Pad", "padding", self.padding, counts=(1, 2, 4), least=0)
        return sides * (4 // len(sides))

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        left, top, right, bottom = self._borders()
        widths = [(0, 0), (0, 0), (top, bottom), (left, right)]
        if self.padding_mode != "constant":
            mode: Any = self.padding_mode  # checked above; NumPy's stubs know literal names alone
            return np.asarray(np.pad(images, widths, mode=mode))
        if np.ndim(self.fill) == 0:
            return np.pad(images, widths, constant_values=self.fill)
        fill = channel_values("Pad", "fill", self.fill, images).astype(images.dtype)
        padded = np.broadcast_to(fill[:, None, None], np.pad(images, widths).shape).copy()
        height, width = images.shape[2:]
        padded[:, :, top : top + height, left : left + width] = images
        return padded

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"
