"""Python's multiprocessing under PyTorch's name: tensors are sent to other processes as copies.

Those that were shared (`Tensor.share_memory_`, `Module.share_memory`) stay on the same memory.
PyTorch shares whatever is sent; here a child that changes another tensor changes its own.
Beside Python's names: `spawn`, which runs a function in several processes.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from multiprocessing import *  # noqa: F403 # all that Python's has
from multiprocessing import __all__ as _all
from multiprocessing import connection
from pathlib import Path
from typing import Any

__all__ = [
    *_all,
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """A child of `spawn` did not come to its end.

    Attributes:
        msg: what is known of it.
        error_index: its number.
        error_pid: its process id.
    """

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __str__(self) -> str:
        return self.msg


class ProcessRaisedException(ProcessException):
    """The function raised an exception in the child, whose traceback is in `msg`.

    Example:
        >>> raised = npnet.multiprocessing.ProcessRaisedException("Traceback ...", 0, 123)
        >>> raised.error_index, raised.msg
        (0, 'Traceback ...')
    """


class ProcessExitedException(ProcessException):
    """The child exited by itself or was ended by a signal.

    Attributes:
        exit_code: what `Process.exitcode` says.
        signal_name: such as SIGKILL; None if it exited.

    Example:
        >>> exited = npnet.multiprocessing.ProcessExitedException("killed", 0, 123, -9, "SIGKILL")
        >>> exited.exit_code, exited.signal_name
        (-9, 'SIGKILL')
    """

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.args = (msg, error_index, error_pid, exit_code, signal_name)
        self.exit_code, self.signal_name = exit_code, signal_name


class ProcessContext:
    """The children that `spawn(..., join=False)` has started.

    Attributes:
        processes: each a `multiprocessing.Process`.
    """

    def __init__(self, processes: Sequence[Any], folder: str) -> None:
        self.processes = list(processes)
        self._folder = folder  # with the tracebacks
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._running = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The process ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until a child ends. Whether all have; call it until they have.

        If one failed, the others are terminated, and killed if that takes too long.

        Args:
            timeout: seconds to wait at most.
            grace_period: seconds that the others have to end by themselves, and then again to
                terminate; default none, and 30.

        Raises:
            ProcessRaisedException, ProcessExitedException: a child failed.
        """
        if not self._running:
            return True
        for ready in connection.wait(list(self._running), timeout):
            assert isinstance(ready, int)
            i = self._running.pop(ready)
            self.processes[i].join()
            if self.processes[i].exitcode != 0:
                self._end_all(grace_period)
                raise self._error(i)
        return not self._running

    def _end_all(self, grace: float | None) -> None:
        if grace is not None:
            self._wait(grace)
        for process in self.processes:
            process.terminate()
        self._wait(30 if grace is None else grace)
        for process in self.processes:
            process.kill()
            process.join()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0, end - time.monotonic()))

    def _error(self, i: int) -> ProcessException:
        process, told = self.processes[i], _told(self._folder, i)
        code = process.exitcode
        if told.exists():
            text = told.read_text("utf-8")
            msg = f"\n\n-- Process {i} terminated with the following error:\n{text}"
            return ProcessRaisedException(msg, i, process.pid)
        if code >= 0:
            msg = f"process {i} terminated with exit code {code}"
            return ProcessExitedException(msg, i, process.pid, code)
        known = {s.value: s.name for s in signal.Signals}
        name = known.get(-code, f"<Unknown signal {-code}>")
        msg = f"process {i} terminated with signal {name}"
        return ProcessExitedException(msg, i, process.pid, code, name)


def _told(folder: str, i: int) -> Path:
    """Where a child leaves the traceback of what it could not handle."""
    return Path(folder) / f"{i}.txt"


def _run(fn: Callable[..., Any], i: int, args: tuple[Any, ...], folder: str) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent has it too
    except Exception:
        _told(folder, i).write_text(traceback.format_exc(), "utf-8")
        sys.exit(1)


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`spawn`, by any of Python's start methods."""
    context: Any = multiprocessing.get_context(start_method)
    folder = tempfile.mkdtemp(prefix="npnet-spawn-")
    processes = [
        context.Process(target=_run, args=(fn, i, args, folder), daemon=daemon)
        for i in range(nprocs)
    ]
    for process in processes:
        process.start()
    children = ProcessContext(processes, folder)
    if not join:
        return children
    while not children.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run `fn(i, *args)` in processes i = 0 ... nprocs - 1, each of which starts Python afresh.

    Args:
        fn: a function of a module, which a child can import.
        nprocs: how many processes.
        join: whether to wait for all of them.
        daemon: whether they end with this process, and can't have children.
        start_method: default spawn; `start_processes` is for others.

    Returns:
        None, or if not `join` the children.

    Raises:
        ProcessRaisedException, ProcessExitedException: a child failed; the others were ended.

    Source: `torch.multiprocessing.spawn`.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The names that PyTorch has for ways to send shared memory.

    Example:
        >>> sorted(npnet.multiprocessing.get_all_sharing_strategies())
        ['file_descriptor', 'file_system']
    """
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """The name that was set last.

    Example:
        >>> name = npnet.multiprocessing.get_sharing_strategy()
        >>> name in npnet.multiprocessing.get_all_sharing_strategies()
        True
    """
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose how PyTorch sends shared memory; here it is by its descriptor whichever is set.

    Example:
        >>> before = npnet.multiprocessing.get_sharing_strategy()
        >>> npnet.multiprocessing.set_sharing_strategy("file_system")
        >>> npnet.multiprocessing.get_sharing_strategy()
        'file_system'
        >>> npnet.multiprocessing.set_sharing_strategy(before)
    """
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        names = sorted(get_all_sharing_strategies())
        raise AssertionError(f"set_sharing_strategy: must be one of {names}, got {new_strategy!r}")
    _strategy = new_strategy
