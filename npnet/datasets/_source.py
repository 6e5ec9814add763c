"""What data sets of files have in common: folders to look in, mirrors, checksums, class names."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.datasets._augmentation import Augmentation
from npnet.datasets._errors import DownloadError
from npnet.datasets._fetch import fetch
from npnet.datasets._files import Bytes, data_folder
from npnet.datasets.arrays import ImageData

__all__ = ["Labels", "Source"]

Labels: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source(ABC):
    """A data set in files: where it is found and what it holds.

    Attributes:
        name: of the data set and of its folder; downloads go to `<data_dir>/<name>/`.
        classes: the name of each label.
        mirrors: addresses, each ending in a slash, that the files lie under.
        checksums: file name -> SHA-256 in hexadecimal, or "md5:" and MD5.
        augmentation: the standard set that changes its training images at random.
    """

    name: str
    classes: tuple[str, ...]
    mirrors: tuple[str, ...]
    checksums: dict[str, str]
    augmentation: Augmentation

    def load(self, data_dir: Path, *, download: bool = True) -> ImageData:
        """Both splits as one ImageData; raises what `read` raises."""
        (x_train, y_train), (x_test, y_test) = self.read(
            data_dir, ("train", "test"), download=download
        )
        return ImageData(
            self.name, x_train, y_train, x_test, y_test, self.classes, self.augmentation
        )

    @abstractmethod
    def read(
        self, data_dir: Path, splits: Sequence[str], *, download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """Find, or download, then read and check the files of some splits, "train" and "test".

        Returns:
            For each split its images (N, C, H, W) uint8 and labels (N,) int64.

        Raises:
            DownloadError: a file is not there, and was not or could not be downloaded.
            DataError: a file that is there is damaged, or belongs to another data set.
        """

    @abstractmethod
    def find(self, data_dir: Path) -> list[Path]:
        """What `read` of both splits reads first, good or not; none where files are missing."""

    def fetch(
        self, names: list[str], folders: Sequence[Path], unpacked: str, download: bool
    ) -> list[Path]:
        """Download files that are in none of the folders to the first; return their paths.

        Args:
            unpacked: what would have done as well, for the error.
            download: False raises at once.

        Raises:
            DownloadError: what was looked for where, why it could not be had, and what to do.
        """
        try:
            if not download:
                raise DownloadError("downloading was switched off (download=True would allow it)")
            return fetch({name: self.checksums[name] for name in names}, self.mirrors, folders[0])
        except DownloadError as error:
            raise DownloadError(
                f"{self.name}: needs {', '.join(names)} (or {unpacked}), not found in "
                f"{', '.join(map(str, folders))}; {error}. {self._advice(names, folders)}; "
                "the data set 'digits' needs no files."
            ) from error

    def _advice(self, names: Sequence[str], folders: Sequence[Path]) -> str:
        """Where the files are, or can be put; $NPNET_DATA only where it is looked at."""
        put = f"Put the files into {folders[0]}"
        named = os.environ.get("NPNET_DATA")
        if named:
            root = data_folder(named, "$NPNET_DATA")
            if root in folders[0].parents:
                return f"{put}; $NPNET_DATA names the folder"
            for place in (root / self.name, root, *sorted(root.glob("*/raw"))):
                if all(_is_there(place, name) for name in names):
                    return f"They are in {place}: name {root} in place of this folder"
        return f"{put}, or name the folder that has them: data_dir (of the classes: root)"


def _is_there(folder: Path, name: str) -> bool:
    return any((folder / known).is_file() for known in (name, name.removesuffix(".gz")))
