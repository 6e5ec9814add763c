"""What programs ask of Intel's GPUs: there are none here."""

from __future__ import annotations

from npnet.base.memory import empty_cache

__all__ = [
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "manual_seed_all",
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


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs: nothing."""


def synchronize(device: object = None) -> None:
    """Wait for a GPU: nothing runs elsewhere."""
