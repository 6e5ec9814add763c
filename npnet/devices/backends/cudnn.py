"""The switches of cuDNN. They may be set and change nothing: npnet is always deterministic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "allow_tf32",
    "benchmark",
    "benchmark_limit",
    "deterministic",
    "enabled",
    "flags",
    "is_acceptable",
    "is_available",
    "version",
]

allow_tf32 = False
benchmark = False
benchmark_limit = 10
deterministic = True
enabled = False


def is_available() -> bool:
    """Always False."""
    return False


def is_acceptable(tensor: Any) -> bool:
    """Always False: no tensor is on a GPU."""
    return False


def version() -> None:
    """None, as without cuDNN."""


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """Set the switches inside a `with`; what they were comes back."""
    own, given = globals(), dict(locals())
    before = {name: own[name] for name in given}
    own.update(given)
    try:
        yield
    finally:
        own.update(before)
