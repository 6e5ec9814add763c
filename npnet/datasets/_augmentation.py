"""What `--augment` does to training images: each data set names one of these standard sets.

Each changes at random what an image looks like, but not what it shows: digits and characters are
never mirrored. All of it comes before standardisation, on images of the network's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from npnet.transforms import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip

__all__ = ["Augmentation", "characters", "clothes", "photographs"]

Augmentation: TypeAlias = Callable[[Sequence[int]], Compose]
"""The size (H, W) of the images -> what changes them."""


def characters(size: Sequence[int]) -> Compose:
    """Digits and characters are rotated, shifted, scaled and sheared a little."""
    affine = RandomAffine(
        degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1), shear=10, interpolation="bilinear"
    )
    return Compose([affine])


def photographs(size: Sequence[int]) -> Compose:
    """Photographs are padded by an eighth of their side, cropped at random, and mirrored.

    It is 4 pixels of 32, as in He et al. (2015), arXiv:1512.03385, section 4.2, by reflection in
    place of zeros, as in Jordan (2024), arXiv:2404.00498.
    """
    return _mirrored_crops(size, 8, "reflect")


def clothes(size: Sequence[int]) -> Compose:
    """Clothes are treated as photographs, with a single pixel of 28: they stand still."""
    return _mirrored_crops(size, 28, "constant")


def _mirrored_crops(size: Sequence[int], part: int, mode: str) -> Compose:
    height, width = size
    padding = width // part, height // part
    crop = RandomCrop((height, width), padding=padding, padding_mode=mode)
    return Compose([crop, RandomHorizontalFlip()])
