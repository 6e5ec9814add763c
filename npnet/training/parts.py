"""What of a run is the user's own: network, loss, optimizer, schedule and callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from npnet import nn, optim
from npnet.runs import own
from npnet.runs.arguments import arguments, parameters
from npnet.runs.callbacks import Callback, unknown_hook
from npnet.runs.errors import ConfigError
from npnet.training.config import Config

__all__ = ["NONE", "Parts", "made", "own_criterion", "own_optimizer", "own_scheduler"]


@dataclass(frozen=True)
class Parts:
    """What of a run is the user's own, in place of what its settings name; None is npnet's.

    Attributes:
        model: a subclass of `nn.Module`, a function that makes one, or one that is made already.
        criterion: a subclass of `nn.Module`, one that is made, or a function of logits and labels.
        optimizer: called with the parameters and what of lr, weight_decay, momentum and nesterov
            it takes.
        scheduler: called with the optimizer.
        callbacks: in the order in which they are told.
        files: spelling -> digest of the file.
    """

    model: Any = None
    criterion: Any = None
    optimizer: Any = None
    scheduler: Any = None
    callbacks: tuple[Callback, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Whether anything is the user's own."""
        return bool(self.callbacks) or any(
            part is not None
            for part in (self.model, self.criterion, self.optimizer, self.scheduler)
        )

    @classmethod
    def of(cls, config: Config) -> Parts:
        """What the settings spell as `my_file.py:Name`. The files are executed.

        Raises:
            ConfigError: a file or a name is not there, or not what it must be.
        """
        named: dict[str, Any] = {}
        for flag, (base, name) in _KINDS.items():
            spelling = getattr(config, flag)
            if own.is_own(spelling):
                named[flag] = own.load_class(spelling, flag, base, name)
        if own.is_own(config.criterion):
            named["criterion"] = own.load_object(config.criterion, "criterion")
        callbacks = tuple(map(_callback, config.callbacks))
        files = {spelling: own.digest_of(spelling) for spelling in config.spellings.values()}
        for spelling in config.callbacks:
            files[spelling] = own.digest_of(spelling)
        return cls(**named, callbacks=callbacks, files=files)


NONE = Parts()
"""Of a run in which everything is npnet's."""

_KINDS: dict[str, tuple[type, str]] = {
    "model": (nn.Module, "npnet.nn.Module"),
    "optimizer": (optim.Optimizer, "npnet.optim.Optimizer"),
    "scheduler": (optim.lr_scheduler.LRScheduler, "npnet.optim.lr_scheduler.LRScheduler"),
}


def _callback(spelling: str) -> Callback:
    build = own.load_class(spelling, "callbacks", Callback, "npnet.training.Callback")
    callback = made(build, arguments(build, (), {}, "callbacks", spelling), "callbacks", spelling)
    if not isinstance(callback, Callback):
        raise ConfigError(
            f"callbacks: {spelling} made a {type(callback).__name__}, not a npnet.training.Callback"
        )
    if unknown_hook(callback):
        raise ConfigError(f"callbacks: {unknown_hook(callback)}")
    return callback


def made(build: Callable[..., Any], values: Mapping[str, Any], flag: str, what: str) -> Any:
    """What a class of the user's is with these arguments. ConfigError where its code fails."""
    try:
        return build(**values)
    except (Exception, SystemExit) as error:
        place = own.where(error)
        at = f" at {place}" if place else ""
        said = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ConfigError(
            f"{flag}: {what}({said}) can't be made: it failed{at}: {type(error).__name__}: {error}"
        ) from error


def own_criterion(found: Any, what: str) -> Any:
    """A loss of the user's, called with logits and labels: a class of them is made.

    Raises:
        ConfigError: it can't be made, or has parameters, which nothing would train.
    """
    loss = made(found, {}, "criterion", what) if isinstance(found, type) else found
    if not callable(loss):
        raise ConfigError(
            f"criterion: {what} must be a class of nn.Module or a function of logits and labels, "
            f"but is a {type(loss).__name__}"
        )
    if isinstance(loss, nn.Module) and list(loss.parameters()):
        raise ConfigError(
            f"criterion: {what} has parameters, which no optimizer would train; make them "
            "buffers (register_buffer), or parameters of the network"
        )
    return loss


def own_optimizer(
    build: Callable[..., Any], weights: list[Any], options: Mapping[str, Any], what: str
) -> Any:
    """An optimizer of the user's, made with what it takes of the options.

    Raises:
        ConfigError: it can't be made, or is none.
    """
    if isinstance(build, optim.Optimizer):
        return _made_for(build, weights, what)
    taken = _taken(build, options, what)
    rule = made(lambda **values: build(weights, **values), taken, "optimizer", what)
    if not isinstance(rule, optim.Optimizer):
        raise ConfigError(
            f"optimizer: {what} made a {type(rule).__name__}, not a npnet.optim.Optimizer"
        )
    return rule


def _taken(build: Callable[..., Any], options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The options that an optimizer of the user's takes; by **kwargs the rate, and what was said.

    Raises:
        ConfigError: it does not take one that was said, which would have no effect.
    """
    known = parameters(build)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    taken = {}
    for name, value in options.items():
        flag = "learning_rate" if name == "lr" else name
        was_said = value != getattr(Config, flag)
        if name in known or (takes_any and (was_said or name == "lr")):
            taken[name] = value
        elif was_said:
            raise ConfigError(
                f"optimizer: {what} takes no {name}, so that {flag} {value} would have no effect; "
                f"leave {flag} out, or let the optimizer take {name}"
            )
    return taken


def _made_for(rule: optim.Optimizer, weights: list[Any], what: str) -> optim.Optimizer:
    """An optimizer that is made already, if it is of these weights."""
    own = {id(weight) for weight in weights}
    if not all(id(p) in own for group in rule.param_groups for p in group["params"]):
        raise ConfigError(
            f"optimizer: this {what.rpartition(':')[2]} was made with the parameters of another "
            "network; make it of model.parameters(), or give its class"
        )
    return rule


def own_scheduler(build: Any, rule: Any, what: str) -> Any:
    """A schedule of the user's, made of the optimizer unless it is made already.

    Raises:
        ConfigError: it can't be made, is none, or is of another optimizer.
    """
    is_made = isinstance(build, optim.lr_scheduler.LRScheduler)
    schedule = build if is_made else made(lambda: build(rule), {}, "scheduler", what)
    if not isinstance(schedule, optim.lr_scheduler.LRScheduler):
        raise ConfigError(
            f"scheduler: {what} made a {type(schedule).__name__}, not a "
            "npnet.optim.lr_scheduler.LRScheduler"
        )
    if schedule.optimizer is not rule:
        raise ConfigError(
            "scheduler: it was made with another optimizer; give that as optimizer=, or the class "
            "of the schedule"
        )
    return schedule
