"""npnet's own callbacks of any run: the terminal, log.txt, metrics.csv and TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npnet.base.files import atomic_write
from npnet.runs.callbacks import Callback
from npnet.runs.commands import in_words
from npnet.runs.files import to_csv
from npnet.runs.tensorboard import EventFile

__all__ = ["LogFile", "MetricsFile", "TensorBoard", "Terminal", "Watcher"]

TOLD_SECONDS = 0.05  # from one figure of the bar to the next: it is drawn half as often


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


class Watcher(Callback):
    """Shows a run to the user: in a terminal, or in a notebook."""

    def say(self, text: str) -> None:
        """Show a line, or several."""
        raise NotImplementedError

    def on_message(self, trainer: Any, text: str) -> None:
        self.say(text)


class Terminal(Watcher):
    """The user's terminal: a progress bar where it is one, else plain lines alone."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, soft_wrap=True)
        self.bar = _progress_bar(self.console)
        self._task: Any = None
        self._due = 0.0  # when the bar is to be told again

    def say(self, text: str) -> None:
        self.console.print(in_words(text, self.console.file), markup=False)

    def on_step_end(self, trainer: Any) -> None:
        now = time.monotonic()
        if self._task is not None and now < self._due and trainer.done < trainer.total:
            return
        self._due = now + TOLD_SECONDS
        if self._task is None:
            self._task = self.bar.add_task("", total=trainer.total, epoch="", figures="")
            self.bar.start()
        name = f"{trainer.epoch}/{trainer.epochs}"
        self.bar.update(self._task, completed=trainer.done, epoch=name, figures=trainer.figures)

    def on_checkpoint(self, trainer: Any) -> None:
        if self.bar.finished:
            self._stop_bar()
        self.say(trainer.line)

    def _stop_bar(self) -> None:
        if self._task is not None:
            self.bar.stop()
            self.bar.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        self._stop_bar()


class LogFile(Callback):
    """log.txt: what the terminal says, with the time; a resumed run goes on in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_message(self, trainer: Any, text: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{stamp}  {line}\n" for line in text.splitlines())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(lines)

    def on_checkpoint(self, trainer: Any) -> None:
        self.on_message(trainer, trainer.line)


class MetricsFile(Callback):
    """metrics.csv: a line for each finished epoch, also of the run that was resumed.

    It is written before the epoch is saved, since it alone says how long the epoch took.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Any) -> None:
        if trainer.resumed:
            self._write(trainer)

    def on_epoch_end(self, trainer: Any) -> None:
        self._write(trainer)

    def _write(self, trainer: Any) -> None:
        atomic_write(self.path, to_csv(trainer.history).encode())


class TensorBoard(Callback):
    """TensorBoard events: curves, the hyper-parameters as text and hparams, and the pictures.

    Args:
        finished: epochs of the run that is resumed, 0 of a new one; the last of them is told again.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], finished: int = 0) -> None:
        self.events = EventFile(folder, purge_step=finished or None)
        self.events.settings(settings)

    def on_train_start(self, trainer: Any) -> None:
        if trainer.resumed:  # nobody may have been told of the last epoch
            self.on_checkpoint(trainer)

    def on_checkpoint(self, trainer: Any) -> None:
        last = trainer.history[-1]
        self.events.scalars(last.epoch, last.scalars())

    def on_picture(self, trainer: Any, name: str, png: bytes) -> None:
        self.events.png(name, trainer.epoch, png)

    def on_test_end(self, trainer: Any) -> None:
        self.events.hparams(*trainer.hparams)

    def close(self) -> None:
        self.events.close()
