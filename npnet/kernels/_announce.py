"""What is said on stderr while kernels are compiled."""

from __future__ import annotations

import functools
import sys

__all__ = ["announce", "clear", "show"]

WIDTH = 60  # of the line that is written over

_is_shown = False


@functools.cache
def announce(are_kept: bool) -> None:
    """Say in one line, once in a process, that kernels are being compiled."""
    kept = "; they are kept (npnet warmup compiles all at once)" if are_kept else ""
    print(f"compiling kernels that are new to this machine{kept}", file=sys.stderr, flush=True)


def show(done: int, count: int) -> None:
    """Say how far it is, on a terminal, in a line that `clear` takes back."""
    global _is_shown
    if _is_terminal():
        _is_shown = True
        _write(f"\r{f'compiling {done} of {count} kernels':{WIDTH}}")


def clear() -> None:
    """Leave the line empty, for whatever is printed next."""
    global _is_shown
    if _is_shown:
        _is_shown = False
        _write(f"\r{'':{WIDTH}}\r")


def _is_terminal() -> bool:
    """Whether what is written there can be written over: nobody has put a stream in between."""
    return sys.__stderr__ is not None and sys.stderr is sys.__stderr__ and sys.__stderr__.isatty()


def _write(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
