"""The optimizer of a run by name, and the schedules of its rate that every command has.

They are made of the classes that npnet and PyTorch share.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["OPTIMIZERS", "PLAIN_SCHEDULES", "optimizer", "plain_schedule"]


class Rule(NamedTuple):
    """A rule that updates weights: its class, and which options it has besides those of all."""

    cls: str
    options: tuple[str, ...] = ()


OPTIMIZERS = {
    "sgd": Rule("SGD", ("momentum", "nesterov")),
    "adam": Rule("Adam"),
    "adamw": Rule("AdamW"),
    "nadam": Rule("NAdam"),
    "rmsprop": Rule("RMSprop", ("momentum",)),
    "adadelta": Rule("Adadelta"),
    "adagrad": Rule("Adagrad"),
    "adamax": Rule("Adamax"),
    "radam": Rule("RAdam"),
}
PLAIN_SCHEDULES = ("none", "poly", "cosine")  # those that epochs and learning rate describe wholly
POLY_POWER = 0.9  # of the course's polynomial schedule

_OF_ALL = ("lr", "weight_decay")


def optimizer(name: str, parameters: Any, optim: Any, **options: Any) -> Any:
    """The optimizer of that name, with those of the options that it has.

    Args:
        optim: the module of npnet or of PyTorch.
    """
    rule = OPTIMIZERS[name]
    own = {key: value for key, value in options.items() if key in (*_OF_ALL, *rule.options)}
    return getattr(optim, rule.cls)(parameters, **own)


def plain_schedule(
    name: str, optimizer: Any, lr_scheduler: Any, epochs: int, floor: float = 0.0
) -> Any:
    """The schedule of that name, which takes a step after each epoch; None where the rate stays.

    Args:
        lr_scheduler: the module of npnet or of PyTorch.
        floor: where cosine ends.
    """
    if name == "none":
        return None
    if name == "poly":
        return lr_scheduler.PolynomialLR(optimizer, epochs, POLY_POWER)
    return lr_scheduler.CosineAnnealingLR(optimizer, epochs, floor)
