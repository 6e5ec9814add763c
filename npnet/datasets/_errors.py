"""What is raised where data cannot be had or read."""

from __future__ import annotations

import os

__all__ = ["DataError", "DownloadError", "damaged"]


class DataError(RuntimeError):
    """A data set is missing, unreadable or not what it should be: what, the rule, the fix."""


class DownloadError(DataError):
    """A data set is not on this machine and no mirror gave it; says what was tried."""


def damaged(path: str | os.PathLike[str], what: str) -> DataError:
    """The error for a file that is there but cannot be used; it is never replaced silently."""
    return DataError(
        f"{path} is damaged: {what}; delete it and run again to download it anew, or put a good "
        "copy in its place"
    )
