"""What is measured: the score of a split, the record of an epoch, and how each class is known.

Accuracies, precision, recall and F1 are percent, probabilities 0 to 1. What has no value, such as
the accuracy of no images, is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from npnet.base.arrays import Array
from npnet.runs import streams

__all__ = [
    "ClassScore",
    "Epoch",
    "Misclassified",
    "Score",
    "class_scores",
    "confusion_matrix",
    "sampled_accuracy",
    "top_k_accuracy",
    "worst_errors",
]


@dataclass
class Score:
    """Loss and accuracy of the batches added so far.

    Attributes:
        total: images seen.
        correct: how many of them were classified rightly.
        loss_sum: the sum of their losses.
        logits, predicted, labels: of each image, where `keep` asked for them.
    """

    keep: bool = False
    total: int = 0
    correct: int = 0
    loss_sum: float = 0.0
    _logits: list[Array] = field(default_factory=list)
    _labels: list[Array] = field(default_factory=list)

    def add(self, loss: float, logits: Array, y: Array) -> None:
        """Add a batch: its mean loss, logits (n, classes) and labels (n,)."""
        self.total += len(y)
        self.correct += int((logits.argmax(1) == y).sum())
        self.loss_sum += loss * len(y)
        if self.keep:
            self._logits.append(logits)
            self._labels.append(y)

    @property
    def loss(self) -> float:
        """The mean over all images, whatever the sizes of the batches; NaN of none."""
        return self.loss_sum / self.total if self.total else float("nan")

    @property
    def accuracy(self) -> float:
        """Percent of all images: correct over total, no mean of batch means; NaN of none."""
        return 100 * self.correct / self.total if self.total else float("nan")

    @property
    def figures(self) -> str:
        """What a progress bar shows."""
        return f"loss {self.loss:.4f}  acc {self.accuracy:.2f} %"

    @property
    def logits(self) -> Array:
        """The logits of each image, in order: (total, classes); (0, 1) of none."""
        return np.concatenate(self._logits) if self._logits else np.empty((0, 1), np.float32)

    @property
    def labels(self) -> Array:
        """The label of each image, in order: (total,)."""
        return np.concatenate(self._labels) if self._labels else np.empty(0, np.int64)

    @property
    def predicted(self) -> Array:
        """The predicted class of each image, in order: (total,)."""
        return self.logits.argmax(1)


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.csv. Accuracies are percent; val is NaN where nothing is held out.

    Attributes:
        epoch: from 1.
        learning_rate: of the epoch's first step, and of all where a schedule takes its steps after
            epochs.
        seconds: of wall time for training and validation.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_sampled_accuracy: float
    seconds: float

    def line(self, epochs: int) -> str:
        """The epoch in one line, of `epochs` in all; what is not known is left out."""
        validation = (
            f"  val loss {self.val_loss:.4f}  acc {self.val_accuracy:6.2f} %"
            if self.val_loss == self.val_loss  # not NaN: something was held out
            else ""
        )
        seconds = f"  {self.seconds:.1f} s" if self.seconds == self.seconds else ""
        return (
            f"epoch {self.epoch:{len(str(epochs))}}/{epochs}  "
            f"train loss {self.train_loss:.4f}  acc {self.train_accuracy:6.2f} %{validation}  "
            f"lr {self.learning_rate:.3g}{seconds}"
        )

    def scalars(self) -> dict[str, float]:
        """The curves of TensorBoard by tag; what is not known is left out."""
        values = {
            "train/loss": self.train_loss,
            "train/accuracy": self.train_accuracy,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "val/sampled_accuracy": self.val_sampled_accuracy,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }
        return {tag: value for tag, value in values.items() if value == value}


@dataclass(frozen=True)
class ClassScore:
    """How one class is known; see `class_scores`."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Misclassified:
    """An image that was taken for another class.

    Attributes:
        index: of the image in its split.
        true, predicted: class numbers.
        probability: of the predicted class.
        loss: see `worst_errors`.
    """

    index: int
    true: int
    predicted: int
    probability: float
    loss: float


@np.errstate(all="ignore")  # NaN and infinity come of a diverged run
def sampled_accuracy(logits: Array, y: Array, seed: int, epoch: int) -> float:
    """Percent of images for which a label drawn from the softmax of the logits is the true one.

        label[n] = least k with p[n, 0] + ... + p[n, k] > u[n],    p[n] = softmax(logits[n])

    The u[n], uniform in [0, 1), follow from seed and epoch alone, so that neither resuming nor the
    number of threads changes a label. One label is drawn for each image; the expected value is the
    mean probability of the true class, mean over n of p[n, y[n]], and the standard deviation from
    it at most 50 / sqrt(N) points. It says how sure the network is where accuracy says how often
    it is right; after training by mse, whose logits aim at 0 and 1, it is low by design:
    e / (e + 9) or 23 % where all of ten classes are fitted exactly.

    Shape: logits (N, K), y (N,). A row that is not finite counts as wrong.
    """
    if not len(y):
        return float("nan")
    u = np.random.default_rng((seed, streams.SAMPLING, epoch)).random((len(y), 1))
    cumulative = np.exp(_shifted(logits)).cumsum(1)
    drawn = (~(cumulative > u * cumulative[:, -1:])).sum(1)  # u * sum: no division, no label K
    return 100 * int((drawn == y).sum()) / len(y)


def confusion_matrix(y: Array, predicted: Array, classes: int) -> Array:
    """How often each class was taken for each.

        counts[i, j] = how many n have y[n] = i and predicted[n] = j

    Shape: y, predicted (N,) -> (classes, classes) int64.
    """
    pairs = np.bincount(classes * y + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def class_scores(confusion: Array) -> list[ClassScore]:
    """Precision, recall, F1 and support of each class.

        precision[k] = C[k, k] / sum over i of C[i, k]       of what was called k, the share that is
        recall[k]    = C[k, k] / sum over j of C[k, j]       of what is k, the share called so
        F1[k]        = 2 C[k, k] / (both sums), the harmonic mean of the two
        support[k]   = sum over j of C[k, j]

    Precision is NaN for a class never predicted, recall for one without images, F1 for one that is
    both.
    """
    right, called, support = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    columns = (
        _percent(right, called),
        _percent(right, support),
        _percent(2 * right, called + support),
        support.tolist(),
    )
    return [ClassScore(*row) for row in zip(*columns, strict=True)]


@np.errstate(all="ignore")
def top_k_accuracy(logits: Array, y: Array, k: int) -> float:
    """Percent of images whose true class is among the k largest logits.

    Of equal logits the lower class number comes first, as in argmax: k = 1 is the accuracy.

    Shape: logits (N, K), y (N,). A NaN counts as larger than the true class.
    """
    if not len(y):
        return float("nan")
    true = logits[np.arange(len(y)), y][:, None]
    earlier = np.arange(logits.shape[1]) < y[:, None]
    ahead = ~(logits <= true) | ((logits == true) & earlier)
    return 100 * int((ahead.sum(1) < k).sum()) / len(y)


@np.errstate(all="ignore")
def worst_errors(logits: Array, y: Array, count: int) -> list[Misclassified]:
    """The misclassified images of largest loss, the largest first, at most `count`.

        loss[n] = -log softmax(logits[n])[y[n]]

    It is the cross-entropy whatever the run's criterion, so that runs can be compared.

    Shape: logits (N, K), y (N,).
    """
    predicted = logits.argmax(1)
    wrong = np.flatnonzero(predicted != y)
    shifted = _shifted(logits[wrong])
    rows, total = np.arange(len(wrong)), np.exp(shifted).sum(1)
    loss = np.log(total) - shifted[rows, y[wrong]]
    probability = 1 / total  # of the largest logit, whose exponential is 1
    found = zip(wrong, y[wrong], predicted[wrong], probability, loss, strict=True)
    errors = [Misclassified(int(n), int(t), int(p), float(q), float(e)) for n, t, p, q, e in found]
    return [errors[i] for i in np.argsort(-loss, kind="stable")[:count]]


def _shifted(logits: Array) -> Array:
    """logits - their largest in float64, whose softmax is the same. Shape: (N, K).

    inf - inf is NaN, which is no class's.
    """
    return np.subtract(logits, logits.max(1, keepdims=True), dtype=np.float64)


def _percent(part: Array, whole: Array) -> list[float]:
    """100 part / whole, NaN where whole is 0."""
    share = np.full(len(whole), np.nan)
    np.divide(100 * part, whole, out=share, where=whole > 0)
    return share.tolist()
