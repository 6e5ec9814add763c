"""Schedules one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from npnet.base.checks import check_number
from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.scheduler import LRScheduler, Schedule, Undo, set_lr
from npnet.optim.optimizer import Optimizer

__all__ = ["SequentialLR"]


class SequentialLR(Schedule):
    """One schedule after the other; each counts its epochs from its own start.

    It may hold other SequentialLRs, and means the same wherever they stand. (PyTorch 2.13 starts an
    inner one that comes first a step early and fails at one that comes later: its issue 196243.)
    Each schedule starts from the learning rates that it was built with.

    Args:
        schedulers: schedules of this optimizer.
        milestones: the epochs in which the second, third, ... begin; one fewer than schedulers.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: a schedule belongs to another optimizer or depends on a metric, the milestones
            are not in order, or there are too many or too few.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> warmup = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        _check_schedulers(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} "
                f"milestones, got {len(milestones)}"
            )
        for i, milestone in enumerate(milestones):
            check_number("SequentialLR", f"milestones[{i}]", milestone, least=0)
        if list(milestones) != sorted(milestones):
            raise ValueError(f"SequentialLR: milestones must be in order, got {list(milestones)}")
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        with Undo(optimizer, *self._all()[1:]):
            for group in optimizer.param_groups:
                set_lr(group, group["initial_lr"])  # undo what building the schedulers has set
            super().__init__(optimizer, last_epoch)

    def _all(self) -> list[LRScheduler]:
        return [self, *(inner for s in self._schedulers for inner in s._all())]

    def _active(self, epoch: int) -> tuple[LRScheduler, int]:
        """The schedule of an epoch, and the epoch that it is for that schedule."""
        index = bisect_right(self._milestones, epoch)
        start = self._milestones[index - 1] if index else 0
        return self._schedulers[index], epoch - start

    def _set_epoch(self, epoch: int) -> None:
        scheduler, own_epoch = self._active(epoch)
        if epoch != self.last_epoch + 1:  # a jump, as at the start: not on from the present rates
            for inner in scheduler._all():
                inner.last_epoch = own_epoch
        scheduler._set_epoch(own_epoch)
        self.last_epoch = epoch
        self._last_lr = scheduler.get_last_lr()

    def get_lr(self) -> list[float]:
        return self._active(self.last_epoch)[0].get_lr()

    def state_dict(self) -> dict[str, Any]:
        """As LRScheduler's, and "_schedulers": a list of the states of all."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As LRScheduler's, also for the schedules inside."""
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        if len(state["_schedulers"]) != len(self._schedulers):
            raise ValueError(
                f"load_state_dict: this SequentialLR has {len(self._schedulers)} schedulers, "
                f"the state {len(state['_schedulers'])}"
            )
        for scheduler, inner in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._check_state(inner)


def _check_schedulers(optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    if not schedulers:
        raise ValueError("SequentialLR: schedulers is empty")
    for i, scheduler in enumerate(schedulers):
        if not isinstance(scheduler, LRScheduler):
            kind = type(scheduler).__name__
            raise TypeError(f"SequentialLR: schedulers[{i}] must be a schedule, got {kind}")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                f"SequentialLR: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a metric"
            )
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"SequentialLR: schedulers[{i}] belongs to another optimizer")
