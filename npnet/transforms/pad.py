"""Pad: new pixels on the borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet._checks import unknown_name
from npnet.transforms.images import Array, as_images, whole_numbers

__all__ = ["Pad"]


class Pad:
    """Add pixels on the borders; Pad(2) makes LeNet's 32x32 of MNIST's 28x28.

    Args:
        padding: pixels on every side, or (left and right, top and bottom), or (left, top, right,
            bottom), as in torchvision.
        fill: value of the new pixels in the constant mode.
        padding_mode: constant, edge, reflect or symmetric.

    Shape: (..., H, W) -> (..., top + H + bottom, left + W + right), dtype unchanged.
    """

    def __init__(
        self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"
    ) -> None:
        sides = whole_numbers("Pad", "padding", padding, counts=(1, 2, 4), least=0)
        modes = ("constant", "edge", "reflect", "symmetric")
        if padding_mode not in modes:
            raise ValueError("Pad: " + unknown_name("padding_mode", padding_mode, modes))
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode
        self._borders = sides * (4 // len(sides))

    def __call__(self, x: Any) -> Array:
        images = as_images("Pad", x)
        left, top, right, bottom = self._borders
        widths = [(0, 0)] * (images.ndim - 2) + [(top, bottom), (left, right)]
        if self.padding_mode == "constant":
            return np.pad(images, widths, constant_values=self.fill)
        mode: Any = self.padding_mode  # checked above; NumPy's stubs know literal names alone
        return np.asarray(np.pad(images, widths, mode=mode))

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"
