"""SVHN: 32x32 photographs of house numbers' digits, 73,257 for training and 26,032 for testing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from npnet.datasets._errors import DownloadError, damaged
from npnet.datasets._fetch import fetch
from npnet.datasets._mat import read_mat
from npnet.datasets._pictures import LabelledPictures

__all__ = ["SVHN"]


class SVHN(LabelledPictures):
    """One split of SVHN, as torchvision.datasets.SVHN; `data` is (N, 3, 32, 32) uint8, `labels`
    int64 (N,).

    The file, train_32x32.mat, test_32x32.mat or extra_32x32.mat, is looked for in `<root>/`. Its
    label of the digit 0 is 10, which becomes 0.

    Args:
        root: the data folder.
        split: "train", "test" or "extra".
        transform, target_transform, download: as MNIST takes them.

    Raises:
        DataError: the file is not there, or damaged.

    Source: Netzer et al., "Reading digits in natural images with unsupervised feature learning",
    2011.
    """

    split_list: ClassVar[dict[str, list[str]]] = {
        "train": [
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ],
        "extra": [
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }
    classes: ClassVar[list[str]] = list("0123456789")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if split not in self.split_list:
            raise ValueError(f"SVHN: split must be train, test or extra, got {split!r}")
        self.split = split
        self.url, self.filename, self.file_md5 = self.split_list[split]
        path = self._folder / self.filename
        if not os.path.exists(path):
            if not download:
                raise DownloadError(
                    f"SVHN: needs {path.name}, not found in {path.parent}; download=True downloads "
                    "it"
                )
            folder = self.url.removesuffix(self.filename)
            fetch({self.filename: f"md5:{self.file_md5}"}, [folder], path.parent)
        arrays = read_mat(path)
        images, labels = arrays.get("X"), arrays.get("y")
        if images is None or labels is None or images.shape[:3] != (32, 32, 3):
            raise damaged(path, "it must hold X (32, 32, 3, N) and y (N, 1)")
        self.data = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
        self.labels = labels.astype(np.int64).reshape(-1)
        self.labels[self.labels == 10] = 0
