"""STL-10: 96x96 photographs of ten classes, 5,000 and 8,000, and 100,000 without labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.datasets._errors import DataError, DownloadError, damaged, unreadable
from npnet.datasets._pictures import LabelledPictures
from npnet.datasets.utils import download_and_extract_archive

__all__ = ["STL10"]

_PIXELS = 3 * 96 * 96


class STL10(LabelledPictures):
    """A split of STL-10, as torchvision.datasets.STL10; `data` is (N, 3, 96, 96) uint8, `labels`
    int64 (N,), -1 where there is none.

    The files train_X.bin, train_y.bin and so on are looked for in `<root>/stl10_binary/`.

    Args:
        root: the data folder.
        split: "train", "test", "unlabeled" or "train+unlabeled".
        folds: of training pictures, one of the 10 folds of 1,000; None for all.
        transform, target_transform, download: as MNIST takes them.

    Raises:
        DataError: the files are not there, or damaged.

    Source: Coates et al., "An analysis of single layer networks in unsupervised feature learning",
    2011.
    """

    base_folder: ClassVar[str] = "stl10_binary"
    url: ClassVar[str] = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename: ClassVar[str] = "stl10_binary.tar.gz"
    tgz_md5: ClassVar[str] = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file: ClassVar[str] = "class_names.txt"
    folds_list_file: ClassVar[str] = "fold_indices.txt"
    splits: ClassVar[tuple[str, ...]] = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        folds: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if split not in self.splits:
            raise ValueError(f"STL10: split must be one of {', '.join(self.splits)}; got {split!r}")
        if folds is not None and (not isinstance(folds, int) or not 0 <= folds < 10):
            raise ValueError(f"STL10: folds must be from 0 to 9, or None; got {folds!r}")
        self.split, self.folds = split, folds
        parts = [self._part(name, download) for name in split.split("+")]
        self.data = np.concatenate([images for images, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        names = self._folder / self.base_folder / self.class_names_file
        if names.is_file():
            self.classes = names.read_text().splitlines()  # type: ignore[misc] # of this one alone

    def _part(self, name: str, download: bool) -> tuple[Array, Array]:
        """Pictures and labels of one split."""
        raw = self._bytes(f"{name}_X.bin", download)
        if not raw.size or raw.size % _PIXELS:
            raise damaged(f"{name}_X.bin", f"it must hold pictures of {_PIXELS} bytes")
        images = raw.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)  # it is by columns
        if name == "unlabeled":
            return images, np.full(len(images), -1)
        labels = self._bytes(f"{name}_y.bin", download).astype(np.int64) - 1
        if len(labels) != len(images) or labels.min() < 0 or labels.max() > 9:
            raise damaged(f"{name}_y.bin", f"it must hold {len(images)} labels from 1 to 10")
        if name == "train" and self.folds is not None:
            kept = self._fold(self.folds, len(images))
            images, labels = images[kept], labels[kept]
        return images, labels

    def _bytes(self, name: str, download: bool) -> Array:
        path = self._folder / self.base_folder / name
        if not path.exists():
            if not download:
                raise DownloadError(
                    f"STL10: needs {name}, not found in {path.parent}; download=True downloads it"
                )
            download_and_extract_archive(self.url, self._folder, None, self.filename, self.tgz_md5)
        try:
            return np.fromfile(path, np.uint8)
        except OSError as error:
            raise unreadable(path, error) from error

    def _fold(self, fold: int, count: int) -> Array:
        """The places of a fold's pictures."""
        path = self._folder / self.base_folder / self.folds_list_file
        try:
            line = path.read_text().splitlines()[fold]
            places = np.array([int(word) for word in line.split()])
        except OSError as error:
            raise unreadable(path, error) from error
        except (IndexError, ValueError) as error:
            raise damaged(path, "it must hold ten lines of numbers of pictures") from error
        if not places.size or places.min() < 0 or places.max() >= count:
            raise DataError(f"{path} names pictures beyond the {count} of training")
        return places
