"""The files of a run that hold weights: best.safetensors, last.safetensors, config.json."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet import serialization
from npnet._files import atomic_write
from npnet.tensor import Tensor
from npnet.training.config import Config, ConfigError
from npnet.training.metrics import Epoch

__all__ = ["Checkpoints", "Progress", "read_weights", "set_aside"]

Array: TypeAlias = npt.NDArray[Any]
Weights: TypeAlias = dict[str, Array]

BEST, LAST, CONFIG = "best.safetensors", "last.safetensors", "config.json"


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        history: the finished epochs.
        best_epoch: the one whose weights are in best.safetensors; 0 before the first.
        best_score: (validation accuracy, -validation loss) of that epoch.
        data: what tells the data of the run from others, as `Data.identity`; "" is not known.
    """

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_score: tuple[float, float] = (-np.inf, -np.inf)
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

    def to_tree(self) -> dict[str, Any]:
        """Everything as numbers, lists and dicts."""
        return dataclasses.asdict(self) | {"best_score": list(self.best_score)}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Progress:
        """The inverse of `to_tree`."""
        accuracy, negative_loss = tree["best_score"]
        absent = {"val_sampled_accuracy": float("nan")}  # earlier versions did not measure it
        history = [Epoch(**(absent | epoch)) for epoch in tree["history"]]
        return cls(history, tree["best_epoch"], (accuracy, negative_loss), tree.get("data", ""))


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints. Every file is written beside and moved into place."""

    folder: Path

    def save_config(self, config: Config) -> None:
        """Write config.json."""
        atomic_write(self.folder / CONFIG, config.to_json().encode())

    def save_best(self, weights: Weights, metadata: dict[str, str]) -> None:
        """Write best.safetensors: weights by name, and what a user of them must know."""
        from safetensors.numpy import save

        atomic_write(self.folder / BEST, save(weights, metadata))

    def load_best(self) -> Weights:
        """The weights of the best epoch so far."""
        return read_weights(self.folder / BEST)

    def save_last(self, learner_state: dict[str, Any], progress: Progress) -> None:
        """Write last.safetensors, everything that a resume needs."""
        tree = {"learner": learner_state, "progress": progress.to_tree()}
        serialization.save(tree, self.folder / LAST)

    def load_last(self) -> tuple[dict[str, Any], Progress]:
        """What `save_last` wrote. ConfigError if there is none, or another kind of file."""
        path = self.folder / LAST
        if not path.exists():
            raise ConfigError(
                f"resume: there is no {LAST} in {self.folder}; start without --resume, or name "
                "the folder with --checkpoint_dir"
            )
        tree = serialization.load(path)
        if not isinstance(tree, dict) or set(tree) != {"learner", "progress"}:
            raise ConfigError(f"resume: {path} holds weights, but not the state of a run")
        return tree["learner"], Progress.from_tree(tree["progress"])


def read_weights(path: Path) -> Weights:
    """Weights by name from a safetensors file, npnet's or another's.

    Raises:
        ConfigError: there is no such file, or it holds something else.
        serialization.CheckpointError: the file is damaged.
    """
    if not path.exists():
        raise ConfigError(f"checkpoint: there is no file {path}")
    tree = serialization.load(path)
    if isinstance(tree, dict) and set(tree) == {"learner", "progress"}:
        tree = tree["learner"]["weights"]
    if not isinstance(tree, dict) or not all(isinstance(v, Tensor) for v in tree.values()):
        raise ConfigError(f"checkpoint: {path} does not hold weights by name")
    return {name: value.array for name, value in tree.items()}


def set_aside(folder: Path, patterns: Iterable[str]) -> Path | None:
    """Move files of an earlier run into a folder of their own, so that none is overwritten.

    Returns:
        That folder, or None where there was nothing to move.
    """
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not files:
        return None
    newest = max(path.stat().st_mtime for path in files)
    aside = folder / time.strftime("earlier-%Y%m%d-%H%M%S", time.localtime(newest))
    count = 1
    while aside.exists():
        count += 1
        aside = aside.with_name(f"{aside.name.split('.')[0]}.{count}")
    aside.mkdir()
    for path in files:
        path.rename(aside / path.name)
    return aside
