"""PyTorch's words for the order of values in memory, accepted where they change nothing here."""

from __future__ import annotations

from typing import Any

__all__ = [
    "channels_last",
    "channels_last_3d",
    "check_layout",
    "check_memory_format",
    "contiguous_format",
    "layout",
    "memory_format",
    "preserve_format",
    "strided",
]


class _Word:
    """A name that stands for itself."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"npnet.{self._name}"

    def __reduce__(self) -> str:
        return self._name  # pickled as the one object of this module


class layout(_Word):
    """How values lie in memory: `strided`, which is all that there is here.

    Example:
        >>> npnet.zeros(2).layout
        npnet.strided
    """


class memory_format(_Word):
    """The order of axes in memory. Kernels choose their own; results are the same.

    Example:
        >>> npnet.zeros(1, 2, 3, 3).to(memory_format=npnet.channels_last).shape
        (1, 2, 3, 3)
    """


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def check_layout(op: str, value: Any) -> None:
    """Raise NotImplementedError for another layout than `strided`."""
    if value is not None and value is not strided:
        raise NotImplementedError(f"{op}: layout must be npnet.strided, got {value!r}")


def check_memory_format(op: str, value: Any) -> None:
    """Raise TypeError unless it is a memory format, or None."""
    if value is not None and not isinstance(value, memory_format):
        raise TypeError(f"{op}: memory_format must be one of npnet's, got {value!r}")
