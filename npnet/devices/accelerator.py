"""What programs ask before they choose a device: there is no accelerator here."""

from __future__ import annotations

from npnet.base.memory import empty_cache
from npnet.devices.cpu import device

__all__ = ["current_accelerator", "device_count", "empty_cache", "is_available"]


def is_available() -> bool:
    """Always False: npnet runs on the CPU."""
    return False


def current_accelerator(check_available: bool = False) -> device | None:
    """Always None."""
    return None


def device_count() -> int:
    """Always 0."""
    return 0
