"""An estimator's parameters as the trainer's settings, checked by the same rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.runs.errors import ConfigError
from npnet.training.config import Config

__all__ = ["MONITORS", "SHARED", "as_value_error", "config_of"]

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
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Config)}


def config_of(name: str, parameters: Mapping[str, Any]) -> Config:
    """The trainer's settings that an estimator's parameters are.

    Args:
        name: of the estimator, for errors.

    Raises:
        ValueError: a value of a wrong type or out of range.
    """
    values = {key: _plain(parameters[key]) for key in SHARED}
    for key in ("optimizer", "scheduler"):  # one of the user's own is no name of the trainer's
        if not isinstance(values[key], str):
            values[key] = _DEFAULTS[key]
    if parameters["early_stopping"]:
        values |= {"patience": _plain(parameters["patience"])}
        values |= {"val_ratio": _plain(parameters["validation_fraction"])}
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


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, as a grid of np.logspace has them; lists of them as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def as_value_error(error: ConfigError, name: str) -> ValueError:
    """The error of a setting as scikit-learn's users know it: parameters have no dashes."""
    text = re.sub(r"--(\w+) ?", lambda match: f"{match[1]} ", str(error)).strip()
    return ValueError(f"{name}: {text.removeprefix('config: ').removeprefix(f'{name}: ')}")
