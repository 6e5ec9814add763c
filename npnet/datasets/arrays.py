"""Data sets as arrays: what every loader returns, and `.npz` files of one's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.files import printable
from npnet.datasets import _advice, _npz
from npnet.datasets._augmentation import Augmentation, characters, photographs
from npnet.datasets._errors import DataError

__all__ = ["ImageData", "from_arrays", "names_npz", "read_npz", "stratified_split"]

Labels: TypeAlias = npt.NDArray[np.int64]

_TEST_SHARE = 1 / 6  # of each class, where a data set has no test split
_KEYS = ("x", "y", "x_test", "y_test")
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
        augmentation: the standard set that changes training images at random, by their size; where
            none is given, that of characters for grey images and of photographs for colour.
        x_val, y_val: what validates, where the data set says so; None leaves it to the user.

    Example:
        >>> digits = npnet.datasets.load("digits")
        >>> digits.name, digits.x_train.shape, digits.classes[:3]
        ('digits', (1498, 1, 28, 28), ('0', '1', '2'))
    """

    name: str
    x_train: Array
    y_train: Labels
    x_test: Array
    y_test: Labels
    classes: tuple[str, ...]
    augmentation: Augmentation = None  # type: ignore[assignment] # `__post_init__` knows the colour
    x_val: Array | None = None
    y_val: Labels | None = None

    def __post_init__(self) -> None:
        if self.augmentation is None:
            chosen = characters if self.channels == 1 else photographs
            object.__setattr__(self, "augmentation", chosen)  # the class is frozen

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
        DataError: the file is missing or damaged, an array is not as above, or there is too little
            memory for it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = f"{folder}/pictures.npz"
        ...     np.savez(file, x=np.zeros((12, 8, 8), np.uint8), y=np.arange(12) % 2)
        ...     data = npnet.datasets.read_npz(file)
        >>> data.x_train.shape, data.x_test.shape
        ((10, 1, 8, 8), (2, 1, 8, 8))
    """
    try:
        return _checked(path, _read(path))
    except MemoryError as error:
        raise DataError(
            f"{printable(path)} needs more memory than there is ({error}); store fewer or smaller "
            "images, as uint8 or float32"
        ) from error


def _checked(
    path: str | os.PathLike[str], arrays: dict[str, Array], split_off: bool = True
) -> ImageData:
    where = printable(path)
    x, y = _images(where, "x", arrays), _labels(where, "y", arrays)
    _check_lengths(where, arrays, "x", "y")
    if "x_test" not in arrays:
        if split_off:
            return _split_off(where, _name(path), x, y)
        classes, y = _classes(where, y, None), y.astype(np.int64)
        return ImageData(_name(path), x, y, x[:0], y[:0], classes)
    x_test, y_test = _images(where, "x_test", arrays), _labels(where, "y_test", arrays)
    _check_lengths(where, arrays, "x_test", "y_test")
    if x_test.shape[1:] != x.shape[1:] or x_test.dtype != x.dtype:
        fix = "" if x_test.dtype == x.dtype else f"; {_advice.for_mixed_dtypes(x, x_test)}"
        raise DataError(
            f"{where}: x and x_test must have images of one shape and dtype, got (C, H, W) "
            f"{x.shape[1:]} {x.dtype} and {x_test.shape[1:]} {x_test.dtype}{fix}"
        )
    classes = _classes(where, y, y_test)
    y, y_test = y.astype(np.int64), y_test.astype(np.int64)
    return ImageData(_name(path), x, y, x_test, y_test, classes)


def from_arrays(
    x: Array,
    y: Array,
    x_test: Array | None = None,
    y_test: Array | None = None,
    *,
    split_off: bool = True,
    name: str = "arrays",
) -> ImageData:
    """Images and labels as `read_npz` takes them out of a file.

    Args:
        split_off: let a sixth of each class test, where there is no x_test; else nothing tests.
        name: what a run calls the data, and errors.

    Raises:
        DataError: an array is not as `read_npz` wants it.

    Example:
        >>> x, y = np.zeros((12, 8, 8), np.uint8), np.arange(12) % 2
        >>> data = npnet.datasets.from_arrays(x, y)
        >>> data.x_train.shape, data.x_test.shape
        ((10, 1, 8, 8), (2, 1, 8, 8))
    """
    arrays = {"x": x, "y": y}
    if x_test is not None and y_test is not None:
        arrays |= {"x_test": x_test, "y_test": y_test}
    return _checked(name, arrays, split_off)


def names_npz(name: str) -> bool:
    """Whether a name is that of a `.npz` file, in whatever case its end is written.

    Example:
        >>> npnet.datasets.names_npz("mnist"), npnet.datasets.names_npz("digits.NPZ")
        (False, True)
    """
    return name.lower().endswith(".npz")


def _name(path: str | os.PathLike[str]) -> str:
    """What a run calls the data: text, whatever bytes the file's name is of."""
    return printable(Path(path).name)


def _split_off(where: str, name: str, x: Array, y: Array) -> ImageData:
    """A data set whose test split is a part of these images."""
    classes = _classes(where, y, None)
    y = y.astype(np.int64)
    train, test = stratified_split(y)
    if not len(test):
        raise DataError(
            f"{where}: {len(y)} images in {len(classes)} classes are too few to split one sixth "
            "off for testing; add x_test and y_test"
        )
    return ImageData(name, x[train], y[train], x[test], y[test], classes)


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


def _read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays x, y and, where there is one of them, x_test and y_test of the file."""
    arrays, names = _npz.read_arrays(path, _KEYS)
    needed = _KEYS if "x_test" in arrays or "y_test" in arrays else _KEYS[:2]
    for key in needed:
        if key not in arrays:
            write = "x=images, y=labels"
            write += ", x_test=images, y_test=labels" if len(needed) > 2 else ""
            raise DataError(
                f"{printable(path)} must have {', '.join(needed)}, but has no {key}, only "
                f"{_npz.listed(names)}; name the arrays as in np.savez(path, {write})"
            )
    return arrays


def _images(path: str, key: str, arrays: dict[str, Array]) -> Array:
    """The images as (N, C, H, W), uint8 or finite float32."""
    x = arrays[key]
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{path}: {key} must be uint8 (0 to 255) or float, got {x.dtype}; "
            f"{_advice.for_dtype(arrays, key)}"
        )
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        labels = arrays[key.replace("x", "y", 1)]
        raise DataError(
            f"{path}: {key} must be (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels, "
            f"got {arrays[key].shape}; {_advice.for_shape(key, arrays[key].shape, _length(labels))}"
        )
    if not x.size:
        raise DataError(f"{path}: {key} is empty, its shape is {arrays[key].shape}")
    return np.ascontiguousarray(x) if x.dtype == np.uint8 else _as_float32(path, key, x)


def _as_float32(path: str, key: str, x: Array) -> Array:
    """Images (N, C, H, W) of another precision; all finite."""
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, refused below
        y = np.ascontiguousarray(x, np.float32)
    bad = y.size - np.count_nonzero(np.isfinite(y))
    if not bad:
        return y
    first = np.argmin(np.isfinite(y).reshape(len(y), -1).all(1))
    if np.isfinite(x).all():
        fix = "divide x and x_test by the same number, such as np.abs(x).max()"
    else:
        labels = key.replace("x", "y", 1)
        fix = (
            f"leave them out: keep = np.isfinite({key}).reshape(len({key}), -1).all(1), "
            f"{key}[keep], {labels}[keep]"
        )
    raise DataError(
        f"{path}: {key} must be finite in float32, but {bad} of {y.size} pixels are NaN or "
        f"infinite, the first in image {first}; {fix}"
    )


def _labels(path: str, key: str, arrays: dict[str, Array]) -> Array:
    """The labels as (N,), whole numbers in the dtype of the file."""
    y, count = arrays[key], _length(arrays[key.replace("y", "x", 1)])
    if y.ndim != 1:
        raise DataError(
            f"{path}: {key} must have 1 axis (N,), got shape {y.shape}; "
            f"{_advice.for_label_shape(key, y, count)}"
        )
    if y.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: {key} must be whole numbers from 0, got dtype {y.dtype}; "
            f"{_advice.for_label_dtype(arrays, key)}"
        )
    bad = np.flatnonzero(~(np.isfinite(y) & (np.trunc(y) == y)))
    if len(bad):
        raise DataError(
            f"{path}: {key} must be whole numbers from 0, but {len(bad)} of {len(y)} are not, "
            f"such as {key}[{bad[0]}] = {y[bad[0]]}; give each image the number of its class"
        )
    return y


def _length(array: Array) -> int:
    """Its first axis; 0 where it has none."""
    return len(array) if array.ndim else 0


def _check_lengths(path: str, arrays: dict[str, Array], kx: str, ky: str) -> None:
    """Refuse unless there is one label for each image."""
    x, y = arrays[kx], arrays[ky]
    if len(x) != len(y):
        lies = list(x.shape[1:]).count(len(y)) == 1
        hint = f"; {_advice.for_shape(kx, x.shape, len(y))}" if lies else ""
        raise DataError(
            f"{path}: {kx} and {ky} must be of one length, got {len(x)} images and {len(y)} labels"
            f"{hint}"
        )


def _classes(path: str, y: Array, y_test: Array | None) -> tuple[str, ...]:
    """The name of each class; refuse fewer than two, and labels other than 0, 1, 2, ... of y."""
    present = np.unique(y)
    if len(present) < 2:
        raise DataError(f"{path}: y must have at least 2 classes, but every label is {present[0]}")
    wrong = _unlike_classes(present, "y") or (
        "" if y_test is None else _unlike_classes(present, "y_test", np.unique(y_test))
    )
    if wrong:
        raise DataError(f"{path}: {wrong}; {_advice.for_labels(y, y_test)}")
    return tuple(str(label) for label in range(len(present)))


def _unlike_classes(present: Array, key: str, labels: Array | None = None) -> str:
    """What is wrong with sorted labels, of y itself or of y_test; "" if nothing."""
    labels = present if labels is None else labels
    if labels[0] < 0:
        return f"{key} must be whole numbers from 0, its least is {labels[0]}"
    if labels[-1] > np.iinfo(np.int32).max:
        return f"{key} has a label as large as {labels[-1]}, but classes are numbered from 0"
    if key != "y" and labels[-1] > present[-1]:
        return f"{key} has label {labels[-1]}, but the classes of y end at {present[-1]}"
    count = int(present[-1]) + 1
    if len(present) == count:
        return ""
    # Of the first len(present) + 5 labels, at least 5 are absent, or all that are.
    absent = np.setdiff1d(np.arange(min(count, len(present) + 5)), present)
    more = count - len(present) - len(absent[:5])
    return (
        f"y must use every label from 0 to {count - 1}, but has no "
        f"{', '.join(map(str, absent[:5]))}" + (f" and {more} more" if more else "")
    )
