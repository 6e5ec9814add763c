"""Campaigns: tests that try many random cases, a few by default and many on demand.

`pytest tests` tries the small number of each; `pytest tests -m campaign --campaign large` runs the
campaigns alone, at the size whose figures are in docs/reliability.md.
"""

from __future__ import annotations

__all__ = ["choose", "size", "trials"]

SIZES = ("small", "large")
_size = SIZES[0]


def choose(size: str) -> None:
    """Let `trials` give the numbers of this size from now on; called before tests are collected."""
    global _size
    _size = size


def size() -> str:
    """The size in force, for a test that runs in another process."""
    return _size


def trials(small: int, large: int) -> int:
    """How many cases a campaign tries: the first number, or with `--campaign large` the second."""
    return dict(zip(SIZES, (small, large), strict=True))[_size]
