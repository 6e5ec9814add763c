"""The data set classes as torchvision spells them: what they share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.datasets._files import Bytes, data_folder
from npnet.datasets._source import Source
from npnet.utils.data import Dataset

__all__ = ["VisionDataset"]

Array: TypeAlias = npt.NDArray[Any]


class VisionDataset(Dataset):
    """One split of a data set of images, as torchvision has it.

    An item is (image, label): without a transform, image is a (C, H, W) uint8 array (torchvision
    gives a PIL image) and label an int.

    Args:
        root: the data folder, where the files are looked for.
        train: the training split, else the test split.
        transform: called with a batch (N, C, H, W) uint8, of one image in `dataset[i]`, and
            returns a batch; see npnet.transforms.
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
        transform: Callable[[Array], Any] | None = None,
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
        image: Array = self.images[index]
        target = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image[None])[0]
        return image, target if self.target_transform is None else self.target_transform(target)

    def take(self, indices: npt.ArrayLike) -> tuple[Any, Any]:
        """A batch by one gather and one call of the transform.

        Shape: indices (B,), whole numbers -> images (B, C, H, W) before the transform,
        labels (B,) int64 before the target transform.
        """
        where = np.asarray(indices, np.intp)
        images: Any = self.images[where]
        targets: Any = self.targets[where]
        if self.transform is not None:
            images = self.transform(images)
        if self.target_transform is not None:
            targets = np.stack([self.target_transform(int(target)) for target in targets])
        return images, targets

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Root location: {self.root}",
            f"    Split: {'Train' if self.train else 'Test'}",
        ]
        return "\n".join(lines)
