"""What `--augment` and `--cutout` do to training images.

`--augment` is a standard set of random transforms for each data set, which changes what an image
looks like, but not what it shows: digits and characters are never mirrored. All of it comes before
standardisation, on images of the network's size.
"""

from __future__ import annotations

from collections.abc import Sequence

from npnet.runs.errors import ConfigError
from npnet.training.config import Config
from npnet.transforms import Compose, Cutout, RandomAffine, RandomCrop, RandomHorizontalFlip
from npnet.transforms.images import Array

__all__ = ["chosen", "standard"]


def chosen(config: Config, dataset: str, size: Sequence[int], mean: Array) -> Compose | None:
    """What the settings of a run do to its training images; None where they leave them alone.

    Args:
        dataset: the name of the data set, as `Data.name`.
        size: (H, W) of the images.
        mean: the colour (C,) that Cutout leaves, in units and dtype of the stored images.

    Raises:
        ConfigError: the square of Cutout would cover whole images.
    """
    transforms = list(standard(dataset, size).transforms) if config.augment else []
    if config.cutout is not None:
        if config.cutout >= min(size):
            raise ConfigError(
                f"cutout: must be below the {min(size)} pixels of a side of the images, got "
                f"{config.cutout}"
            )
        transforms.append(Cutout(config.cutout, fill=mean.tolist()))
    return Compose(transforms) if transforms else None


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
