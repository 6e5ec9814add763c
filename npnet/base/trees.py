"""Nested dicts, tuples and lists, as networks give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["mapped"]


def mapped(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same nest of dicts, lists and tuples, also named ones, with `leaf` of what is in it."""
    if isinstance(tree, dict):
        return {name: mapped(value, leaf) for name, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        values = [mapped(value, leaf) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return leaf(tree)
