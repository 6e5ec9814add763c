"""How many threads compute, and how work is spread over them without changing a bit of it."""

from __future__ import annotations

import contextvars
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

from npnet.base.extras import MissingExtraError, require

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = [
    "MOST_THREADS",
    "apply_environment",
    "available_cores",
    "environment_threads",
    "follow_num_threads",
    "get_num_threads",
    "map_in_order",
    "new_lock",
    "one_blas_thread",
    "set_num_threads",
]

MOST_THREADS = 1024  # that a flag may ask for: each has its own memory, in every kernel
VARIABLE = "NPNET_NUM_THREADS"  # of the environment: the number where none was set

Item = TypeVar("Item")
Result = TypeVar("Result")

_count: int | None = None  # what was set
_pool: ThreadPoolExecutor | None = None
_blas: Any = None  # the libraries, NumPy's among them, that there were when a number was first set
_followers: list[Callable[[int], None]] = []


def set_num_threads(num: int) -> None:
    """Let `num` threads compute from now on: npnet's own and the compiled kernels'.

    It is one number for all Python threads. Matrix products then use one thread each: a BLAS that
    splits one over several rounds it otherwise, and the same seed would no longer give the same
    bits for any `num`. Not to be called while another Python thread computes.

    A process that was forked from one whose kernels had run keeps its kernels on one thread,
    whatever `num` is, as OpenMP does not survive a fork; the bits are the same.

    Raises:
        ValueError: `num` is less than 1. TypeError: it is no whole number.
        MissingExtraError: threadpoolctl, which sets the threads of BLAS, is not installed.

    Example:
        >>> before = npnet.get_num_threads()
        >>> npnet.set_num_threads(1)
        >>> npnet.get_num_threads()
        1
        >>> npnet.set_num_threads(before)
    """
    if not isinstance(num, Integral):
        raise TypeError(f"set_num_threads: num must be a whole number >= 1, got {num!r}")
    if num < 1:
        raise ValueError(f"set_num_threads: num must be >= 1, got {num}")
    global _pool, _count
    _blas_libraries().limit(limits=1)
    _count, _pool = num, _new_pool(num)
    for follow in _followers:
        follow(num)


def _blas_libraries() -> Any:
    """What sets the threads of BLAS; looked for once, which takes longer than all the rest."""
    global _blas
    if _blas is None:
        threadpoolctl = require("threadpoolctl", "kernels", "set_num_threads")
        _blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    return _blas


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products use one thread each for a while, as they do once a number was set.

    The same seed then gives the same bits on any number of cores, and products of the size of a
    small network do not wait for threads that have other work.
    """
    if _count is not None:
        yield
        return
    with _blas_libraries().limit(limits=1):
        yield


def _new_pool(num: int) -> ThreadPoolExecutor | None:
    if num < 2:
        return None
    from concurrent.futures import ThreadPoolExecutor  # here: with logging, 6 ms of the import

    return ThreadPoolExecutor(num, "npnet")


def get_num_threads() -> int:
    """The number that was set; before that NPNET_NUM_THREADS, or else the available cores.

    Raises:
        ValueError: the environment variable NPNET_NUM_THREADS is no number of threads.

    Example:
        >>> npnet.get_num_threads() >= 1
        True
    """
    if _count is not None:
        return _count
    return environment_threads() or available_cores()


def follow_num_threads(follower: Callable[[int], None]) -> None:
    """Call `follower` with the number of threads, now and whenever it is set."""
    _followers.append(follower)
    follower(get_num_threads())


def apply_environment() -> None:
    """Set the number that the environment asks for; a wrong one is told when it is needed."""
    try:
        num = environment_threads()
    except ValueError:  # an import is no place for it: a command says it in one line
        return
    if num is None:
        return
    try:
        set_num_threads(num)
    except MissingExtraError as error:
        said = f"{VARIABLE} has no effect: {error}; OPENBLAS_NUM_THREADS sets those of NumPy alone"
        warnings.warn(said, RuntimeWarning, stacklevel=2)


def environment_threads() -> int | None:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"{VARIABLE}: must be a whole number of threads >= 1, got {text!r}; "
            f"unset it for all {available_cores()} cores"
        )
    return int(text)


def available_cores() -> int:
    """Cores that this process may use; not every system can tell those from all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_in_order(compute: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[compute(item) for item in items]`, by all threads; the order of the results is kept.

    As long as no number of threads was set, this one works alone and leaves the others to BLAS.
    """
    work, pool = list(items), _pool
    if pool is None or len(work) < 2:
        return [compute(item) for item in work]
    # Each call gets the caller's context, which holds NumPy's error state among others.
    calls = [pool.submit(contextvars.copy_context().run, compute, item) for item in work]
    return [call.result() for call in calls]


_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> AbstractContextManager[Any]:
    """A lock that is free in a forked process: its holder may be a thread that only the parent has.

    What it protects must bear that the holder never comes to its end. The same thread may take it
    again, as when an object is deleted behind it.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _after_fork() -> None:
    """Begin anew with what depends on threads: only the one that forked came along."""
    global _pool
    _pool = _new_pool(_count or 1)
    for lock in list(_locks):
        lock._at_fork_reinit()  # as Python's own modules do


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
