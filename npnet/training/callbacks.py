"""What watches a run and tells of it: the terminal, log.txt, metrics.csv and TensorBoard."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from pathlib import Path
from typing import Any

from npnet.base.files import atomic_write
from npnet.training.checkpoint import Progress
from npnet.training.config import Config
from npnet.training.metrics import Epoch, Score
from npnet.training.tensorboard import EventFile

__all__ = [
    "Callback",
    "Callbacks",
    "LogFile",
    "MetricsFile",
    "TensorBoard",
    "Terminal",
    "progress_bar",
]


class Callback:
    """Is told of what happens in a run. A subclass overrides what it wants to know."""

    def on_message(self, text: str) -> None:
        """A line, or several, for the user."""

    def on_resume(self, progress: Progress) -> None:
        """A run goes on; when it was stopped, nobody may have been told of its last epoch."""

    def on_batch(self, epoch: int, done: int, total: int, score: Score) -> None:
        """`done` of `total` images of an epoch are trained on; `score` is the epoch's so far."""

    def on_measured(self, epoch: Epoch, progress: Progress) -> None:
        """An epoch was finished and validated, and is about to be saved."""

    def on_epoch(self, epoch: Epoch, progress: Progress) -> None:
        """The epoch was saved."""

    def on_picture(self, name: str, png: bytes, progress: Progress) -> None:
        """A picture of the run was drawn."""

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

    def on_measured(self, epoch: Epoch, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_measured(epoch, progress)

    def on_epoch(self, epoch: Epoch, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_epoch(epoch, progress)

    def on_picture(self, name: str, png: bytes, progress: Progress) -> None:
        for callback in self.callbacks:
            callback.on_picture(name, png, progress)

    def on_end(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_end(settings, metrics)

    def close(self) -> None:
        for callback in self.callbacks:
            callback.close()


def epoch_line(epoch: Epoch, epochs: int, best: bool) -> str:
    """An epoch in one line, as terminal and log.txt show it."""
    width = len(str(epochs))
    validation = (
        f"  val loss {epoch.val_loss:.4f}  acc {epoch.val_accuracy:6.2f} %"
        if epoch.val_loss == epoch.val_loss  # not NaN: something was held out
        else ""
    )
    seconds = f"  {epoch.seconds:.1f} s" if epoch.seconds == epoch.seconds else ""
    return (
        f"epoch {epoch.epoch:{width}}/{epochs}  "
        f"train loss {epoch.train_loss:.4f}  acc {epoch.train_accuracy:6.2f} %{validation}  "
        f"lr {epoch.learning_rate:.3g}{seconds}{'  best' if best else ''}"
    )


def resume_line(progress: Progress, epochs: int) -> str:
    """Where a resumed run goes on, as terminal and log.txt show it."""
    last = progress.history[-1]
    return f"resuming after {epoch_line(last, epochs, progress.best_epoch == last.epoch)}"


def progress_bar(console: Any) -> Any:
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
        self.bar = progress_bar(self.console)
        self._task: Any = None

    def on_message(self, text: str) -> None:
        self.console.print(text, markup=False)

    def on_resume(self, progress: Progress) -> None:
        self.on_message(resume_line(progress, self.epochs))

    def on_batch(self, epoch: int, done: int, total: int, score: Score) -> None:
        if self._task is None:
            self._task = self.bar.add_task("", total=total, epoch="", figures="")
            self.bar.start()
        figures = f"loss {score.loss:.4f}  acc {score.accuracy:.2f} %"
        self.bar.update(self._task, completed=done, epoch=f"{epoch}/{self.epochs}", figures=figures)

    def on_epoch(self, epoch: Epoch, progress: Progress) -> None:
        self._stop_bar()
        self.on_message(epoch_line(epoch, self.epochs, progress.best_epoch == epoch.epoch))

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
        self.on_message(resume_line(progress, self.epochs))

    def on_epoch(self, epoch: Epoch, progress: Progress) -> None:
        self.on_message(epoch_line(epoch, self.epochs, progress.best_epoch == epoch.epoch))


class MetricsFile(Callback):
    """metrics.csv: a line for each finished epoch, also of the run that was resumed.

    It is written before the epoch is saved, since it alone says how long the epoch took.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_resume(self, progress: Progress) -> None:
        self._write(progress)

    def on_measured(self, epoch: Epoch, progress: Progress) -> None:
        self._write(progress)

    def _write(self, progress: Progress) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([field.name for field in dataclasses.fields(Epoch)])
        writer.writerows(dataclasses.astuple(e) for e in progress.history)
        atomic_write(self.path, text.getvalue().encode())


class TensorBoard(Callback):
    """TensorBoard events: curves, the hyper-parameters as text and hparams, and the pictures.

    Args:
        finished: epochs of the run that is resumed, 0 of a new one; the last of them is told again.
    """

    def __init__(self, folder: Path, config: Config, finished: int) -> None:
        self.events = EventFile(folder, purge_step=finished or None)
        self.events.settings(dataclasses.asdict(config))

    def on_resume(self, progress: Progress) -> None:
        self.on_epoch(progress.history[-1], progress)

    def on_epoch(self, epoch: Epoch, progress: Progress) -> None:
        values = {
            "train/loss": epoch.train_loss,
            "train/accuracy": epoch.train_accuracy,
            "val/loss": epoch.val_loss,
            "val/accuracy": epoch.val_accuracy,
            "val/sampled_accuracy": epoch.val_sampled_accuracy,
            "learning_rate": epoch.learning_rate,
            "seconds": epoch.seconds,
        }
        self.events.scalars(epoch.epoch, {k: v for k, v in values.items() if v == v})

    def on_picture(self, name: str, png: bytes, progress: Progress) -> None:
        self.events.png(name, progress.epoch, png)

    def on_end(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        self.events.hparams(settings, metrics)

    def close(self) -> None:
        self.events.close()
