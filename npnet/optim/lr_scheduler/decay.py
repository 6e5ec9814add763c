"""Schedules that scale the initial learning rate by a factor of the epoch."""

from __future__ import annotations

import types
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from npnet.base.checks import check_number
from npnet.optim.lr_scheduler.scheduler import Schedule, as_count, check_optimizer
from npnet.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]

Factor: TypeAlias = Callable[[int], float]


class StepLR(Schedule):
    """Every few epochs a factor: lr = base * gamma ** floor(epoch / step_size).

    Args:
        step_size: epochs between two changes, at least 1.
        gamma: the factor of each.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: step_size is no integer of at least 1, or gamma is below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check_number("StepLR", "gamma", gamma, least=0)
        self.step_size, self.gamma = as_count("StepLR", "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return base * self.gamma ** (epoch // self.step_size)


class MultiStepLR(Schedule):
    """A factor at each milestone: lr = base * gamma ** (number of milestones <= epoch).

    Args:
        milestones: epochs in any order; one that is there twice counts twice.
        gamma: the factor of each.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: a milestone, or gamma, is below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        check_number("MultiStepLR", "gamma", gamma, least=0)
        self.milestones = sorted(milestones)
        for milestone in self.milestones:
            check_number("MultiStepLR", "milestones", milestone, least=0)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(Schedule):
    """A factor every epoch: lr = base * gamma ** epoch.

    Args:
        gamma: the factor.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: gamma is below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        check_number("ExponentialLR", "gamma", gamma, least=0)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return base * self.gamma**epoch


class ConstantLR(Schedule):
    """A factor at first: lr = base * factor, from epoch total_iters on lr = base.

    Args:
        factor: between 0 and 1.
        total_iters: epochs with the factor, at least 1.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: factor is not in [0, 1], or total_iters is no integer of at least 1.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_number("ConstantLR", "factor", factor, least=0, most=1)
        self.factor, self.total_iters = factor, as_count("ConstantLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return base * self.factor if epoch < self.total_iters else base


class LinearLR(Schedule):
    """From one factor to another along a line: with s = min(epoch / total_iters, 1),

        lr = base * (start_factor + (end_factor - start_factor) * s)

    Args:
        start_factor: in epoch 0; above 0, at most 1.
        end_factor: from epoch total_iters on; between 0 and 1.
        total_iters: epochs from one to the other, at least 1.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: start_factor is not in (0, 1], end_factor is not in [0, 1], or total_iters is no
            integer of at least 1.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_number("LinearLR", "start_factor", start_factor, above=0, most=1)
        check_number("LinearLR", "end_factor", end_factor, least=0, most=1)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = as_count("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        share = min(epoch / self.total_iters, 1)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class PolynomialLR(Schedule):
    """Down to 0 along a power: lr = base * (1 - min(epoch, total_iters) / total_iters) ** power.

    Args:
        total_iters: epochs until 0, at least 1.
        power: 1 is a line.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: total_iters is no integer of at least 1, or power is below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        check_number("PolynomialLR", "power", power, least=0)
        self.total_iters, self.power = as_count("PolynomialLR", "total_iters", total_iters), power
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return base * (1 - min(epoch, self.total_iters) / self.total_iters) ** self.power


class LambdaLR(Schedule):
    """Any factor: lr = base * lr_lambda(epoch), whatever else has changed lr.

    The state_dict holds no functions, only the attributes of callable objects.

    Args:
        lr_lambda: a function of the epoch, or a list with one for each group.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: there are not as many functions as groups.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.25, 0.125]
    """

    not_saved: ClassVar[tuple[str, ...]] = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        op = type(self).__name__
        check_optimizer(op, optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ValueError(
                f"{op}: lr_lambda must be one function or one for each of the {count} groups, "
                f"got {len(self.lr_lambdas)}"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factors = [factor(self.last_epoch) for factor in self.lr_lambdas]
        return [base * factor for base, factor in zip(self.base_lrs, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """As LRScheduler's, and "lr_lambdas": None for a function, an object's attributes."""
        kept = [
            None if isinstance(f, types.FunctionType) else dict(getattr(f, "__dict__", {}))
            for f in self.lr_lambdas
        ]
        return {**super().state_dict(), "lr_lambdas": kept}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As LRScheduler's; the functions stay, objects get their attributes back."""
        super().load_state_dict(state_dict)
        for factor, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes:
                vars(factor).update(attributes)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        kept, op = state["lr_lambdas"], type(self).__name__
        if len(kept) != len(self.lr_lambdas):
            raise ValueError(
                f"load_state_dict: this {op} has {len(self.lr_lambdas)} functions, the state "
                f"{len(kept)}"
            )
        for factor, attributes in zip(self.lr_lambdas, kept, strict=True):
            if attributes and not (isinstance(attributes, dict) and hasattr(factor, "__dict__")):
                raise ValueError(
                    f"load_state_dict: of each function a {op}'s state holds None, or the dict "
                    f"of its attributes, got {attributes!r} for {factor!r}"
                )


class MultiplicativeLR(LambdaLR):
    """A factor for each step, from whatever lr is: lr <- lr * lr_lambda(epoch), from epoch 1 on.

    Args:
        lr_lambda: a function of the epoch, or a list with one for each group.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: there are not as many functions as groups.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.25, 0.125]
    """

    def get_lr(self) -> list[float]:
        now = [float(group["lr"]) for group in self.optimizer.param_groups]
        if self.last_epoch <= 0:
            return now
        factors = [factor(self.last_epoch) for factor in self.lr_lambdas]
        return [lr * factor for lr, factor in zip(now, factors, strict=True)]
