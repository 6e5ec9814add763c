"""What watches a run and tells of it: the terminal, log.txt, metrics.csv and TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from npnet.base.files import atomic_write
from npnet.runs.files import to_csv
from npnet.runs.tensorboard import EventFile

__all__ = [
    "Callback",
    "Callbacks",
    "LogFile",
    "MetricsFile",
    "Progress",
    "Record",
    "Score",
    "TensorBoard",
    "Terminal",
]


class Score(Protocol):
    """What is known of an epoch that goes on."""

    @property
    def figures(self) -> str:
        """What a progress bar shows."""


class Record(Protocol):
    """A finished epoch: a dataclass, whose fields are the columns of metrics.csv."""

    @property
    def epoch(self) -> int:
        """From 1."""

    def scalars(self) -> dict[str, float]:
        """The curves of TensorBoard by tag."""


class Progress(Protocol):
    """How far a run has come."""

    @property
    def history(self) -> Sequence[Record]:
        """The finished epochs."""

    def line(self, epochs: int) -> str:
        """The last of them in one line, of `epochs` in all."""


class Callback:
    """Is told of what happens in a run. A subclass overrides what it wants to know."""

    def on_message(self, text: str) -> None:
        """A line, or several, for the user."""

    def on_resume(self, progress: Progress) -> None:
        """A run goes on; when it was stopped, nobody may have been told of its last epoch."""

    def on_batch(self, epoch: int, done: int, total: int, score: Score) -> None:
        """A progress bar may show that `done` of `total` are done, in an epoch of this score."""

    def on_measured(self, epoch: Record, progress: Progress) -> None:
        """An epoch was finished and validated, and is about to be saved."""

    def on_epoch(self, epoch: Record, progress: Progress) -> None:
        """The epoch was saved."""

    def on_picture(self, name: str, png: bytes, epoch: int) -> None:
        """A picture of the run was drawn, which shows how it stands after an epoch."""

    def on_end(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """The best checkpoint was tested; `settings` are what to compare the run by."""

    def close(self) -> None:
        """The run is over, whether it ended well or not."""


class Callbacks(Callback):
    """Tells several."""

    def __init__(self, *callbacks: Callback) -> None:
        self.callbacks = callbacks

    def on_message(self, text: str) -> None:
        for callback in self.callbacks:
            callback.on_message(text)

    def on_resume(self, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_resume(progress)

    def on_batch(self, epoch: int, done: int, total: int, score: Score) -> None:
        for callback in self.callbacks:
            callback.on_batch(epoch, done, total, score)

    def on_measured(self, epoch: Record, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_measured(epoch, progress)

    def on_epoch(self, epoch: Record, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_epoch(epoch, progress)

    def on_picture(self, name: str, png: bytes, epoch: int) -> None:
        for callback in self.callbacks:
            callback.on_picture(name, png, epoch)

    def on_end(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_end(settings, metrics)

    def close(self) -> None:
        for callback in self.callbacks:
            callback.close()


def _progress_bar(console: Any) -> Any:
    """A bar with epoch and figures, which a task's fields hold; none where nobody would see it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:3.0f} %  {task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Terminal(Callback):
    """The user's terminal: a progress bar where it is one, else plain lines alone."""

    def __init__(self, epochs: int) -> None:
        from rich.console import Console

        self.epochs = epochs
        self.console = Console(highlight=False, soft_wrap=True)
        self.bar = _progress_bar(self.console)
        self._task: Any = None

    def on_message(self, text: str) -> None:
        self.console.print(text, markup=False)

    def on_resume(self, progress: Progress) -> None:
        self.on_message(f"resuming after {progress.line(self.epochs)}")

    def on_batch(self, epoch: int, done: int, total: int, score: Score) -> None:
        if self._task is None:
            self._task = self.bar.add_task("", total=total, epoch="", figures="")
            self.bar.start()
        name = f"{epoch}/{self.epochs}"
        self.bar.update(self._task, completed=done, epoch=name, figures=score.figures)

    def on_epoch(self, epoch: Record, progress: Progress) -> None:
        if self.bar.finished:
            self._stop_bar()
        self.on_message(progress.line(self.epochs))

    def _stop_bar(self) -> None:
        if self._task is not None:
            self.bar.stop()
            self.bar.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        self._stop_bar()


class LogFile(Callback):
    """log.txt: what the terminal says, with the time; a resumed run goes on in it."""

    def __init__(self, path: Path, epochs: int) -> None:
        self.path, self.epochs = path, epochs

    def on_message(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{stamp}  {line}\n" for line in text.splitlines())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(lines)

    def on_resume(self, progress: Progress) -> None:
        self.on_message(f"resuming after {progress.line(self.epochs)}")

    def on_epoch(self, epoch: Record, progress: Progress) -> None:
        self.on_message(progress.line(self.epochs))


class MetricsFile(Callback):
    """metrics.csv: a line for each finished epoch, also of the run that was resumed.

    It is written before the epoch is saved, since it alone says how long the epoch took.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_resume(self, progress: Progress) -> None:
        self._write(progress)

    def on_measured(self, epoch: Record, progress: Progress) -> None:
        self._write(progress)

    def _write(self, progress: Progress) -> None:
        atomic_write(self.path, to_csv(progress.history).encode())


class TensorBoard(Callback):
    """TensorBoard events: curves, the hyper-parameters as text and hparams, and the pictures.

    Args:
        finished: epochs of the run that is resumed, 0 of a new one; the last of them is told again.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], finished: int = 0) -> None:
        self.events = EventFile(folder, purge_step=finished or None)
        self.events.settings(settings)

    def on_resume(self, progress: Progress) -> None:
        self.on_epoch(progress.history[-1], progress)

    def on_epoch(self, epoch: Record, progress: Progress) -> None:
        self.events.scalars(epoch.epoch, epoch.scalars())

    def on_picture(self, name: str, png: bytes, epoch: int) -> None:
        self.events.png(name, epoch, png)

    def on_end(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        self.events.hparams(settings, metrics)

    def close(self) -> None:
        self.events.close()
