"""The threads that kernels share their work among: Numba's, as far as that is safe.

Numba has three pools, and each ends or hangs the process in a case of its own:

GNU's OpenMP does not survive a fork: the child waits for threads that only its parent has. So a
process that was forked from one whose threads had started computes alone. Kernels then enter no
pool, and the bits are the same, as they are for any number of threads.

The pool "workqueue", where there is no OpenMP, serves one caller at a time and aborts the process
when there is a second. So kernels have a copy of it, which the user's own functions do not see, and
a gate in front of it: a thread that finds it busy computes alone. (Where the copy can't be loaded,
as from a folder of temporary files that allows no programs, they share the one pool with the user.)
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core import config as numba_config
from numba.np.ufunc import parallel as numba_pool

__all__ = [
    "GATE",
    "OPEN",
    "SHARE",
    "TAKEN",
    "THREADS",
    "get_num_threads",
    "launch",
    "set_num_threads",
]

# The symbols under which kernels find their number of threads and the gate, both int64, and the
# function that shares a loop among threads. Numba's own number belongs to the Python thread that
# sets it.
THREADS, GATE, SHARE = "npnet_num_threads", "npnet_pool_gate", "npnet_parallel_for"

NONE, OPEN, TAKEN = 0, 1, 2  # states of the gate; without one, a pool takes many callers at once

# An OpenMP region costs about a microsecond to enter, one of Numba's own pool a hundred.
PRIORITY = ["omp", "tbb", "workqueue"]
NUMBAS_PRIORITY = ["tbb", "omp", "workqueue"]  # where the user chose none

# How often a thread that waits for the others looks for them before it sleeps: about 0.2 ms, longer
# than from one region to the next. GNU's default is 5 ms, the core's whole share of a machine with
# something else to do, while the one it waits for has none.
SPINS = "10000"

PF_FORKNOEXEC = 0x40  # Linux: "forked but didn't exec"

_threads, _gate = ctypes.c_int64(1), ctypes.c_int64(NONE)
llvmlite.binding.add_symbol(THREADS, ctypes.addressof(_threads))
llvmlite.binding.add_symbol(GATE, ctypes.addressof(_gate))

_launched = False
_alone = False  # whether this process must not enter a pool


def set_num_threads(num: int) -> None:
    """Let kernels use `num` threads, as many as Numba's pool has at most (NUMBA_NUM_THREADS).

    In a process that was forked from one whose threads had started they use one.
    """
    _threads.value = 1 if _alone else min(num, numba_config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """How many threads a kernel uses."""
    return _threads.value


def _compute_alone() -> None:
    global _alone
    _alone = True
    _threads.value = 1


def _after_fork() -> None:
    if _launched:
        _compute_alone()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def launch() -> None:
    """Start Numba's threads, once; called with Numba's lock held.

    Numba tells OpenMP its number of threads by the way. That number is the process's: PyTorch
    would compute with all cores after `torch.set_num_threads(1)`.
    """
    global _launched
    before = _openmp_files() if _is_forked() else set()
    openmp = _openmp()
    if _is_forked() and (numba_pool._is_initialized or (before and before == _openmp_files())):
        _compute_alone()  # a pool, or the OpenMP that it would use, may have begun in the parent
    numbers = [(library, library.omp_get_max_threads()) for library in openmp]
    with _priority(PRIORITY):
        numba_pool._launch_threads()
    for library, num in numbers:
        library.omp_set_num_threads(num)
    run = llvmlite.binding.address_of_symbol("numba_parallel_for")
    if numba_pool._threading_layer == "workqueue" and not _alone:
        with contextlib.suppress(ImportError, OSError):  # no folder to load it from
            run = _launch_workqueue()
        _gate.value = OPEN
    llvmlite.binding.add_symbol(SHARE, run)
    _launched = True


@contextlib.contextmanager
def _priority(priority: list[str]) -> Iterator[None]:
    """Let Numba look for pools in this order, unless the user wants another."""
    before = numba_config.THREADING_LAYER_PRIORITY
    if list(before) == NUMBAS_PRIORITY:
        numba_config.THREADING_LAYER_PRIORITY = priority
    try:
        yield
    finally:
        numba_config.THREADING_LAYER_PRIORITY = before


def _is_forked() -> bool:
    """Whether this process is a copy of another that went on, and no program of its own."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return bool(int(fields[6]) & PF_FORKNOEXEC)
    except (OSError, ValueError, IndexError):  # no Linux, where OpenMP is another that can fork
        return False


def _openmp_files() -> set[str]:
    """Which OpenMP libraries this process has loaded."""
    import threadpoolctl

    found = threadpoolctl.threadpool_info()
    return {library["filepath"] for library in found if library["user_api"] == "openmp"}


def _openmp() -> list[ctypes.CDLL]:
    """OpenMP where Numba's pool may find it: loaded for all, as PyTorch does, or its own."""
    pool = importlib.util.find_spec("numba.np.ufunc.omppool")
    if pool is None:  # this system has another pool
        return []
    names = [pool.origin, *([None] if os.name == "posix" else [])]
    try:
        with _environment_has("GOMP_SPINCOUNT", SPINS, unless="OMP_WAIT_POLICY"):
            libraries = [ctypes.CDLL(name) for name in names]
    except OSError:  # nor has it OpenMP
        return []
    return [library for library in libraries if hasattr(library, "omp_set_num_threads")]


@contextlib.contextmanager
def _environment_has(name: str, value: str, unless: str) -> Iterator[None]:
    """Set a variable while a library is loaded that reads it, unless the user set one of two."""
    ours = not {name, unless} & os.environ.keys()
    if ours:
        os.environ[name] = value
    try:
        yield
    finally:
        if ours:
            del os.environ[name]


def _launch_workqueue() -> int:
    """Start the threads of a second "workqueue"; the address of what shares a loop among them.

    A thread of either pool has its number there, and in the other one 0, as every other thread has.
    """
    pool, theirs = _copy_of_workqueue(), llvmlite.binding.address_of_symbol("get_thread_id")
    ctypes.CFUNCTYPE(None, ctypes.c_int)(pool.launch_threads)(numba_config.NUMBA_NUM_THREADS)
    number, other = (ctypes.CFUNCTYPE(ctypes.c_int)(f) for f in (pool.get_thread_id, theirs))

    get_thread_id = numba.cfunc("int32()")(lambda: number() + other())
    llvmlite.binding.add_symbol("get_thread_id", get_thread_id.address)
    _kept.append((pool, get_thread_id))
    return int(pool.parallel_for)


_kept: list[Any] = []  # code that kernels call by its address


def _copy_of_workqueue() -> Any:
    """Numba's module "workqueue" from a copy of its file: the system loads a file but once."""
    name = "npnet.kernels.workqueue"
    original = importlib.util.find_spec("numba.np.ufunc.workqueue")
    assert original is not None
    assert original.origin is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = shutil.copy(original.origin, folder)  # needed until it is loaded
        loader = importlib.machinery.ExtensionFileLoader(name, copy)
        spec = importlib.util.spec_from_file_location(name, copy, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    return module
