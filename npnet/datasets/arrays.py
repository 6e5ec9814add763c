"""Data sets as arrays: what every loader returns, and `.npz` files of one's own."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.datasets._errors import DataError

__all__ = ["ImageData", "read_npz", "stratified_split"]

Array: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]

_TEST_SHARE = 1 / 6  # of each class, where a data set has no test split
_KEYS = ("x", "y", "x_test", "y_test")
# What NumPy and zipfile raise for files that are no archive, cut short, altered or encrypted.
_DAMAGES = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_SPLIT_SEED = 0  # the same test images in every run, whatever seed the run has


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels, in a training and a test split.

    Attributes:
        name: the name that it was loaded by.
        x_train: (N, C, H, W), uint8 from 0 to 255 as stored, or float32.
        y_train: (N,) int64, from 0 to len(classes) - 1.
        x_test, y_test: (M, C, H, W) and (M,), the same dtypes.
        classes: the name of each label.
    """

    name: str
    x_train: Array
    y_train: Labels
    x_test: Array
    y_test: Labels
    classes: tuple[str, ...]

    @property
    def channels(self) -> int:
        """C: 1 for grey images, 3 for colour."""
        return int(self.x_train.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), in pixels."""
        height, width = self.x_train.shape[2:]
        return int(height), int(width)


def read_npz(path: str | os.PathLike[str]) -> ImageData:
    """Read images and labels from a `.npz` file with `x`, `y` and optionally `x_test`, `y_test`.

    Images are (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels; where a shape can be
    read either way, it is (N, C, H, W). uint8 stays as it is; floats become float32 with their
    values unchanged, so scale them to 0 to 1 beforehand; other dtypes are refused. Labels are (N,),
    whole numbers from 0, every class present in `y`. Without `x_test`, one sixth of each class is
    split off, always the same one. Nothing in the file is executed (no pickle).

    Raises:
        DataError: the file is missing or damaged, or an array is not as above.
    """
    arrays = _read_arrays(path)
    x, y = _images(path, "x", arrays), _labels(path, "y", arrays)
    _check_lengths(path, x, y, "x", "y")
    count = _check_classes(path, y)
    classes = tuple(str(label) for label in range(count))
    name = Path(path).name
    if "x_test" not in arrays and "y_test" not in arrays:
        train, test = stratified_split(y)
        if not len(test):
            raise DataError(
                f"{path}: {len(y)} images in {count} classes are too few to split one sixth off "
                "for testing; add x_test and y_test"
            )
        return ImageData(name, x[train], y[train], x[test], y[test], classes)
    x_test, y_test = _images(path, "x_test", arrays), _labels(path, "y_test", arrays)
    _check_lengths(path, x_test, y_test, "x_test", "y_test")
    if x_test.shape[1:] != x.shape[1:] or x_test.dtype != x.dtype:
        raise DataError(
            f"{path}: x and x_test must have images of one shape and dtype, got (C, H, W) "
            f"{x.shape[1:]} {x.dtype} and {x_test.shape[1:]} {x_test.dtype}"
        )
    if y_test.max() >= count:
        raise DataError(
            f"{path}: y_test has label {y_test.max()}, but the classes of y end at {count - 1}"
        )
    return ImageData(name, x, y, x_test, y_test, classes)


def stratified_split(y: Labels) -> tuple[Labels, Labels]:
    """Indices of a training and a test split, in order; the same for the same labels.

    A sixth of each class, rounded to the nearest, is for testing, drawn from a fixed seed.

    Shape: y (N,) -> train (N - M,), test (M,).
    """
    rng = np.random.default_rng(_SPLIT_SEED)
    is_test = np.zeros(len(y), np.bool_)
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        is_test[rng.permutation(members)[: round(len(members) * _TEST_SHARE)]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays x, y and, where there are any, x_test, y_test of the file."""
    try:
        with open(path, "rb") as file:
            arrays, keys = _unpack(path, file)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; the working folder is {os.getcwd()}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    needed = _KEYS if "x_test" in arrays or "y_test" in arrays else _KEYS[:2]
    for key in needed:
        if key not in arrays:
            raise DataError(
                f"{path} must have {', '.join(needed)}, but has no {key}, only "
                f"{', '.join(keys) or 'nothing'}; name the arrays as in np.savez(path, x=images, "
                "y=labels)"
            )
    return arrays


def _unpack(path: str | os.PathLike[str], file: BinaryIO) -> tuple[dict[str, Array], Sequence[str]]:
    """The arrays named in _KEYS, and the names of all; whatever fails is the content's fault."""
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array, as np.save writes it")
        return {key: archive[key] for key in _KEYS if key in archive.files}, archive.files
    except _DAMAGES as error:
        raise DataError(
            f"{path} is no .npz file, or a damaged one ({error}); write it by "
            "np.savez_compressed(path, x=images, y=labels), with no object arrays"
        ) from error


def _images(path: str | os.PathLike[str], key: str, arrays: dict[str, Array]) -> Array:
    """The images as (N, C, H, W), uint8 or finite float32."""
    x = arrays[key]
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{path}: {key} must be uint8 (0 to 255) or float, got {x.dtype}; convert it by "
            f"{key}.astype(np.uint8)"
        )
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise DataError(
            f"{path}: {key} must be (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels, "
            f"got {arrays[key].shape}; reshape it to images"
        )
    if not x.size:
        raise DataError(f"{path}: {key} is empty, its shape is {arrays[key].shape}")
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, refused below
        x = np.ascontiguousarray(x, np.float32)
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise DataError(
            f"{path}: {key} must be finite in float32, but {bad} of {x.size} pixels are NaN or "
            f"infinite, the first in image {np.argmin(np.isfinite(x).reshape(len(x), -1).all(1))}"
        )
    return x


def _labels(path: str | os.PathLike[str], key: str, arrays: dict[str, Array]) -> Labels:
    """The labels as (N,) int64, whole and not negative."""
    y = arrays[key]
    if y.ndim != 1:
        hint = f"; for one-hot labels write {key}.argmax(axis=1)" if y.ndim == 2 else ""
        raise DataError(f"{path}: {key} must have 1 axis (N,), got shape {y.shape}{hint}")
    if y.dtype.kind not in "iuf":
        raise DataError(f"{path}: {key} must be whole numbers from 0, got dtype {y.dtype}")
    bad = np.flatnonzero(~(np.isfinite(y) & (np.trunc(y) == y)))
    if len(bad):
        raise DataError(
            f"{path}: {key} must be whole numbers from 0, but {len(bad)} of {len(y)} are not, "
            f"such as {key}[{bad[0]}] = {y[bad[0]]}"
        )
    if len(y) and y.min() < 0:
        raise DataError(f"{path}: {key} must be whole numbers from 0, its least is {y.min()}")
    if len(y) and y.max() > np.iinfo(np.int32).max:
        raise DataError(f"{path}: {key} has a label as large as {y.max()}; number classes from 0")
    return y.astype(np.int64)


def _check_lengths(path: str | os.PathLike[str], x: Array, y: Array, kx: str, ky: str) -> None:
    """Refuse unless there is one label for each image."""
    if len(x) != len(y):
        raise DataError(
            f"{path}: {kx} and {ky} must be of one length, got {len(x)} images and {len(y)} labels"
        )


def _check_classes(path: str | os.PathLike[str], y: Labels) -> int:
    """The number of classes; refuse fewer than two, and labels that leave one out."""
    present = np.unique(y)
    if len(present) < 2:
        raise DataError(f"{path}: y must have at least 2 classes, but every label is {present[0]}")
    count = int(present[-1]) + 1
    if len(present) < count:
        # Of the first len(present) + 5 labels, at least 5 are absent, or all that are.
        absent = np.setdiff1d(np.arange(min(count, len(present) + 5)), present)
        more = count - len(present) - len(absent[:5])
        raise DataError(
            f"{path}: y must use every label from 0 to {count - 1}, but has no "
            f"{', '.join(map(str, absent[:5]))}" + (f" and {more} more" if more else "") + "; "
            "renumber by np.unique(y, return_inverse=True)[1]"
        )
    return count
