"""Two processes compile: this one what it needs next, and a helper what it will need last.

Compiling is Python's work more than LLVM's, so threads do not help. Where a network is first used
on a machine, a second process begins at the end of what a training step of it needs, and this one
meets it about the middle. What either compiles it keeps on disk; the other loads it from there.

They agree by files in a folder of their own: whoever makes that of a kernel first, compiles it, and
makes another when it is kept. Waiting can't go round, for a kernel waits for what it calls alone.
A helper that is gone is not waited for; one whose parent is gone ends by itself.

Nothing here needs Numba, and nothing is started where all kernels are on disk.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from npnet.base import expected, grad_mode, processes, threads

__all__ = ["EVERY_KERNEL", "Session", "ask", "begin", "join", "session"]

EVERY_KERNEL = "all"  # what `npnet warmup` compiles

PROGRAM = "npnet.cli.ahead"  # what the helper runs
MOMENT = 0.002  # seconds from one look at the other's files to the next
KERNEL_SECONDS = 60  # seconds for one kernel; then it is compiled here too
PREFIX, FORGOTTEN_SECONDS = "ahead-", 3600  # of a session's folder
USUAL = "lenet_fc"  # the network that is taken for any, until
KEPT_AT_LEAST = 10  # kernels are on this machine


class Session:
    """Kernels that are compiled by two processes.

    Args:
        folder: of the two.
        helper: the other process, in the one that started it.
    """

    def __init__(self, folder: Path, helper: subprocess.Popen[bytes] | None = None) -> None:
        self.folder, self.helper, self.owner = folder, helper, os.getpid()
        self._ours: set[str] = set()

    def claim(self, kernel: str) -> bool:
        """Whether this process shall compile it: the other one neither does nor did."""
        if kernel in self._ours or os.getpid() != self.owner:  # forked since: on its own
            return True
        try:
            (self.folder / _name(kernel)).touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:  # the folder is gone, or full
            pass
        self._ours.add(kernel)
        return True

    def wait(self, kernel: str, tell: Callable[[Session], None] | None = None) -> None:
        """Until the other process has compiled it, or can't be expected to; `tell` meanwhile."""
        kept, end = self.folder / f"{_name(kernel)}.kept", time.monotonic() + KERNEL_SECONDS
        for moment in itertools.count(1):
            if kept.exists() or not self._is_other_there() or time.monotonic() > end:
                break
            time.sleep(MOMENT)
            if tell is not None and moment % 100 == 0:
                tell(self)

    def keep(self, kernel: str) -> None:
        """Say that it is on disk, or never will be."""
        if os.getpid() == self.owner:
            with contextlib.suppress(OSError):
                (self.folder / f"{_name(kernel)}.kept").touch()

    def _is_other_there(self) -> bool:
        return self.helper is None or self.helper.poll() is None  # a helper ends with its parent

    def plan(self, kernels: list[str]) -> None:
        """Write down what there is to compile."""
        with contextlib.suppress(OSError):
            (self.folder / "plan").write_text("\n".join(map(_name, kernels)))

    def progress(self) -> tuple[int, int] | None:
        """How many kernels are kept, and how many there are to compile, once that is known."""
        try:
            names = (self.folder / "plan").read_text().split()
            kept = {path.stem for path in self.folder.glob("*.kept")}
        except OSError:
            return None
        return len(kept.intersection(names)), len(names)

    def end(self) -> None:
        """Let the helper go, wherever it is."""
        if os.getpid() != self.owner or self.helper is None:
            return
        with contextlib.suppress(OSError):
            self.helper.kill()
        self.helper.wait()
        if self.helper.stdin is not None:
            self.helper.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_session: Session | None = None
_is_asked = False


def begin(folder: Path, options: Mapping[str, str]) -> Session | None:
    """The session of this process; at the first kernel that is missing the helper is started.

    Args:
        folder: where kernels are kept.
        options: of the environment, by which the helper comes to the same kernels.
    """
    if not _is_asked and grad_mode.state.enabled:  # what is learnt needs twice as many, and more
        network = expected.network() or (USUAL if _is_new(folder) else None)
        ask(folder, network, options)
    return _session


def ask(folder: Path, work: str | None, options: Mapping[str, str]) -> Session | None:
    """Start the helper, if one is of use; else, or without work, there will be none.

    Args:
        work: a network, or EVERY_KERNEL.
    """
    global _session, _is_asked
    _is_asked = True
    if work is not None and _can_help():
        _session = _start(folder, work, options)
    return _session


def session() -> Session | None:
    """The one of this process, if there is one."""
    return _session


def join(folder: Path) -> Session:
    """The session that this process was started for."""
    global _session, _is_asked
    _session, _is_asked = Session(folder), True
    return _session


def _is_new(folder: Path) -> bool:
    """Whether hardly anything was compiled on this machine."""
    return len(list(itertools.islice(folder.glob("*/*.nbi"), KEPT_AT_LEAST))) < KEPT_AT_LEAST


def _can_help() -> bool:
    """Whether another process may compute beside this one."""
    return processes.is_of_use() and threads.get_num_threads() > 1


def _start(folder: Path, work: str, options: Mapping[str, str]) -> Session | None:
    try:
        _remove_forgotten(folder)
        common = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    except OSError:
        return None
    alone = {"NPNET_NUM_THREADS": "1", "NPNET_BACKEND": "numba"}
    try:
        helper = subprocess.Popen(
            [sys.executable, "-c", f"from {PROGRAM} import main; main()", str(common), work],
            env={**os.environ, **alone, **options, "PYTHONPATH": processes.module_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_apart(),
        )
    except (OSError, ValueError):
        shutil.rmtree(common, ignore_errors=True)
        return None
    made = Session(common, helper)
    atexit.register(made.end)
    return made


def _remove_forgotten(folder: Path) -> None:
    """Remove what sessions left behind whose processes were both killed."""
    for common in folder.glob(f"{PREFIX}*"):
        if time.time() - common.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(common, ignore_errors=True)


def _apart() -> dict[str, Any]:
    """Ctrl-C is for this process alone."""
    if os.name == "nt":
        flags = "CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP", "BELOW_NORMAL_PRIORITY_CLASS"
        return {"creationflags": sum(getattr(subprocess, flag) for flag in flags)}
    return {"start_new_session": True}


def _name(kernel: str) -> str:
    return hashlib.sha256(kernel.encode()).hexdigest()[:32]
