"""The signals that end a command: heeded from its first moment to its last, and never lost.

Ctrl-C, SIGTERM (batch systems) and SIGHUP (a closed terminal) raise `Stopped`, a KeyboardInterrupt,
so that what is open is closed. Three things are in the way of that, and are dealt with here:

- Python can't raise through C code that calls back into Python, such as LLVM's compiler: the
  exception is dropped there, and something else fails. Such work is done in `held`.
- A dropped exception would be printed, and the signal be forgotten: `heeded` raises it again.
- While npnet is imported there is nothing to close: a command then ends at once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["PARENT", "SCRIPTS", "Stopped", "asked", "begin", "heeded", "held"]

PARENT = "NPNET_COMPARISON_PID"  # of the environment: the process that this one must not outlive
SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
MOMENT = 0.01  # seconds
PATIENCE = 3  # signals until a command that is closing its files ends without

# Of python -m; what npnet.run runs is a user's program.
_COMMANDS = re.compile(r"(-\w*m)?(?!npnet\.run$)(npnet(\.\w+)?|reference\.\w+)")
SCRIPTS = ("npnet", "npnet.exe", "npnet-script.py")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(KeyboardInterrupt):
    """A signal asks for the end."""


class _State:
    """Of the process, as its signals are."""

    first: int | None = None  # the signal that asked for the end
    count = 0  # of signals since
    again: threading.Timer | None = None  # raises one that was dropped
    holds = 0  # how many `held` are inside each other
    waiting: int | None = None  # a signal that came meanwhile


def asked() -> int | None:
    """The signal that asked the command of the main thread to end, if one did."""
    return _State.first if _in_main_thread() else None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


# ---- in a command ------------------------------------------------------------------------------


def begin() -> None:
    """Heed signals from now on if this is a command; done when this module is imported.

    A user's program is left alone; there, importing npnet changes no signal.
    """
    if not _is_command() or not _in_main_thread():
        return
    _set(_leave)
    # At the very end Python gives signals back to the system, and it is too late to be stopped.
    atexit.register(_set, signal.SIG_IGN)
    _end_with_parent()


def _is_command() -> bool:
    """Whether the process is `npnet`, or `python -m` of npnet, or of a part of it or reference."""
    words = getattr(sys, "argv", [""])
    if words[:1] == ["-m"]:  # as long as Python looks for the module
        return _COMMANDS.fullmatch(sys.orig_argv[-len(words)]) is not None
    return os.path.basename("".join(words[:1])) in SCRIPTS


def _set(handler: Any) -> None:
    """Handle all signals so, except those that the process was started to ignore (nohup)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: object) -> None:
    """End at once: nothing is open."""
    with contextlib.suppress(OSError):
        os.write(2, b"npnet: stopped\n")
    os._exit(128 + number)


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Let the signals that end a command raise `Stopped` in this block; see `asked`.

    The third one does not wait any longer for files to be closed. In another thread than the main
    one, which has no signals, nothing changes.
    """
    if not _in_main_thread():
        yield
        return
    _State.first, _State.count = None, 0
    before = {number: signal.getsignal(number) for number in SIGNALS}
    hook = sys.unraisablehook
    sys.unraisablehook = lambda dropped: _again(dropped, hook)
    try:
        _set(_stop)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # which it is where another language set it
                signal.signal(number, handler)
        sys.unraisablehook = hook
        if _State.again is not None:
            _State.again.cancel()
            _State.again = None


def _stop(number: int, frame: object) -> None:
    _State.first = _State.first or number
    _State.count += 1
    if _State.count >= PATIENCE:
        os._exit(128 + _State.first)
    if number != signal.SIGINT:
        _leave_lost_terminal()
    if _State.holds:
        _State.waiting = number
        return
    raise Stopped


def _again(dropped: Any, hook: Any) -> None:
    """Of an exception that Python had to drop: raise a signal's once more, a moment later."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt) or _State.first is None:
        hook(dropped)
        return
    _State.count -= 1
    _State.again = threading.Timer(MOMENT, os.kill, (os.getpid(), _State.first))
    _State.again.daemon = True
    _State.again.start()


def _leave_lost_terminal() -> None:
    """Write to nowhere from now on where the terminal was closed: each write would be an error."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _end_with_parent() -> None:
    """Let a comparison's run end with the comparison, however that ends.

    The system kills the run where it can (Linux); elsewhere a thread looks for the parent, and
    on Windows, which does not tell, nothing does.
    """
    parent = os.environ.pop(PARENT, "")
    if not parent.isdecimal():
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif os.name == "posix":
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()
    if os.name == "posix" and os.getppid() != int(parent):  # it ended before the line above
        os._exit(1)


def _watch(parent: int) -> None:
    import time

    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


# ---- anywhere ----------------------------------------------------------------------------------


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold Ctrl-C (and what else ends a command) back in this block, and raise it afterwards.

    For C code that calls back into Python. In another thread than the main one, nothing changes.
    """
    if not _in_main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    own = not callable(handler) or handler in (_stop, _leave, _note)
    _State.holds += 1
    if not own:  # a user's program: it may have a handler of its own, which is called later
        signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        _State.holds -= 1
        if not own:
            signal.signal(signal.SIGINT, handler)
        number = _State.waiting
        if not _State.holds and number is not None:
            _State.waiting = None
            _deliver(number)


def _note(number: int, frame: object) -> None:
    _State.waiting = number


def _deliver(number: int) -> None:
    """Do what was put off: it was counted when it came."""
    handler = signal.getsignal(number)
    if handler is _stop:
        raise Stopped
    if callable(handler):
        handler(number, sys._getframe())


begin()
