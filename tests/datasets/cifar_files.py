"""Small data sets in CIFAR-10's files, for the tests."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["ARCHIVE", "FILES", "FOLDER", "RECORDS", "write_archive", "write_cifar_files"]

FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
RECORDS = 20  # in each file here; 10,000 in CIFAR-10's


def write_cifar_files(folder: Path, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Write the unpacked folder into `folder`; return the records (6, 20, 3073), labels first."""
    records = np.random.default_rng(seed).integers(0, 256, (6, RECORDS, 3073), np.uint8)
    records[:, :, 0] %= 10
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, records, strict=True):
        content.tofile(place / name)
    return records


def write_archive(folder: Path) -> Path:
    """Pack the unpacked folder in `folder` as the .tar.gz beside it, and delete it."""
    path = folder / ARCHIVE
    # The records are random: packed as they are, each byte of theirs is a byte of the archive.
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        archive.add(folder / FOLDER, FOLDER)
    for file in (folder / FOLDER).iterdir():
        file.unlink()
    (folder / FOLDER).rmdir()
    return path
