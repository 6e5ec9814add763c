"""Cutout: hide a square of each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from npnet.base.checks import check_number
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import Array, channel_values

__all__ = ["Cutout", "erase"]


def erase(images: Array, top: Array, left: Array, length: int, fill: Array) -> Array:
    """y[i, c, h, w] = fill[c] where top[i] <= h < top[i] + length and the same for w, else x.

    A square may reach beyond the image, top and left may be negative.

    Shape: images (N, C, H, W), top and left (N,), fill (C,) -> (N, C, H, W), same dtype.
    """
    height, width = images.shape[2:]
    rows = np.arange(height) - top[:, None]
    columns = np.arange(width) - left[:, None]
    hidden_rows = (rows >= 0) & (rows < length)
    hidden_columns = (columns >= 0) & (columns < length)
    hidden = hidden_rows[:, None, :, None] & hidden_columns[:, None, None, :]
    return np.where(hidden, fill.astype(images.dtype)[:, None, None], images)


class Cutout(RandomTransform):
    """Fill squares of each image; a square's centre is any pixel, so it may lie partly outside.

    Args:
        length: pixels along a side of the square.
        n_holes: squares of each image.
        fill: value of the hidden pixels: one number, or one for each channel.

    Shape: (..., C, H, W), dtype unchanged.

    Example:
        >>> y = npnet.transforms.Cutout(8)(npnet.ones(3, 32, 32))
        >>> y.shape, y.unique()
        ((3, 32, 32), tensor([0., 1.]))

    Source: DeVries and Taylor (2017), Improved regularization of convolutional neural networks with
    cutout, arXiv:1708.04552, section 3.2.
    """

    exact: ClassVar[bool] = True

    def __init__(self, length: int, n_holes: int = 1, fill: float | Sequence[float] = 0) -> None:
        super().__init__()
        check_number("Cutout", "length", length, least=1)
        check_number("Cutout", "n_holes", n_holes, least=1)
        self.length = length
        self.n_holes = n_holes
        self.fill = fill

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        fill = channel_values("Cutout", "fill", self.fill, images)
        for _ in range(self.n_holes):
            top, left = (
                rng.integers(0, side, len(images)) - self.length // 2 for side in images.shape[2:]
            )
            images = erase(images, top, left, self.length, fill)
        return images

    def __repr__(self) -> str:
        return f"Cutout(length={self.length}, n_holes={self.n_holes}, fill={self.fill})"
