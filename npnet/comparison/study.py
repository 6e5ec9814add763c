"""The trials of a search, in a storage that several processes may share: all that Optuna is asked.

A trial belongs to the output folder whose process made it, and says so from its first moment.
That folder has one process at a time, so a trial of it that nobody works at was left by one that
was killed, and is taken up again. No clock and no heartbeat says who is alive.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import socket
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.extras import require
from npnet.base.files import atomic_write, printable
from npnet.comparison.outcome import DamagedError, read_json
from npnet.comparison.ranges import Range
from npnet.comparison.space import Space
from npnet.comparison.spec import shown
from npnet.runs.errors import ConfigError, FailedError

__all__ = ["ENOUGH", "JOURNAL", "Record", "Study", "Trial", "check_installed", "without_password"]

JOURNAL = "search.journal"  # in the output folder: the storage where no other is named
OWNER = "search.json"  # beside it: the folder's name among all that share a storage
STARTUP = 5  # complete trials, before which no trial is pruned
ENOUGH = 10  # complete trials, from which the importance of settings is told
GRPC_PORT = 13000  # Optuna's default
PATIENCE = 10.0  # seconds for a server to answer
ATTEMPTS = 20  # to open a database that another process is making
MOMENT = 0.25  # seconds between them
_OWNER, _HOST, _SURPLUS, _REASON = "owner", "host", "surplus", "reason"  # attributes of trials
_TAIL = 1 << 20  # bytes of a journal, in which its last line is
_THEIRS = ("optuna", "sqlalchemy", "grpc")  # whose errors are the storage's
_CHOICES = (type(None), bool, int, float, str)  # that Optuna keeps as they are


def check_installed() -> None:
    """Raise MissingExtraError if Optuna is not installed."""
    require("optuna", "optuna", "npnet compare --search")


@dataclass
class Trial:
    """A trial that this process makes.

    Attributes:
        values: what was drawn, by setting.
        handle: Optuna's.
        reported: the last epoch that the pruner knows; -1 for none.
        judged: the last epoch after which it was asked.
    """

    number: int
    values: Mapping[str, Any]
    handle: Any = field(repr=False)
    reported: int
    judged: int


@dataclass(frozen=True)
class Record:
    """What the storage says of a trial.

    Attributes:
        state: complete, pruned, failed or running.
        values: what was drawn, by setting.
        score: the accuracy that is to be large, or the error that is to be small; of a pruned
            trial that of its last epoch. None where there is none.
        epoch: the last one that was reported; None before the first.
        host: the machine that made it.
        is_ours: whether its run is in this output folder.
        reason: why it failed.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    score: float | None
    epoch: int | None
    host: str
    is_ours: bool
    reason: str


class Study:
    """The trials of one space in one storage."""

    def __init__(self, space: Space, storage: str | None, folder: Path) -> None:
        """Open it, or make it.

        Args:
            storage: a file for Optuna's journal, or the URL of a database or of Optuna's gRPC
                proxy; None is the journal in the output folder.
            folder: of the output, that no other process is writing to; read when it is needed.

        Raises:
            ConfigError: the storage can't be opened.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it tells of each trial
        self.space = space
        self._folder = folder
        self._place = storage or str(folder / JOURNAL)
        self._taken: set[int] = set()
        try:
            with _quiet():
                self._study = optuna.create_study(
                    storage=_open(self._place),
                    study_name=space.name,
                    direction="minimize" if space.is_function else "maximize",
                    pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
                    load_if_exists=True,
                )
        except Exception as error:  # whatever a driver, a server or a damaged file leads to
            raise ConfigError(
                f"storage: can't open {without_password(printable(self._place))}: {_said(error)}; "
                "name a file, or the URL of a database or of Optuna's grpc proxy that is running"
            ) from None

    @functools.cached_property
    def _owner(self) -> str:
        return _owner(self._folder)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Let a storage that fails meanwhile be told in a line. Raises FailedError."""
        try:
            yield
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in _THEIRS:
                raise
            raise FailedError(
                f"storage: {without_password(printable(self._place))} failed: {_said(error)}; the "
                "same command goes on with what is left"
            ) from None

    # ---- trials of this process ----------------------------------------------------------------

    def take(self, total: int) -> Trial | None:
        """A trial to make: one that was left unfinished, else a new one; None if there are enough.

        Others may add trials at the same moment. Numbers are given one by one, so of those that
        add one too many each sees `total` before its own, and gives it up.
        """
        from optuna.trial import TrialState, create_trial

        made = False
        while True:
            live = self._live()
            ours = [(rank, t) for rank, t in enumerate(live) if self._is_left(t)]
            for rank, trial in ours:
                if rank < total:
                    return self._begin(trial)
            if made and ours:
                self._give_up(ours[-1][1])
            if len(live) >= total:
                return None
            attributes = {_OWNER: self._owner, _HOST: socket.gethostname()}
            self._study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
            made = True

    def _live(self) -> list[Any]:
        """The trials that count, in order; what somebody else put in a queue does not."""
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        return [
            trial
            for trial in trials
            if trial.state != TrialState.WAITING and _SURPLUS not in trial.user_attrs
        ]

    def _is_left(self, trial: Any) -> bool:
        """Whether nobody works at a trial of this folder."""
        is_ours = trial.user_attrs.get(_OWNER) == self._owner
        return is_ours and not trial.state.is_finished() and trial.number not in self._taken

    def _begin(self, frozen: Any) -> Trial:
        """Draw the values of a trial, those that were drawn before staying as they are.

        The generator is the trial's own: what is drawn depends on its number and on the trials
        that are done, and not on how often the search was stopped.
        """
        import optuna

        seeds = np.random.SeedSequence([self.space.seed, frozen.number])
        self._study.sampler = optuna.samplers.TPESampler(seed=int(seeds.generate_state(1)[0]))
        handle = self._handle(frozen)
        values = {name: _draw(handle, name, free) for name, free in self.space.free.items()}
        self._taken.add(frozen.number)
        reported = -1 if frozen.last_step is None else frozen.last_step
        # A search may have been killed between the two: the last report is judged again.
        return Trial(frozen.number, values, handle, reported, judged=reported - 1)

    def _handle(self, frozen: Any) -> Any:
        import optuna

        # Study.ask would make a trial that for a moment is nobody's; the id has no public name.
        return optuna.trial.Trial(self._study, frozen._trial_id)

    def _give_up(self, frozen: Any) -> None:
        handle = self._handle(frozen)
        handle.set_user_attr(_SURPLUS, True)
        self._tell(handle, "FAIL")

    def is_hopeless(self, trial: Trial, epoch: int, score: float) -> bool:
        """Report the score of an epoch; whether it is worse than the median of that epoch.

        An epoch that was judged before is not judged again.
        """
        if epoch <= trial.judged:
            return False
        trial.judged = epoch
        if epoch > trial.reported:
            trial.handle.report(score, epoch)
            trial.reported = epoch
        return bool(trial.handle.should_prune())

    def complete(self, trial: Trial, score: float) -> None:
        """A trial has its score."""
        self._study.tell(trial.handle, score)

    def prune(self, trial: Trial) -> None:
        """A trial was stopped, because it was hopeless."""
        self._tell(trial.handle, "PRUNED")

    def fail(self, trial: Trial, reason: str) -> None:
        """A trial has no score, for a reason."""
        trial.handle.set_user_attr(_REASON, reason)
        self._tell(trial.handle, "FAIL")

    def _tell(self, handle: Any, state: str) -> None:
        from optuna.trial import TrialState

        self._study.tell(handle, state=TrialState[state])

    # ---- all trials ----------------------------------------------------------------------------

    def done(self, total: int) -> int:
        """How many of the first `total` are over, whoever made them."""
        return sum(trial.state.is_finished() for trial in self._live()[:total])

    def records(self, total: int) -> list[Record]:
        """The first `total` trials, whoever makes them, the best first; then what has no score."""
        records = [self._record(trial) for trial in self._live()[:total]]
        sign = 1 if self.space.is_function else -1
        order = ("complete", "pruned", "failed", "running")

        def key(record: Record) -> tuple[float, ...]:
            pruned = -(record.epoch or 0) if record.state == "pruned" else 0  # late is better
            score = 0.0 if record.score is None else sign * record.score
            return order.index(record.state), pruned, score, record.number

        return sorted(records, key=key)

    def _record(self, trial: Any) -> Record:
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        values = {
            name: _chosen(self.space.free[name], value)
            for name, value in trial.params.items()
            if name in self.space.free
        }
        finished = trial.state.is_finished() and trial.values
        return Record(
            number=trial.number,
            state=names.get(trial.state.name, "running"),
            values=values,
            score=float(trial.values[0]) if finished else None,
            epoch=trial.last_step,
            host=str(trial.user_attrs.get(_HOST, "")),
            is_ours=trial.user_attrs.get(_OWNER) == self._owner,
            reason=str(trial.user_attrs.get(_REASON, "")),
        )

    def importances(self) -> dict[str, float]:
        """The share of each setting in what makes a trial good, the largest first.

        None at all of fewer than `ENOUGH` complete trials, which say nothing of it.

        By PED-ANOVA: how far the values of the better trials are from those of all. Source:
        Watanabe et al. (2023), "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
        Arbitrary Subspaces".
        """
        import optuna

        if sum(trial.state.name == "COMPLETE" for trial in self._live()) < ENOUGH:
            return {}
        with _quiet():
            try:
                found = optuna.importance.get_param_importances(
                    self._study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
                )
            except (RuntimeError, ValueError):  # all scores are alike, or none is finite
                return {}
        return dict(found) if sum(found.values()) > 0 else {}


# ---- values ------------------------------------------------------------------------------------


def _draw(handle: Any, name: str, free: Range | list[Any]) -> Any:
    if not isinstance(free, Range):
        return _chosen(free, handle.suggest_categorical(name, _choices(free)))
    suggest = handle.suggest_int if free.is_whole else handle.suggest_float
    return suggest(name, free.low, free.high, log=free.is_log)


def _choices(values: list[Any]) -> list[Any]:
    """The values as Optuna keeps them: of tuples their text."""
    return [value if isinstance(value, _CHOICES) else shown(value) for value in values]


def _chosen(free: Range | list[Any], value: Any) -> Any:
    """The value itself, of what Optuna keeps."""
    return value if isinstance(free, Range) else free[_choices(free).index(value)]


# ---- storages ----------------------------------------------------------------------------------


def _open(place: str) -> Any:
    from optuna import storages

    scheme, separator, rest = place.partition("://")
    if not separator:
        from optuna.storages import journal

        path = Path(place).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Windows makes links for administrators alone.
        kind = journal.JournalFileOpenLock if os.name == "nt" else journal.JournalFileSymlinkLock
        _mend(path, kind(str(path)))
        backend = journal.JournalFileBackend(str(path), lock_obj=kind(str(path)))
        return storages.JournalStorage(backend)
    if scheme == "grpc":
        host, _, port = rest.rstrip("/").partition(":")
        proxy = storages.GrpcStorageProxy(host=host, port=int(port or GRPC_PORT))
        proxy.wait_server_ready(timeout=PATIENCE)
        return proxy
    return _database(place)


def _database(url: str) -> Any:
    """A database; who comes second where two processes make its tables finds them made."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    for _ in range(ATTEMPTS):
        try:
            return RDBStorage(url)
        except DBAPIError as error:
            if not any(word in str(error) for word in ("already exists", "UNIQUE", "locked")):
                raise
            time.sleep(MOMENT)
    return RDBStorage(url)


def _mend(path: Path, lock: Any) -> None:
    """Take off the line that a process was killed in, or the power lost: Optuna would read no more.

    Under the lock nobody else is in the middle of a line.
    """
    if not path.exists():
        return
    lock.acquire()
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(size - _TAIL, 0))
            whole = file.read().rfind(b"\n") + 1
            if start + whole < size and (whole or not start):
                file.truncate(start + whole)
    finally:
        lock.release()


def _owner(folder: Path) -> str:
    """The name of an output folder, which stays with it where it is moved."""
    path = folder / OWNER
    with contextlib.suppress(DamagedError):
        said = (read_json(path) or {}).get(_OWNER)
        if isinstance(said, str):
            return said
    name = uuid.uuid4().hex
    atomic_write(path, json.dumps({"format": "npnet search", _OWNER: name}, indent=2).encode())
    return name


def without_password(text: str) -> str:
    """The text with stars for the passwords of URLs."""
    return re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)


def _said(error: Exception) -> str:
    """The first line of what a library said."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_password(printable(lines[0]))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what Optuna warns of: parts of it that may change one day, and few trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
