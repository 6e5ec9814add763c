"""How kernels are compiled: the decorators, the folder they are kept in, and the threads.

Numba compiles a kernel when it is first called. What it made is kept on disk in a folder named
after a digest of everything the code depends on, because Numba itself looks at the decorated
function's own file only, and would run a stale copy after an edit in a callee. Where no folder
can be written, kernels are compiled anew in every process, and a warning says so.

No `fastmath`: it would assume NaN away, and a diverged run must be seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import pickle
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core import caching
from numba.core import config as numba_config
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.misc.appdirs import AppDirs
from numba.np.ufunc.parallel import _launch_threads

from npnet._signals import held
from npnet._threads import follow_num_threads

__all__ = [
    "THREADS",
    "announce",
    "get_num_threads",
    "inlined",
    "kernel",
    "make_folder",
    "reasons_uncached",
    "set_num_threads",
]

THREADS = "npnet_num_threads"  # the symbol under which kernels find their number, an int64

DIGITS = 16  # of a digest, in a folder's name
UNUSED_SECONDS = 30 * 24 * 3600
LOCK_SECONDS = 10  # then another process holds the folder for no good reason: compile, keep nothing

# Of LLVM's optimisation. Kernels say themselves what is in which register: with level 3 they take
# a third longer to compile, and LeNet-5 and ResNet-20 train no faster.
LEVEL = 1

_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}

# An OpenMP region costs about a microsecond to enter, one of Numba's own pool a hundred.
numba_config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]

# How often a thread that waits for the others looks for them before it sleeps: about 0.2 ms, longer
# than from one region to the next. GNU's default is 5 ms, the core's whole share of a machine with
# something else to do, while the one it waits for has none.
SPINS = "10000"


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of arrays and numbers, for each combination of types it is called with."""
    return _with_cache(numba.njit(**_OPTIONS)(function))


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a part of kernels that is too small to be called: arrays are passed on the stack."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


# Numba's own number of threads belongs to the Python thread that sets it. Kernels read this one,
# in memory that their code finds by name.
_threads = ctypes.c_int64()
llvmlite.binding.add_symbol(THREADS, ctypes.addressof(_threads))


def set_num_threads(num: int) -> None:
    """Let kernels use `num` threads, as many as Numba's pool has at most (NUMBA_NUM_THREADS)."""
    _threads.value = min(num, numba_config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """How many threads a kernel uses."""
    return _threads.value


follow_num_threads(set_num_threads)


@functools.cache
def _launch() -> None:
    """Start Numba's threads, once.

    Numba tells OpenMP its number of threads by the way. That number is the process's: PyTorch
    would compute with all cores after `torch.set_num_threads(1)`.
    """
    before = [(openmp, openmp.omp_get_max_threads()) for openmp in _openmp()]
    _launch_threads()
    for openmp, num in before:
        openmp.omp_set_num_threads(num)


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


def _with_cache(dispatcher: Any) -> Any:
    dispatcher._cache = _KernelCache(dispatcher.py_func)
    # LLVM calls back into Python, which can't raise through it: Ctrl-C waits for the end.
    dispatcher.compile = held()(_at_level(LEVEL, dispatcher.compile))
    return dispatcher


def _at_level(level: int, compile: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with at most this level of LLVM's optimisation."""

    def compiled(signature: Any) -> Any:
        _ = cpu_target.target_context  # made at the user's level, for the user's functions too
        before = numba_config.OPT
        numba_config.OPT = type(before)(min(level, before))
        try:
            return compile(signature)
        finally:
            numba_config.OPT = before

    return compiled


class _KernelCache(caching.NullCache):
    """Numba's cache of one function, opened at the first call, and safe between processes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @functools.cached_property
    def disk(self) -> Any:
        folder = _folder()
        if folder is None:
            return caching.NullCache()
        before = numba_config.CACHE_DIR
        numba_config.CACHE_DIR = str(folder)  # for this one: the user's functions are not ours
        try:
            return caching.FunctionCache(self.function)
        finally:
            numba_config.CACHE_DIR = before

    @property
    def cache_path(self) -> Any:
        return self.disk.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        _launch()  # the threads whose symbols the code may refer to
        rtsys.initialize(target_context)
        try:
            # Not the public method: it first imports Numba's whole library of functions, for 0.3 s
            # and 30 MB. Code that is compiled already needs the runtime's symbols alone.
            found = self.disk._load_overload(sig, target_context)
        except Exception:  # a torn or foreign file, whatever unpickling it raises: compile anew
            found = None
        if found is None:
            announce()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code. Numba reads, extends and writes an index: one process at a time."""
        from filelock import FileLock  # here: most processes find all kernels compiled

        folder = _folder()
        if folder is None:
            return
        try:
            with FileLock(folder / "lock", timeout=LOCK_SECONDS):
                try:
                    self.disk.save_overload(sig, data)
                except (pickle.PickleError, EOFError):  # a torn index: begin a new one
                    self.disk.flush()
                    self.disk.save_overload(sig, data)
        except OSError as error:  # a full disk, or the lock's Timeout
            _warn_uncached(str(error))


@functools.cache
def _folder() -> Path | None:
    """The folder of `make_folder`; None, and a warning, where there can be none."""
    try:
        return make_folder()
    except OSError as error:
        _warn_uncached(str(error))
        return None


def make_folder() -> Path:
    """Where kernels of these sources and this CPU are kept. OSError if nothing can be written."""
    root = Path(numba_config.CACHE_DIR or AppDirs("npnet", appauthor=False).user_cache_dir)
    folder = root / f"kernels-{_digest()}"
    if not folder.is_dir():
        _remove_unused(root)
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    os.utime(folder)  # when it was last used
    return folder


def _remove_unused(root: Path) -> None:
    """Remove folders of other versions that no process has opened for a long time.

    One that opens such a folder this very moment compiles anew: a missing file is no error to it.
    """
    for folder in root.glob("kernels-" + "[0-9a-f]" * DIGITS):
        with contextlib.suppress(OSError):  # another process was first
            if time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _digest() -> str:
    """Names the kernels' sources, the CPU that they are compiled for, and the compiler."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update("\0".join((numba.__version__, sys.version, *cpu())).encode())
    return digest.hexdigest()[:DIGITS]


@functools.cache
def cpu() -> tuple[str, str]:
    """Name and features of the CPU that kernels are compiled for, e.g. ("znver4", "+avx2,...")."""
    name = numba_config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    features = numba_config.CPU_FEATURES
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    return name, features


@functools.cache
def announce() -> None:
    """Say in one line, once in a process, that kernels are being compiled."""
    once = ", once" if _folder() else ""
    print(f"compiling kernels for this machine{once}", file=sys.stderr, flush=True)


reasons_uncached: list[str] = []  # why kernels were not kept in this process


def _warn_uncached(reason: str) -> None:
    reasons_uncached.append(reason)
    if len(reasons_uncached) == 1:
        warnings.warn(
            f"compiled kernels can't be kept and are compiled in every process: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )
