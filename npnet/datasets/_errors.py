"""What is raised where data cannot be had or read."""

from __future__ import annotations

__all__ = ["DataError", "DownloadError"]


class DataError(RuntimeError):
    """A data set is missing, unreadable or not what it should be: what, the rule, the fix."""


class DownloadError(DataError):
    """A data set is not on this machine and no mirror gave it; says what was tried."""
