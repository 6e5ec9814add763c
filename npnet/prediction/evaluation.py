"""What a trained network makes of a data set: how often it is right, and how sure it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import npnet
from npnet.base.arrays import Array
from npnet.base.files import printable
from npnet.datasets import ImageData
from npnet.models.checkpoint import Facts
from npnet.runs.errors import ConfigError
from npnet.training.metrics import (
    ClassScore,
    Misclassified,
    class_scores,
    confusion_matrix,
    top_k_accuracy,
    worst_errors,
)

__all__ = ["BINS", "Bin", "Calibration", "Evaluation", "calibration", "check_data", "evaluate"]

BINS = 15  # of calibration, as in Guo et al.
_BATCH, _PIXELS = 256, 1 << 20  # images, or pixels, that the network is given at once
_TOP_K = 5


@dataclass(frozen=True)
class Bin:
    """The images whose top class has a probability in (low, high].

    Attributes:
        count: of them.
        confidence: the mean probability of their top class; NaN of none.
        accuracy: the share of them that are classified rightly; NaN of none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Whether a network is as often right as it is sure.

    Attributes:
        ece: the expected calibration error, 0 to 1.
        bins: of equal width, from 0 to 1.
    """

    ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of it; accuracies, precision, recall and F1 are percent, the rest 0 to 1.

    Attributes:
        loss: the mean cross-entropy, whatever the network was trained by.
        top_k: k -> percent of images whose class is among the k likeliest.
        confusion: images of the class of the row that were taken for the column's.
        worst: the misclassified images of largest loss, the largest first.
    """

    classes: tuple[str, ...]
    total: int
    correct: int
    loss: float
    top_k: dict[int, float]
    confusion: Array
    per_class: tuple[ClassScore, ...]
    worst: tuple[Misclassified, ...]
    calibration: Calibration

    @property
    def accuracy(self) -> float:
        """Percent of all images that are classified rightly."""
        return 100 * self.correct / self.total


def evaluate(model: Any, x: Array, y: Array, worst: int) -> Evaluation:
    """Give a network images and compare.

    Args:
        model: a network of `models.from_checkpoint`.
        x: (N, C, H, W), as a data set has them.
        y: (N,), labels.
        worst: how many errors are listed.
    """
    logits = _logits(model, x)
    losses = _cross_entropies(logits, y)
    predicted = logits.argmax(1)
    confusion = confusion_matrix(y, predicted, len(model.classes))
    return Evaluation(
        classes=model.classes,
        total=len(y),
        correct=int((predicted == y).sum()),
        loss=float(losses.mean()),
        top_k={
            k: top_k_accuracy(logits, y, k) for k in range(1, min(_TOP_K, len(model.classes)) + 1)
        },
        confusion=confusion,
        per_class=tuple(class_scores(confusion)),
        worst=tuple(worst_errors(logits, y, worst)),
        calibration=calibration(logits, y),
    )


def calibration(logits: Array, y: Array, bins: int = BINS) -> Calibration:
    """How far the probability of the top class is from the share that is right.

        ECE = sum over m of |B_m| / N * |accuracy(B_m) - confidence(B_m)|

    B_m are the images whose top class has a probability in ((m - 1) / bins, m / bins].

    Shape: logits (N, K), y (N,).

    Source: Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks, eq. 3.
    """
    shifted = np.subtract(logits, logits.max(1, keepdims=True), dtype=np.float64)
    confidence = 1 / np.exp(shifted).sum(1)  # of the largest logit, whose exponential is 1
    right = logits.argmax(1) == y
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(number, minlength=bins)
    sums = [np.bincount(number, values, bins) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        means, shares = (total / count for total in sums)
    ece = float(np.abs(sums[0] - sums[1]).sum() / len(y))
    rows = zip(count.tolist(), means.tolist(), shares.tolist(), strict=True)
    return Calibration(
        ece, tuple(Bin(m / bins, (m + 1) / bins, *row) for m, row in enumerate(rows))
    )


def check_data(facts: Facts, classes: Sequence[str], data: ImageData) -> str:
    """What is to be told of data that the network was not trained on; "" is nothing.

    Raises:
        ConfigError: the network does not know these classes, or takes no such images.
    """
    of, mine = printable(facts.dataset), printable(data.name)
    if tuple(data.classes) != tuple(classes) and not _are_numbers(data.classes, len(classes)):
        raise ConfigError(
            f"dataset: the network was trained on {of} and knows {_listed(classes)}, but {mine} "
            f"has {_listed(data.classes)}; name data of the same classes"
        )
    if data.channels != facts.image_shape[0]:
        kinds = {1: "grey", 3: "coloured"}
        raise ConfigError(
            f"dataset: the network was trained on {kinds[facts.image_shape[0]]} images of {of}, "
            f"but those of {mine} are {kinds[data.channels]}; convert them first"
        )
    notes = []
    if facts.dataset != data.name:
        notes.append(f"the network was trained on {of}, and is tested on {mine}")
    (height, width), size = data.size, facts.image_shape[1:]
    if height * size[1] != width * size[0]:
        notes.append(f"images of {height} x {width} are stretched to {size[0]} x {size[1]}")
    return "; ".join(notes)


def _are_numbers(classes: Sequence[str], count: int) -> bool:
    """Whether they have no names, as in `.npz` files, and there are so many."""
    return list(classes) == [str(k) for k in range(count)]


def _listed(classes: Sequence[str]) -> str:
    shown = ", ".join(map(printable, classes[:3]))
    more = f", ... {printable(classes[-1])}" if len(classes) > 3 else ""
    return f"{len(classes)} classes ({shown}{more})"


def _logits(model: Any, x: Array) -> Array:
    """(N, classes), batch by batch."""
    height, width = model.preprocess.size
    batch = max(16, min(_BATCH, _PIXELS // (height * width) // 16 * 16))
    found = []
    with npnet.no_grad():
        for start in range(0, len(x), batch):
            images = model.preprocess(x[start : start + batch])
            found.append(model(images).numpy().copy())
    return np.concatenate(found)


def _cross_entropies(logits: Array, y: Array) -> Array:
    """-log softmax(logits[n])[y[n]], in float64: (N,)."""
    shifted = np.subtract(logits, logits.max(1, keepdims=True), dtype=np.float64)
    return np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(y)), y]
