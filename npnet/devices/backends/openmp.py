"""What programs ask for under `torch.backends.openmp`: npnet has none of it."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """Always False."""
    return False
