"""MNIST: 28x28 grey handwritten digits, 60,000 for training and 10,000 for testing."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from npnet.base.arrays import Array
from npnet.datasets._augmentation import characters
from npnet.datasets._pictures import PictureDataset
from npnet.datasets.idx import IdxSource
from npnet.tensor import as_tensor

__all__ = ["MNIST", "SOURCE", "IdxDataset"]

SOURCE = IdxSource(
    name="mnist",
    torchvision_folder="MNIST",
    augmentation=characters,
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    checksums={
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)


class IdxDataset(PictureDataset):
    """What the data sets in MNIST's files share: `data` and `targets` are Tensors, uint8
    (N, 28, 28) and int64 (N,).

    Attributes:
        raw_folder: `<root>/<name of the class>/raw`, where torchvision keeps the files; they are
            looked for there first, and downloaded to it.
        mirrors, resources: addresses, and (file name, MD5), that they are downloaded from; a
            program may replace them, also by whole addresses.
    """

    source: ClassVar[IdxSource]
    mirrors: ClassVar[Sequence[str]]
    resources: ClassVar[Any]
    training_file = "training.pt"
    test_file = "test.pt"

    def _load(self, split: str, download: bool) -> None:
        """Set data and targets."""
        [(images, labels)] = self._files.read_from(self._folders, (split,), download)
        self.data, self.targets = as_tensor(images[:, 0]), as_tensor(labels)

    @property
    def _files(self) -> IdxSource:
        return dataclasses.replace(self.source, **_addresses(self.resources, self.mirrors))

    @property
    def _folders(self) -> list[Path]:
        """Where the files may lie, the nearest first."""
        root = self._folder
        names = [Path(self.raw_folder), root / self.source.name, root]
        return list(dict.fromkeys([*names, root / self.source.torchvision_folder / "raw"]))

    def _maps(self, data: Array) -> Array:
        return data[:, None]

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root or "", type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root or "", type(self).__name__, "processed")

    @property
    def train_labels(self) -> Any:
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Any:
        return self._renamed("test_labels", "targets")

    @property
    def train_data(self) -> Any:
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Any:
        return self._renamed("test_data", "data")

    def _renamed(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        return getattr(self, new)


class MNIST(IdxDataset):
    """One split of MNIST, as torchvision.datasets.MNIST.

    The files are looked for in torchvision's `<root>/MNIST/raw/`, in `<root>/mnist/` and `<root>/`,
    gzipped or not; items are PictureDataset's.

    Args:
        root: the data folder.
        train: the training split, else the test split.
        transform: called with a PIL image; see npnet.transforms.
        target_transform: called with each label, an int.
        download: download what is not found.

    Raises:
        DataError: the files are not there, or damaged.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """

    source: ClassVar[IdxSource] = SOURCE
    mirrors: ClassVar[Sequence[str]] = list(SOURCE.mirrors)
    resources: ClassVar[Any] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self._load("train" if train else "test", download)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


def _addresses(resources: Any, mirrors: Sequence[str]) -> dict[str, Any]:
    """mirrors and checksums, as a Source has them, of torchvision's lists."""
    checksums = {url.rpartition("/")[2]: f"md5:{md5}" for url, md5 in resources}
    folders = [url.rpartition("/")[0] + "/" for url, _ in resources if "/" in url]
    return {"checksums": checksums, "mirrors": tuple(dict.fromkeys([*folders, *mirrors]))}
