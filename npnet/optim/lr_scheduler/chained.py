"""Schedules all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.scheduler import LRScheduler, Undo, check_optimizer
from npnet.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler"]


class ChainedScheduler(LRScheduler):
    """Several schedules of one optimizer, all stepped together: each goes on from what the ones
    before it have set, so that their factors are multiplied.

    Args:
        schedulers: schedules of this optimizer, which have set its learning rates already.
        optimizer: default that of the first.

    Raises:
        ValueError: there is none, or one belongs to another optimizer.
        TypeError: one is no schedule.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> half = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> steps = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        >>> scheduler = optim.lr_scheduler.ChainedScheduler([half, steps])
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.25, 0.25, 0.125]
    """

    not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "_schedulers")

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler: expects at least one scheduler, got none")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                kind = type(scheduler).__name__
                raise TypeError(f"ChainedScheduler: schedulers[{i}] must be a schedule, got {kind}")
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        check_optimizer("ChainedScheduler", optimizer)
        for i, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"ChainedScheduler: schedulers[{i}] belongs to another optimizer; all must be "
                    "of the same"
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"ChainedScheduler: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a "
                    "metric"
                )
        self._schedulers, self.optimizer = list(schedulers), optimizer
        self._last_lr = [float(group["lr"]) for group in optimizer.param_groups]

    def _all(self) -> list[LRScheduler]:
        return [self, *(inner for s in self._schedulers for inner in s._all())]

    def step(self) -> None:  # type: ignore[override] # as in PyTorch
        """Make a step of each."""
        with Undo(self.optimizer, *self._all()):
            for scheduler in self._schedulers:
                scheduler.step()
            self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

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
                f"load_state_dict: this ChainedScheduler has {len(self._schedulers)} schedulers, "
                f"the state {len(state['_schedulers'])}"
            )
        for scheduler, inner in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._check_state(inner)
