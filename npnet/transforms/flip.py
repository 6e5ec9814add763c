"""RandomHorizontalFlip, RandomVerticalFlip: mirror some of the images."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npnet.base.checks import check_number
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import Array

__all__ = ["RandomHorizontalFlip", "RandomVerticalFlip", "hflip", "vflip"]


def hflip(images: Array, chosen: Array) -> Array:
    """y[i, c, h, w] = x[i, c, h, W - 1 - w] for the chosen images; the others stay.

    Shape: images (N, C, H, W), chosen (N,) bool -> (N, C, H, W), dtype unchanged.
    """
    return np.where(chosen[:, None, None, None], images[..., ::-1], images)


def vflip(images: Array, chosen: Array) -> Array:
    """y[i, c, h, w] = x[i, c, H - 1 - h, w] for the chosen images; the others stay.

    Shape: images (N, C, H, W), chosen (N,) bool -> (N, C, H, W), dtype unchanged.
    """
    return np.where(chosen[:, None, None, None], images[..., ::-1, :], images)


class _RandomFlip(RandomTransform):
    exact: ClassVar[bool] = True

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_number(type(self).__name__, "p", p, least=0, most=1)
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Mirror each image left to right with probability `p`.

    Args:
        p: from 0 to 1.

    Shape: (..., H, W), dtype unchanged.

    Example:
        >>> npnet.transforms.RandomHorizontalFlip(p=1.0)(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 1],
                 [4, 3]]])
    """

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        return hflip(images, rng.random(len(images)) < self.p)

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        return picture.transpose(0) if rng.random() < self.p else picture  # FLIP_LEFT_RIGHT


class RandomVerticalFlip(_RandomFlip):
    """Mirror each image top to bottom with probability `p`.

    Args:
        p: from 0 to 1.

    Shape: (..., H, W), dtype unchanged.

    Example:
        >>> npnet.transforms.RandomVerticalFlip(p=1.0)(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[3, 4],
                 [1, 2]]])
    """

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        return vflip(images, rng.random(len(images)) < self.p)

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        return picture.transpose(1) if rng.random() < self.p else picture  # FLIP_TOP_BOTTOM
