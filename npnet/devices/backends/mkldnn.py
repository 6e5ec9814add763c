"""What programs ask for under `torch.backends.mkldnn`: npnet has none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["enabled", "flags", "is_available"]

enabled = False


def is_available() -> bool:
    """Always False."""
    return False


@contextmanager
def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """Nothing is set: there is nothing to choose from."""
    yield
