"""How many threads compute, and how work is spread over them without changing a bit of it."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from npnet.backend import lanes_wanted

__all__ = ["available_cores", "get_num_threads", "map_in_order", "set_num_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_pool: ThreadPoolExecutor | None = None
_count = 1


def set_num_threads(num: int) -> None:
    """Let the chunks of a batch be computed by `num` threads from now on.

    Matrix products then use one thread each: a BLAS that splits one over several rounds it
    otherwise, and the same seed would no longer give the same bits for any `num`.
    """
    import threadpoolctl  # here: inference needs NumPy alone

    if num < 1:
        raise ValueError(f"set_num_threads: num must be >= 1, got {num}")
    global _pool, _count
    threadpoolctl.threadpool_limits(1)
    if lanes_wanted():
        from npnet.kernels import _jit

        _jit.set_num_threads(num)
    _pool = ThreadPoolExecutor(num, "npnet") if num > 1 else None
    _count = num


def get_num_threads() -> int:
    """The number that was set; 1, and the threads of BLAS, where none was."""
    return _count


def available_cores() -> int:
    """Cores that this process may use; not every system can tell those from all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_in_order(compute: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[compute(item) for item in items]`, by all threads; the order of the results is kept."""
    work = list(items)
    if _pool is None or len(work) < 2:
        return [compute(item) for item in work]
    # Each call gets the caller's context, which holds NumPy's error state among others.
    calls = [_pool.submit(contextvars.copy_context().run, compute, item) for item in work]
    return [call.result() for call in calls]
