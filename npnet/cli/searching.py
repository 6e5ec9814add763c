"""What `npnet compare --search` does: trials of a space, made here or on several machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from npnet.comparison.display import TrialDisplay
from npnet.comparison.runs import Run
from npnet.comparison.search import run_of, search
from npnet.comparison.search_report import BEST, Trials
from npnet.comparison.spec import counted
from npnet.comparison.study import Study
from npnet.runs.errors import FailedError

__all__ = ["make_trials"]

Report = Callable[[Sequence[Run], Trials], None]


def make_trials(
    study: Study, output: Path, total: int, jobs: int, threads: int, report: Report
) -> None:
    """Make what is missing of `total` trials, and report all of them, also where it is stopped.

    Args:
        output: that this process alone is writing to.
        jobs: trials at once.
        threads: of each.
        report: writes the report, of the best runs of this folder and of all trials.

    Raises:
        FailedError: no trial has a score, or the storage failed.
    """
    runs = output / "runs"
    runs.mkdir(exist_ok=True)  # it tells whose the report is, also where all trials are elsewhere
    with study.watched():
        done = study.done(total)
    display = TrialDisplay(done, total)
    try:
        with display:
            kept = f", {done} of them done already" if done else ""
            share = counted(threads, "thread")
            display.say(
                f"{study.space.grid.name}: search of {counted(total, 'trial')}{kept}; {jobs} at "
                f"once with {share} each"
            )
            search(study, runs, total, jobs, threads, display)
    except KeyboardInterrupt:
        _report(study, runs, total, report)
        raise
    trials = _report(study, runs, total, report)
    _check(trials)


def _report(study: Study, runs: Path, total: int, report: Report) -> Trials:
    with study.watched():
        trials = Trials.of(study, total)
    best = [run_of(study, record, runs) for record in trials.complete if record.is_ours]
    report([run for run in best if run is not None][:BEST], trials)
    return trials


def _check(trials: Trials) -> None:
    """Say what is not done; raise FailedError where nothing is to be had of the search."""
    print(trials.summary)
    running = [record for record in trials.records if record.state == "running"]
    if running:
        places = ", ".join(f"{record.number} ({record.host})" for record in running)
        print(
            f"not done: {places}; they are made elsewhere, or were left there by a process that "
            "was killed: the same command in that place takes them up"
        )
    failed = [record for record in trials.records if record.state == "failed"]
    if failed and not trials.complete:
        last = max(failed, key=lambda record: record.number)
        raise FailedError(
            f"no trial is complete, {len(failed)} of {len(trials.records)} failed; the last "
            f"one: {last.reason}"
        )
