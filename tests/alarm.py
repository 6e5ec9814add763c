"""An end for tests of what could wait for ever, such as for a pipe's writer."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

__all__ = ["ends_within"]


@contextmanager
def ends_within(seconds: int, error: Exception) -> Iterator[None]:
    """Fail by raising `error`, and do not hang, where the body takes longer."""

    def late(*_: Any) -> NoReturn:
        raise error

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
