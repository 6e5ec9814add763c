"""Memory that is kept for the next arrays of the same size: how much, and how it is given back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["available_memory", "empty_cache", "uncollected", "when_emptied"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

_caches: list[Callable[[], None]] = []


def empty_cache() -> None:
    """Give the memory that npnet keeps for its next arrays back to the system.

    Fresh memory costs time, so what an array in the kernels' layout leaves behind waits for the
    next one of its size, up to a bound (320 MiB, or a sixteenth of the memory where that is less;
    see `npnet.kernels.lanes`). Where NumPy finds no memory for such an array, this happens by
    itself. Arrays that are in use stay: tensors, and the buffers of what `npnet.compile` returned,
    which go with it. `npnet.cuda.empty_cache` and `npnet.accelerator.empty_cache`, PyTorch's names,
    are this function.

    Example:
        >>> npnet.empty_cache()  # what the system gets back is not seen here
    """
    for give_back in _caches:
        give_back()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


def when_emptied(give_back: Callable[[], None]) -> None:
    """Let `empty_cache` call this too."""
    _caches.append(give_back)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Make objects by the hundred thousand, to be kept, without Python's cycle collector.

    It would walk all that there are again and again.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def available_memory() -> int:
    """Bytes that this process may use: the machine's, or what its control group is limited to."""
    limits = [*_cgroup_limits(), _address_space()]
    with contextlib.suppress(AttributeError, ValueError, OSError):  # no POSIX
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits)


NO_LIMIT = 2**63 - 1


def _address_space() -> int:
    try:
        import resource
    except ImportError:  # no POSIX
        return NO_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return NO_LIMIT if soft == resource.RLIM_INFINITY else soft


def _cgroup_limits() -> Iterator[int]:
    """Of the process's control group and all above it; of version 2, or of 1 with one group."""
    files = [CGROUPS / "memory" / "memory.limit_in_bytes", CGROUPS / "memory.max"]
    with contextlib.suppress(OSError):
        for line in OWN_CGROUPS.read_text().splitlines():
            if line.startswith("0::/"):
                own = CGROUPS / line[len("0::/") :]
                files += [folder / "memory.max" for folder in (own, *own.parents)]
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            yield int(file.read_text())


def _malloc_trim() -> Callable[[int], int] | None:
    """What returns freed memory to the system where malloc keeps it: GNU's does."""
    if os.name != "posix":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
