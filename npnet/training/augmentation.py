"""What `--augment` does to training images: a standard set of random transforms for each data set.

The sets come before standardisation, on images of the network's size. They change what an image
looks like, but not what it shows: digits and characters are never mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence

from npnet.transforms import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip

__all__ = ["standard"]


def standard(dataset: str, size: Sequence[int]) -> Compose:
    """The standard set of a data set.

    Photographs (cifar10) are padded by an eighth of their side, cropped at random, and mirrored:
    4 pixels of 32, as in He et al. (2015), arXiv:1512.03385, section 4.2. Clothes (fashion-mnist)
    are treated alike with a single pixel: they stand still. Digits and characters are rotated,
    shifted, scaled and sheared a little.

    Args:
        dataset: its name, as `Data.name`; unknown ones (`.npz` files) hold characters.
        size: (H, W) of the images.
    """
    height, width = size
    if dataset == "cifar10":
        crop = RandomCrop((height, width), padding=(width // 8, height // 8))
        return Compose([crop, RandomHorizontalFlip()])
    if dataset == "fashion-mnist":
        crop = RandomCrop((height, width), padding=(width // 28, height // 28))
        return Compose([crop, RandomHorizontalFlip()])
    affine = RandomAffine(
        degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1), shear=10, interpolation="bilinear"
    )
    return Compose([affine])
