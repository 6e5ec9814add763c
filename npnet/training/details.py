"""What TensorBoard gets beyond the curves: --log_every and --log_images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npnet.plots.errors import plot_errors
from npnet.plots.images import first_filters, plot_filters
from npnet.plots.style import encode
from npnet.runs.callbacks import Callback
from npnet.runs.tensorboard import EventFile
from npnet.training.metrics import worst_errors

__all__ = ["STEPS", "ImagesToTensorBoard", "StepsToTensorBoard"]

STEPS = "steps"  # folder of events by step, beside those by epoch
_WORST = 18  # errors of the validation split


class StepsToTensorBoard(Callback):
    """The loss and the learning rate of every Nth step, counted from 1 through all epochs.

    They are in a folder of their own, a run of its own in TensorBoard: what a resumed run tells
    again is dropped there by its step, which elsewhere is an epoch.

    Args:
        folder: for logs.
        every: N.
        finished: epochs of the run that is resumed, 0 of a new one.
    """

    def __init__(self, folder: Path, every: int, finished: int = 0) -> None:
        self.folder, self.every, self.finished = folder / STEPS, every, finished
        self._events: EventFile | None = None
        self._rate = 0.0

    def on_train_start(self, trainer: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        done = self.finished * trainer.steps
        self._events = EventFile(self.folder, purge_step=done + 1 if done else None)

    def on_epoch_start(self, trainer: Any) -> None:
        self._rate = trainer.learning_rate

    def on_step_end(self, trainer: Any) -> None:
        step = (trainer.epoch - 1) * trainer.steps + trainer.step
        if step % self.every == 0 and self._events is not None:
            values = {"step/loss": trainer.loss, "step/learning_rate": self._rate}
            self._events.scalars(step, values)
        self._rate = trainer.learning_rate  # a schedule may have set it, for the next step

    def close(self) -> None:
        if self._events is not None:
            self._events.close()


class ImagesToTensorBoard(Callback):
    """By epoch: the filters of the first layer, histograms, and the worst errors of validation.

    The histograms are of each parameter and of its gradient in the last step. The errors are those
    of the network in training; to find them the validation split is gone through once more.
    """

    def __init__(self, events: EventFile) -> None:
        self._events = events

    def on_checkpoint(self, trainer: Any) -> None:
        for name, parameter in trainer.model.named_parameters():
            values = parameter.detach().numpy()
            self._events.histogram(f"weights/{name}", trainer.epoch, values)
            if parameter.grad is not None:
                gradient = parameter.grad.detach().numpy()
                self._events.histogram(f"gradients/{name}", trainer.epoch, gradient)
        self._filters(trainer)
        self._errors(trainer)

    def _filters(self, trainer: Any) -> None:
        try:
            name, weight = first_filters(trainer.model, trainer.data.image_shape)
        except ValueError:  # a network of the user's own may have none
            return
        title = f"{trainer.config.model} on {trainer.data.name}, epoch {trainer.epoch}: {name}"
        self._events.png(
            f"filters/{name}", trainer.epoch, encode(plot_filters(weight, title=title))
        )

    def _errors(self, trainer: Any) -> None:
        data = trainer.data
        if not len(data.val):
            return
        score = trainer.evaluate(data.val.x, data.val.y)
        errors = worst_errors(score.logits, data.val.y, _WORST)
        images = [data.val.x[error.index] for error in errors]
        title = f"{trainer.config.model} on {data.name}, epoch {trainer.epoch}, validation images"
        axes = plot_errors(images, errors, data.classes, title=title)
        self._events.png("val/errors", trainer.epoch, encode(axes))
