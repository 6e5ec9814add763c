"""Lower the learning rate when a metric stops getting better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsFloat

from npnet.base.checks import check_number, unknown_name
from npnet.optim.lr_scheduler.scheduler import (
    LRScheduler,
    Undo,
    check_groups,
    check_optimizer,
    each_group,
    set_lr,
)
from npnet.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """lr <- max(lr * factor, min_lr) after more than `patience` epochs without a better metric.

    This one depends on the metrics it was shown, and so goes on from the current learning rate. A
    metric that is NaN is not better.

    Args:
        mode: "min" if a smaller metric is better, "max" if a larger.
        factor: at least 0 and below 1.
        patience: epochs without a better metric that are put up with.
        threshold: how much better counts: with threshold_mode "rel" as a share of the best so far,
            with "abs" as a difference.
        cooldown: epochs after a change that are not counted.
        min_lr: where it ends, or a list with one for each group.
        eps: a change that would be no larger is not made.

    Attributes:
        best: the best metric so far. num_bad_epochs: epochs since, cooldown_counter: epochs of
        cooldown that are left.

    Raises:
        ValueError: factor is not in [0, 1), patience is below 0, a mode is unknown, or there are
            not as many min_lr as groups.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in [3.0, 2.0, 2.0, 2.0]:
        ...     optimizer.step()
        ...     scheduler.step(loss)
        >>> optimizer.param_groups[0]["lr"]
        0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer("ReduceLROnPlateau", optimizer)
        check_number("ReduceLROnPlateau", "factor", factor, least=0, below=1)
        numbers = {"patience": patience, "threshold": threshold, "cooldown": cooldown, "eps": eps}
        for name, number in numbers.items():
            check_number("ReduceLROnPlateau", name, number, least=0)
        _check_choice("mode", mode, ("min", "max"))
        _check_choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.optimizer = optimizer
        self.min_lrs = each_group("ReduceLROnPlateau", optimizer, "min_lr", min_lr)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.best = self._worst()
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = [float(group["lr"]) for group in optimizer.param_groups]

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs are not counted now."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override] # as in PyTorch
        """Take the metric of the epoch that is over, which is the next one, or `epoch`."""
        check_groups("ReduceLROnPlateau", self.optimizer, len(self.min_lrs))
        current = float(metrics)
        with Undo(self.optimizer, self):
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            self._take(current)

    def _take(self, current: float) -> None:
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

    def _reduce(self) -> None:
        for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            lr = max(old * self.factor, low)
            if old - lr > self.eps:
                set_lr(group, lr)

    def _is_better(self, current: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return sign * current > sign * bound

    def _worst(self) -> float:
        return math.inf if self.mode == "min" else -math.inf

    def state_dict(self) -> dict[str, Any]:
        """As LRScheduler's; "best" is None before the first metric, since JSON has no infinity."""
        state = super().state_dict()
        return {**state, "best": None if self.best == self._worst() else self.best}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As LRScheduler's."""
        super().load_state_dict(state_dict)
        if state_dict["best"] is None:
            self.best = self._worst()


def _check_choice(name: str, choice: str, known: tuple[str, ...]) -> None:
    if choice not in known:
        raise ValueError(unknown_name(f"ReduceLROnPlateau: {name}", choice, known))
