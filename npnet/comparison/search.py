"""Making the trials of a search: runs that Optuna draws, several at once, hopeless ones stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from npnet.comparison.display import TrialDisplay, score_of
from npnet.comparison.outcome import DamagedError, read_columns
from npnet.comparison.runner import POLL, Failure, Processes
from npnet.comparison.runs import Run, place_one
from npnet.comparison.spec import Spec
from npnet.comparison.study import Record, Study, Trial
from npnet.runs.errors import ConfigError
from npnet.runs.files import METRICS

__all__ = ["run_of", "search"]


@dataclass
class _Running:
    """A trial with its run.

    Attributes:
        pruned: the epoch after which it was found hopeless; None while it is not.
    """

    trial: Trial
    pruned: int | None = None


def search(
    study: Study, folder: Path, total: int, jobs: int, threads: int, display: TrialDisplay
) -> None:
    """Make trials until the study has `total`, `jobs` at once, with `threads` threads each.

    Args:
        folder: of the runs.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; what ran was stopped, and is taken up again.
        FailedError: the storage failed.
    """
    with study.watched():
        _Search(study, folder, total, display, Processes([], jobs, threads)).make()


class _Search:
    """The trials that are being made, by their runs."""

    def __init__(
        self, study: Study, folder: Path, total: int, display: TrialDisplay, pool: Processes
    ) -> None:
        self.study, self.folder, self.total = study, folder, total
        self.display, self.pool = display, pool
        self.active: dict[Run, _Running] = {}

    def make(self) -> None:
        """Make all of them."""
        try:
            while self._fill():
                for run in self.pool.fill():
                    self.display.started(run)
                time.sleep(POLL)
                for run in list(self.pool.running):
                    self._watch(run)
                for run, failure in self.pool.collect():
                    self._settle(run, failure)
                self.display.update(self.pool.running)
        finally:
            self.pool.stop()

    def _fill(self) -> bool:
        """Take as many trials as are made at once; whether there is any to be made."""
        while len(self.active) < self.pool.jobs and (trial := self.study.take(self.total)):
            try:
                spec = self.study.space.spec(trial.values)
            except ConfigError as error:  # its values are possible each, but not together
                self.study.fail(trial, str(error))
                self.display.say(f"{_name(trial.number)}: failed: {error}")
                continue
            run = place_one(spec, self.folder, _name(trial.number))
            self.active[run] = _Running(trial)
            self.pool.waiting.append(run)
        return bool(self.active)

    def _watch(self, run: Run) -> None:
        """Ask the pruner about each epoch that is new; an epoch that is over is judged as it was.

        So what is pruned does not depend on how fast the run is.
        """
        running = self.active[run]
        for epoch, score in self._epochs(run):
            if running.pruned is None and self.study.is_hopeless(running.trial, epoch, score):
                running.pruned = epoch
                self.pool.interrupt(run)

    def _epochs(self, run: Run) -> Iterator[tuple[int, float]]:
        """Epochs after which it may be stopped, with their accuracy; a fit is made whole."""
        if self.study.space.is_function:
            return
        try:
            columns = read_columns(run.folder / METRICS)
        except DamagedError:  # told where the run is over
            return
        for epoch, score in zip(columns["epoch"], columns.get("val_accuracy", ()), strict=False):
            if epoch < run.spec.epochs:
                yield int(epoch), float(score)

    def _settle(self, run: Run, failure: Failure | None) -> None:
        """Tell what a run that is over came to."""
        self._watch(run)
        running = self.active.pop(run)
        if running.pruned is not None:
            self.study.prune(running.trial)
            said = f"pruned after epoch {running.pruned} of {run.spec.epochs}"
        elif failure is not None or not math.isfinite(score := _score(run)):
            reason = failure.reason if failure else "its score is no finite number"
            self.study.fail(running.trial, reason)
            said = f"failed: {reason}"
        else:
            self.study.complete(running.trial, score)
            said = score_of(run)
        self.display.settled(run, self.study.done(self.total), said)


def _score(run: Run) -> float:
    """What a search chooses by: the accuracy on the validation split, or a fit's error."""
    outcome = run.outcome()
    if outcome is None:
        return math.nan
    path = ("test", "loss") if outcome.is_function else ("val", "accuracy")
    return outcome.figure(*path)


def run_of(study: Study, record: Record, folder: Path) -> Run | None:
    """The run of a trial of this folder; None where its values can't go together, or are not drawn.

    Args:
        folder: of the runs.
    """
    try:
        spec: Spec = study.space.spec(record.values)
    except ConfigError:
        return None
    return place_one(spec, folder, _name(record.number))


def _name(number: int) -> str:
    return f"trial_{number:03d}"
