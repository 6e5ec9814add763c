"""What programs ask of Intel's GPUs: there are none here."""

from __future__ import annotations

from npnet.base.memory import empty_cache
from npnet.devices.mps import device_count, is_available, manual_seed

__all__ = [
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs: nothing."""


def synchronize(device: object = None) -> None:
    """Wait for a GPU: nothing runs elsewhere."""
