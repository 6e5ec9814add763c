"""Checks of the options that a group of parameters is trained with."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.tensor import Tensor

__all__ = ["as_numbers", "check_betas", "check_option", "check_tensors", "is_live", "plain"]

_OF_ONE = ("lr", "betas")  # options that may be tensors of one value, which may be written to


def check_option(op: str, name: str, value: Any, **limits: float) -> None:
    """Raise unless `value` is a finite number within the limits of `check_number`."""
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


def is_live(group: dict[str, Any]) -> bool:
    """Whether some of the options are tensors, whose values may change between two steps."""
    values = [group.get(name) for name in _OF_ONE]
    return any(isinstance(v, Tensor) or (type(v) is tuple and any(map(_is, v))) for v in values)


def _is(value: Any) -> bool:
    return isinstance(value, Tensor)


def as_numbers(group: dict[str, Any]) -> dict[str, Any]:
    """The options with the numbers that are in tensors now; the group itself, if there are none."""
    if not is_live(group):
        return group
    return {**group, **{name: _number(group[name]) for name in _OF_ONE if name in group}}


def _number(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    return tuple(map(_number, value)) if isinstance(value, tuple) else value


def check_tensors(op: str, group: dict[str, Any]) -> None:
    """Raise unless options that are tensors are such that may be: lr and betas, of one value."""
    for name, value in group.items():
        if name in ("params", "param_names"):
            continue
        parts = value if isinstance(value, tuple) else (value,)
        tensors = [v for v in parts if isinstance(v, Tensor)]
        if not tensors:
            continue
        if name not in _OF_ONE:
            raise NotImplementedError(
                f"{op}: {name} as a Tensor is not supported; use {name}.item()"
            )
        if any(v.numel() != 1 for v in tensors):
            raise ValueError(f"{op}: Tensor {name} must be 1-element")
        if name == "betas" and len(tensors) < len(parts):
            raise ValueError(f"{op}: betas must be either both floats or both Tensors")
        if group.get("foreach"):
            raise ValueError(
                f"{op}: {name} as a Tensor is not supported for capturable=False and foreach=True"
            )
