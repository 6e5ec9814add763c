"""What an estimator learns, how, and what is kept of each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.arrays import Array
from npnet.runs.weights import arrays
from npnet.sklearn.criteria import Criterion
from npnet.training.config import Config

__all__ = ["Best", "Plan", "Record", "Samples"]


@dataclass(frozen=True)
class Samples:
    """What is learnt: inputs (n, ...), targets (n,) or (n, k), perhaps weights (n,)."""

    x: Array
    y: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, at: Array) -> Samples:
        """Some of them."""
        weights = None if self.weights is None else self.weights[at]
        return Samples(self.x[at], self.y[at], weights)


@dataclass(frozen=True)
class Plan:
    """How it is learnt.

    Attributes:
        config: the trainer's settings.
        seed: of dropout, augmentation and the order of samples.
        score: of outputs, targets and weights; the higher, the better.
        monitor: "loss" or "score": what must get better on the samples that are held out.
        optimizer: a class or function that takes parameters and `lr`; None for that of `config`.
        scheduler: a function of the optimizer, stepped after each epoch; None for `config`'s.
        augment: changes a batch of inputs at random, given a generator.
    """

    config: Config
    seed: int
    criterion: Criterion
    score: Callable[[Array, Array, Array | None], float]
    monitor: str = "loss"
    optimizer: Callable[..., Any] | None = None
    scheduler: Callable[[Any], Any] | None = None
    augment: Callable[[Array, np.random.Generator], Array] | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Record:
    """A finished epoch: NaN where no samples are held out.

    Attributes:
        learning_rate: of its first step.
        train_loss: the mean of its steps' losses.
        val_loss, val_score: of the samples that are held out; the score is the accuracy, or R^2.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    val_loss: float = math.nan
    val_score: float = math.nan
    seconds: float = 0.0

    @property
    def val_accuracy(self) -> float:
        """The score in percent, as the trainer's records have it."""
        return 100 * self.val_score

    def __str__(self) -> str:
        shown = ("train_loss", "val_loss", "val_score")
        values = {name: getattr(self, name) for name in shown}
        texts = [f"{k.replace('_', ' ')} {v:.4f}" for k, v in values.items() if not math.isnan(v)]
        return "  ".join([f"epoch {self.epoch}", *texts, f"{self.seconds:.2f} s"])


class Best:
    """The weights of the epoch that did best on the samples that were held out."""

    def __init__(self, plan: Plan) -> None:
        self._key, self._sign = f"val_{plan.monitor}", 1 if plan.monitor == "score" else -1
        self._patience = plan.config.patience
        self._value = -math.inf
        self.epoch = 0
        self.weights: dict[str, Array] | None = None

    def see(self, record: Record, network: nn.Module) -> None:
        value = self._sign * getattr(record, self._key)
        if self.weights is None or value > self._value:
            self._value, self.epoch = value, record.epoch
            self.weights = arrays(network)

    def is_out_of_patience(self, epoch: int) -> bool:
        return self._patience is not None and epoch - self.epoch >= self._patience
