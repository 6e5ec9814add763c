"""An estimator's parameters as the trainer's settings, checked by the same rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.checks import check_number, check_real, kind_of, unknown_name
from npnet.runs.errors import ConfigError
from npnet.runs.optimizers import OPTIMIZERS
from npnet.training.config import SCHEDULERS, Config

__all__ = ["MONITORS", "SHARED", "as_value_error", "config_of", "unused"]

MONITORS = ("loss", "score")

# The trainer's settings that are parameters of estimators under the same name.
SHARED = (
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "weight_decay_on",
    "scheduler",
    "step_size",
    "milestones",
    "gamma",
    "warmup_epochs",
    "min_learning_rate",
    "plateau_patience",
    "pct_start",
    "div_factor",
    "final_div_factor",
    "batch_size",
    "epochs",
    "clip_grad_norm",
    "ema",
)
_MADE_OF = {
    "optimizer": "class such as npnet.optim.SGD, not an instance",
    "scheduler": "function of an optimizer such as lambda o: StepLR(o, 10), not an instance",
}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Config)}


def config_of(name: str, parameters: Mapping[str, Any]) -> Config:
    """The trainer's settings that an estimator's parameters are.

    Args:
        name: of the estimator, for errors.

    Raises:
        ValueError: a value of a wrong type or out of range.
    """
    values = {key: _plain(parameters[key]) for key in SHARED}
    for key, known in (("optimizer", OPTIMIZERS), ("scheduler", SCHEDULERS)):
        if isinstance(values[key], str):
            if values[key] not in known:
                raise ValueError(f"{name}: {unknown_name(key, values[key], known)}")
        elif callable(values[key]):  # one of the user's own, of which the trainer's know nothing
            values[key] = _DEFAULTS[key]
        else:
            raise TypeError(
                f"{name}: {key} must be a name or a {_MADE_OF[key]}, got {kind_of(values[key])}"
            )
    if parameters["early_stopping"]:
        values |= {"patience": _plain(parameters["patience"])}
        fraction = parameters["validation_fraction"]
        check_real(name, "validation_fraction", fraction)
        check_number(name, "validation_fraction", fraction, above=0, below=1)
    smoothing = parameters.get("label_smoothing", 0.0)
    if smoothing and parameters["criterion"] != "cross_entropy":
        raise ValueError(
            f"{name}: label_smoothing: only the criterion cross_entropy has it, got "
            f"{parameters['criterion']!r}"
        )
    try:
        check_number(name, "label_smoothing", smoothing, least=0, below=1)
        return Config.from_dict(values, name)
    except ConfigError as error:
        raise as_value_error(error, name) from None


def unused(parameters: Mapping[str, Any], defaults: Mapping[str, Any], config: Config) -> str:
    """The parameters that somebody changed, and that change nothing, and why; "" is none.

    Args:
        config: what `config_of` made of them.
    """
    rule, schedule = parameters["optimizer"], parameters["scheduler"]
    idle = {name: f"scheduler {_name(schedule)}" for name in config.idle}
    why = f"optimizer {_name(rule)}"
    for name in ("momentum", "nesterov"):
        if not isinstance(rule, str) or name in idle:
            idle[name] = why
    if not config.weight_decay:
        idle["weight_decay_on"] = "weight_decay 0"
    if not parameters["early_stopping"]:
        held_out = ("validation_fraction", "patience", "monitor")
        idle |= dict.fromkeys(held_out, "early_stopping False")
    changed = [
        name
        for name, value in parameters.items()
        if name in idle and _comparable(value) != _comparable(defaults[name])
    ]
    return ", ".join(f"{name} (with {idle[name]})" for name in changed)


def _name(value: Any) -> str:
    """A choice by name, or what the function or class in its place is called."""
    return value if isinstance(value, str) else str(getattr(value, "__name__", "of your own"))


def _comparable(value: Any) -> Any:
    value = _plain(value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, as a grid of np.logspace has them; lists of them as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def as_value_error(error: ConfigError, name: str) -> ValueError:
    """The error of a setting as scikit-learn's users know it: parameters have no dashes."""
    text = re.sub(r"--(\w+)", r"\1", str(error))
    return ValueError(f"{name}: {text.removeprefix('config: ').removeprefix(f'{name}: ')}")
