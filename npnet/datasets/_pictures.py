"""Data sets of pictures that lie in memory: one item as torchvision has it, or a whole batch."""

from __future__ import annotations

import operator
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.pictures import array_to_picture
from npnet.datasets._files import data_folder
from npnet.datasets.vision import VisionDataset
from npnet.tensor import Tensor
from npnet.transforms.compose import apply_to_picture, apply_to_pictures
from npnet.utils.data import default_collate

__all__ = ["LabelledPictures", "PictureDataset"]


class PictureDataset(VisionDataset):
    """Pictures and labels in memory, as torchvision's data sets hold them.

    An item is (picture, label): a PIL image of mode L or RGB and an int, each through its
    transform. A transform is given one picture at a time: only npnet's own are given a batch at
    once, which they transform to the same values. Random transforms draw from the generator
    that `manual_seed` sets. Batches of a data set without a transform are uint8 (B, C, H, W).

    Attributes:
        data: the pictures; replace it and targets to keep a part of them.
        targets: the labels.
        classes: the name of each label.
    """

    data: Any
    targets: Any
    classes: ClassVar[list[str]]

    @abstractmethod
    def _maps(self, data: Array) -> Array:
        """`data`, or a part of it, as (N, C, H, W), a view."""

    @property
    def images(self) -> Array:
        """`data` as (N, C, H, W), a view."""
        return self._maps(_array(self.data))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> label."""
        return {name: label for label, name in enumerate(self.classes)}

    @property
    def _folder(self) -> Path:
        """`root`, checked to be a name that a folder can have."""
        return data_folder(self.root or "", "root")

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index = operator.index(index)
        # An axis of one, so that a single picture is a batch as well.
        [image] = self._maps(_array(self.data)[index, np.newaxis])
        target = self._target(index)
        picture = self._picture(image)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def _target(self, index: int) -> Any:
        """The label of a picture, before the target transform."""
        labels = self.targets.array if isinstance(self.targets, Tensor) else self.targets
        return int(labels[index])

    def _picture(self, image: Array) -> Any:
        """The picture of (C, H, W), transformed."""
        if self.transform is None:
            return array_to_picture(self._pixels(image))
        return apply_to_picture(self.transform, self._pixels(image.copy()))

    def take(self, indices: npt.ArrayLike) -> tuple[Any, Any]:
        """A batch: by one gather and one call of each transform of npnet's own; any other is called
        for each picture.

        Shape: indices (B,), whole numbers -> images (B, C, H, W) before the transform,
        labels (B,) int64 before the target transform.
        """
        where = np.asarray(indices, np.intp)
        images: Any = self._maps(_array(self.data)[where])
        if self.transform is not None:
            images = apply_to_pictures(self.transform, self._pixels(images))
            images = default_collate(images) if isinstance(images, list) else images
        if self.target_transform is None:
            return images, self._targets(where)
        labels = [self.target_transform(self._target(i)) for i in where.tolist()]
        return images, default_collate(labels)

    def _targets(self, where: Array) -> Array:
        """The labels of several pictures, those of `_target`."""
        if not isinstance(self.targets, list):
            labels = _array(self.targets)[where]
            if labels.ndim == 1 and labels.dtype.kind in "iub":
                return labels.astype(np.int64, copy=False)
        return np.array([self._target(i) for i in where.tolist()], np.int64)

    def _pixels(self, images: Array) -> Array:
        """Images (..., C, H, W); TypeError unless PIL images can hold them."""
        if images.dtype != np.uint8 or images.shape[-3] not in (1, 3):
            raise TypeError(
                f"{type(self).__name__}: items are PIL images, so data must be uint8 with 1 or 3 "
                f"channels, got {images.dtype} with {images.shape[-3]}; keep data as bytes, or "
                "make a TensorDataset of data and targets"
            )
        return images


class LabelledPictures(PictureDataset):
    """Pictures (N, C, H, W) of one split, whose labels are called `labels`, as in torchvision.

    Attributes:
        labels: int64 (N,).
        split: its name.
    """

    labels: Array
    split: str

    @property
    def targets(self) -> Array:
        """`labels`, as other data sets call them."""
        return self.labels

    def _maps(self, data: Array) -> Array:
        return data

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def _array(data: Any) -> Array:
    """The ndarray of a Tensor, or of whatever a user put in its place."""
    return data.array if isinstance(data, Tensor) else np.asarray(data)
