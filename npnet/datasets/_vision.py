"""The data set classes as torchvision spells them: what they share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.pictures import array_to_picture
from npnet.datasets._files import Bytes, data_folder
from npnet.datasets._source import Source
from npnet.transforms.compose import apply_to_picture, apply_to_pictures, own_steps
from npnet.utils.data import Dataset, default_collate

__all__ = ["VisionDataset"]


class VisionDataset(Dataset):
    """One split of a data set of images, as torchvision has it.

    An item is (image, label): without a transform, image is a (C, H, W) uint8 array (torchvision
    gives a PIL image) and label an int. The transform is given a PIL image of mode L or RGB, as in
    torchvision, and one at a time: only where all of it is npnet's own, a batch is transformed at
    once, to the same values. Random transforms draw from the generator that `manual_seed` sets.

    Args:
        root: the data folder, where the files are looked for.
        train: the training split, else the test split.
        transform: called with a PIL image; see npnet.transforms.
        target_transform: called with each label, an int.
        download: download what is not found.

    Attributes:
        data: the images in torchvision's layout; replace it and targets to keep a part of them.
        targets: (N,) int64.
        classes: the name of each label.

    Raises:
        DataError: the files are not there, or damaged.
    """

    source: ClassVar[Source]
    classes: ClassVar[list[str]]

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = data_folder(root, "root")
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        split = "train" if train else "test"
        [(images, self.targets)] = self.source.read(self.root, (split,), download=download)
        self.data = self._data_of(images)

    @staticmethod
    @abstractmethod
    def _data_of(images: Bytes) -> Bytes:
        """(N, C, H, W) in torchvision's layout, a view."""

    @property
    @abstractmethod
    def images(self) -> Bytes:
        """`data` as (N, C, H, W), a view."""

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> label."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.images[index]
        target = int(self.targets[index])
        if self.transform is not None:
            image = apply_to_picture(self.transform, self._pixels(image.copy()))
        return image, target if self.target_transform is None else self.target_transform(target)

    def take(self, indices: npt.ArrayLike) -> tuple[Any, Any]:
        """A batch: by one gather and one call of each transform where all are npnet's own, else by
        one call for each picture.

        Shape: indices (B,), whole numbers -> images (B, C, H, W) before the transform,
        labels (B,) int64 before the target transform.
        """
        where = np.asarray(indices, np.intp)
        images: Any = self.images[where]
        targets: Any = self.targets[where]
        if self.transform is not None:
            images = self._transformed(self.transform, self._pixels(images))
        if self.target_transform is not None:
            targets = default_collate([self.target_transform(int(target)) for target in targets])
        return images, targets

    def _transformed(self, transform: Callable[[Any], Any], images: Array) -> Any:
        steps = own_steps(transform)
        if steps is None:
            return default_collate([transform(array_to_picture(image)) for image in images])
        return apply_to_pictures(steps, images)[0]

    def _pixels(self, images: Array) -> Array:
        """Images (..., C, H, W); TypeError unless PIL images can hold them."""
        if images.dtype != np.uint8 or images.shape[-3] not in (1, 3):
            raise TypeError(
                f"{type(self).__name__}: transform is given PIL images, so data must be uint8 with "
                f"1 or 3 channels, got {images.dtype} with {images.shape[-3]}; keep data as bytes, "
                "or leave transform out"
            )
        return images

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Root location: {self.root}",
            f"    Split: {'Train' if self.train else 'Test'}",
        ]
        return "\n".join(lines)
