"""The tests shared among cores: how many processes, and each one's share of the threads.

Every library that the tests load would start a thread for each core, in every process of
pytest-xdist, and they would spend their time waiting for each other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["choose_backend", "count", "limit_threads", "start_afresh", "threads"]

MOST = 8  # processes: each holds PyTorch, half a gigabyte
# Of OpenMP, which PyTorch computes with, and of NumPy's BLAS: read when the libraries are loaded.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cores() -> int:
    """Those that this process may use; not every system can tell them from all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def count() -> int:
    """How many processes `-n auto` starts."""
    return min(cores(), MOST)


def threads() -> int:
    """The share of this process: all cores where it is the only one."""
    return max(1, cores() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def limit_threads(loaded: Sequence[str] = ("numpy", "torch", "numba")) -> None:
    """Let the libraries start with this process's share, and those of processes that it starts.

    Tests that need more threads say so; Numba's pool still has all cores.
    """
    if threads() == cores():
        return
    early = [name for name in loaded if name in sys.modules]
    assert not early, f"imported before their threads were limited: {', '.join(early)}"
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads()))


def start_afresh() -> None:
    """Undo what a test chose for the whole process: backend, threads and random numbers.

    So no test depends on those that ran before it, whatever share of them this process has.
    """
    import npnet
    from npnet.base import threads as _threads

    choose_backend(os.environ.get("NPNET_BACKEND") or "auto")
    npnet.set_winograd(True)
    if _threads._count != _threads.environment_threads():
        _forget_number()
    if jit := sys.modules.get("npnet.kernels._jit"):
        jit.set_num_threads(_threads.environment_threads() or threads())
    npnet.manual_seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
        if torch.get_num_threads() != threads():
            torch.set_num_threads(threads())


def choose_backend(name: str) -> None:
    """`npnet.set_backend`, which is imported when the threads are limited, and not before."""
    import npnet

    npnet.set_backend(name)


def _forget_number() -> None:
    """As if `npnet.set_num_threads` had not been called."""
    import threadpoolctl

    from npnet.base import threads as _threads

    _threads._count = _threads._pool = None
    threadpoolctl.threadpool_limits(threads(), user_api="blas")
    _threads.apply_environment()
