"""Ranks without MPI: threads of this process that exchange arrays as ranks do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from npnet.base.arrays import Array
from npnet.base.group import Ends, Group

T = TypeVar("T")

PATIENCE = 120.0  # seconds; a rank that waits longer is left alone for ever


class ThreadRank(Group):
    """One of the threads."""

    def __init__(
        self, rank: int, all_of_them: list[ThreadRank], barrier: threading.Barrier
    ) -> None:
        self.rank, self.sums, self.sent = rank, False, 0
        self._all, self._barrier = all_of_them, barrier
        self._given: list[tuple[Array, Ends | None]] = []
        self._value: Any = None

    @property
    def size(self) -> int:  # type: ignore[override] # asked, never set
        return len(self._all)

    def begin_gather(self, array: Array, ends: Ends) -> int:
        self._given.append((array, ends))
        return len(self._given) - 1

    def begin_sum(self, array: Array) -> int:
        self._given.append((array, None))
        return len(self._given) - 1

    def wait(self, begun: Sequence[int]) -> None:
        self._barrier.wait(PATIENCE)
        totals = {}
        for k in begun:
            array, ends = self._given[k]
            if ends is None:
                totals[k] = sum(other._given[k][0] for other in self._all)
                continue
            for rank, other in enumerate(self._all):
                if other is not self:
                    start = ends[rank - 1] if rank else 0
                    array[start : ends[rank]] = other._given[k][0][start : ends[rank]]
        self._barrier.wait(PATIENCE)
        for k, total in totals.items():
            self._given[k][0][...] = total
        if len(begun) == len(self._given):
            self._given = []
        self._barrier.wait(PATIENCE)

    def gather(self, value: Any) -> list[Any]:
        self._value = value
        self._barrier.wait(PATIENCE)
        found = [other._value for other in self._all]
        self._barrier.wait(PATIENCE)
        return found

    def broadcast(self, value: Any, root: int = 0) -> Any:
        return self.gather(value)[root]

    def barrier(self) -> None:
        self._barrier.wait(PATIENCE)


def on_ranks(count: int, work: Callable[[ThreadRank], T]) -> list[T]:
    """What the work gives in each of so many ranks. Raises the first error of one."""
    ranks: list[ThreadRank] = []
    barrier = threading.Barrier(count)
    ranks += [ThreadRank(rank, ranks, barrier) for rank in range(count)]
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(rank: ThreadRank) -> None:
        try:
            results[rank.rank] = work(rank)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)] + errors
    if first:
        raise first[0]
    return [results[rank] for rank in range(count)]
