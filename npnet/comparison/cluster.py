"""Making the runs on a Dask cluster: which workers may, who makes which run, and what travels.

A run is one task, for a worker that this process chooses: the least busy of those that have room.
A task whose worker is gone is given to another, with the last checkpoint. Dask holds no more than
what is being made, so that Ctrl-C, or the loss of the scheduler, leaves nothing behind on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from npnet.base.files import printable
from npnet.comparison import alike, machine, on_worker
from npnet.comparison.connection import CONNECT, UNREACHED
from npnet.comparison.needs import Needs, shown_size
from npnet.comparison.runner import GRACE, POLL, Failure, Pool
from npnet.comparison.runs import Run
from npnet.comparison.spec import counted
from npnet.runs.errors import ConfigError, FailedError

__all__ = ["Workers"]

BEAT = 1.0  # seconds between two looks at the workers
SHARE = 0.2  # of the time may go into fetching checkpoints
MOST_DEATHS = 3  # of workers, until their run is blamed for it
_VARIABLES = ("NPNET_BACKEND",)  # of the environment, that runs on workers have as well


@dataclass
class _Worker:
    """One that may make runs."""

    threads: int
    memory: int  # bytes of its machine
    sees: bool  # the folder of the runs


@dataclass
class _Task:
    """A run on a worker."""

    future: Any
    address: str
    known: dict[str, on_worker.Stamp] = field(default_factory=dict)  # files that were fetched


class Workers(Pool):
    """Runs on the workers of a cluster.

    Args:
        client: Dask's.
        folder: of the runs.
        jobs: the most runs at once; None is as many as there is room for.
        needs: what each run is given.
        say: tells the user a line.

    Raises:
        ConfigError: workers that can't make these runs, named with the reason.
        FailedError: there is no worker.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        client: Any,
        folder: Path,
        jobs: int | None,
        needs: Needs,
        say: Callable[[str], None],
    ) -> None:
        super().__init__([run for run in runs if run.result is None])
        self.client, self.jobs, self.needs, self.say = client, jobs, needs, say
        environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        self.comparison = on_worker.Comparison(
            secrets.token_hex(8), folder.resolve(), os.getcwd(), environment
        )
        self.asked = machine.asked_of([run.spec for run in runs])
        self.workers: dict[str, _Worker] = {}
        self.refused: set[str] = set()
        self.deaths: Counter[str] = Counter()
        self.next_beat = self.next_fetch = 0.0
        self.reference: dict[str, dict[str, str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.comparison.mark.touch()
        try:
            self._meet_first()
        except BaseException:
            self.comparison.mark.unlink()
            raise

    @property
    def room(self) -> int:
        """How many runs may be made at once."""
        places = sum(self._places(address) for address in self.workers)
        return places if self.jobs is None else min(places, self.jobs)

    # ---- who may ---------------------------------------------------------------------------------

    def _meet_first(self) -> None:
        there = self._reach(self.client.nthreads) or {}
        if not there:
            raise FailedError(
                "cluster: the scheduler has no workers; start some, each with: dask worker ADDRESS"
            )
        refused = self._meet(there)
        if refused:
            address, why = next(iter(refused.items()))
            count = f"{len(refused)} of {counted(len(there), 'worker')} can't make these runs"
            raise ConfigError(f"cluster: {count}: {address}: {why}")
        if not self.room:
            self._refuse_all()

    def _refuse_all(self) -> NoReturn:
        """Raise ConfigError with what no worker has."""
        needs, most = self.needs, max(worker.threads for worker in self.workers.values())
        if most < needs.threads:
            raise ConfigError(
                f"threads: {needs.threads} for each run, and no worker has more than {most}; lower "
                "--threads or raise --jobs"
            )
        largest = max(map(self._memory, self.workers))
        raise ConfigError(
            f"memory: {shown_size(needs.memory or 0)} for each run, and no worker has more than "
            f"{shown_size(largest)}; lower --memory, or start fewer workers on a machine"
        )

    def _places(self, address: str) -> int:
        return self.needs.places(self.workers[address].threads, self._memory(address))

    def _meet(self, there: Mapping[str, int]) -> dict[str, str]:
        """Let workers make runs that are like the others. Returns the rest, with what differs."""
        answers = self._ask(on_worker.probe, self.comparison, json.dumps(self.asked), of=there)
        found, refused = {}, {}
        for address, answer in answers.items():
            if isinstance(answer, Exception):
                refused[address] = alike.unable(answer)
            else:
                found[address] = json.loads(answer[1])
        here = machine.files(self.asked)
        self.reference = self.reference or alike.most_common(found.values(), here)
        for address, told in found.items():
            why = alike.differences(told, self.reference)
            if why:
                refused[address] = why
            else:
                sees, _, memory = answers[address]
                self.workers[address] = _Worker(there[address], memory, sees)
        self._grant()
        self.refused |= refused.keys()
        return refused

    def _grant(self) -> None:
        """Tell the scheduler what runs may have on each worker."""
        for address, worker in self.workers.items():
            self._ask(on_worker.grant, worker.threads, self._memory(address), of=[address])

    def _memory(self, address: str) -> int:
        """Bytes that the runs of a worker may have: those of one machine share its memory."""
        beside = sum(_host(other) == _host(address) for other in self.workers)
        return self.workers[address].memory // beside

    def _beat(self) -> None:
        """See who came and who went, and fetch checkpoints that are written elsewhere."""
        there = self._reach(self.client.nthreads)
        if there is None:
            return
        gone = self.workers.keys() - there.keys()
        for address in gone:
            del self.workers[address]
        if gone:
            self._grant()
        self.refused &= there.keys()
        new = {a: n for a, n in there.items() if a not in self.workers and a not in self.refused}
        if new:
            for address, why in self._meet(new).items():
                self.say(f"not used: {address}: {why}")
        if time.monotonic() >= self.next_fetch:
            start = time.monotonic()
            self._fetch()
            end = time.monotonic()
            self.next_fetch = end + (end - start) / SHARE

    # ---- runs ------------------------------------------------------------------------------------

    def has_room(self) -> bool:
        return len(self.running) < self.room and bool(self._free())

    def _free(self) -> list[str]:
        """The workers that have room for one more run."""
        busy = Counter(task.address for task in self.running.values())
        return [address for address in self.workers if self._places(address) > busy[address]]

    def start(self, run: Run) -> _Task:
        free = self._free()
        loads = self._reach(self.client.processing) or {}
        address = min(free, key=lambda one: (len(loads.get(one, ())), free.index(one)))
        files: on_worker.Files = {}
        if not self.workers[address].sees:
            run.prepare()
            files = on_worker.read(run.folder)
        job = on_worker.Job(
            self.comparison, run.spec, run.name, run.identity, self.needs.threads, files
        )
        resources = {on_worker.THREADS: self.needs.threads}
        if self.needs.memory is not None:
            resources[on_worker.MEMORY] = self.needs.memory
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a checkpoint is large, and goes once
            future = self.client.submit(
                on_worker.make_run,
                job,
                key=f"npnet-{run.name}-{secrets.token_hex(8)}",
                workers=[address],
                allow_other_workers=False,
                resources=resources,
                retries=0,
                pure=False,
            )
        return _Task(future, address)

    def look(self) -> Iterable[tuple[Run, Failure | None]]:
        if self.client.status == "closed":
            raise FailedError(
                "cluster: the scheduler is gone; what is finished stays, and the same command goes "
                "on with the rest"
            )
        if time.monotonic() >= self.next_beat:
            self._beat()
            self.next_beat = time.monotonic() + BEAT
        for run, task in list(self.running.items()):
            status = task.future.status
            if status == "finished":
                yield from self._finished(run, task)
            elif status == "error":
                del self.running[run]
                error = task.future.exception()
                yield run, Failure(None, printable(f"{type(error).__name__}: {error}"))
            elif status in ("cancelled", "lost"):  # with the connection to the scheduler
                self._again(run)
            elif task.address not in self.workers:
                yield from self._died(run, task)

    def _finished(self, run: Run, task: _Task) -> Iterator[tuple[Run, Failure | None]]:
        try:
            ended = task.future.result(timeout=CONNECT)
        except UNREACHED:  # the worker is gone, and with it what it returned
            return
        del self.running[run]
        if ended.files is not None:
            on_worker.write(run.folder, ended.files)
        elif ended.reason is None:
            _wait_for(run)
        failed = ended.reason is not None or run.result is None
        why = ended.reason or run.damage or "its result did not come back"
        yield run, Failure(ended.code, why) if failed else None

    def _died(self, run: Run, task: _Task) -> Iterator[tuple[Run, Failure | None]]:
        """Give the run of a worker that is gone to another one."""
        self.deaths[run.name] += 1
        self._reach(task.future.cancel)
        if self.deaths[run.name] < MOST_DEATHS:
            self.say(f"lost     {run.name}: {task.address} is gone; another worker goes on with it")
            self._again(run)
            return
        del self.running[run]
        why = f"{counted(MOST_DEATHS, 'worker')} that made it are gone (out of memory?)"
        yield run, Failure(None, why)

    def _again(self, run: Run) -> None:
        del self.running[run]
        self.waiting.insert(0, run)

    def _fetch(self) -> None:
        """Bring the files of runs here whose workers write them elsewhere."""
        elsewhere = {
            run.name: (run, task)
            for run, task in self.running.items()
            if task.address in self.workers and not self.workers[task.address].sees
        }
        known = {name: task.known for name, (_, task) in elsewhere.items()}
        addresses = {task.address for _, task in elsewhere.values()}
        answers = self._ask(on_worker.look, self.comparison.word, known, of=addresses)
        for address, answer in answers.items():
            for name, files in {} if isinstance(answer, Exception) else answer.items():
                run, task = elsewhere[name]
                if task.address == address:
                    on_worker.write(run.folder, files)
                    task.known |= {name: stamp for name, (stamp, _) in files.items()}

    def stop(self) -> None:
        """Let go of what still runs, and wait until the workers have ended it."""
        self.comparison.mark.unlink(missing_ok=True)
        if not self.running or self.client.status != "running":
            return
        self._fetch()
        self._reach(self.client.cancel, [task.future for task in self.running.values()])
        end = time.monotonic() + GRACE + CONNECT
        while time.monotonic() < end and self.client.status == "running":
            answers = self._ask(on_worker.visits, self.comparison.word, of=self.workers)
            if not any(answer for answer in answers.values() if isinstance(answer, list)):
                break
            time.sleep(POLL)

    # ---- words with the scheduler ----------------------------------------------------------------

    def _ask(self, what: Callable[..., Any], *arguments: Any, of: Iterable[str]) -> dict[str, Any]:
        """The answers of workers by their addresses, an exception where one could not answer."""
        addresses = list(of)
        if not addresses:
            return {}
        answers = self._reach(
            self.client.run, what, *arguments, workers=addresses, on_error="return"
        )
        return answers or {}

    def _reach(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the scheduler answers; None where it does not, which `look` tells if it lasts."""
        try:
            return call(*arguments, **options)
        except UNREACHED:
            return None


def _host(address: str) -> str:
    """The machine of a worker, tcp://host:port."""
    return address.rpartition(":")[0]


def _wait_for(run: Run) -> None:
    """Until a network's file system shows here what a worker has written there."""
    end = time.monotonic() + CONNECT
    while run.result is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            os.listdir(run.folder)  # which lets it look again
        time.sleep(POLL)
