"""Data sets: `load` gives one by name as arrays; and torchvision's classes of
the same names.

To add a data set, write a module with a function from the data folder to ImageData, and enter it
in _LOADERS.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from npnet.base.checks import unknown_name
from npnet.base.places import user_cache
from npnet.datasets import _files, cifar10, fashion_mnist, mnist, utils
from npnet.datasets._errors import DataError, DownloadError
from npnet.datasets.arrays import ImageData, from_arrays, names_npz, read_npz
from npnet.datasets.cifar import CIFAR10, CIFAR100
from npnet.datasets.csv_file import read_csv
from npnet.datasets.digits import load_digits
from npnet.datasets.emnist import EMNIST
from npnet.datasets.fakedata import FakeData
from npnet.datasets.fashion_mnist import FashionMNIST
from npnet.datasets.folder import DatasetFolder, ImageFolder
from npnet.datasets.kmnist import KMNIST
from npnet.datasets.mnist import MNIST
from npnet.datasets.picture_folder import read_folder
from npnet.datasets.qmnist import QMNIST
from npnet.datasets.stl10 import STL10
from npnet.datasets.svhn import SVHN
from npnet.datasets.usps import USPS
from npnet.datasets.vision import VisionDataset

__all__ = [
    "AUTO",
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "NAMES",
    "QMNIST",
    "STL10",
    "SVHN",
    "USPS",
    "DataError",
    "DatasetFolder",
    "DownloadError",
    "FakeData",
    "FashionMNIST",
    "ImageData",
    "ImageFolder",
    "VisionDataset",
    "default_data_dir",
    "from_arrays",
    "load",
    "load_digits",
    "names_file",
    "names_npz",
    "read_csv",
    "read_folder",
    "read_npz",
    "utils",
]

_LOADERS: dict[str, Callable[[Path, bool], ImageData]] = {
    "mnist": lambda data_dir, download: mnist.SOURCE.load(data_dir, download=download),
    "fashion-mnist": lambda data_dir, download: fashion_mnist.SOURCE.load(
        data_dir, download=download
    ),
    "cifar10": lambda data_dir, download: cifar10.SOURCE.load(data_dir, download=download),
    "digits": lambda data_dir, download: load_digits(),
}

AUTO = "auto"
"""MNIST where it can be had, else the digits."""

NAMES = (AUTO, *_LOADERS)
"""What `load` takes besides the path of a file or a folder."""


def names_file(name: str) -> bool:
    """Whether a name is the path of data of one's own: .npz, .csv, or a folder of class folders.

    A folder is told from a name by a slash, or by being there.

    Example:
        >>> npnet.datasets.names_file("mnist"), npnet.datasets.names_file("animals/")
        (False, True)
    """
    if name in NAMES:
        return False
    is_folder = any(mark and mark in name for mark in (os.sep, os.altsep)) or name.startswith("~")
    return names_npz(name) or name.lower().endswith(".csv") or is_folder or os.path.isdir(name)


def load(
    name: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    notice: Callable[[str], None] = print,
    size: tuple[int, int] | None = None,
) -> ImageData:
    """Load a data set.

    Args:
        name: one of NAMES, or the path of a `.npz` file (see read_npz), a `.csv` file (read_csv) or
            a folder of class folders of pictures (read_folder). "auto" is MNIST where it is in
            data_dir or can be downloaded, else the digits that ship with npnet; any other name is
            never replaced.
        data_dir: the folder where data sets are, or are put; None is default_data_dir(). A set is
            looked for in `<data_dir>/<name>/`, `<data_dir>/` and, MNIST and Fashion-MNIST, in
            torchvision's `<data_dir>/<torchvision's name>/raw/`, and downloaded to the first. The
            first that is good is taken.
        download: whether files that are not there may be downloaded.
        notice: called with one line where "auto" takes the digits.
        size: (H, W) that pictures of a folder are stretched to; others stay as they are stored.

    Raises:
        DataError: the data cannot be had, or all files of a name are damaged; says what was tried,
            or what is wrong with the nearest.
        ValueError: no data set has this name.

    Example:
        >>> digits = npnet.datasets.load("digits")
        >>> digits.x_train.shape, digits.x_test.shape, len(digits.classes)
        ((1498, 1, 28, 28), (299, 1, 28, 28), 10)
    """
    name = os.fspath(name)
    if names_file(name):
        if names_npz(name):
            return read_npz(name)
        if name.lower().endswith(".csv"):
            return read_csv(name)
        return read_folder(name, size, notice)
    if name not in NAMES:
        known = (*NAMES, "<file>.npz", "<file>.csv", "<folder>/")
        raise ValueError(unknown_name("dataset", name, known))
    folder = default_data_dir() if data_dir is None else _files.data_folder(data_dir, "data_dir")
    if name != AUTO:
        return _LOADERS[name](folder, download)
    try:
        return _LOADERS["mnist"](folder, download)
    except DownloadError as error:
        reason = error.__cause__ or error  # what failed, without the advice on how to get MNIST
        notice(f"MNIST is not in {folder}, so npnet's own digits are used instead: {reason}")
        return load_digits()


def default_data_dir() -> Path:
    """The folder named by $NPNET_DATA, else npnet's folder in the user's cache.

    Example:
        >>> npnet.datasets.default_data_dir().is_absolute()
        True
    """
    named = os.environ.get("NPNET_DATA")
    if named:
        return _files.data_folder(named, "$NPNET_DATA")
    return user_cache()
