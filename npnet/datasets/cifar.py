"""CIFAR10, CIFAR100: 32x32 colour photographs, 50,000 for training and 10,000 for testing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from npnet.base.arrays import Array
from npnet.datasets import cifar10
from npnet.datasets._errors import DownloadError
from npnet.datasets._fetch import fetch
from npnet.datasets._files import Bytes
from npnet.datasets._pictures import PictureDataset
from npnet.datasets._source import Labels
from npnet.datasets.cifar_python import PythonFiles

__all__ = ["CIFAR10", "CIFAR100"]

_FINE = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach "
    "couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house "
    "kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle "
    "mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal "
    "shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower "
    "sweet_pepper table tank telephone television tiger tractor train trout tulip turtle "
    "wardrobe whale willow_tree wolf woman worm"
)


class CIFAR10(PictureDataset):
    """One split of CIFAR-10, as torchvision.datasets.CIFAR10; `data` is (N, 32, 32, 3) uint8,
    `targets` a list.

    The python and the binary version are looked for in `<root>/cifar10/` and `<root>/`, unpacked
    (`cifar-10-batches-py`, `cifar-10-batches-bin`) or as the .tar.gz; the python version is
    downloaded, to `<root>/`. A pickle in it executes nothing. Items are PictureDataset's.

    Args:
        root: the data folder.
        train: the training split, else the test split.
        transform: called with a PIL image; see npnet.transforms.
        target_transform: called with each label, an int.
        download: download what is not found.

    Raises:
        DataError: the files are not there, or damaged.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    classes: ClassVar[list[str]] = list(cifar10.SOURCE.classes)
    _python: ClassVar[PythonFiles] = cifar10.PYTHON

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
        images, labels = self._read("train" if train else "test", download)
        self.data, self.targets = images.transpose(0, 2, 3, 1), labels.tolist()

    def _read(self, split: str, download: bool) -> tuple[Bytes, Labels]:
        """Images and labels of either version that is there, or of what is downloaded."""
        try:
            return self._found(split)
        except DownloadError:
            return self._python.read(self._fetched(download), split)

    def _found(self, split: str) -> tuple[Bytes, Labels]:
        """DownloadError where there are no files, DataError where all that there are are bad."""
        return cifar10.SOURCE.read(self._folder, (split,), download=False)[0]

    def _fetched(self, download: bool) -> Path:
        if not download:
            raise DownloadError(
                f"{type(self).__name__}: needs {self.filename} (or the same unpacked, "
                f"{self.base_folder}), not found in {self._folder}; download=True downloads it"
            )
        mirror = self.url.removesuffix(self.filename)
        return fetch({self.filename: f"md5:{self.tgz_md5}"}, [mirror], self._folder)[0]

    def _maps(self, data: Array) -> Array:
        return data.transpose(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """One split of CIFAR-100, as torchvision.datasets.CIFAR100: its hundred fine classes.

    The python version is looked for in `<root>/` and `<root>/cifar100/`, as the folder
    `cifar-100-python` or inside `cifar-100-python.tar.gz`; used as CIFAR10 is.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    classes: ClassVar[list[str]] = _FINE.split()
    _python: ClassVar[PythonFiles] = PythonFiles(
        folder=base_folder,
        archive=filename,
        files={"train": ("train",), "test": ("test",)},
        labels="fine_labels",
        classes=100,
    )

    def _found(self, split: str) -> tuple[Bytes, Labels]:
        folders = [self._folder, self._folder / "cifar100"]
        paths = [folder / name for name in self._python.names for folder in folders]
        place = next((path for path in paths if os.path.exists(path)), None)
        if place is None:
            raise DownloadError(f"CIFAR100: nothing in {self._folder}")
        return self._python.read(place, split)
