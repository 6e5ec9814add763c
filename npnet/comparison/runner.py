"""Making the runs: several processes at once, each with its share of the threads."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npnet.base.files import printable
from npnet.base.signals import PARENT
from npnet.comparison.display import Display
from npnet.comparison.runs import ERRORS, OUTPUT, Run
from npnet.runs.commands import reason

__all__ = ["POLL", "Failure", "Pool", "make"]

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
    pool = Pool([run for run in runs if run.result is None], threads)
    try:
        while pool.waiting or pool.running:
            for run in pool.fill(jobs):
                display.started(run)
            time.sleep(POLL)
            for run, failure in pool.collect():
                if failure:
                    failures[run.name] = failure
                display.ended(run, failure.reason if failure else None)
            display.update(pool.running)
    finally:
        pool.stop()


class Pool:
    """The processes of runs. Each is spawned: one that ran kernels could not be forked."""

    def __init__(self, waiting: list[Run], threads: int) -> None:
        self.waiting = waiting
        self.running: dict[Run, subprocess.Popen[bytes]] = {}
        self._ended: list[tuple[Run, Failure | None]] = []  # without a process of this comparison
        self._environment = os.environ | {
            "NPNET_NUM_THREADS": str(threads),
            PARENT: str(os.getpid()),
        }

    def fill(self, jobs: int) -> list[Run]:
        """Start runs up to `jobs`; those that an orphan of a killed comparison makes must wait."""
        started = []
        for run in list(self.waiting):
            if len(self.running) >= jobs:
                break
            if run.is_busy:
                continue
            self.waiting.remove(run)
            if run.result is not None:  # the orphan has ended it meanwhile
                self._ended.append((run, None))
                continue
            try:
                self.running[run] = self._start(run)
                started.append(run)
            except OSError as error:  # of its folder: another run's may be better
                self._ended.append((run, Failure(None, printable(reason(error)))))
        return started

    def _start(self, run: Run) -> subprocess.Popen[bytes]:
        command = [sys.executable, *run.prepare()]
        with (
            (run.folder / OUTPUT).open("ab") as output,
            (run.folder / ERRORS).open("wb") as errors,
            _interrupts_heeded(),
        ):
            # A session of its own: the terminal's Ctrl-C reaches this process alone, which
            # passes it on once.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )

    def collect(self) -> list[tuple[Run, Failure | None]]:
        """The runs that have ended since the last look."""
        ended = list(self._ended)
        self._ended.clear()
        for run, process in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            del self.running[run]
            failed = code != 0 or run.result is None
            ended.append((run, Failure(code, run.reason(code)) if failed else None))
        return ended

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
