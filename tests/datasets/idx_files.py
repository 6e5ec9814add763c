"""Small data sets in MNIST's files, for the tests."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FILES", "idx_bytes", "write_idx_files"]

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_bytes(array: npt.NDArray[Any]) -> bytes:
    """The content of an IDX file of bytes."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_files(
    folder: Path, train: int = 30, test: int = 10, zipped: bool = True, seed: int = 0
) -> dict[str, npt.NDArray[np.uint8]]:
    """Write the four files, random images and labels 0 to 9; return the arrays by file name."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        images, labels = FILES[split]
        arrays[images] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[labels] = (np.arange(count) % 10).astype(np.uint8)
    for name, array in arrays.items():
        content = idx_bytes(array)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)
    return arrays
