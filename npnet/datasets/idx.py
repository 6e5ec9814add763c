"""IDX files, the format of MNIST: read them, and find or download a data set made of them.

An IDX file of bytes is two zero bytes, the type 8 (unsigned byte), the number of axes, one
big-endian 32-bit size for each axis, then the values in row-major order.
Source: http://yann.lecun.com/exdb/mnist/, "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npnet.datasets._errors import DataError, damaged
from npnet.datasets._source import Bytes, Labels, Source

__all__ = ["IdxSource", "read_idx"]

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


def read_idx(path: str | os.PathLike[str], ndim: int) -> Bytes:
    """Read an IDX file of unsigned bytes, gzipped or not (its first bytes tell, not its name).

    Args:
        ndim: the number of axes it must have, 3 for images and 1 for labels.

    Returns:
        A new uint8 array of the shape that the file gives.

    Raises:
        DataError: the file cannot be read, or is not exactly such a file.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)  # checks the CRC and the length
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, f"its gzip stream is broken ({error})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    start = 4 + 4 * ndim
    if content[:4] != bytes([0, 0, 8, ndim]) or len(content) < start:
        raise damaged(
            path,
            f"an IDX file of {ndim}-axis bytes begins with {bytes([0, 0, 8, ndim]).hex(' ')} and "
            f"{ndim} sizes, this one with {content[:start].hex(' ') or 'nothing'}",
        )
    shape = np.frombuffer(content, ">u4", ndim, offset=4).tolist()
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise damaged(
            path, f"its header, shape {tuple(shape)}, asks for {expected} bytes, not {len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


@dataclass(frozen=True)
class IdxSource(Source):
    """A data set of 28x28 grey images in four IDX files, whose .gz files the mirrors have.

    Attributes:
        torchvision_folder: the folder under data_dir where torchvision keeps the same files.
    """

    torchvision_folder: str

    def read(
        self, data_dir: Path, splits: Sequence[str], *, download: bool
    ) -> list[tuple[Bytes, Labels]]:
        """Images (N, 1, 28, 28) and labels (N,) of each split; see Source.read."""
        names = [name for split in splits for name in _FILES[split]]
        paths = iter(self._obtain(data_dir, names, download))
        return [self._read_split(next(paths), next(paths)) for _ in splits]

    def _obtain(self, data_dir: Path, names: list[str], download: bool) -> list[Path]:
        """The path of each file, in order; those that are nowhere are downloaded."""
        folders = [data_dir / self.name, data_dir, data_dir / self.torchvision_folder / "raw"]
        found = {name: _find(name, folders) for name in names}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            fetched = self.fetch(missing, folders, "the same unzipped", download)
            found.update(zip(missing, fetched, strict=True))
        return [path for path in found.values() if path is not None]

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


def _find(name: str, folders: Sequence[Path]) -> Path | None:
    """Where a .gz file, or the same unzipped, lies first; None if nowhere."""
    for folder in folders:
        for path in (folder / name, folder / name.removesuffix(".gz")):
            if os.path.exists(path):  # Path.exists raises on a folder that may not be entered
                return path
    return None
