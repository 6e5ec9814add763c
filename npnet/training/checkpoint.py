"""The files of a run that hold weights: best.safetensors, last.safetensors, config.json.

What is read is not trusted: last.safetensors may have been written by another version, edited, or
put together from two runs, and its checksum says only that nobody changed it since.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from npnet import serialization
from npnet.base.arrays import Array
from npnet.base.files import atomic_write, open_regular, printable
from npnet.models.checkpoint import BEST
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, LAST
from npnet.serialization import CheckpointError
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.training.config import Config
from npnet.training.metrics import Epoch

__all__ = [
    "OF_THE_PLACE",
    "Checkpoints",
    "Memory",
    "Progress",
    "Saved",
    "Store",
    "best_file",
    "read_seconds",
    "read_weights",
    "unusable",
]

Weights: TypeAlias = dict[str, Array]

# Settings that say where a run is and how it was started, in which equal runs may differ.
OF_THE_PLACE = (
    *("threads", "data_dir", "checkpoint_dir", "log_dir", "log_images", "log_every"),
    *("record", "resume", "config"),
)


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        history: the finished epochs.
        best_epoch: the one whose weights are in best.safetensors; 0 before the first.
        best_score: (validation accuracy, -validation loss) of that epoch.
        best_checksum: of that file; "" is not known, from a version that did not keep it.
        data: what tells the data of the run from others, as `Data.identity`; "" is not known.
    """

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_score: tuple[float, float] = (-np.inf, -np.inf)
    best_checksum: str = ""
    data: str = ""

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.history)

    def add(self, epoch: Epoch) -> bool:
        """Take in a finished epoch; whether it is the best so far.

        The better validation accuracy wins, and of equal ones the lower loss. Where nothing is
        held out for validation, the latest epoch counts as the best.
        """
        self.history.append(epoch)
        score = (epoch.val_accuracy, -epoch.val_loss)
        better = score > self.best_score or np.isnan(epoch.val_accuracy)
        if better:
            self.best_epoch, self.best_score = epoch.epoch, score
        return bool(better)

    def line(self, epochs: int) -> str:
        """The last epoch in one line, as terminal and log.txt show it, of `epochs` in all."""
        last = self.history[-1]
        return last.line(epochs) + ("  best" if self.best_epoch == last.epoch else "")

    def take_seconds(self, seconds: Mapping[int, float]) -> None:
        """Say how long the epochs took, by their numbers: a time is no part of what is saved."""
        self.history = [
            dataclasses.replace(e, seconds=seconds.get(e.epoch, e.seconds)) for e in self.history
        ]

    def to_tree(self) -> dict[str, Any]:
        """Everything but the times as numbers, lists and dicts: the same for equal runs."""
        history = [dataclasses.asdict(epoch) for epoch in self.history]
        for epoch in history:
            del epoch["seconds"]
        return {
            "history": history,
            "best_epoch": self.best_epoch,
            "best_score": list(self.best_score),
            "best_checksum": self.best_checksum,
            "data": self.data,
        }

    @classmethod
    def from_tree(cls, tree: Any) -> Progress:
        """The inverse of `to_tree`.

        Raises:
            ValueError: it is no tree of a run that has finished an epoch.
        """
        match tree:
            case {"history": [*history], "best_epoch": int(best), "best_score": [_, _] as score}:
                pass
            case _:
                raise ValueError("progress needs a history, a best_epoch and a best_score")
        texts = {name: tree.get(name, "") for name in ("best_checksum", "data")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("progress has a best_checksum or data that is no text")
        if not history:
            raise ValueError("progress has no finished epoch")
        progress = cls(**texts)
        for number, epoch in enumerate(history, 1):
            progress.add(_epoch(number, epoch))
        if (best, repr(list(score))) != (progress.best_epoch, repr(list(progress.best_score))):
            raise ValueError(f"progress has epoch {best} as the best, which its history does not")
        return progress


def _epoch(number: int, tree: Any) -> Epoch:
    """A finished epoch out of a file, the `number`th of its run. ValueError if it is none."""
    nan = float("nan")
    # Earlier versions did not measure the one; the time is no part of what is saved.
    absent = {"val_sampled_accuracy": nan, "seconds": nan}
    names = [field.name for field in dataclasses.fields(Epoch)]
    values = {**absent, **tree} if isinstance(tree, dict) else {}
    if set(values) != set(names) or any(type(v) not in (int, float) for v in values.values()):
        raise ValueError(f"epoch {number} of the history needs numbers for {', '.join(names)}")
    for name, value in values.items():
        may_lack = name.startswith("val_") or name == "seconds"
        most = 100.0 if name.endswith("accuracy") else math.inf
        signed = name.endswith("loss")  # a loss of one's own may be below 0
        if may_lack and value != value:
            continue
        if not abs(value) < math.inf or not (signed or 0 <= value <= most):
            raise ValueError(f"epoch {number} of the history has {name} {value:g}")
    if values["epoch"] != number or type(values["epoch"]) is not int:
        raise ValueError(f"epoch {number} of the history says that it is {values['epoch']}")
    return Epoch(**values)


@dataclass(frozen=True)
class Saved:
    """What last.safetensors holds.

    Attributes:
        learner: as `Learner.state`, not checked yet.
        settings: those that say what the run is; None in files of earlier versions.
        library: that trained: npnet or torch; "" is not known.
        own: what goes with code of the user's own, see `Training.own_state`; None without any.
    """

    learner: Any
    progress: Progress
    settings: Config | None
    library: str
    own: Any = None


class Store(Protocol):
    """Where a run keeps its weights."""

    @property
    def folder(self) -> Path | None:
        """That holds the files; None where there are none."""

    def save_config(self, config: Config) -> None:
        """Keep the settings."""

    def save_best(self, data: bytes) -> None:
        """Keep the weights of the best epoch, as `best_file` makes them."""

    def load_best(self) -> Weights:
        """The weights of the best epoch so far."""

    def save_last(
        self,
        learner_state: dict[str, Any],
        progress: Progress,
        config: Config,
        library: str,
        own: dict[str, Any] | None,
    ) -> None:
        """Keep everything that a resume needs."""


class Memory:
    """Keeps the best weights in memory, for a run that writes nothing."""

    folder = None

    def __init__(self) -> None:
        self._best: bytes | None = None

    def save_config(self, config: Config) -> None:
        """Nothing: nobody will ask for them."""

    def save_best(self, data: bytes) -> None:
        """Keep the weights."""
        self._best = data

    def load_best(self) -> Weights:
        """The weights of the best epoch so far."""
        assert self._best is not None  # after a finished epoch
        tree = serialization.load(io.BytesIO(self._best))
        return {name: tensor.array for name, tensor in tree.items()}

    def save_last(self, *_: object) -> None:
        """Nothing: such a run can't be resumed."""


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints. Every file is written beside and moved into place."""

    folder: Path

    def save_config(self, config: Config) -> None:
        """Write config.json."""
        atomic_write(self.folder / CONFIG, config.to_json().encode())

    def save_best(self, data: bytes) -> None:
        """Write best.safetensors, as `best_file` makes it."""
        atomic_write(self.folder / BEST, data)

    def load_best(self) -> Weights:
        """The weights of the best epoch so far."""
        return read_weights(self.folder / BEST)

    def best_checksum(self) -> str | None:
        """The checksum in best.safetensors, "" if it has none; None of no, or a damaged, file."""
        try:
            _, metadata = serialization.load_with_metadata(self.folder / BEST)
        except (OSError, CheckpointError):
            return None
        return metadata.get(serialization.CHECKSUM, "")

    def save_last(
        self,
        learner_state: dict[str, Any],
        progress: Progress,
        config: Config,
        library: str,
        own: dict[str, Any] | None = None,
    ) -> None:
        """Write last.safetensors, everything that a resume needs."""
        settings = dataclasses.asdict(config)
        for name in OF_THE_PLACE:
            del settings[name]
        tree = {
            "learner": _in_order(learner_state),
            "progress": progress.to_tree(),
            "settings": settings,
            "library": library,
        } | ({} if own is None else {"own": own})
        serialization.save(tree, self.folder / LAST)

    def load_last(self) -> Saved:
        """What `save_last` wrote.

        Raises:
            ConfigError: there is none, or it holds something else.
            CheckpointError, OSError: it is damaged, or can't be read.
        """
        path = self.folder / LAST
        try:
            tree = serialization.load(path)
        except FileNotFoundError:
            raise ConfigError(
                f"resume: there is no {LAST} in {printable(self.folder)}; start without --resume, "
                "or name the folder with --checkpoint_dir"
            ) from None
        if not _is_state_of_run(tree):
            raise ConfigError(
                f"resume: {printable(path)} holds weights, but not the state of a run; start a new "
                "run from them by --init_from, without --resume"
            )
        try:
            progress = Progress.from_tree(tree["progress"])
            library = tree.get("library", "")
            if not isinstance(library, str):
                raise ValueError("library is no text")
        except ValueError as error:
            raise unusable(path, str(error)) from error
        return Saved(tree["learner"], progress, _settings(path, tree), library, tree.get("own"))


def _in_order(tree: Any) -> Any:
    """The same nested dicts by name; theirs tells a run that was resumed from one that was not."""
    if isinstance(tree, dict):
        return {key: _in_order(tree[key]) for key in sorted(tree)}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(_in_order, tree))
    return tree


def _is_state_of_run(tree: Any) -> bool:
    known = {"learner", "progress", "settings", "library", "own"}
    return isinstance(tree, dict) and {"learner", "progress"} <= tree.keys() <= known


def _settings(path: Path, tree: Mapping[str, Any]) -> Config | None:
    settings = tree.get("settings")
    if settings is None:
        return None
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise unusable(path, "its settings are no table")
    try:
        return Config.from_dict(settings, "settings")
    except ConfigError as error:
        raise unusable(path, str(error)) from error


def unusable(path: Path, why: str) -> ConfigError:
    """The error for a state of a run that can't be right, though its checksum is."""
    return ConfigError(
        f"resume: {printable(path)} can't be gone on from: {printable(why)}; it was changed, or is "
        "of another version. Take a copy of it from before, or start a new run, from its weights "
        "by --init_from"
    )


def best_file(weights: Weights, facts: Mapping[str, str]) -> bytes:
    """The content of best.safetensors: weights by name, and what a user of them must know."""
    return serialization.to_bytes({name: result(w) for name, w in weights.items()}, facts)


def read_weights(path: Path) -> Weights:
    """Weights by name from a safetensors file, npnet's or another's.

    Raises:
        ConfigError: there is no such file, or it holds something else.
        serialization.CheckpointError: the file is damaged.
        OSError: the file can't be read.
    """
    try:
        tree = serialization.load(path)
    except FileNotFoundError:
        raise ConfigError(f"checkpoint: there is no file {printable(path)}") from None
    if _is_state_of_run(tree):
        learner = tree["learner"]
        tree = learner.get("weights") if isinstance(learner, dict) else None
    if not isinstance(tree, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tree.items()
    ):
        raise ConfigError(f"checkpoint: {printable(path)} does not hold weights by name")
    return {name: value.array for name, value in tree.items()}


def read_seconds(path: Path, progress: Progress) -> dict[int, float]:
    """How long the epochs of a run took, from its metrics.csv; nothing of lines that are not its.

    A time is the only thing that is read there, and no result depends on it.
    """
    try:
        with open_regular(path) as file:
            rows = list(csv.DictReader(io.StringIO(file.read().decode(), newline="")))
    except (OSError, ValueError, csv.Error):
        return {}
    seconds = {}
    for epoch, row in zip(progress.history, rows, strict=False):
        same = all(row.get(f) == str(getattr(epoch, f)) for f in ("epoch", "train_loss"))
        with contextlib.suppress(KeyError, TypeError, ValueError):
            value = float(row["seconds"])
            if same and 0 <= value < math.inf:
                seconds[epoch.epoch] = value
    return seconds
