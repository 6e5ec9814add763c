"""What programs ask of Apple's GPUs: there are none here."""

from __future__ import annotations

from npnet.base.memory import empty_cache

__all__ = [
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "synchronize",
]


def is_available() -> bool:
    """Always False: npnet runs on the CPU."""
    return False


def device_count() -> int:
    """Always 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed the generator of a GPU: nothing."""


def synchronize() -> None:
    """Wait for a GPU: nothing runs elsewhere."""
