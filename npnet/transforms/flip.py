"""RandomHorizontalFlip: mirror some of the images."""

from __future__ import annotations

import numpy as np

from npnet._checks import check_number
from npnet.transforms.compose import RandomTransform
from npnet.transforms.images import Array

__all__ = ["RandomHorizontalFlip", "hflip"]


def hflip(images: Array, chosen: Array) -> Array:
    """y[i, c, h, w] = x[i, c, h, W - 1 - w] for the chosen images; the others stay.

    Shape: images (N, C, H, W), chosen (N,) bool -> (N, C, H, W), dtype unchanged.
    """
    return np.where(chosen[:, None, None, None], images[..., ::-1], images)


class RandomHorizontalFlip(RandomTransform):
    """Mirror each image left to right with probability `p`.

    Args:
        p: from 0 to 1.

    Shape: (N, C, H, W) or (C, H, W), dtype unchanged.
    """

    def __init__(self, p: float = 0.5) -> None:
        check_number("RandomHorizontalFlip", "p", p, least=0, most=1)
        self.p = p

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        return hflip(images, rng.random(len(images)) < self.p)

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"
