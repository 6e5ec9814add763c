"""Which kernels compute: NumPy's, or those that Numba compiles for float32."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterator

from npnet.base import extras
from npnet.base.checks import unknown_name
from npnet.base.memory import uncollected
from npnet.base.threads import new_lock

__all__ = [
    "by_kernels",
    "by_numpy",
    "get_backend",
    "set_backend",
    "set_winograd",
    "uses_kernels",
    "winograd_wanted",
]

BACKENDS = ("auto", "numba", "numpy")
_chosen = ""
_wanted: bool | None = None  # whether kernels compute; None before that is decided
_deciding = new_lock()
_winograd = True


def set_backend(name: str) -> None:
    """Choose the kernels from now on.

    Args:
        name: "numpy"; "numba", for float32 and the options that have kernels (NumPy does the
            rest); "auto", which is "numba" where Numba is installed.

    Raises:
        ValueError: no backend has this name.
        ImportError: "numba" was asked for and is not installed, or switched off.

    Example:
        >>> before = npnet.get_backend()
        >>> npnet.set_backend("numpy")
        >>> npnet.get_backend()
        'numpy'
        >>> npnet.set_backend(before)
    """
    if name not in BACKENDS:
        raise ValueError(unknown_name("set_backend: name", name, BACKENDS))
    if name == "numba" and not _compiles():
        raise ImportError("set_backend: numba is switched off by NUMBA_DISABLE_JIT; use 'numpy'")
    if name == "numba":
        extras.check("kernels", "the numba backend")
    global _chosen, _wanted
    with _deciding:
        _chosen, _wanted = name, None


def by_numpy() -> contextlib.AbstractContextManager[None]:
    """Compute by NumPy for a while; whatever was chosen, or not yet, is in force again then."""
    return _for_a_while("numpy")


def by_kernels() -> contextlib.AbstractContextManager[None]:
    """Compute by the kernels for a while, as `by_numpy`.

    Raises:
        ImportError: what they need is not installed, or switched off.
    """
    return _for_a_while("numba")


@contextlib.contextmanager
def _for_a_while(name: str) -> Iterator[None]:
    global _chosen, _wanted
    with _deciding:
        before = _chosen, _wanted
    set_backend(name)
    try:
        yield
    finally:
        with _deciding:
            _chosen, _wanted = before


def get_backend() -> str:
    """The backend in force, "numba" or "numpy".

    At first it is what the environment variable NPNET_BACKEND names, by default "auto".

    Example:
        >>> npnet.get_backend() in ("numba", "numpy")
        True
    """
    return "numba" if uses_kernels() else "numpy"


def uses_kernels() -> bool:
    """Whether float32 goes through the compiled kernels; if so, Numba is imported now."""
    wanted = _wanted  # read once: another thread may choose anew
    return _decide() if wanted is None else wanted


def _decide() -> bool:
    """Say which backend it is: behind a lock, for another thread may choose in the meantime."""
    global _wanted
    with _deciding:
        if not _chosen:
            set_backend(os.environ.get("NPNET_BACKEND") or "auto")
        wanted = _chosen == "numba" or (_chosen == "auto" and _has_kernels())
        if wanted and "numba" not in sys.modules:
            _import_numba()
        _wanted = wanted
        return wanted


def set_winograd(enabled: bool) -> None:
    """Let 3x3 convolutions of stride 1 use Winograd's algorithm where it is faster, or not.

    It is on at first. Its rounding errors are about ten times a direct convolution's, which is
    enough to flip the sign at a ReLU now and then; training does not suffer, see tests/kernels.

    Example:
        >>> npnet.set_winograd(False)  # direct convolutions from now on
        >>> npnet.set_winograd(True)
    """
    global _winograd
    _winograd = enabled


def winograd_wanted() -> bool:
    """Whether `set_winograd` left it on."""
    return _winograd


def _import_numba() -> None:
    """Import Numba without Python's cycle collector.

    It would walk the 200,000 objects again and again that Numba makes and keeps, which takes longer
    than a quarter of the import. Afterwards they count as old, so that it seldom looks at them.
    """
    with uncollected():
        importlib.import_module("numba")
    if gc.get_freeze_count() == 0:  # else somebody has put objects aside, to stay there
        gc.freeze()
        gc.unfreeze()


def _compiles() -> bool:
    """Whether Numba, if it is there, compiles: NUMBA_DISABLE_JIT leaves it to Python's loops."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


@functools.cache
def _has_kernels() -> bool:
    """Whether Numba is installed and compiles, and all that the kernels need besides.

    Numba alone may have come with another library: then a warning says what is missing.
    """
    if not _compiles():
        return False
    missing = extras.lacking("kernels")
    if missing and "numba" not in missing:
        names = " and ".join(missing)
        said = f"NumPy computes: the kernels need {names}: pip install 'npnet[kernels]'"
        warnings.warn(said, RuntimeWarning, stacklevel=2)
    return not missing
