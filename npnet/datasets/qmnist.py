"""QMNIST: MNIST made anew from NIST's files, with all 60,000 test digits and their origins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from npnet.base.checks import unknown_name
from npnet.datasets._augmentation import characters
from npnet.datasets._errors import damaged
from npnet.datasets.idx import IdxSource, find_file, read_idx
from npnet.datasets.mnist import MNIST
from npnet.tensor import as_tensor

__all__ = ["QMNIST"]

_URL = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """A part of QMNIST, as torchvision.datasets.QMNIST; `targets` is int64 (N, 8), whose first
    column is the digit.

    The files are looked for in torchvision's `<root>/QMNIST/raw/`, packed or not, in
    `<root>/qmnist/` and `<root>/`.

    Args:
        root: the data folder.
        what: train, test, test10k (MNIST's test split), test50k (the rest) or nist; None is train
            or test, as `train` says.
        compat: the label of an item is the digit, else all eight numbers as a Tensor.
        train, transform, target_transform, download: as MNIST takes them.

    Raises:
        ValueError: another part.
        DataError: the files are not there, or damaged.

    Source: Yadav and Bottou, "Cold Case: the Lost MNIST Digits", arXiv:1905.10498, 2019.
    """

    subsets: ClassVar[dict[str, str]] = {
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    resources: ClassVar[dict[str, list[tuple[str, str]]]] = {
        "train": [
            (f"{_URL}qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (f"{_URL}qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (f"{_URL}qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (f"{_URL}qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (f"{_URL}xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (f"{_URL}xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        self.what = ("train" if train else "test") if what is None else what
        if self.what not in self.subsets:
            raise ValueError("QMNIST: " + unknown_name("what", self.what, self.subsets))
        self.compat = compat
        self.training_file = self.test_file = f"{self.what}.pt"
        super().__init__(root, train, **kwargs)

    def _load(self, split: str, download: bool) -> None:
        names = [url.rpartition("/")[2] for url, _ in self.resources[self.subsets[self.what]]]
        missing = [name for name in names if find_file(self._folders, name) is None]
        if missing:
            self._files.fetch(missing, self._folders, "the same unpacked", download)
        paths = [find_file(self._folders, name) or Path(name) for name in names]
        data, targets = read_idx(paths[0], 3), read_idx(paths[1], 2, kind=12)
        if len(data) != len(targets):
            raise damaged(
                paths[1], f"it has {len(targets)} labels, but {paths[0]} has {len(data)} images"
            )
        part = {"test10k": slice(10000), "test50k": slice(10000, None)}.get(self.what, slice(None))
        self.data, self.targets = as_tensor(data[part]), as_tensor(targets[part].astype(np.int64))

    @property
    def _files(self) -> IdxSource:
        resources = self.resources[self.subsets[self.what]]
        return IdxSource(
            name="qmnist",
            classes=tuple(self.classes),
            mirrors=(_URL,),
            checksums={url.rpartition("/")[2]: f"md5:{md5}" for url, md5 in resources},
            augmentation=characters,
            torchvision_folder="QMNIST",
        )

    @property
    def _folders(self) -> list[Path]:
        root = self._folder
        return [Path(self.raw_folder), root / "qmnist", root / "QMNIST" / "raw", root]

    def _target(self, index: int) -> Any:
        return int(self.targets.array[index, 0]) if self.compat else self.targets[index]

    def _targets(self, where: Any) -> Any:
        return self.targets.array[where, 0] if self.compat else self.targets.array[where]

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
