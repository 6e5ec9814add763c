"""How far a fit has come: the record of some of its epochs, and the weights of the best."""

from __future__ import annotations

import csv
import dataclasses
import io
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

    def to_csv(self) -> str:
        """The text of metrics.csv."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([f.name for f in dataclasses.fields(Record)])
        writer.writerows(dataclasses.astuple(record) for record in self.history)
        return text.getvalue()
