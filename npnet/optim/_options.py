"""Checks of the options that a group of parameters is trained with."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.tensor import Tensor

__all__ = ["check_betas", "check_option", "plain"]


def check_option(op: str, name: str, value: Any, **limits: float) -> None:
    """Raise unless `value` is a finite number within the limits of `check_number`."""
    if isinstance(value, Tensor):
        raise NotImplementedError(f"{op}: {name} as a Tensor is not supported; use {name}.item()")
    if not isinstance(value, (int, float)):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}")
    check_number(op, name, value, **limits)


def check_betas(op: str, betas: Any) -> None:
    """Raise unless `betas` are two numbers in [0, 1)."""
    if not isinstance(betas, tuple) or len(betas) != 2:
        raise TypeError(f"{op}: betas must be a tuple of two numbers, got {betas!r}")
    for i, beta in enumerate(betas):
        check_option(op, f"betas[{i}]", beta, least=0, below=1)


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's, also in a tuple or list, which becomes a tuple.

    A float64 scalar would promote a float32 array; a Python float does not.
    """
    if isinstance(value, (tuple, list)):
        return tuple(plain(v) for v in value)
    return value.item() if isinstance(value, np.generic) else value
