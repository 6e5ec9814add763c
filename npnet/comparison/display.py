"""What a comparison shows while it runs: a table on a terminal, else a line for each event."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from npnet.comparison.runs import Run
from npnet.comparison.spec import counted

__all__ = ["Display", "TrialDisplay", "score_of"]

REFRESH = 1.0  # seconds between two tables


class Display:
    """Watches all runs of a comparison; a context, whose table goes when it ends."""

    def __init__(self, runs: Sequence[Run]) -> None:
        from rich.console import Console
        from rich.live import Live

        self.runs = runs
        self.console = Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._done = {run.name: run.spec.epochs for run in runs if run.result is not None}
        self._first_work = self._work()
        self._start = time.monotonic()
        self._shown = 0.0

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A line for the user."""
        self.console.print(text, markup=False)

    def started(self, run: Run) -> None:
        """A run was started, or goes on."""
        if not self.console.is_terminal:
            self.say(f"started  {run.name}")

    def ended(self, run: Run, reason: str | None) -> None:
        """A run is done, or failed for a reason."""
        self._done[run.name] = run.spec.epochs
        place = f"[{len(self._done)}/{len(self.runs)}]"
        self.say(f"{place} {run.name}: {f'failed: {reason}' if reason else score_of(run)}")

    def update(self, running: Iterable[Run]) -> None:
        """Draw the table again, where there is one and it is due."""
        now = time.monotonic()
        if self.console.is_terminal and now - self._shown >= REFRESH:
            self._shown = now
            self._live.update(self._table(list(running)), refresh=True)

    def _table(self, running: Sequence[Run]) -> Any:
        from rich.table import Table

        table = Table("run", "epoch", "val", caption=self._caption(), box=None)
        for run in running:
            last = run.last_epoch()
            table.add_row(
                run.name, f"{last.get('epoch', 0):.0f}/{run.spec.epochs}", _validation(last)
            )
        return table

    def _caption(self) -> str:
        return f"{len(self._done)} of {len(self.runs)} runs done{self._time_left()}"

    def _work(self) -> float:
        """Epochs that are behind us, those of runs that wait to go on among them."""
        others = (run for run in self.runs if run.name not in self._done)
        return sum(self._done.values()) + sum(r.last_epoch().get("epoch", 0) for r in others)

    def _time_left(self) -> str:
        """By the pace so far; nothing before the first epoch."""
        work, whole = self._work(), sum(run.spec.epochs for run in self.runs)
        gained = work - self._first_work
        if not gained:
            return ""
        minutes, seconds = divmod(
            round((time.monotonic() - self._start) * (whole - work) / gained), 60
        )
        return f", {minutes}:{seconds:02d} left at this pace"


class TrialDisplay(Display):
    """Watches the trials of a search, of which nobody knows the last ones yet."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__([])
        self._count, self._total = done, total

    def settled(self, run: Run, done: int, said: str) -> None:
        """A trial is done; so are `done` in all, wherever they are made."""
        self._count = done
        self.say(f"[{done}/{self._total}] {run.name}: {said}")

    def _caption(self) -> str:
        return f"{self._count} of {self._total} trials done"


def _validation(last: dict[str, float]) -> str:
    if not last:
        return ""
    if "val_accuracy" in last:
        return f"{last['val_accuracy']:.2f} %"
    return f"loss {last['val_loss']:.3g}"


def score_of(run: Run) -> str:
    """The result of a finished run in a few words."""
    outcome = run.outcome()
    if outcome is None:
        return "gone"
    if outcome.is_function:
        figure = f"loss {outcome.figure('test', 'loss'):.3g}"
    else:
        figure = f"{outcome.figure('test', 'accuracy'):.2f} %"
    epochs = counted(outcome.result["epochs"], "epoch")
    return f"test {figure}, {epochs} in {outcome.figure('seconds'):.1f} s"
