"""Snapshots of the weights by epoch, which `--record` keeps and `npnet explore` plays."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from npnet import serialization
from npnet.base.files import atomic_write
from npnet.runs.callbacks import Callback
from npnet.runs.files import SNAPSHOTS, finite
from npnet.tape import result

__all__ = ["MOST", "MOST_BYTES", "Recorder", "stride_of"]

MOST = 24  # snapshots, before every other one is let go
MOST_BYTES = 64 << 20  # of all of them; of a network too large for that the first and the last stay
_LARGEST = float(np.finfo(np.float16).max)


class Recorder(Callback):
    """Keeps the weights of epoch 0, before training, and after each epoch, in float16.

    They are in `snapshots/epoch-0003.safetensors` in the folder of checkpoints; the metadata hold
    the epoch and, as JSON, the figures of all epochs so far. Which epochs are kept follows from the
    number of the last one alone, so that a run that was killed and resumed has the same files.

    Args:
        folder: of checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / SNAPSHOTS

    def on_train_start(self, trainer: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        if trainer.resumed:
            self._drop(lambda epoch: epoch > trainer.progress.epoch)
        else:
            self._keep(trainer, 0)

    def on_epoch_end(self, trainer: Any) -> None:
        """Before the epoch is saved: a run killed between the two writes the same file again."""
        self._keep(trainer, trainer.epoch)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def _keep(self, trainer: Any, epoch: int) -> None:
        halves = {
            name: result(np.clip(w, -_LARGEST, _LARGEST).astype(np.float16))
            for name, w in trainer.learner.weights().items()
            if w.dtype.kind == "f"
        }
        history = [_without_time(dataclasses.asdict(each)) for each in trainer.history]
        facts = {"epoch": str(epoch), "history": json.dumps(finite(history), allow_nan=False)}
        data = serialization.to_bytes(halves, facts)
        atomic_write(self.folder / f"epoch-{epoch:04d}.safetensors", data)
        stride = stride_of(epoch, len(data))
        self._drop(lambda other: other % stride != 0 and other != epoch)

    def _drop(self, is_too_much: Any) -> None:
        for epoch, path in self._files():
            if is_too_much(epoch):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    def _files(self) -> Iterator[tuple[int, Path]]:
        for path in sorted(self.folder.iterdir()):
            found = re.fullmatch(r"epoch-(\d+)\.safetensors", path.name)
            if found:
                yield int(found[1]), path


def stride_of(epoch: int, size: int) -> int:
    """Of how many epochs one is kept: the least power of two by which there are few enough.

    Args:
        epoch: the last one.
        size: bytes of a snapshot.
    """
    most = max(2, min(MOST, MOST_BYTES // max(size, 1)))
    stride = 1
    while epoch // stride + 1 > most:
        stride *= 2
    return stride


def _without_time(epoch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in epoch.items() if name != "seconds"}
