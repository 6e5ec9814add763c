"""What a finished run came to, out of its files: read once, and believed only as a whole.

A run whose files are damaged is not done, and says which file and why; it never ends a comparison.
"""

from __future__ import annotations

import csv
import json
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import is_finite
from npnet.base.files import open_regular, printable
from npnet.runs.files import METRICS, RESULT

__all__ = ["FIT", "DamagedError", "Outcome", "read_columns", "read_json"]


FIT = "fit.png"  # that a fitted function's run draws
MOST_READ = 1 << 28  # of a file that is read: metrics.csv of two million epochs
MOST_COUNT = 1 << 53  # of images, parameters or epochs: a float holds it exactly

_FUNCTION = ("epoch", "learning_rate", "train_loss", "val_loss", "seconds")
_COLUMNS = {  # of metrics.csv, that every run of the kind has
    "function": _FUNCTION,
    "classification": (*_FUNCTION, "train_accuracy", "val_accuracy"),
}


class DamagedError(RuntimeError):
    """A file of a run does not hold what the run wrote: its name in the run's folder, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is damaged: {why}")


@dataclass(frozen=True)
class Outcome:
    """A finished run: what result.json says, and the columns of metrics.csv by name."""

    folder: Path
    result: Mapping[str, Any]
    history: Mapping[str, Array]

    @classmethod
    def read(cls, folder: Path) -> Outcome | None:
        """Of a run's folder; None where the run is not done.

        Raises:
            DamagedError: a file does not hold what a run writes.
        """
        result = read_json(folder / RESULT)
        if result is None:
            return None
        _check_result(result)
        history = read_columns(folder / METRICS, _COLUMNS[result["kind"]])
        if not len(history["epoch"]):
            raise DamagedError(METRICS, "it has no epoch")
        if history["epoch"][-1] != result["epochs"]:
            raise DamagedError(
                METRICS,
                f"it ends with epoch {history['epoch'][-1]:.0f}, {RESULT} with {result['epochs']}",
            )
        outcome = cls(folder, result, history)
        if outcome.is_function:
            outcome.fit_png()
        return outcome

    @property
    def is_function(self) -> bool:
        return bool(self.result["kind"] == "function")

    def fit_png(self) -> bytes:
        """The picture of a fitted function. Raises DamagedError."""
        png = _read(self.folder / FIT)
        if png is None:
            raise DamagedError(FIT, "there is no such file")
        _check_png(png)
        return png

    def figure(self, *path: str) -> float:
        """A number of result.json, such as "test", "accuracy"; NaN where there is none."""
        value: Any = self.result
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return math.nan if value is None else float(value)

    def at(self, column: str, epoch: int) -> float:
        """A value of metrics.csv; NaN where there is no such column, or no such epoch."""
        if column not in self.history:
            return math.nan
        found = self.history[column][self.history["epoch"] == epoch]
        return float(found[0]) if len(found) else math.nan

    @property
    def seconds(self) -> Array:
        """Of each epoch; where not every epoch has a line, the mean since the line before."""
        epochs: Array = np.diff(self.history["epoch"], prepend=0)
        return self.history["seconds"] / epochs


# ---- files -------------------------------------------------------------------------------------


def _read(path: Path) -> bytes | None:
    """What a file holds, None where there is none. Raises DamagedError, also of what is no file."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > MOST_READ else file.read(size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(path.name, str(error.strerror or error)) from None
    if size > MOST_READ:
        raise DamagedError(path.name, f"it has more than {MOST_READ:,} bytes")
    return data


def read_json(path: Path) -> dict[str, Any] | None:
    """An object of strict JSON; None where there is no such file. Raises DamagedError."""
    data = _read(path)
    if data is None:
        return None
    try:
        tree = json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path.name, f"it is not JSON: {printable(str(error))}") from None
    if not isinstance(tree, dict):
        raise DamagedError(path.name, "it is not an object, {name: value}")
    return tree


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def read_columns(path: Path, needed: tuple[str, ...] = _FUNCTION) -> dict[str, Array]:
    """The columns of a file like metrics.csv by name, each (epochs,) float64; no file has no epoch.

    Raises:
        DamagedError: a line or a cell is not what a run writes, or one of `needed` is missing.
    """
    try:
        lines = (_read(path) or b"").decode("ascii").splitlines()
        header, *rows = list(csv.reader(lines, strict=True)) or [list(needed)]
        values = [[_number(cell) for cell in row] for row in rows]
    except (ValueError, csv.Error) as error:
        raise DamagedError(path.name, printable(str(error))) from None
    missing = [name for name in needed if header.count(name) != 1]
    if missing:
        raise DamagedError(path.name, f"it must have one column {missing[0]}")
    for number, row in enumerate(values, 2):
        if len(row) != len(header):
            raise DamagedError(path.name, f"line {number} has {len(row)} of {len(header)} cells")
    table = np.array(values).reshape(-1, len(header))
    columns = {name: table[:, at] for at, name in enumerate(header)}
    _check_columns(path.name, columns)
    return columns


def _number(cell: str) -> float:
    """A cell; an empty one has no value. ValueError where it is no number."""
    if "_" in cell:  # which Python would read
        raise ValueError(f"{cell!r} is no number")
    return float(cell or "nan")


def _check_columns(name: str, columns: Mapping[str, Array]) -> None:
    epochs = columns["epoch"]
    with np.errstate(invalid="ignore"):  # a NaN or an infinity fails what follows
        rising = (epochs % 1 == 0) & (np.diff(epochs, prepend=0) > 0) & (epochs < MOST_COUNT)
    if not rising.all():
        raise DamagedError(name, f"line {rising.argmin() + 2} has no epoch above the line before")
    for column in ("learning_rate", "seconds"):
        right = (columns[column] >= 0) & np.isfinite(columns[column])
        if not right.all():
            raise DamagedError(name, f"line {right.argmin() + 2} has no {column} from 0")


def _check_png(data: bytes) -> None:
    """Raise DamagedError unless all chunks are whole: length, name, data, CRC-32."""
    at, name = 8, b""
    if data[:at] != b"\x89PNG\r\n\x1a\n":
        raise DamagedError(FIT, "it is no PNG")
    while name != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise DamagedError(FIT, f"the part at byte {at} has another checksum")
        at = end + 4
        if at > len(data):
            raise DamagedError(FIT, "its end is missing")


# ---- result.json -------------------------------------------------------------------------------


def _check_result(result: Mapping[str, Any]) -> None:
    """Raise DamagedError unless everything is there that a report shows, in its type."""
    if result.get("format") != "npnet result":
        raise DamagedError(RESULT, "its format is not 'npnet result'")
    if result.get("kind") not in list(_COLUMNS):
        raise DamagedError(RESULT, f"its kind must be one of {', '.join(_COLUMNS)}")
    for name in ("parameters", "epochs", "best_epoch"):
        if not _is_count(result.get(name)):
            raise DamagedError(RESULT, f"{name} must be a whole number")
    if not 1 <= result["best_epoch"] <= result["epochs"]:
        raise DamagedError(RESULT, "best_epoch must be one of its epochs")
    if not _is_number(result.get("seconds")):
        raise DamagedError(RESULT, "seconds must be a number")
    for split in ("train", "val", "test"):
        _check_scores(result, split)
    if result["kind"] == "classification":
        _check_classes(result.get("classes"), result.get("confusion"))


def _check_scores(result: Mapping[str, Any], split: str) -> None:
    """A split has numbers or null by name, and its loss; that of validation may be missing."""
    if split == "val" and split in result and result[split] is None:
        return
    scores: Any = result.get(split)
    figures = ("loss",) if result["kind"] == "function" else ("loss", "accuracy")
    for name in figures:
        if not isinstance(scores, dict) or name not in scores:
            raise DamagedError(RESULT, f"{split} has no {name}")
    for name, value in scores.items():
        if name in (*figures, "max_error") and value is not None and not _is_number(value):
            raise DamagedError(RESULT, f"{name} of {split} must be a number or null")


def _check_classes(classes: Any, confusion: Any) -> None:
    if not isinstance(classes, list) or not all(_is_text(name) for name in classes):
        raise DamagedError(RESULT, "classes must be a list of names")
    count = len(classes)
    rows = confusion if isinstance(confusion, list) and len(confusion) == count > 0 else [None]
    for row in rows:
        if not isinstance(row, list) or len(row) != count or not all(map(_is_count, row)):
            raise DamagedError(RESULT, "confusion must have a row and a column for each class")


def _is_text(value: Any) -> bool:
    """Whether it is a str without half a surrogate pair, which no file and no picture takes."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and is_finite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_COUNT
