"""NumPy's warnings of NaN and infinity switched off, for less than what `np.errstate` costs.

Every op does this, as NaN and infinity are values in npnet; of an op on few numbers `np.errstate`
is a fifth. What it does, in NumPy 2, is to set a context variable; here that is set without a new
object each time. Where NumPy keeps its state otherwise, it is `np.errstate`.

    before = be_quiet()
    try:
        ...
    finally:
        as_before(before)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["as_before", "be_quiet"]


def _enter() -> Any:
    state = np.errstate(all="ignore")
    state.__enter__()
    return state


def _leave(state: Any) -> None:
    state.__exit__(None, None, None)


def _choose() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """The two functions, by NumPy's own variable if that is where they work."""
    try:
        from numpy._core import umath

        variable, make = umath._extobj_contextvar, umath._make_extobj
        quiet, leave = functools.partial(variable.set, make(all="ignore")), variable.reset
        before = quiet()
        try:
            works = set(np.geterr().values()) == {"ignore"}
        finally:
            leave(before)
    except (ImportError, AttributeError, TypeError):
        works = False
    return (quiet, leave) if works else (_enter, _leave)


be_quiet, as_before = _choose()
