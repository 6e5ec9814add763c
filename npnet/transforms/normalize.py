"""ToTensor and Normalize: from bytes to standardised floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet._checks import ShapeError, check_number
from npnet.transforms.images import Array, as_images

__all__ = ["Normalize", "ToTensor"]


class ToTensor:
    """uint8 from 0 to 255 -> float32 from 0 to 1, dividing by 255; other dtypes stay as they are.

    Unlike torchvision's, it does not move axes: images here are already (C, H, W).

    Shape: (N, C, H, W) or (C, H, W), unchanged.
    """

    def __call__(self, x: Any) -> Array:
        images = as_images("ToTensor", x)
        if images.dtype != np.uint8:
            return images
        return images.astype(np.float32) / np.float32(255)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """y = (x - mean[c]) / std[c] in each channel c, computed in the dtype of x.

    Args:
        mean, std: one number for each channel, or one for all; std must not be 0.
        inplace: write the result over x.

    Shape: (N, C, H, W) or (C, H, W), floats, unchanged.
    """

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        for name, values in (("mean", mean), ("std", std)):
            for value in np.atleast_1d(values):
                check_number("Normalize", name, float(value))
        if np.any(np.asarray(std, np.float32) == 0):
            raise ValueError(f"Normalize: std must not be 0 in float32, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, x: Any) -> Array:
        images = as_images("Normalize", x)
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: images must be float, got {images.dtype} (put ToTensor() before it)"
            )
        mean = self._per_channel("mean", self.mean, images)
        std = self._per_channel("std", self.std, images)
        with np.errstate(all="ignore"):  # NaN and infinity are values
            y = np.subtract(images, mean, out=images if self.inplace else None)
            y /= std
        return y

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"

    def _per_channel(self, name: str, values: float | Sequence[float], images: Array) -> Array:
        """The values as (C, 1, 1) or (1, 1, 1), in the dtype of the images."""
        array = np.atleast_1d(np.asarray(values, images.dtype))
        if array.size not in (1, images.shape[-3]):
            raise ShapeError(
                f"Normalize: {name} must have one number for each channel, got {array.size} for "
                f"{images.shape[-3]}; images.shape = {images.shape}"
            )
        return array.reshape(-1, 1, 1)
