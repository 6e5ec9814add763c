"""One cycle: up to a high learning rate and down to a very low one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from npnet.base.checks import check_number, unknown_name
from npnet.optim.lr_scheduler.scheduler import (
    Schedule,
    Undo,
    as_count,
    check_optimizer,
    each_group,
)
from npnet.optim.optimizer import Group, Optimizer

__all__ = ["OneCycleLR"]

Phase: TypeAlias = tuple[float, str, str, str, str]  # its last step; lr from, to; momentum from, to


class OneCycleLR(Schedule):
    """Up to max_lr, then down; momentum goes the other way. To be stepped after every batch.

        steps                                               lr                        momentum
        0 ... pct_start * total_steps - 1                   initial_lr -> max_lr      max -> base
        ... total_steps - 1                                 max_lr -> min_lr          base -> max

    with three_phase

        0 ... pct_start * total_steps - 1                   initial_lr -> max_lr      max -> base
        ... 2 * pct_start * total_steps - 2                 max_lr -> initial_lr      base -> max
        ... total_steps - 1                                 initial_lr -> min_lr      max

    where initial_lr = max_lr / div_factor and min_lr = initial_lr / final_div_factor. The lr that
    the optimizer was given is not used. As in PyTorch one step more than total_steps - 1 may be
    made, the one after the last batch; it lies beyond the end of the curve.

    Args:
        max_lr: the highest learning rate, or a list with one for each group.
        total_steps: batches in all; without it epochs * steps_per_epoch.
        pct_start: share of the steps on the way up, between 0 and 1.
        anneal_strategy: "cos" or "linear", the shape of each phase.
        cycle_momentum: whether momentum, or the first of betas, is changed too.
        base_momentum, max_momentum: its limits, or lists.
        last_epoch: index of the last batch, see LRScheduler.

    Raises:
        ValueError: an argument is out of range, the optimizer has no momentum to cycle, or step()
            is called more than total_steps times.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0, momentum=0.9)
        >>> scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> rates = []
        >>> for _ in range(10):
        ...     rates.append(round(scheduler.get_last_lr()[0], 2))
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]

    Source: Smith, Topin (2018), section 4; in two phases as by fast.ai.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("OneCycleLR", optimizer)
        check_number("OneCycleLR", "pct_start", pct_start, least=0, most=1)
        check_number("OneCycleLR", "div_factor", div_factor, above=0)
        check_number("OneCycleLR", "final_div_factor", final_div_factor, above=0)
        _check_choices(optimizer, anneal_strategy, cycle_momentum)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self.pct_start, self.anneal_strategy = pct_start, anneal_strategy
        self.cycle_momentum, self.three_phase = cycle_momentum, three_phase
        limits = {"max_lr": max_lr}
        if cycle_momentum:
            limits.update(max_momentum=max_momentum, base_momentum=base_momentum)
        each = {k: each_group("OneCycleLR", optimizer, k, v) for k, v in limits.items()}
        with Undo(optimizer):
            for i, group in enumerate(optimizer.param_groups if last_epoch == -1 else ()):
                group.update({name: values[i] for name, values in each.items()})
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
            super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[Phase]:
        rise, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        up = (rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if not self.three_phase:
            return [up, (last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        fall = 2 * self.pct_start * self.total_steps - 2
        down = (fall, "max_lr", "initial_lr", "base_momentum", "max_momentum")
        return [up, down, (last, "initial_lr", "min_lr", "max_momentum", "max_momentum")]

    def _at(self, step: int, group: Group, momentum: bool) -> float:
        """The learning rate, or the momentum, of a group in a step."""
        phases, start = self._phases(), 0.0
        for phase in phases[:-1]:
            if step <= phase[0]:
                break
            start = phase[0]
        else:
            phase = phases[-1]
        end, *names = phase
        share = (step - start) / (end - start) if end != start else 1.0
        a, b = (group[name] for name in (names[2:] if momentum else names[:2]))
        if self.anneal_strategy == "linear":
            return a + (b - a) * share
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share))

    def get_lr(self) -> list[float]:
        return [self._at(self.last_epoch, g, momentum=False) for g in self.optimizer.param_groups]

    def _set_epoch(self, epoch: int) -> None:
        if epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {epoch} was asked for, but the cycle has total_steps "
                f"{self.total_steps}; count the batches of all epochs"
            )
        super()._set_epoch(epoch)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            momentum = self._at(self.last_epoch, group, momentum=True)
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum


def _check_choices(optimizer: Optimizer, anneal_strategy: str, cycle_momentum: bool) -> None:
    known = ("cos", "linear")
    if anneal_strategy not in known:
        raise ValueError(unknown_name("OneCycleLR: anneal_strategy", anneal_strategy, known))
    if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
        raise ValueError(
            f"OneCycleLR: cycle_momentum needs an optimizer with momentum or betas, "
            f"{type(optimizer).__name__} has neither; pass cycle_momentum=False"
        )


def _total_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is not None:
        return as_count("OneCycleLR", "total_steps", total)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
    steps = as_count("OneCycleLR", "steps_per_epoch", steps_per_epoch)
    return as_count("OneCycleLR", "epochs", epochs) * steps
