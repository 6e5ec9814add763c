"""What programs ask for under `torch.backends.mkldnn`: npnet has none of it."""

from __future__ import annotations

__all__ = ["enabled", "is_available"]

enabled = False


def is_available() -> bool:
    """Always False."""
    return False
