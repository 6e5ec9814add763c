"""A run by its folder, as pictures of it need it: curves, result, settings, network and images."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet import datasets
from npnet.base.arrays import Array
from npnet.base.files import printable, user_path
from npnet.comparison.outcome import DamagedError, Outcome, read_columns, read_json
from npnet.datasets import ImageData
from npnet.models.checkpoint import BEST
from npnet.nn import Module
from npnet.prediction.networks import network_of
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, METRICS, RESULT
from npnet.runs.tensorboard import read_histograms, read_settings_text

__all__ = ["Mistake", "Recorded", "find"]

Histograms = dict[str, dict[int, tuple[Array, Array]]]


@dataclass(frozen=True)
class Mistake:
    """One of result.json's worst errors; see `training.metrics.Misclassified`."""

    index: int
    true: str
    predicted: str
    probability: float
    loss: float


@dataclass(frozen=True)
class Recorded:
    """A run, whose folder holds metrics.csv.

    Attributes:
        folder: for logs.
        label: what tells it from other runs.
        checkpoint: where its network is; None is where its settings say.
        own: my_file.py:Net of a network of the user's own, typed by the user.
    """

    folder: Path
    label: str
    checkpoint: Path | None = None
    own: str | None = None

    @functools.cached_property
    def history(self) -> Mapping[str, Array]:
        """The columns of metrics.csv by name."""
        history = _undamaged(self.folder, lambda: read_columns(self.folder / METRICS))
        if not len(history["epoch"]):
            raise ConfigError(f"{self.folder}: {METRICS} has no finished epoch yet")
        return history

    @functools.cached_property
    def result(self) -> Mapping[str, Any] | None:
        """What result.json says; None of a run that is not finished."""
        outcome = _undamaged(self.folder, lambda: Outcome.read(self.folder))
        return None if outcome is None else outcome.result

    @functools.cached_property
    def settings(self) -> Mapping[str, Any]:
        """The run's settings: of config.json where it lies here, else of the TensorBoard events."""
        config = _undamaged(self.folder, lambda: read_json(self.folder / CONFIG))
        return read_settings_text(self.folder) if config is None else config

    def setting(self, name: str) -> str:
        """A setting as text; empty where it is not known, or not set."""
        value = self.settings.get(name)
        return "" if value in (None, "None") else str(value)

    @property
    def title(self) -> str:
        """The network and its data."""
        known = self.result or {}
        model = known.get("model") or self.setting("model") or "network"
        name = str(known.get("dataset") or self.setting("dataset") or "its data")
        return printable(f"{model} on {Path(name).name if '/' in name else name}")

    @property
    def classification(self) -> Mapping[str, Any]:
        """`result` of a finished classification. ConfigError if it is no such run."""
        if self.result is None:
            raise ConfigError(f"{self.folder}: the run is not finished, it has no {RESULT}")
        self._check_has_images()
        return self.result

    @property
    def is_function(self) -> bool:
        """Whether it fitted a function of x."""
        if self.result is None:
            return "expression" in self.settings
        return bool(self.result["kind"] == "function")

    def _check_has_images(self) -> None:
        if self.is_function:
            raise ConfigError(f"{self.folder}: the run fitted a function, which has no images")

    @property
    def mistakes(self) -> list[Mistake]:
        """The worst errors, the worst first."""
        listed = self.classification.get("worst_errors")
        try:
            return [
                Mistake(
                    int(error["index"]),
                    str(error["true"]),
                    str(error["predicted"]),
                    float(error["probability"]),
                    float(error["loss"]),
                )
                for error in listed or ()
            ]
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{self.folder}: {RESULT} is damaged: its worst_errors") from None

    def histograms(self) -> dict[str, Histograms]:
        """Kind -> parameter -> epoch -> histogram, as `--log_images` wrote them."""
        found = {
            kind: read_histograms(self.folder, f"{kind}/") for kind in ("weights", "gradients")
        }
        found = {kind: parameters for kind, parameters in found.items() if parameters}
        if not found:
            raise ConfigError(
                f"{self.folder}: no histograms were recorded; train with --log_images"
            )
        return found

    @functools.cached_property
    def model(self) -> Module:
        """The network of the best checkpoint."""
        self._check_has_images()
        network: Module = network_of(str(self.checkpoint or self._checkpoint()), self.own)
        return network

    def _checkpoint(self) -> Path:
        if (self.folder / BEST).exists():
            return self.folder / BEST
        name = self.setting("checkpoint_dir")
        fix = "name the folder of its checkpoint by --checkpoint"
        if not name:
            raise ConfigError(f"{self.folder}: it is not known where its network is; {fix}")
        place = user_path(name)
        beside = _undamaged(place, lambda: read_json(place / CONFIG))
        if beside is None or not (place / BEST).exists():
            raise ConfigError(f"{self.folder}: its network is not in {place} any more; {fix}")
        if user_path(str(beside.get("log_dir"))).resolve() != self.folder.resolve():
            raise ConfigError(f"{self.folder}: the network in {place} is of a later run; {fix}")
        return place / BEST

    @functools.cached_property
    def images(self) -> ImageData:
        """The data that it was tested on."""
        self._check_has_images()
        name = str(self.setting("dataset") or (self.result or {}).get("dataset") or "")
        if not name:
            raise ConfigError(f"{self.folder}: it is not known which data set it was trained on")
        try:
            return datasets.load(name, self.setting("data_dir") or None)
        except ValueError as error:
            raise ConfigError(f"{self.folder}: its {error}") from None

    def pictures(self, indices: Sequence[int]) -> list[Array]:
        """Test images (C, H, W) as they are stored. ConfigError where there is none."""
        x = self.images.x_test
        for index in indices:
            if not 0 <= index < len(x):
                raise ConfigError(
                    f"index: must be one of {len(x)} test images, 0 to {len(x) - 1}, got {index}"
                )
        return [x[index] for index in indices]

    def first_of_each_class(self, most: int) -> list[int]:
        """The first test image of each class, at most so many."""
        y = self.images.y_test
        return [int(np.flatnonzero(y == k)[0]) for k in np.unique(y)[:most]]


def _undamaged(folder: Path, read: Any) -> Any:
    try:
        return read()
    except DamagedError as error:
        raise ConfigError(f"{printable(folder)}: {error}") from None


def find(
    names: Sequence[str], checkpoint: str | None = None, own: str | None = None
) -> list[Recorded]:
    """The runs that these folders are of.

    Args:
        names: of folders for logs, or of the checkpoints of runs, whose settings say where their
            logs are.

    Raises:
        ConfigError: a folder is no run's, or is there twice.
    """
    folders = [_log_folder(user_path(name)) for name in names]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ConfigError("a run is named twice; leave one out")
    place = None if checkpoint is None else user_path(checkpoint)
    return [
        Recorded(folder, label, place, own)
        for folder, label in zip(folders, _labels(folders), strict=True)
    ]


def _log_folder(folder: Path) -> Path:
    if (folder / METRICS).is_file():
        return folder
    config = _undamaged(folder, lambda: read_json(folder / CONFIG)) if folder.is_dir() else None
    named = None if config is None else config.get("log_dir")
    if isinstance(named, str) and (user_path(named) / METRICS).is_file():
        return user_path(named)
    what = "it is no folder" if not folder.is_dir() else f"it has no {METRICS}"
    raise ConfigError(
        f"{printable(folder)} is no folder of a run's logs: {what}; name a --log_dir of npnet "
        "train, such as runs/<time>-lenet5"
    )


def _labels(folders: Sequence[Path]) -> list[str]:
    """The names of the folders, with as many above them as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(part[-depth:]) for part in parts]
        if len(set(labels)) == len(labels):
            break
    return [printable(label) for label in labels]
