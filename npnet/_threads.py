"""How many threads compute."""

from __future__ import annotations

import os

__all__ = ["available_cores", "get_num_threads", "set_num_threads"]

_chosen: int | None = None


def set_num_threads(num: int) -> None:
    """Let NumPy's matrix products use `num` threads from now on."""
    import threadpoolctl  # here: inference needs NumPy alone

    if num < 1:
        raise ValueError(f"set_num_threads: num must be >= 1, got {num}")
    global _chosen
    _chosen = num
    threadpoolctl.threadpool_limits(num)


def get_num_threads() -> int:
    """The number that was set, else how many cores this process may use."""
    return _chosen or available_cores()


def available_cores() -> int:
    """Cores that this process may use; not every system can tell those from all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
