"""LRScheduler: what all schedules share."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from types import TracebackType
from typing import Any, ClassVar

from npnet.base.checks import check_number
from npnet.optim.optimizer import Group, Optimizer
from npnet.tensor import Tensor

__all__ = [
    "LRScheduler",
    "Schedule",
    "Undo",
    "as_count",
    "check_groups",
    "check_optimizer",
    "each_group",
    "set_lr",
]


# What PyTorch's schedules note beside, in their states too.
_PYTORCHS = ("_get_lr_called_within_step", "_is_initial", "verbose")


class LRScheduler:
    """Sets the learning rates of an optimizer; a subclass defines `get_lr`.

    It may use `last_epoch`, `base_lrs` and `optimizer.param_groups`. Call `step()` after the
    optimizer's, once an epoch, or once a batch if the schedule counts batches.

    Args:
        optimizer: whose groups are to be changed. The learning rate that each has now is kept there
            as "initial_lr".
        last_epoch: -1 at the start of training; otherwise the index of the last epoch that is over,
            and the groups must hold their "initial_lr", as they do after `load_state_dict`.

    Attributes:
        base_lrs: the learning rate that each group began with.
        last_epoch: how many steps were made, which is the index of the current epoch.

    Raises:
        KeyError: a group lacks "initial_lr" and last_epoch is not -1.

    Example:
        >>> class Halves(optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [base * 0.5**self.last_epoch for base in self.base_lrs]
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = Halves(optimizer)
        >>> rates = []
        >>> for _ in range(3):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.25]
    """

    not_saved: ClassVar[tuple[str, ...]] = ("optimizer",)
    _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        op = type(self).__name__
        check_optimizer(op, optimizer)
        check_number(op, "last_epoch", last_epoch, least=-1)
        self.optimizer = optimizer
        with Undo(optimizer):
            for i, group in enumerate(optimizer.param_groups):
                if last_epoch == -1:
                    group.setdefault("initial_lr", float(group["lr"]))
                elif "initial_lr" not in group:
                    raise KeyError(
                        f"{op}: param_groups[{i}] lacks 'initial_lr', which "
                        f"last_epoch={last_epoch} needs; load the optimizer's state_dict first, "
                        "or start with last_epoch=-1"
                    )
            self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
            self.last_epoch = last_epoch
            self._step_count = 0
            self._initial_step()

    def _initial_step(self) -> None:
        """Set the first learning rates; by the step of a class of the user's that has its own."""
        if type(self).step is LRScheduler.step or self._is_ours:
            if self.last_epoch >= 0:
                self.last_epoch += 1  # from what training began with, whatever the groups hold now
                self._go_to(self.last_epoch)
            else:
                self._go_to(0)
        else:
            self.step()

    @property
    def _is_ours(self) -> bool:
        """Whether this is a schedule of npnet's own, whose attributes are known."""
        return type(self).__module__.startswith("npnet.")

    def _all(self) -> list[LRScheduler]:
        """This schedule and those inside, whose steps it makes."""
        return [self]

    def get_lr(self) -> list[float]:
        """The learning rate of each group in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr")

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last step set, one for each group."""
        return list(self._last_lr)

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to `epoch`, and set its learning rates.

        An error in it, be it of `get_lr`, leaves the groups and this schedule as they were.
        """
        if epoch is None:
            self._warn_if_early()
            epoch = self.last_epoch + 1
        elif not isinstance(epoch, int) or epoch < 0:
            raise ValueError(f"{type(self).__name__}: epoch must be an integer >= 0, got {epoch!r}")
        self._go_to(epoch)

    def _warn_if_early(self) -> None:
        if self._step_count == 1 and not self.optimizer.was_stepped:
            warnings.warn(
                f"{type(self).__name__}.step() was called before {type(self.optimizer).__name__}"
                ".step(): the first learning rate of the schedule is skipped",
                stacklevel=3,
            )

    def _go_to(self, epoch: int) -> None:
        check_groups(type(self).__name__, self.optimizer, len(self.base_lrs))
        with Undo(self.optimizer, *self._all()):
            self._step_count += 1
            self._set_epoch(epoch)

    def _set_epoch(self, epoch: int) -> None:
        """Set `last_epoch` and what depends on it, here and in the optimizer."""
        before, self.last_epoch = self.last_epoch, epoch
        for group, lr in zip(self.optimizer.param_groups, self._next_lrs(before), strict=True):
            set_lr(group, lr)
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

    def _next_lrs(self, before: int) -> list[float]:
        """The learning rates of `last_epoch`, after those of the epoch `before`."""
        self._get_lr_called_within_step = True  # classes of users' ask for it, as PyTorch's do
        try:
            return self.get_lr()
        finally:
            del self._get_lr_called_within_step

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer: numbers, strings and lists of them, a copy."""
        return {k: copy.deepcopy(v) for k, v in vars(self).items() if k not in self.not_saved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave, a copy. The optimizer's learning rates are in its own state.

        Raises:
            ValueError: it is the state of another schedule, or of another number of groups.
        """
        self._check_state(state_dict)
        left = (*self.not_saved, *_PYTORCHS)
        kept = {k: v for k, v in state_dict.items() if k not in left}
        vars(self).update(copy.deepcopy(kept))

    def _check_state(self, state: Mapping[str, Any]) -> None:
        op, own = type(self).__name__, self.state_dict()
        if not self._is_ours:  # it may have any attributes, at any time
            return
        wrong = [f"it lacks {k}" for k in own if k not in state]
        wrong += [f"{k} is not known" for k in state if k not in own and k not in _PYTORCHS]
        if not wrong and len(state["_last_lr"]) != len(own["_last_lr"]):
            wrong = [f"it has {len(state['_last_lr'])} groups, this {len(own['_last_lr'])}"]
        if wrong:
            raise ValueError(f"load_state_dict: this is no state of this {op}: {'; '.join(wrong)}")


class Undo:
    """A context that puts groups and schedules back as they were if it ends with an error.

    Their attributes are replaced, never written into, so that the dicts need no deep copies.
    """

    __slots__ = ("_kept",)

    def __init__(self, optimizer: Optimizer, *schedules: LRScheduler) -> None:
        dicts = (*optimizer.param_groups, *map(vars, schedules))
        self._kept = [(values, values.copy()) for values in dicts]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for values, before in self._kept:
                values.clear()
                values.update(before)


class Schedule(LRScheduler):
    """A schedule that is a function of the epoch; a subclass defines `value`, or `get_lr`.

    Where something else has changed a learning rate, be it another schedule, it goes on from there
    as far as `value` is a product: by the factor between the values of the two epochs.
    """

    def value(self, base: float, epoch: int) -> float:
        """The learning rate in an epoch of a group that began with `base`."""
        raise NotImplementedError(f"{type(self).__name__} defines no value")

    def get_lr(self) -> list[float]:
        return [self.value(base, self.last_epoch) for base in self.base_lrs]

    def goes_on(self, lr: float, old: float, new: float) -> float:
        """The learning rate after `lr`, where this schedule alone would go from `old` to `new`."""
        return lr * (new / old) if old else lr

    def _next_lrs(self, before: int) -> list[float]:
        new = super()._next_lrs(before)
        if type(self).value is Schedule.value or self.last_epoch != before + 1:
            return new
        now = [float(group["lr"]) for group in self.optimizer.param_groups]
        old = [self.value(b, before) if before >= 0 else b for b in self.base_lrs]
        return [
            n if lr == o else self.goes_on(lr, o, n) for lr, o, n in zip(now, old, new, strict=True)
        ]


def set_lr(group: Group, lr: Any) -> None:
    """Set the learning rate of a group; one that is a tensor is written into."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(lr))
    else:
        group["lr"] = float(lr)


def check_optimizer(op: str, optimizer: Any) -> None:
    """Raise TypeError unless it is an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{op}: optimizer must be an Optimizer, got {type(optimizer).__name__}")


def check_groups(op: str, optimizer: Optimizer, count: int) -> None:
    """Raise ValueError if the optimizer has not as many groups as the schedule was built for."""
    if len(optimizer.param_groups) != count:
        raise ValueError(
            f"{op}: the optimizer has {len(optimizer.param_groups)} parameter groups, but the "
            f"schedule was given {count}; add groups before building the schedule"
        )


def as_count(op: str, name: str, value: Any) -> int:
    """The value as an int; ValueError unless it is an integer of at least 1."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{op}: {name} must be an integer >= 1, got {value!r}")
    return int(value)


def each_group(
    op: str, optimizer: Optimizer, name: str, value: float | Sequence[float]
) -> list[float]:
    """One number for each group, from a number or a list; ValueError if one is below 0."""
    count = len(optimizer.param_groups)
    values = [value] * count if isinstance(value, (int, float)) else list(value)
    if len(values) != count:
        raise ValueError(f"{op}: {name} must be a number or a list of {count}, got {len(values)}")
    for v in values:
        check_number(op, name, v, least=0)
    return values
