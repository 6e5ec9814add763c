"""Test images for a page: the first ones, and those that the run was most wrong about."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet import datasets
from npnet.base.arrays import Array
from npnet.base.files import open_regular, user_path
from npnet.datasets import DataError
from npnet.models.checkpoint import BEST, Facts
from npnet.runs.files import CONFIG, RESULT

__all__ = ["Pictures", "pictures_for", "recorded_errors"]

MOST_BYTES = 24 << 10  # of compressed pictures: 32 kB of the page, some 100 of MNIST's
_MOST_JSON = 1 << 24  # bytes of a result.json; that of 1000 classes has 5 MB
_ERRORS = 24  # of a run's, the worst first


@dataclass(frozen=True)
class Pictures:
    """Test images, and what the run said of its errors among them.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,).
        numbers: (N,), where they are in the test set.
        errors: of the run: index, predicted and probability, the worst first.
    """

    images: Array
    labels: Array
    numbers: Array
    errors: tuple[dict[str, Any], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """What the page needs: the pixels as zlib's bytes in base64."""
        return {
            "shape": list(self.images.shape[1:]),
            "labels": self.labels.tolist(),
            "numbers": self.numbers.tolist(),
            "errors": list(self.errors),
            "data": base64.b64encode(zlib.compress(self.images.tobytes(), 9)).decode(),
        }


def pictures_for(facts: Facts, checkpoint: str, data_dir: str | None = None) -> Pictures | str:
    """The images that fit in a page, the run's worst errors first; or why there are none.

    Nothing is downloaded.
    """
    if facts.dataset not in datasets.NAMES:
        return f"{facts.dataset} is no data set whose place is known"
    try:
        data = datasets.load(facts.dataset, data_dir, download=False)
    except DataError:
        return f"{facts.dataset} is not on this machine; npnet datasets download fetches it"
    if data.x_test.dtype != np.uint8 or not len(data.x_test):
        return f"{facts.dataset} has no test images of bytes"
    if tuple(data.classes) != facts.classes:
        return f"{facts.dataset} has other classes than the network"
    errors = [e for e in recorded_errors(checkpoint, facts) if e["index"] < len(data.x_test)]
    wanted = dict.fromkeys([e["index"] for e in errors] + list(range(min(512, len(data.x_test)))))
    numbers = np.array(sorted(_fitting(data.x_test, list(wanted))))
    shown = {*numbers.tolist()}
    return Pictures(
        np.ascontiguousarray(data.x_test[numbers]),
        np.asarray(data.y_test)[numbers],
        numbers,
        tuple(e for e in errors if e["index"] in shown),
    )


def _fitting(images: Array, numbers: Sequence[int]) -> Iterable[int]:
    """As many of the numbers, from the first on, as fit into MOST_BYTES compressed."""
    few, many = 0, len(numbers)
    while few < many:  # the most that fit, by bisection
        middle = (few + many + 1) // 2
        size = len(zlib.compress(images[numbers[:middle]].tobytes(), 9))
        few, many = (middle, many) if size <= MOST_BYTES else (few, middle - 1)
    return numbers[: max(few, 1)]


def recorded_errors(checkpoint: str, facts: Facts) -> list[dict[str, Any]]:
    """The worst errors on the test set that the run of a checkpoint has written down.

    They are in the result.json of the folder that the config.json beside the checkpoint names; []
    where there is none, or it is of another network or data set.
    """
    place = user_path(checkpoint)
    folder = place if place.is_dir() else place.parent
    if not place.is_dir() and place.name != BEST:
        return []
    log_dir = _read(folder / CONFIG).get("log_dir")
    if not isinstance(log_dir, str):
        return []
    result = _read(user_path(log_dir) / RESULT)
    same = (result.get("dataset"), result.get("best_epoch")) == (facts.dataset, facts.epoch)
    if not same or result.get("classes") != list(facts.classes):
        return []
    errors = result.get("worst_errors")
    return [
        {"index": e["index"], "predicted": e["predicted"], "probability": e["probability"]}
        for e in (errors if isinstance(errors, list) else [])[:_ERRORS]
        if isinstance(e, dict) and type(e.get("index")) is int and e["index"] >= 0
        if {"predicted", "probability"} <= e.keys()
    ]


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none."""
    try:
        with open_regular(path) as file:
            found = json.loads(file.read(_MOST_JSON))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
