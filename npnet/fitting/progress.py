"""How far a fit has come: the record of some of its epochs, and the weights of the best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from npnet.base.arrays import Array

__all__ = ["Progress", "Record"]


@dataclass(frozen=True)
class Record:
    """One line of metrics.csv. Losses are mean squared errors in the function's own units.

    Attributes:
        epoch: from 1, finished.
        learning_rate: of that epoch.
        train_loss: against the samples as they are, with their noise.
        val_loss: against the function itself, on the dense grid.
        seconds: of wall time since the line before.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    val_loss: float
    seconds: float

    @property
    def figures(self) -> str:
        """What a progress bar shows."""
        return f"mean squared error {self.train_loss:.2e}"

    def scalars(self) -> dict[str, float]:
        """The curves of TensorBoard by tag."""
        return {
            "train/loss": self.train_loss,
            "val/loss": self.val_loss,
            "learning_rate": self.learning_rate,
        }


@dataclass
class Progress:
    """The records so far.

    Attributes:
        best: the record of the least training loss; the grid, which tests, has no say in it.
        weights: of that epoch, by name.
    """

    history: list[Record] = field(default_factory=list)
    best: Record | None = None
    weights: dict[str, Array] = field(default_factory=dict)

    def add(self, record: Record) -> bool:
        """Take in a record; whether it is the best so far."""
        self.history.append(record)
        better = record.train_loss < (math.inf if self.best is None else self.best.train_loss)
        if better:
            self.best = record
        return better

    def line(self, epochs: int) -> str:
        """The last record in one line, as the terminal shows it, of `epochs` in all."""
        last = self.history[-1]
        return (
            f"epoch {last.epoch:{len(str(epochs))}}/{epochs}  "
            f"samples {last.train_loss:.2e}  grid {last.val_loss:.2e}  lr {last.learning_rate:.3g}"
        )
