"""The losses of estimators: of a batch, as kernels have them, and of each sample, for weights."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet import Tensor, nn
from npnet.base.arrays import Array
from npnet.base.checks import unknown_name
from npnet.nn import functional as F

__all__ = ["CLASSIFICATION", "REGRESSION", "Criterion", "classification", "regression"]

Loss = Callable[..., Any]

CLASSIFICATION = ("cross_entropy", "mse", "softmax_bce")
REGRESSION: dict[str, Loss] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
}


class Criterion:
    """A loss of outputs (n, k) and targets.

    Args:
        loss: `loss(outputs, target)`, the mean over a batch; where weights shall be possible it
            takes `reduction="none"` too, or has it as an attribute, or gives a loss for each
            sample by itself.
        classes: where class numbers become one-hot rows, how many there are.
    """

    def __init__(self, loss: Loss, classes: int | None = None) -> None:
        self._loss, self._classes = loss, classes
        self._each = _each(loss)

    def targets(self, y: Array, dtype: Any) -> Array:
        """What the loss takes: class numbers (n,) as they are or as rows (n, k), targets (n, k)."""
        return y if self._classes is None else np.eye(self._classes, dtype=dtype)[y]

    @property
    def mean(self) -> Loss:
        """The loss itself; `npnet.compile` knows some."""
        return self._loss

    def weighted(self, outputs: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """The mean over the batch of weight times loss; `target` is (target, weights (n,))."""
        y, weights = target
        return (self.each(outputs, y) * weights).mean()

    def each(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss of each sample (n,).

        Raises:
            ValueError: the loss gives one number alone.
        """
        losses = self._each(outputs, y)
        if losses.ndim == 0 or len(losses) != len(outputs):
            raise ValueError(
                "criterion: with weights, or to validate, it must give a loss for each of the "
                f"{len(outputs)} samples, got the shape {tuple(losses.shape)}; let it take "
                "reduction='none'"
            )
        return losses if losses.ndim == 1 else losses.flatten(1).mean(1)


def _each(loss: Loss) -> Loss:
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        loss = copy.copy(loss)
        loss.reduction = "none"
        return loss
    return functools.partial(loss, reduction="none") if _takes_reduction(loss) else loss


def _takes_reduction(loss: Loss) -> bool:
    try:
        return "reduction" in inspect.signature(loss).parameters
    except (TypeError, ValueError):
        return False


def classification(name: Any, classes: int, label_smoothing: float) -> Criterion:
    """The loss of logits (n, classes) and class numbers (n,).

    Args:
        name: one of `CLASSIFICATION`, or a loss of one's own, see `_own`.
    """
    if name == "cross_entropy":
        return Criterion(nn.CrossEntropyLoss(label_smoothing=label_smoothing))
    if isinstance(name, str):
        if name not in CLASSIFICATION:
            raise ValueError(unknown_name("criterion", name, CLASSIFICATION))
        return Criterion(F.mse_loss if name == "mse" else _softmax_bce, classes)
    return Criterion(_own(name))


def regression(name: Any) -> Criterion:
    """The loss of outputs (n, k) and targets (n, k): one of `REGRESSION`, or one's own."""
    if isinstance(name, str):
        if name not in REGRESSION:
            raise ValueError(unknown_name("criterion", name, REGRESSION))
        return Criterion(REGRESSION[name])
    return Criterion(_own(name))


def _softmax_bce(outputs: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return F.binary_cross_entropy(F.softmax(outputs, 1), target, reduction=reduction)


def _own(loss: Any) -> Loss:
    """A loss of the user's: an instance or class of a loss of `npnet.nn`, or a function.

    Raises:
        TypeError: it is nothing of that kind.
    """
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        loss = loss()
    if not callable(loss):
        raise TypeError(
            f"criterion: must be a name, a loss such as nn.HuberLoss(delta=2.0), or a function of "
            f"outputs and targets, got {loss!r}"
        )
    return loss
