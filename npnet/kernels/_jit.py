"""How kernels are compiled: the decorators, and the folder they are kept in.

Numba compiles a kernel when it is first called. What it made is kept on disk in a folder named
after a digest of everything the code depends on, because Numba itself looks at the decorated
function's own file only, and would run a stale copy after an edit in a callee. Where no folder
can be written, kernels are compiled anew in every process, and a warning says so.

No `fastmath`: it would assume NaN away, and a diverged run must be seen.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba import types
from numba.core import caching
from numba.core import config as numba_config
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.misc.appdirs import AppDirs

from npnet.base.memory import uncollected
from npnet.base.signals import held
from npnet.base.threads import follow_num_threads
from npnet.kernels import _ahead, _announce, _pool
from npnet.kernels._pool import get_num_threads, set_num_threads

__all__ = [
    "announce",
    "get_num_threads",
    "inlined",
    "kernel",
    "make_folder",
    "options",
    "reasons_uncached",
    "set_num_threads",
]

DIGITS = 16  # of a digest, in a folder's name
UNUSED_SECONDS = 30 * 24 * 3600
LOCK_SECONDS = 10  # then another process holds the folder for no good reason: compile, keep nothing

# Of LLVM's optimisation. Kernels say themselves what is in which register: with level 3 they take
# a third longer to compile, and LeNet-5 and ResNet-20 train no faster.
LEVEL = 1

_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}


# Functions by which Python, or C, call what is compiled; they take a tenth of the time.
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any], compiler: Any = None) -> Any:
    """Compile a function of arrays and numbers, for each combination of types it is called with.

    Args:
        function: in Python.
        compiler: Numba's, or one that compiles something besides where others have a function
            for C.
    """
    no_wrappers = {**_NO_WRAPPERS, "no_cfunc_wrapper": compiler is None}
    dispatcher = numba.njit(pipeline_class=compiler or Compiler, **no_wrappers, **_OPTIONS)(
        function
    )
    _with_cache(dispatcher, _KernelCache(function))
    return _refuse_python(dispatcher, lambda: _entered(dispatcher))


def _entered(dispatcher: Any) -> Any:
    """The same, compiled with a function that Python calls it by, and kept beside it."""
    entered, cache = (
        numba.njit(no_cfunc_wrapper=True, **_OPTIONS)(dispatcher.py_func),
        dispatcher._cache,
    )
    if isinstance(cache, _KernelCache):
        cache = _KernelCache(cache.function, ".python")
    return _with_cache(entered, cache)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a part of kernels that is too small to be called: arrays are passed on the stack."""
    dispatcher = numba.njit(forceinline=True, **_NO_WRAPPERS, **_OPTIONS)(function)
    return _refuse_python(dispatcher, lambda: numba.njit(**_OPTIONS)(function))


def _refuse_python(dispatcher: Any, entered: Callable[[], Any]) -> Any:
    """Let Python call another dispatcher: in this one there is nothing that it could call."""

    def add(result: Any) -> None:
        dispatcher.overloads[tuple(result.signature.args)] = result

    @functools.cache
    def of_python() -> Any:
        return entered()

    def compile_for(*arguments: Any, **named: Any) -> Any:
        called = of_python()._compile_for_args(*arguments, **named)
        kinds = [of_python().typeof_pyval(argument) for argument in arguments]
        dispatcher._insert([kind._code for kind in kinds], called)
        return called

    dispatcher.add_overload, dispatcher._compile_for_args = add, compile_for
    return dispatcher


follow_num_threads(set_num_threads)

# A fork waits until no thread compiles: the child would find Numba's lock held by nobody.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def _with_cache(dispatcher: Any, cache: Any) -> Any:
    dispatcher._cache = cache
    # LLVM calls back into Python, which can't raise through it: Ctrl-C waits for the end.
    dispatcher.compile = held()(_unobserved(_at_level(LEVEL, dispatcher.compile)))
    return dispatcher


def _at_level(level: int, compile: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with at most this level of LLVM's optimisation.

    Numba has one level, `numba.config.OPT`, for all functions, the user's too, which other threads
    may be compiling. So it stays as it is: the code generator is told, as long as its lock is held.
    """

    def compiled(signature: Any) -> Any:
        with global_compiler_lock:
            codegen = cpu_target.target_context.codegen()
            if "_pass_builder" in vars(codegen):  # within another kernel
                return compile(signature)
            codegen._pass_builder = functools.partial(_build_passes, codegen._pass_builder, level)
            try:
                with uncollected():
                    return compile(signature)
            finally:
                del codegen._pass_builder
                _announce.clear()

    return compiled


def _unobserved(compile: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the profiler and the tracer of this thread, as `compiler.watch` has one.

    They would be told of a million calls within Numba, which takes five times as long. One that
    Python can't put back stays where it is: cProfile's is no function.
    """

    def compiled(signature: Any) -> Any:
        places: Any = (sys.getprofile(), sys.setprofile), (sys.gettrace(), sys.settrace)
        taken = [(observer, put) for observer, put in places if callable(observer)]
        for _, put in taken:
            put(None)
        try:
            return compile(signature)
        finally:
            for observer, put in taken:
                put(observer)

    return compiled


def _build_passes(build: Callable[..., Any], level: int, **options: Any) -> Any:
    return build(**{"opt": min(level, numba_config.OPT), **options})


class _Locator(caching._SourceFileBackedLocatorMixin, caching._CacheLocator):
    """Where Numba keeps what it compiled of one function: in our folder."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self._cache_path = os.path.join(_folder() or "", self.get_suitable_cache_subpath(file))

    def get_cache_path(self) -> str:
        return self._cache_path


class _Files(caching.CompileResultCacheImpl):
    """How Numba keeps one function, but for the place, which is no matter of the user's options."""

    def __init__(self, function: Callable[..., Any], variant: str) -> None:
        file = inspect.getfile(function)
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, file)
        name = f"{Path(file).stem}.{function.__qualname__}{variant}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


class _Disk(caching.FunctionCache):
    """Numba's cache of one function, in our folder."""

    def __init__(self, function: Callable[..., Any], variant: str) -> None:
        self._impl_class = functools.partial(_Files, variant=variant)
        super().__init__(function)


class _KernelCache(caching.NullCache):
    """Numba's cache of one function, opened at the first call, and safe between processes."""

    def __init__(self, function: Callable[..., Any], variant: str = "") -> None:
        self.function, self.variant = function, variant

    @functools.cached_property
    def disk(self) -> Any:
        return caching.NullCache() if _folder() is None else _Disk(self.function, self.variant)

    @property
    def cache_path(self) -> Any:
        return self.disk.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        _pool.launch()  # the threads whose symbols the code may refer to
        rtsys.initialize(target_context)
        found = self._load(sig, target_context)
        folder = _folder()
        session = found is None and folder and _ahead.begin(folder, options(folder))
        if session:
            announce()
            _show_progress(session)
            if not session.claim(self.name(sig)):  # the helper compiles it
                session.wait(self.name(sig), _show_progress)
                found = self._load(sig, target_context)
        if found is None:
            announce()
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            # Not the public method: it first imports Numba's whole library of functions, for 0.3 s
            # and 30 MB. Code that is compiled already needs the runtime's symbols alone.
            return self.disk._load_overload(sig, target_context)
        except Exception:  # a torn or foreign file, whatever unpickling it raises: compile anew
            return None

    def name(self, sig: Any) -> str:
        """Names the kernel of these types."""
        return f"{self.function.__module__}.{self.function.__qualname__}{self.variant}{sig}"

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code. Numba reads, extends and writes an index: one process at a time."""
        from filelock import FileLock  # here: most processes find all kernels compiled

        folder = _folder()
        if folder is None or _has_foreign(sig, _package(self.function)):
            return
        session = _ahead.session()
        try:
            with FileLock(folder / "lock", timeout=LOCK_SECONDS):
                try:
                    self.disk.save_overload(sig, data)
                except OSError:
                    raise
                except Exception:  # a torn index, whatever unpickling it raises: begin a new one
                    self.disk.flush()
                    self.disk.save_overload(sig, data)
        except OSError as error:  # a full disk, or the lock's Timeout
            _warn_uncached(str(error))
        finally:
            if session is not None:
                session.keep(self.name(sig))


def _show_progress(session: _ahead.Session) -> None:
    progress = session.progress()
    if progress is not None:
        kept, count = progress
        _announce.show(min(kept + 1, count), count)


def options(folder: Path) -> dict[str, str]:
    """What the environment of another process must have for the same kernels."""
    found = {"NUMBA_CACHE_DIR": str(folder.parent)}
    name, features = cpu()
    if numba_config.CPU_NAME or numba_config.CPU_FEATURES is not None:
        found |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    return found


def _has_foreign(sig: Any, package: str) -> bool:
    """Whether one of the types is a NamedTuple of another package than the kernel's.

    The index would name a class that other processes may not find, and so be torn to them.
    """
    if isinstance(sig, types.BaseNamedTuple) and _package(sig.instance_class) != package:
        return True
    return isinstance(sig, (tuple, types.BaseTuple)) and any(_has_foreign(t, package) for t in sig)


def _package(of: Any) -> str:
    """The first name of the module that a class or function is defined in."""
    return of.__module__.partition(".")[0]


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


def announce() -> None:
    """Say in one line, once in a process, that kernels are being compiled."""
    _announce.announce(_folder() is not None)


reasons_uncached: list[str] = []  # why kernels were not kept in this process


def _warn_uncached(reason: str) -> None:
    reasons_uncached.append(reason)
    if len(reasons_uncached) == 1:
        warnings.warn(
            f"compiled kernels can't be kept and are compiled in every process: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )
