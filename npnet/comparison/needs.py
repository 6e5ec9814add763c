"""What each run of a comparison is given of a machine, and how sizes of memory are written."""

from __future__ import annotations

import re
from typing import NamedTuple

from npnet.base.files import printable

__all__ = ["Needs", "shown_size", "size_of"]

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Needs(NamedTuple):
    """What a run is given.

    Attributes:
        threads: that it computes with.
        memory: bytes that it may need; None if nobody said it.
    """

    threads: int
    memory: int | None = None

    def places(self, threads: int, memory: int) -> int:
        """How many runs fit where there are so many threads, and bytes."""
        places = threads // self.threads
        return places if self.memory is None else min(places, memory // self.memory)


def size_of(text: str) -> int:
    """Bytes of 1500M, 2G, 2GB or 2GiB, which are powers of 1024, as SLURM has them.

    Raises:
        ValueError: it is no such size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?\s*", text, re.IGNORECASE)
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if not 0 < size < 2**63:
        raise ValueError(f"memory: must be a size such as 1500M or 2G, got {printable(text)!r}")
    return size


def shown_size(size: int) -> str:
    """A size as a person reads it."""
    return f"{size / 2**30:.1f}G" if size >= 2**30 else f"{size // 2**20}M"
