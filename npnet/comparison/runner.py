"""Making the runs: several processes at once, each with its share of the threads."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npnet.base.files import printable
from npnet.base.signals import PARENT
from npnet.comparison.display import Display
from npnet.comparison.runs import ERRORS, OUTPUT, Run
from npnet.runs.commands import reason

__all__ = ["POLL", "Failure", "Pool", "Processes", "make", "make_in", "start"]

POLL = 0.1  # seconds between two looks at the processes
GRACE = 30.0  # seconds that a stopped process has to end by itself


@dataclass(frozen=True)
class Failure:
    """Why a run has no result: its exit code, None where it was not started, and its last words."""

    code: int | None
    reason: str


def make(
    runs: Sequence[Run], jobs: int, threads: int, display: Display, failures: dict[str, Failure]
) -> None:
    """Make every run that is not done, `jobs` at once, each computing with `threads` threads.

    Args:
        failures: receives those that fail, by the name of the run.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; what ran was stopped, and can be resumed.
    """
    waiting = [run for run in runs if run.result is None]
    make_in(Processes(waiting, jobs, threads), display, failures)


def make_in(pool: Pool, display: Display, failures: dict[str, Failure]) -> None:
    """Make every run that waits in a pool; see `make`."""
    try:
        while pool.waiting or pool.running:
            for run in pool.fill():
                display.started(run)
            time.sleep(POLL)
            for run, failure in pool.collect():
                if failure:
                    failures[run.name] = failure
                display.ended(run, failure.reason if failure else None)
            display.update(pool.running)
    finally:
        pool.stop()


class Pool(ABC):
    """Runs that wait, and those that are being made, each with what stands for its process."""

    def __init__(self, waiting: list[Run]) -> None:
        self.waiting = waiting
        self.running: dict[Run, Any] = {}
        self._ended: list[tuple[Run, Failure | None]] = []  # without a process of this comparison

    def fill(self) -> list[Run]:
        """Start as many as there is room for; those that an orphan of a killed comparison makes
        must wait.
        """
        started = []
        for run in list(self.waiting):
            if not self.has_room():
                break
            if run.is_busy:
                continue
            self.waiting.remove(run)
            if run.result is not None:  # the orphan has ended it meanwhile
                self._ended.append((run, None))
                continue
            try:
                self.running[run] = self.start(run)
                started.append(run)
            except OSError as error:  # of its folder: another run's may be better
                self._ended.append((run, Failure(None, printable(reason(error)))))
        return started

    def collect(self) -> list[tuple[Run, Failure | None]]:
        """The runs that have ended since the last look, with what was wrong."""
        ended = list(self._ended)
        self._ended.clear()
        return ended + list(self.look())

    @abstractmethod
    def has_room(self) -> bool:
        """Whether one more can be started."""

    @abstractmethod
    def start(self, run: Run) -> Any:
        """Start a run, or let it go on. OSError where its folder can't be written."""

    @abstractmethod
    def look(self) -> Iterable[tuple[Run, Failure | None]]:
        """Those of `running` that have ended, which are removed from it."""

    @abstractmethod
    def stop(self) -> None:
        """Interrupt what still runs, and wait for it to end."""


class Processes(Pool):
    """The processes of runs. Each is spawned: one that ran kernels could not be forked."""

    def __init__(self, waiting: list[Run], jobs: int, threads: int) -> None:
        super().__init__(waiting)
        self.jobs, self.threads = jobs, threads

    def has_room(self) -> bool:
        return len(self.running) < self.jobs

    def start(self, run: Run) -> subprocess.Popen[bytes]:
        command = run.prepare()
        with _interrupts_heeded():
            return start(run, command, self.threads)

    def look(self) -> Iterator[tuple[Run, Failure | None]]:
        for run, process in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            del self.running[run]
            failed = code != 0 or run.result is None
            yield run, Failure(code, run.reason(code)) if failed else None

    def interrupt(self, run: Run) -> None:
        """Let a run end as it is, where it still runs."""
        if run in self.running:
            self.running[run].send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Interrupt what still runs, wait for it to end, and kill what does not."""
        for process in self.running.values():
            process.send_signal(signal.SIGINT)
        end = time.monotonic() + GRACE
        try:
            for process in self.running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(end - time.monotonic(), 0))
        finally:  # also at a second Ctrl-C
            for process in self.running.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()


def start(
    run: Run,
    command: Sequence[str],
    threads: int,
    directory: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """The process of a run that was prepared; it does not outlive this one.

    Args:
        command: what `Run.prepare` returned.
        directory: the folder to run in; None is this process's.
        environment: variables to add to this process's.
    """
    own = {"NPNET_NUM_THREADS": str(threads), PARENT: str(os.getpid())}
    with (run.folder / OUTPUT).open("ab") as output, (run.folder / ERRORS).open("wb") as errors:
        # A session of its own: the terminal's Ctrl-C reaches this process alone, which passes it
        # on once.
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=directory,
            env=os.environ | dict(environment or {}) | own,
            start_new_session=True,
        )


@contextlib.contextmanager
def _interrupts_heeded() -> Iterator[None]:
    """Let processes that are started here heed SIGINT, by which they are stopped.

    A shell lets its background jobs ignore it, and a process passes that on to those it starts.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
