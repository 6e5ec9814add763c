"""FakeData: pictures of noise, to try a program without a data set."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.base.pictures import array_to_picture
from npnet.datasets.vision import VisionDataset
from npnet.tensor import as_tensor

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """PIL images of noise with random labels, as torchvision.datasets.FakeData; the same item for
    the same index, but not the noise that torchvision draws.

    Args:
        size: how many.
        image_size: (C, H, W) with 1, 3 or 4 channels.
        num_classes: labels are 0 to num_classes - 1.
        transform: called with a PIL image.
        target_transform: called with each label, a Tensor of no axes, as in torchvision.
        random_offset: added to the index, which is the seed of the noise.

    Raises:
        IndexError: an index from `size` on, which ends a loop over it.

    Example:
        >>> data = npnet.datasets.FakeData(100, (3, 32, 32), num_classes=10)
        >>> picture, label = data[0]
        >>> len(data), picture.size
        (100, (32, 32))
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: Sequence[int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index = operator.index(index)
        if index >= len(self):
            raise IndexError(f"FakeData: an index must be below {len(self)}, got {index}")
        rng = np.random.default_rng((index + self.random_offset) % 2**64)
        image = rng.integers(0, 256, tuple(self.image_size), np.uint8)
        target: Any = as_tensor(rng.integers(0, self.num_classes))
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[len(image)]
        picture = array_to_picture(image, mode=mode)
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target.item()

    def __len__(self) -> int:
        return self.size
