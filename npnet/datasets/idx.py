"""IDX files, the format of MNIST: read them, and find or download a data set made of them.

An IDX file is two zero bytes, the type (8 unsigned bytes, 12 big-endian 32-bit integers), the
number of axes, one big-endian 32-bit size for each axis, then the values in row-major order.
Source: http://yann.lecun.com/exdb/mnist/, "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import lzma
import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular
from npnet.datasets._errors import DataError, damaged, unreadable
from npnet.datasets._files import Bytes, Stream, TooLargeError, read_exactly
from npnet.datasets._source import Labels, Source

__all__ = ["IdxSource", "find_file", "read_idx"]

_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
# SHA-256 of the labels of data sets whose files have the same names, so that one is never taken
# for the other where data_dir itself holds the files.
_LABEL_OWNERS = {
    "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13": "mnist",
    "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5": "mnist",
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7": "fashion-mnist",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9": "fashion-mnist",
}


_DTYPES: dict[int, Any] = {8: np.uint8, 12: ">i4"}


def read_idx(path: str | os.PathLike[str], ndim: int, kind: int = 8) -> Array:
    """Read an IDX file, gzipped, packed as .xz, or neither (its first bytes tell, not its name).

    Args:
        ndim: the number of axes it must have, 3 for images and 1 for labels.
        kind: its type, 8 for bytes and 12 for 32-bit integers.

    Returns:
        A new array, uint8 or int32, of the shape that the file gives.

    Raises:
        DataError: the file cannot be read, or is not exactly such a file.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            begins = file.read(2)
            file.seek(0)
            if begins == b"\xfd7":
                with lzma.open(file) as stream:
                    return _parse(stream, ndim, kind, size, None)
            if begins != b"\x1f\x8b":
                return _parse(file, ndim, kind, size, size)
            with gzip.open(file) as stream:
                return _parse(stream, ndim, kind, size, None)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, f"its gzip stream is broken ({error})") from error
    except lzma.LZMAError as error:
        raise damaged(path, f"its .xz stream is broken ({error})") from error
    except (_WrongContentError, TooLargeError) as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error


class _WrongContentError(Exception):
    """What is wrong with the content of a file, in a few words."""


def _parse(stream: Stream, ndim: int, kind: int, file_size: int, size: int | None) -> Array:
    """The values that a stream of IDX has.

    Args:
        file_size: of the file that the stream is of.
        size: how many bytes the stream has; None is not known, as of gzip.
    """
    start = 4 + 4 * ndim
    header = stream.read(start)
    magic, dtype = bytes((0, 0, kind, ndim)), np.dtype(_DTYPES[kind])
    if len(header) < start or header[:4] != magic:
        what = "bytes" if kind == 8 else "integers"
        raise _WrongContentError(
            f"an IDX file of {what} begins with {magic.hex(' ')} and {ndim} sizes, "
            f"this one with {header[: max(4, len(header) % start)].hex(' ') or 'nothing'}"
        )
    shape = np.frombuffer(header, ">u4", ndim, offset=4).tolist()
    values = math.prod(shape) * dtype.itemsize
    asks = f"its header, shape {tuple(shape)}, asks for {start + values} bytes"
    if size is not None and size != start + values:
        raise _WrongContentError(f"{asks}, not {size}")
    content = read_exactly(stream, values, file_size)
    if len(content) < values:
        raise _WrongContentError(f"{asks}, not {start + len(content)}")
    if stream.read(1):  # at the end, gzip checks the CRC and the length
        raise _WrongContentError(f"{asks}, but there are more")
    return content.view(dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


@dataclass(frozen=True)
class IdxSource(Source):
    """A data set of 28x28 grey images in pairs of IDX files, whose .gz files the mirrors have.

    Attributes:
        torchvision_folder: the folder under data_dir where torchvision keeps the same files.
        files: split -> the names of its images and labels.
    """

    torchvision_folder: str
    files: Mapping[str, tuple[str, str]] = field(default_factory=lambda: _FILES)

    def read(
        self, data_dir: Path, splits: Sequence[str], *, download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """Images (N, 1, 28, 28) and labels (N,) of each split; see Source.read."""
        return self.read_from(self._folders(data_dir), splits, download)

    def find(self, data_dir: Path) -> list[Path]:
        """Images and labels of both splits; see Source.find."""
        folders = self._folders(data_dir)
        names = [self.files[split] for split in ("train", "test")]
        if any(find_file(folders, name) is None for pair in names for name in pair):
            return []
        return [path for pair in names for path in _pairs(folders, *pair)[0]]

    def _folders(self, data_dir: Path) -> list[Path]:
        return [data_dir / self.name, data_dir, data_dir / self.torchvision_folder / "raw"]

    def read_from(
        self, folders: Sequence[Path], splits: Sequence[str], download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """The same out of these folders, to the first of which missing files are downloaded."""
        names = [name for split in splits for name in self.files[split]]
        missing = [name for name in names if not _places(folders, name, os.path.exists)]
        if missing:
            self.fetch(missing, folders, "the same unzipped", download)
        return [self._read_first_good(folders, *self.files[split]) for split in splits]

    def _read_first_good(
        self, folders: Sequence[Path], images: str, labels: str
    ) -> tuple[Bytes, Labels]:
        """A split from the first files that are good; else the error is about the nearest."""
        errors = []
        for images_path, labels_path in _pairs(folders, images, labels):
            try:
                return self._read_split(images_path, labels_path)
            except DataError as error:
                errors.append(error)
        raise errors[0]

    def _read_split(self, images_path: Path, labels_path: Path) -> tuple[Bytes, Labels]:
        """Images (N, 1, 28, 28) and labels (N,) that fit each other and this data set."""
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if images.shape[1:] != (28, 28) or not len(images):
            raise damaged(images_path, f"images must be (N, 28, 28), it has {images.shape}")
        if len(images) != len(labels):
            raise damaged(
                labels_path,
                f"it has {len(labels)} labels, but {images_path} has {len(images)} images",
            )
        if labels.max() >= len(self.classes):
            raise damaged(
                labels_path, f"labels must be 0 to {len(self.classes) - 1}, it has {labels.max()}"
            )
        owner = _LABEL_OWNERS.get(hashlib.sha256(labels.tobytes()).hexdigest(), self.name)
        if owner != self.name:
            raise DataError(
                f"{labels_path} is of {owner}, but {self.name} was asked for; ask for {owner}, or "
                "set data_dir to another folder"
            )
        return images[:, None], labels.astype(np.int64)


def find_file(folders: Sequence[Path], name: str) -> Path | None:
    """Where a packed file, or the same unpacked, lies; None where nowhere."""
    return next(iter(_places(folders, name)), None)


def _pairs(folders: Sequence[Path], images: str, labels: str) -> list[tuple[Path, Path]]:
    """What may be the images and labels of a split, the nearest first; at least one pair.

    Those of one folder. A file of one folder and one of another, where no folder has both: for a
    damaged file, none is taken from elsewhere alone, as it may be of another data set.
    """
    places = [(_places([folder], images), _places([folder], labels)) for folder in folders]
    pairs = [pair for x, y in places for pair in itertools.product(x, y)]
    if pairs:
        return pairs
    first = [
        (_places(folders, name) or _places(folders, name, os.path.exists))[0]
        for name in (images, labels)
    ]
    return [(first[0], first[1])]


def _places(
    folders: Sequence[Path], name: str, fits: Callable[[Path], bool] = os.path.isfile
) -> list[Path]:
    """Where a .gz file, or the same unzipped, lies, the nearest first.

    Unzipped ones have a dot in their names, or a folder of the same name around them, where they
    are out of archives that others made of them.
    """
    plain = name.removesuffix(".gz").removesuffix(".xz")
    dotted = plain.replace("-idx", ".idx")
    names = (name, plain, f"{plain}/{plain}", dotted, f"{dotted}/{dotted}")
    # Not the methods of Path: they raise where a folder may not be entered.
    return [path for folder in folders for other in names if fits(path := folder / other)]
