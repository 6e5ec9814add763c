"""What is measured: loss and accuracy of a split, and the record of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Epoch", "Score"]

Array: TypeAlias = npt.NDArray[Any]


@dataclass
class Score:
    """Loss and accuracy of the batches added so far.

    Attributes:
        total: images seen.
        correct: how many of them were classified rightly.
        loss_sum: the sum of their losses.
        predicted: the class of each, where `keep` asked for it.
    """

    keep: bool = False
    total: int = 0
    correct: int = 0
    loss_sum: float = 0.0
    _predicted: list[Array] = field(default_factory=list)

    def add(self, loss: float, logits: Array, y: Array) -> None:
        """Add a batch: its mean loss, logits (n, classes) and labels (n,)."""
        predicted = logits.argmax(1)
        self.total += len(y)
        self.correct += int((predicted == y).sum())
        self.loss_sum += loss * len(y)
        if self.keep:
            self._predicted.append(predicted)

    @property
    def loss(self) -> float:
        """The mean over all images, whatever the sizes of the batches; NaN of none."""
        return self.loss_sum / self.total if self.total else float("nan")

    @property
    def accuracy(self) -> float:
        """Percent of all images: correct over total, no mean of batch means; NaN of none."""
        return 100 * self.correct / self.total if self.total else float("nan")

    @property
    def predicted(self) -> Array:
        """The predicted class of each image, in order: (total,)."""
        return np.concatenate(self._predicted) if self._predicted else np.empty(0, np.int64)


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.csv. Accuracies are percent; val is NaN where nothing is held out.

    Attributes:
        epoch: from 1.
        learning_rate: of the epoch's steps.
        seconds: of wall time for training and validation.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
