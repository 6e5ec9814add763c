"""The learning-rate schedules by name, of the classes that npnet and PyTorch share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npnet.runs.errors import ConfigError
from npnet.runs.optimizers import PLAIN_SCHEDULES, plain_schedule
from npnet.training.config import Config

__all__ = ["scheduler", "steps_each_batch"]


def steps_each_batch(config: Config) -> bool:
    """Whether the schedule takes its step after each batch, and not after each epoch."""
    return config.schedule in ("warmup_cosine", "warmup_exponential", "onecycle")


def scheduler(config: Config, optimizer: Any, lr_scheduler: Any, batches: int) -> Any:
    """The schedule that `config` names; None where the learning rate stays.

    With W batches of warm-up of T in all, B of them an epoch, batch k (from 0) has

        peak * (k + 1) / (W + 1)                                            k < W
        floor + (peak - floor) * (1 + cos(pi * (k - W) / (T - W))) / 2      warmup_cosine
        peak * gamma ** ((k - W) / B)                                       warmup_exponential

    Args:
        lr_scheduler: the module of npnet or of PyTorch.
        batches: B, how many an epoch has.

    Raises:
        ConfigError: the warm-up, or the way up of onecycle, has no batch or all.
    """
    epochs, gamma = config.epochs, config.gamma
    floor, total = config.min_learning_rate, config.epochs * batches
    if config.schedule in PLAIN_SCHEDULES:
        return plain_schedule(config.schedule, optimizer, lr_scheduler, epochs, floor)

    def warmed_up(then: Callable[[int], Any]) -> Any:
        rise = _warmup_batches(config, batches)
        linear = lr_scheduler.LinearLR(optimizer, 1 / (rise + 1), total_iters=rise)
        return lr_scheduler.SequentialLR(optimizer, [linear, then(rise)], [rise])

    def one_cycle() -> Any:
        if config.pct_start * total <= 1:
            raise ConfigError(
                f"pct_start: {config.pct_start:g} of {total} batches leaves none on the way up of "
                "onecycle; raise --pct_start or --epochs, or lower --batch_size"
            )
        factors = config.pct_start, config.div_factor, config.final_div_factor
        names = "pct_start", "div_factor", "final_div_factor"
        options = dict(zip(names, factors, strict=True))
        # Momentum is what its own flag says: the cycle would overwrite it, even where it is 0.
        rates = [group["lr"] for group in optimizer.param_groups]
        return lr_scheduler.OneCycleLR(optimizer, rates, total, cycle_momentum=False, **options)

    build: dict[str, Callable[[], Any]] = {
        "step": lambda: lr_scheduler.StepLR(optimizer, config.step_size, gamma),
        "multistep": lambda: lr_scheduler.MultiStepLR(optimizer, list(config.milestones), gamma),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, gamma),
        "warmup_cosine": lambda: warmed_up(
            lambda rise: lr_scheduler.CosineAnnealingLR(optimizer, total - rise, floor)
        ),
        "warmup_exponential": lambda: warmed_up(
            lambda rise: lr_scheduler.ExponentialLR(optimizer, gamma ** (1 / batches))
        ),
        "onecycle": one_cycle,
        "plateau": lambda: lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=gamma, patience=config.plateau_patience, min_lr=floor
        ),
    }
    return build[config.schedule]()


def _warmup_batches(config: Config, batches: int) -> int:
    rise = round(config.warms_up * batches)
    if not 0 < rise < config.epochs * batches:
        raise ConfigError(
            f"warmup_epochs: {config.warmup_epochs:g} of {config.epochs} epochs of {batches} "
            f"batches is {rise} batches, and must be more than none and fewer than all; "
            f"{'raise' if rise == 0 else 'lower'} --warmup_epochs"
        )
    return rise
