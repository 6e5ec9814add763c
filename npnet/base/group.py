"""The processes that train a network together, as far as the rest of npnet knows of them.

`npnet.distributed` makes a group of what MPI says. Nothing here needs MPI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from npnet.base.arrays import Array

__all__ = ["Ends", "Group", "added_up", "current_group", "ordered_sum", "set_group", "several"]

Ends = tuple[int, ...]  # of each rank's run of rows; the first begins at 0


class Group(Protocol):
    """Processes with a rank each.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
        sums: whether MPI may add up gradients itself, in an order of its own.
        sent: bytes that this process has given to each other one.
    """

    rank: int
    size: int
    sums: bool
    sent: int

    def begin_gather(self, array: Array, ends: Ends) -> Any:
        """Begin to fill the rows of an array from the ranks that have them; `wait` ends it.

        Args:
            array: row-major, the same in all ranks but for its values.
            ends: where the rows of each rank end.
        """

    def begin_sum(self, array: Array) -> Any:
        """Begin to add up an array over all ranks, in an order that is MPI's."""

    def wait(self, begun: Sequence[Any]) -> None:
        """Wait until all that was begun is there."""

    def gather(self, value: Any) -> list[Any]:
        """Each rank's value, in the order of the ranks."""

    def broadcast(self, value: Any, root: int = 0) -> Any:
        """The value of one rank."""

    def barrier(self) -> None:
        """Wait for all ranks."""


_group: Group | None = None


def current_group() -> Group | None:
    """The group that this process is in; None if it is alone."""
    return _group


def several() -> Group | None:
    """The group of this process, if others are in it; else None."""
    return None if _group is None or _group.size == 1 else _group


def set_group(group: Group | None) -> None:
    """Take this process into a group, or out of it."""
    global _group
    _group = group


def ordered_sum(array: Array) -> Array:
    """The sum of an array over all ranks, one after the other, so that all have the same bits."""
    group = several()
    if group is None:
        return array
    rows = np.empty((group.size, *array.shape), array.dtype)
    rows[group.rank] = array
    group.wait([group.begin_gather(rows, tuple(range(1, group.size + 1)))])
    return added_up(rows)


def added_up(rows: Array) -> Array:
    """The sum of rows, one after the other, in the memory of the first."""
    total: Array = rows[0]
    for row in rows[1:]:
        total += row
    return total
