"""Schedules along a cosine."""

from __future__ import annotations

import math

from npnet.base.checks import check_number
from npnet.optim.lr_scheduler.scheduler import Schedule, Undo, as_count
from npnet.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(Schedule):
    """Down to eta_min in T_max epochs, and up again in as many:

        lr = eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Args:
        T_max: half the period, in epochs.
        eta_min: the lowest learning rate.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: T_max is not above 0, or eta_min is below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(scheduler.get_last_lr()[0], 2))
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.0, 0.5, 1.0]

    Source: Loshchilov, Hutter (2017), eq. 5, without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: float, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_number("CosineAnnealingLR", "T_max", T_max, above=0)
        check_number("CosineAnnealingLR", "eta_min", eta_min, least=0)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def value(self, base: float, epoch: int) -> float:
        return _cosine(base, self.eta_min, epoch / self.T_max)

    def goes_on(self, lr: float, old: float, new: float) -> float:
        low = self.eta_min
        return low + (lr - low) * ((new - low) / (old - low)) if old != low else lr + new - low


class CosineAnnealingWarmRestarts(Schedule):
    """Down to eta_min again and again, in cycles of T_0, T_0 * T_mult, T_0 * T_mult**2, ... epochs:

        lr = eta_min + (base - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2

    T_cur is the time since the last restart and T_i the length of the cycle. Both follow from the
    epoch exactly, also after `step(epoch)` and for last_epoch, where PyTorch rounds a logarithm or
    assumes the first cycle.

    Args:
        T_0: epochs of the first cycle, at least 1.
        T_mult: how many times as long each cycle is as the one before, an integer.
        eta_min: the lowest learning rate.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: T_0 or T_mult is no integer of at least 1, or eta_min is below 0; or `step` is
            given an epoch below 0.
        TypeError: optimizer is no Optimizer.

    Example:
        >>> optimizer = optim.SGD([npnet.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(scheduler.get_last_lr()[0], 2))
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 1.0, 0.5, 1.0]

    Source: Loshchilov, Hutter (2017), eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check_number("CosineAnnealingWarmRestarts", "eta_min", eta_min, least=0)
        self.T_0 = as_count("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = as_count("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = eta_min
        self._fraction = 0.0  # of the epoch, that step(epoch) named last
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to `epoch`, which may be a fraction: step(epoch + i / batches)."""
        if epoch is None:
            self._go_to(self.last_epoch + 1)
            return
        check_number("CosineAnnealingWarmRestarts", "epoch", epoch, least=0)
        with Undo(self.optimizer, self):
            self._fraction = epoch % 1
            self._go_to(math.floor(epoch))

    def _set_epoch(self, epoch: int) -> None:
        self.T_cur, self.T_i = epoch + self._fraction, self.T_0
        if self.T_mult == 1:
            self.T_cur %= self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        super()._set_epoch(epoch)

    def get_lr(self) -> list[float]:
        return [_cosine(base, self.eta_min, self.T_cur / self.T_i) for base in self.base_lrs]


def _cosine(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2
