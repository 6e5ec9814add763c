"""Cycles: up to a high learning rate and down again, over and over."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from npnet.base.checks import check_number, unknown_name
from npnet.optim.lr_scheduler.scheduler import (
    Schedule,
    Undo,
    check_optimizer,
    each_group,
    set_lr,
)
from npnet.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]

Scale = Callable[[float], float]


class CyclicLR(Schedule):
    """From base_lr up to max_lr and back, along lines. To be stepped after every batch.

        cycle = floor(1 + step / (step_size_up + step_size_down)), counted from 1
        lr = base_lr + (max_lr - base_lr) * height * scale

    where height goes from 0 to 1 and back in each cycle, and scale is

        triangular      1
        triangular2     1 / 2**(cycle - 1)
        exp_range       gamma**step

    Momentum goes the other way, from max_momentum down to base_momentum.

    Args:
        base_lr, max_lr: the limits, or lists with one for each group.
        step_size_up, step_size_down: steps of each half; default as many down as up.
        mode: the name of scale.
        gamma: of exp_range.
        scale_fn: another scale, in place of mode.
        scale_mode: whether scale_fn takes the "cycle" or the "iterations".
        cycle_momentum: whether momentum, or the first of betas, is changed too.
        base_momentum, max_momentum: its limits, or lists.
        last_epoch: index of the last batch, see LRScheduler.

    Raises:
        ValueError: an argument is out of range, or the optimizer has no momentum to cycle.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0, momentum=0.9)
        >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Smith (2017), section 3.
    """

    not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Scale | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("CyclicLR", optimizer)
        modes = ("triangular", "triangular2", "exp_range")
        if mode not in modes and scale_fn is None:
            raise ValueError(unknown_name("CyclicLR: mode", mode, modes))
        down = step_size_up if step_size_down is None else step_size_down
        check_number("CyclicLR", "step_size_up", step_size_up, above=0)
        check_number("CyclicLR", "step_size_down", down, least=0)
        lows = each_group("CyclicLR", optimizer, "base_lr", base_lr)
        self.max_lrs = each_group("CyclicLR", optimizer, "max_lr", max_lr)
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self._scale_mode = scale_mode if scale_fn is not None else _counts(mode)
        self.cycle_momentum = cycle_momentum
        momenta: list[list[float]] = []
        if cycle_momentum:
            if not {"momentum", "betas"} & optimizer.defaults.keys():
                raise ValueError(
                    "CyclicLR: cycle_momentum needs an optimizer with momentum or betas, "
                    f"{type(optimizer).__name__} has neither; pass cycle_momentum=False"
                )
            limits = {"base_momentum": base_momentum, "max_momentum": max_momentum}
            momenta = [each_group("CyclicLR", optimizer, k, v) for k, v in limits.items()]
            self.base_momentums, self.max_momentums = momenta
        with Undo(optimizer):
            for i, group in enumerate(optimizer.param_groups if last_epoch == -1 else ()):
                set_lr(group, lows[i])
                group.pop("initial_lr", None)
                if momenta:
                    group["base_momentum"], group["max_momentum"] = momenta[0][i], momenta[1][i]
            super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def _height(self) -> float:
        """Where in the cycle the step is, times the scale."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return height * self.scale_fn(cycle if self._scale_mode == "cycle" else self.last_epoch)

    def scale_fn(self, x: float) -> float:
        """The scale of a cycle, or of a step."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "triangular":
            return 1.0
        return 1 / (2.0 ** (x - 1)) if self.mode == "triangular2" else float(self.gamma**x)

    def get_lr(self) -> list[float]:
        height = self._height()
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def _set_epoch(self, epoch: int) -> None:
        super()._set_epoch(epoch)
        if not self.cycle_momentum:
            return
        height = self._height()
        limits = zip(self.base_momentums, self.max_momentums, strict=True)
        for group, (low, high) in zip(self.optimizer.param_groups, limits, strict=True):
            momentum = high - (high - low) * height
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def state_dict(self) -> dict[str, Any]:
        """As LRScheduler's, and "_scale_fn_custom": an object's attributes, None of a function."""
        fn = self._scale_fn_custom
        is_object = fn is not None and not isinstance(fn, types.FunctionType)
        kept = dict(getattr(fn, "__dict__", {})) if is_object else None
        return {**super().state_dict(), "_scale_fn_custom": kept}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As LRScheduler's; a function stays, an object gets its attributes back."""
        super().load_state_dict(state_dict)
        if state_dict["_scale_fn_custom"]:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])


def _counts(mode: str) -> Literal["cycle", "iterations"]:
    return "iterations" if mode == "exp_range" else "cycle"
