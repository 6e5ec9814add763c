"""Modules whose parameters are not drawn."""

from __future__ import annotations

from typing import Any

from npnet.nn.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters are for you to set: here they are drawn as ever, which is cheap.

    Raises:
        RuntimeError: module_cls is no class of modules.

    Example:
        >>> nn.utils.skip_init(nn.Linear, 3, 2, bias=False)
        Linear(in_features=3, out_features=2, bias=False)
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    return module_cls(*args, **kwargs)
