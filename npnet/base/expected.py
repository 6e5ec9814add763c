"""What is known of what comes: kernels may be compiled before they are needed."""

from __future__ import annotations

__all__ = ["expect", "network"]

_network: str | None = None


def expect(name: str) -> None:
    """Say that a network of the registry was made, and will be trained or used."""
    global _network
    _network = name


def network() -> str | None:
    """The one that was made last; None if none was made by its name."""
    return _network
