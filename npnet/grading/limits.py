"""What bounds a student's code in its own process: time, memory, files, no network.

It keeps mistakes from doing harm, and makes cheating work. It is no wall against somebody who means
to break out: Python's audit hooks see what Python does, and not what machine code does that gets
by them. For that run the grader in a container, or as a user of its own, as Gradescope does.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["REFUSED", "Limits", "forbid", "set_limits"]

MEGABYTE = 1 << 20
_FILES = 64  # open at a time
REFUSED = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "os.kill", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod",
    "os.chown", "os.link", "os.symlink", "os.truncate", "os.startfile", "os.setxattr", "shutil.",
    "ctypes.", "pty.", "signal.pthread_kill", "resource.setrlimit", "resource.prlimit",
    "webbrowser.", "urllib.", "ftplib.", "smtplib.", "http.client", "_posixsubprocess.",
    "sqlite3.", "gc.get_objects", "gc.get_referrers", "gc.get_referents",
)  # fmt: skip
"""Of Python's audit events, by how they begin, what a layer has no use for."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Limits:
    """What a student's code may use.

    Attributes:
        seconds: for one case; its import counts as one.
        total: seconds for all cases of a file.
        megabytes: of memory, what Python and NumPy take included (about 300).
        output: characters of what is printed that are kept.
    """

    seconds: float = 10.0
    total: float = 120.0
    megabytes: int = 2048
    output: int = 10_000


def set_limits(limits: Limits) -> list[str]:
    """Bound this process, where the system can. Returns what could not be bounded."""
    try:
        import resource
    except ImportError:  # Windows
        return ["memory", "processor time"]
    lacking = []
    seconds = int(limits.total) + 5
    wanted = {
        "memory": ("RLIMIT_AS", limits.megabytes * MEGABYTE),
        "processor time": ("RLIMIT_CPU", seconds),
        "files": ("RLIMIT_FSIZE", MEGABYTE),
        "core dumps": ("RLIMIT_CORE", 0),
        "open files": ("RLIMIT_NOFILE", _FILES),
    }
    for name, (key, value) in wanted.items():
        try:
            resource.setrlimit(getattr(resource, key), (value, value))
        except (AttributeError, ValueError, OSError):
            lacking.append(name)
    return lacking


def forbid() -> None:
    """Refuse, from here on and for good, network, processes, and writing of files."""
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        mode, flags = args[1], args[2]
        writes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        with contextlib.suppress(TypeError):
            writes = writes or bool(flags & _WRITING)
        if writes and args[0] != os.devnull:
            raise PermissionError("npnet check: a layer may not write files")
    elif event.startswith(REFUSED):
        raise PermissionError(f"npnet check: a layer may not use {event}")
