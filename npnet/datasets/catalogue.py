"""What is known of the data sets that `load` takes by name, and whether they are here and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from npnet.base.files import open_regular
from npnet.datasets import cifar10, digits, fashion_mnist, mnist
from npnet.datasets._errors import DataError, unreadable
from npnet.datasets._source import Source
from npnet.datasets.arrays import ImageData

__all__ = ["CATALOGUE", "Known"]

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Known:
    """A data set by its name.

    Attributes:
        images: how many there are for training and for testing.
        shape: of an image, (C, H, W).
        bytes: of the files as the mirrors have them.
        source: None of the digits, which come with npnet.
    """

    name: str
    about: str
    images: tuple[int, int]
    shape: tuple[int, int, int]
    bytes: int
    source: Source | None = None
    classes: int = 10

    def files(self, data_dir: Path) -> list[Path]:
        """The files that are read; none where the data set is not here."""
        return [digits.FILE] if self.source is None else self.source.find(data_dir)

    def load(self, data_dir: Path, *, download: bool = False) -> ImageData:
        """All of it. DataError where it is not here, or damaged."""
        if self.source is None:
            return digits.load_digits()
        return self.source.load(data_dir, download=download)

    def check(self, data_dir: Path) -> Iterator[tuple[Path, str]]:
        """Each file with what is known of its checksum: "ok", "wrong checksum", or "unknown" of
        files that are unpacked, or that the mirrors have in another form.
        """
        own = {digits.FILE.name: digits.CHECKSUM}
        checksums = own if self.source is None else self.source.checksums
        for path in self.files(data_dir):
            checksum = checksums.get(path.name)
            if checksum is None or not path.is_file():
                yield path, "unknown"
            else:
                yield path, "ok" if _has(path, checksum) else "wrong checksum"

    def counted(self, data_dir: Path) -> str:
        """What is wrong with the content, which is read as a whole; "" where nothing is."""
        try:
            data = self.load(data_dir)
        except DataError as error:
            return str(error)
        found = (len(data.x_train), len(data.x_test)), data.x_train.shape[1:]
        if found != (self.images, self.shape):
            return f"it has {found[0]} images of {found[1]}, not {self.images} of {self.shape}"
        return ""


def _has(path: Path, checksum: str) -> bool:
    algorithm, _, digest = checksum.rpartition(":")
    hashed = hashlib.new(algorithm or "sha256", usedforsecurity=False)
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    return hashed.hexdigest() == digest


CATALOGUE = {
    known.name: known
    for known in (
        Known(
            "mnist",
            "handwritten digits",
            (60_000, 10_000),
            (1, 28, 28),
            11_594_722,
            mnist.SOURCE,
        ),
        Known(
            "fashion-mnist",
            "pictures of clothes",
            (60_000, 10_000),
            (1, 28, 28),
            30_878_645,
            fashion_mnist.SOURCE,
        ),
        Known(
            "cifar10",
            "colour photographs of ten things",
            (50_000, 10_000),
            (3, 32, 32),
            170_052_171,
            cifar10.SOURCE,
        ),
        Known(
            "digits",
            "small handwritten digits, which come with npnet",
            (1_498, 299),
            (1, 28, 28),
            digits.FILE.stat().st_size,
        ),
    )
}
"""Name -> data set, in the order of the names that `load` takes."""
