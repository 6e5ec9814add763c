"""torchvision's networks by their names. Source: `torchvision.models.get_model`."""

from __future__ import annotations

import fnmatch
import importlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from npnet.base.checks import unknown_name
from npnet.nn import Module

__all__ = ["get_model", "get_model_builder", "list_models"]


def _builders(module: ModuleType | None = None) -> dict[str, Callable[..., Module]]:
    """The functions that make torchvision's networks, which alone take `weights`."""
    module = module or importlib.import_module("npnet.models")
    functions = inspect.getmembers(module, inspect.isfunction)
    return {n: f for n, f in functions if "weights" in inspect.signature(f).parameters}


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names, in order, of torchvision's networks that are here.

    Args:
        module: only those of a module, such as `npnet.models.resnet`.
        include, exclude: patterns as of file names, such as "resnet*".

    Example:
        >>> npnet.models.list_models(include="resnet1*")
        ['resnet101', 'resnet152', 'resnet18']
    """
    taken = ("*",) if include is None else (include,) if isinstance(include, str) else include
    left = () if exclude is None else (exclude,) if isinstance(exclude, str) else exclude
    known = _builders(module)
    names = {name for pattern in taken for name in fnmatch.filter(known, pattern)}
    return sorted(names - {name for pattern in left for name in fnmatch.filter(known, pattern)})


def get_model_builder(name: str) -> Callable[..., Module]:
    """The function that makes the network of this name. ValueError if there is none.

    Example:
        >>> npnet.models.get_model_builder("resnet18") is npnet.models.resnet18
        True
    """
    known = _builders()
    if name.lower() not in known:
        raise ValueError(unknown_name("get_model: name", name, known))
    return known[name.lower()]


def get_model(name: str, **config: Any) -> Module:
    """The network of this name, with arguments of its function, such as `num_classes`.

    Example:
        >>> npnet.models.get_model("squeezenet1_1", num_classes=10).num_classes
        10
    """
    return get_model_builder(name)(**config)
