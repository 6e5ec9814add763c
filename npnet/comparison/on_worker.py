"""What a worker of a Dask cluster does for a comparison: a run in a process of its own.

The run works in the comparison's own folder where the worker sees it, and else in a folder of the
worker's, whose files travel: those of an earlier beginning come with the task, the checkpoints are
asked for while the run goes on (`look`), and all files are what the task returns.

The process ends with its task: when the comparison no longer wants it, when the scheduler or the
worker is gone, and when the worker is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npnet.base.files import atomic_write, printable
from npnet.base.memory import available_memory
from npnet.comparison.runner import GRACE, POLL, start
from npnet.comparison.runs import RECORD, Run
from npnet.comparison.spec import Spec
from npnet.models.checkpoint import BEST
from npnet.runs.commands import reason
from npnet.runs.files import LAST, RESULT

__all__ = [
    "MEMORY",
    "THREADS",
    "Comparison",
    "Ended",
    "Files",
    "Job",
    "Stamp",
    "grant",
    "look",
    "make_run",
    "probe",
    "read",
    "visits",
    "write",
]

THREADS, MEMORY = "npnet", "npnet memory"  # resources of a worker: what runs may have, in bytes
LOCK = ".lock"
_PATIENCE = 120.0  # seconds that a worker has to say what it is
_TRIES = 5  # to read a checkpoint that is being written

Stamp = tuple[int, int]  # when a file was written, and its size
Files = dict[str, tuple[Stamp, bytes]]  # by their paths in a run's folder


@dataclass(frozen=True)
class Comparison:
    """What its runs have in common.

    Attributes:
        word: that no other comparison has.
        runs: the folder of the runs, which a worker may or may not see.
        directory: where the comparison was started.
        environment: variables that a run must have.
    """

    word: str
    runs: Path
    directory: str
    environment: Mapping[str, str]

    @property
    def mark(self) -> Path:
        """The file by which a worker knows the folder of the runs for the same as there."""
        return self.runs / f".comparison-{self.word}"

    @property
    def is_seen(self) -> bool:
        """Whether the folder of the runs is the same here as where the comparison was started."""
        return self.mark.exists()

    @property
    def place(self) -> str | None:
        """The folder to run in here: the one of the comparison's name, where there is one."""
        return self.directory if Path(self.directory).is_dir() else None


@dataclass(frozen=True)
class Job:
    """A run for a worker.

    Attributes:
        identity: what run.json says; the files that it names may be elsewhere on a worker.
        threads: that the run computes with.
        files: what there is of the run, for a worker that does not see its folder.
    """

    comparison: Comparison
    spec: Spec
    name: str
    identity: Mapping[str, Any]
    threads: int
    files: Files = field(repr=False)


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, None where it was not started, and why it has no result.

    Attributes:
        files: what it wrote, where the comparison's folder is not seen.
    """

    code: int | None
    reason: str | None
    files: Files | None = field(repr=False)


# ---- a run ---------------------------------------------------------------------------------------


def make_run(job: Job) -> Ended:
    """Make a run, or go on with it, until it ends or is no longer wanted; the work of a task."""
    with _visit(job) as run:
        try:
            ended = _made(run, job)
        except OSError as error:
            ended = Ended(None, printable(reason(error)), None)
        if run.folder.parent == job.comparison.runs:
            return ended
        return Ended(ended.code, ended.reason, read(run.folder))


_visits: dict[tuple[str, str], Path] = {}  # (comparison, run) -> the folder in which it is made


@contextlib.contextmanager
def _visit(job: Job) -> Iterator[Run]:
    """The run in the folder where it is made, while it is known to `look`."""
    key = (job.comparison.word, job.name)
    while key in _visits:  # the process of an earlier task is ending
        time.sleep(POLL)
    with contextlib.ExitStack() as stack:
        folder = job.comparison.runs
        if not job.comparison.is_seen:
            own = tempfile.TemporaryDirectory(prefix="npnet-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(own))
            write(folder / job.name, job.files)
        run = Run(job.spec, folder / job.name)
        _visits[key] = run.folder
        stack.callback(_visits.pop, key)
        yield run


def _made(run: Run, job: Job) -> Ended:
    wanted = _wanted()
    while run.is_busy:  # by a worker that lost the scheduler, or an orphan
        if not wanted():
            return Ended(None, "stopped", None)
        time.sleep(POLL)
    if run.result is not None:  # it has ended there
        return Ended(0, None, None)
    command, of = run.prepare(job.identity), job.comparison
    process = start(run, command, job.threads, of.place, of.environment)
    try:
        while process.poll() is None and wanted():
            time.sleep(POLL)
    finally:
        _end(process)
    code = process.returncode
    is_done = code == 0 and run.result is not None
    return Ended(code, None if is_done else run.reason(code), None)


def _wanted() -> Callable[[], bool]:
    """What says whether the task of this thread is still to be done, and by this worker."""
    from distributed import Status, get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        at_work = worker.status in (Status.running, Status.paused)
        return at_work and task is not None and task.state == "executing"

    return wanted


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a run that is not wanted end by itself, and kill it if it does not.

    By SIGTERM: a worker that a shell started in the background ignores SIGINT, and so its children.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- files ---------------------------------------------------------------------------------------


def read(folder: Path, known: Mapping[str, Stamp] | None = None) -> Files:
    """The files of a run's folder that are not the ones that are `known`.

    last.safetensors, and best.safetensors which goes with it, are of one epoch.
    """
    for _ in range(_TRIES):
        before = _stamp(folder / LAST)
        files = _read(folder, known or {})
        if _stamp(folder / LAST) == before:
            return files
    return {name: found for name, found in files.items() if name not in (LAST, BEST)}


def _read(folder: Path, known: Mapping[str, Stamp]) -> Files:
    files: Files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in (LOCK, RECORD) or name.endswith(".tmp") or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):  # replaced, or removed, meanwhile
            stamp = _stamp(path)
            if stamp is not None and known.get(name) != stamp:
                files[name] = stamp, path.read_bytes()
    return files


def _stamp(path: Path) -> Stamp | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def write(folder: Path, files: Files) -> None:
    """Write files into a run's folder, so that a process killed meanwhile leaves a run to go on
    with: last.safetensors before best.safetensors, as a run does, and result.json at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = {LAST: 1, BEST: 2, RESULT: 3}
    for name in sorted(files, key=lambda name: order.get(name, 0)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, files[name][1])


# ---- asked by the comparison, beside all tasks --------------------------------------------------


async def probe(comparison: Comparison, asked: str) -> tuple[bool, str, int]:
    """Whether the folder of the runs is seen here, what `machine.found` says, as JSON, and the
    bytes of memory that there are.

    Raises:
        RuntimeError: the program that answers failed, by its last words.
    """
    return *await asyncio.to_thread(_probe, comparison, asked), available_memory()


def _probe(comparison: Comparison, asked: str) -> tuple[bool, str]:
    done = subprocess.run(
        [sys.executable, "-m", "npnet.comparison.machine", asked],
        capture_output=True,
        text=True,
        cwd=comparison.place,
        env=os.environ | dict(comparison.environment),
        timeout=_PATIENCE,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(lines[-1])
    return comparison.is_seen, done.stdout


async def grant(threads: int, memory: int, dask_worker: Any) -> None:
    """Let runs have so many threads and bytes on this worker; all comparisons share them."""
    await dask_worker.set_resources(**{THREADS: threads, MEMORY: memory})


async def look(word: str, known: Mapping[str, Mapping[str, Stamp]]) -> dict[str, Files]:
    """What the runs of a comparison wrote here since what is `known` of them, by their names."""
    there = {name: folder for (of, name), folder in list(_visits.items()) if of == word}

    def look() -> dict[str, Files]:
        found = {}
        for name in known.keys() & there.keys():
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                found[name] = read(there[name], known[name])
        return found

    return await asyncio.to_thread(look)


def visits(word: str) -> list[str]:
    """The runs of a comparison that are being made here."""
    return [name for of, name in list(_visits) if of == word]
