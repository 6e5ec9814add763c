"""What is raised where data cannot be had or read."""

from __future__ import annotations

import os

from npnet.base.files import printable

__all__ = ["DataError", "DownloadError", "damaged", "unreadable"]


class DataError(RuntimeError):
    """A data set is missing, unreadable or not what it should be: what, the rule, the fix.

    Always one line, whatever names and reasons came from a file.

    Example:
        >>> try:
        ...     npnet.datasets.read_npz("missing.npz")
        ... except npnet.datasets.DataError as error:
        ...     print(str(error).split(";")[0])
        missing.npz does not exist
    """

    def __init__(self, message: str) -> None:
        text = message.encode("utf-8", "backslashreplace").decode()  # a path may be no text
        super().__init__(" ".join(text.splitlines()))


class DownloadError(DataError):
    """A data set is not on this machine and no mirror gave it; says what was tried.

    Example:
        >>> issubclass(npnet.datasets.DownloadError, npnet.datasets.DataError)
        True
    """


def damaged(path: str | os.PathLike[str], what: str) -> DataError:
    """The error for a file that is there but cannot be used; it is never replaced silently."""
    return DataError(
        f"{printable(path)} is damaged: {what}; delete it and run again to download it anew, or "
        "put a good copy in its place"
    )


def unreadable(path: str | os.PathLike[str], error: OSError) -> DataError:
    """The error for a file that the system does not give, or that is no regular file."""
    return DataError(f"{printable(path)} cannot be read: {error.strerror or error}")
