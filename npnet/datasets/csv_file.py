"""Pictures in a CSV file: a line for each, its pixels and its class."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import open_regular, printable
from npnet.datasets._errors import DataError, unreadable
from npnet.datasets.arrays import ImageData, from_arrays

__all__ = ["read_csv"]

_LABELS = ("label", "labels", "y", "class", "target", "digit")
_MOST_CLASSES = 1000  # of a column that nobody has named


def read_csv(path: str | os.PathLike[str]) -> ImageData:
    """Read square pictures from a CSV file, each line the pixels of one and its class.

    The class is in the column that the header calls label, y, class or target; without a header,
    in the first (as in Kaggle's MNIST) or the last, whichever can be one. It is a number or a name.
    Pixels are row by row, whole numbers from 0 to 255 or floats; of colour pictures all reds come
    first, then all greens, then all blues. Columns are separated by commas, semicolons or tabs.
    One sixth of each class is split off for testing, always the same one.

    Raises:
        DataError: the file is missing, or a line is not as above; says which.

    Example:
        >>> import tempfile
        >>> lines = ["a,b,c,d,label"] + 6 * ["0,1,2,3,cat", "9,8,7,6,dog"]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savetxt(f"{folder}/pictures.csv", lines, "%s")
        ...     data = npnet.datasets.read_csv(f"{folder}/pictures.csv")
        >>> data.x_train.shape, data.classes
        ((10, 1, 2, 2), ('cat', 'dog'))
    """
    where = printable(path)
    lines = _lines(path)
    if not lines:
        raise DataError(
            f"{where} is empty; each line must have the pixels of a picture and a class"
        )
    separator = max(",;\t", key=lines[0][1].count)
    header = [name.strip().strip("\"'") for name in lines[0][1].split(separator)]
    has_header = not all(map(_is_number, header))
    body = lines[1:] if has_header else lines
    columns = len(header)
    if not body:
        raise DataError(f"{where} has a header and no pictures")
    if columns < 2:
        raise DataError(
            f"{where}: line {lines[0][0]} has 1 column; separate pixels and class by commas"
        )
    at = _label_column(where, header) if has_header else None
    named, pixels = _columns(where, body, separator, columns, at)
    if at is None:
        at = _unnamed_label(where, pixels)
        named, pixels = pixels[:, at], np.delete(pixels, at, axis=1)
    classes, y = _classes(where, named, body)
    x = _pictures(where, pixels, body)
    data = from_arrays(x, y, name=os.fspath(os.path.basename(path)))
    return dataclasses.replace(data, classes=classes)


def _lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1."""
    try:
        with open_regular(path) as file:
            text = file.read().decode("utf-8-sig", "replace")
    except FileNotFoundError as error:
        raise DataError(f"there is no file {printable(path)}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _label_column(where: str, header: Sequence[str]) -> int:
    found = [i for i, name in enumerate(header) if name.lower() in _LABELS]
    if len(found) == 1:
        return found[0]
    if found:
        twice = ", ".join(header[i] for i in found)
        raise DataError(f"{where}: line 1 names several columns that may be the class: {twice}")
    shown = ", ".join(map(printable, header[:3]))
    raise DataError(
        f"{where}: line 1 has no column called label, y, class or target ({shown}, ...); name the "
        "column of the classes so, or leave the header out"
    )


def _columns(
    where: str, body: list[tuple[int, str]], separator: str, columns: int, at: int | None
) -> tuple[Array, Array]:
    """The column of classes as texts, and the others as numbers."""
    texts = [line for _, line in body]
    others = [i for i in range(columns) if i != at]
    try:
        pixels = np.loadtxt(
            texts, delimiter=separator, usecols=others, ndmin=2, comments=None, quotechar='"'
        )
        if any(text.count(separator) != columns - 1 for text in texts):
            raise ValueError
    except ValueError:
        raise DataError(_what_is_wrong(where, body, separator, columns, at)) from None
    if at is None:
        return pixels[:, 0], pixels
    return np.array([text.split(separator)[at].strip().strip("\"'") for text in texts]), pixels


def _what_is_wrong(
    where: str, body: list[tuple[int, str]], separator: str, columns: int, at: int | None
) -> str:
    for number, line in body:
        fields = line.split(separator)
        if len(fields) != columns:
            return f"{where}: line {number} has {len(fields)} columns, and those before {columns}"
        for i, field in enumerate(fields):
            if i != at and not _is_number(field.strip().strip("\"'")):
                return (
                    f"{where}: line {number}, column {i + 1}: a pixel must be a number, got "
                    f"{printable(field.strip())!r}"
                )
    return f"{where}: its lines are no numbers"


def _unnamed_label(where: str, values: Array) -> int:
    """Whether the first column or the last has the classes, where nobody says so."""
    last = values.shape[1] - 1
    found = [i for i in (0, last) if _may_be_classes(values[:, i])]
    if len(found) == 1:
        return found[0]
    why = (
        "both the first and the last column may be the class"
        if found
        else "neither the first nor the last column can be the class (whole numbers, two or more)"
    )
    raise DataError(f"{where}: {why}; add a header line that calls it label")


def _may_be_classes(column: Array) -> bool:
    if not (np.isfinite(column).all() and (column == np.floor(column)).all()):
        return False
    known = np.unique(column)
    count = len(known)
    is_gapless = bool(known[0] in (0, 1) and known[-1] - known[0] + 1 == count)
    return 2 <= count <= min(_MOST_CLASSES, len(column) // 2) and is_gapless


def _classes(
    where: str, named: Array, body: list[tuple[int, str]]
) -> tuple[tuple[str, ...], Array]:
    """The names of the classes, and the number of each line's."""
    texts = [str(value) for value in named.tolist()]
    for (number, _), text in zip(body, texts, strict=True):
        if not text or text.lower() == "nan":
            raise DataError(f"{where}: line {number} has no class")
    if all(map(_is_number, texts)):
        values = np.array(list(map(float, texts)))
        whole = values == np.floor(values)
        if not whole.all():
            number = body[int(np.argmin(whole))][0]
            raise DataError(f"{where}: line {number}: a class must be a whole number or a name")
        known, y = np.unique(values.astype(np.int64), return_inverse=True)
    else:
        known, y = np.unique(np.array(texts), return_inverse=True)
    return tuple(printable(str(name)) for name in known.tolist()), y.astype(np.int64)


def _pictures(where: str, pixels: Array, body: list[tuple[int, str]]) -> Array:
    """(N, C, H, W), uint8 where all are whole numbers from 0 to 255, else float32."""
    count = pixels.shape[1]
    channels = 1 if math.isqrt(count) ** 2 == count else 3
    side = math.isqrt(count // channels)
    if channels * side * side != count:
        raise DataError(
            f"{where}: {count} pixels beside the class are no square picture, nor three of one "
            f"size; {math.isqrt(count) ** 2} would be {math.isqrt(count)} x {math.isqrt(count)}. "
            "Leave columns out that are no pixels, such as an index"
        )
    bad = ~np.isfinite(pixels).all(1)
    if bad.any():
        raise DataError(
            f"{where}: line {body[int(np.argmax(bad))][0]} has a pixel that is no number"
        )
    is_whole = bool((pixels == np.floor(pixels)).all())
    outside = (pixels < 0) | (pixels > 255)
    if is_whole and pixels.max() > 1 and outside.any():
        row, column = (int(at[0]) for at in np.nonzero(outside))
        raise DataError(
            f"{where}: line {body[row][0]}: a pixel must be from 0 to 255, got "
            f"{pixels[row, column]:g}; divide pixels of more bits by their white, so that they are "
            "floats from 0 to 1"
        )
    is_bytes = pixels.min() >= 0 and pixels.max() <= 255 and is_whole
    x = pixels.astype(np.uint8 if is_bytes and pixels.max() > 1 else np.float32)
    return x.reshape(len(x), channels, side, side)
