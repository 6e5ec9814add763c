"""USPS: 16x16 grey handwritten digits of envelopes, 7,291 for training and 2,007 for testing."""

from __future__ import annotations

import bz2
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular
from npnet.datasets._errors import DownloadError, damaged, unreadable
from npnet.datasets._fetch import fetch
from npnet.datasets._files import Bytes
from npnet.datasets._pictures import PictureDataset

__all__ = ["USPS"]


class USPS(PictureDataset):
    """One split of USPS, as torchvision.datasets.USPS; `data` is (N, 16, 16) uint8, `targets` a
    list.

    The file, usps.bz2 or usps.t.bz2, is looked for in `<root>/`. A line of it is the digit + 1,
    then index:value for each pixel, v from -1 to 1, which becomes (v + 1) / 2 * 255, cut to whole
    numbers.

    Args:
        root: the data folder.
        train, transform, target_transform, download: as MNIST takes them.

    Raises:
        DataError: the file is not there, or damaged.

    Source: Hull, "A database for handwritten text recognition research", 1994, in the files of
    LIBSVM.
    """

    split_list: ClassVar[dict[str, list[str]]] = {
        "train": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2",
            "usps.bz2",
            "ec16c51db3855ca6c91edd34d0e9b197",
        ],
        "test": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2",
            "usps.t.bz2",
            "8ea070ee2aca1ac39742fdd1ef5ed118",
        ],
    }
    classes: ClassVar[list[str]] = list("0123456789")

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        url, name, md5 = self.split_list["train" if train else "test"]
        path = self._folder / name
        if not os.path.exists(path):
            if not download:
                raise DownloadError(
                    f"USPS: needs {name}, not found in {path.parent}; download=True downloads it"
                )
            fetch({name: f"md5:{md5}"}, [url.removesuffix(name)], path.parent)
        self.data, self.targets = _read(path)

    def _maps(self, data: Array) -> Array:
        return data[:, None]


def _read(path: Path) -> tuple[Bytes, list[int]]:
    try:
        with open_regular(path) as file, bz2.open(file) as lines:
            rows = [line.split() for line in lines]
    except EOFError as error:
        raise damaged(path, f"its bzip2 stream is broken ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"its bzip2 stream is broken ({error})") from error
    try:
        pixels = [[value.rpartition(b":")[2] for value in row[1:]] for row in rows]
        values = np.array(pixels, np.float32).reshape(len(rows), 16, 16)
        targets = [int(row[0]) - 1 for row in rows]
    except (ValueError, IndexError) as error:
        raise damaged(
            path, f"a line must be a label and 256 times index:value ({error})"
        ) from error
    return ((values + 1) / 2 * 255).astype(np.uint8), targets
