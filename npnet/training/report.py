"""What is drawn and said of a run at its end."""

from __future__ import annotations

import dataclasses
from typing import Any

from npnet.base.files import atomic_write
from npnet.runs.files import RESULT, to_json
from npnet.runs.plots import confusion_png
from npnet.training import plots, result
from npnet.training.checkpoint import OF_THE_PLACE
from npnet.training.config import Config
from npnet.training.metrics import Score, confusion_matrix, worst_errors
from npnet.training.ranks import of_first
from npnet.training.trainer import Training, evaluate, mirrored_accuracy

__all__ = [
    "PER_CLASS",
    "PICTURES",
    "ask_for_curves",
    "draw_curves",
    "measure_best",
    "report",
]

PER_CLASS = "classes.csv"
PICTURES = ("curves.png", "confusion.png", "errors.png")
_LONGEST_TITLE = 32  # of a data set in the title of a picture


def ask_for_curves(training: Training) -> None:
    """Let the learning curves of the finished epochs be drawn, if there is one."""
    progress = training.progress
    if progress.history and training.log_dir is not None:
        training.artists[0].ask(
            plots.curves_png,
            progress.history,
            progress.best_epoch,
            _title(training),
            training.config.criterion,
        )


def draw_curves(training: Training) -> None:
    """Write the learning curves that were asked for."""
    if training.progress.history and training.log_dir is not None:
        _draw(training, "curves", training.artists[0].take())


def _draw_test(training: Training, test: Score) -> None:
    data, one, other = training.data, training.artists[0], training.artists[-1]
    title = f"{_title(training)}: {test.accuracy:.2f} % of {test.total} test images"
    confusion = confusion_matrix(test.labels, test.predicted, len(data.classes))
    one.ask(confusion_png, confusion, data.classes, title)
    x = data.test.x
    are_pictures = x is not None and x.ndim == 4 and x.shape[1] in (1, 3)
    if one is other or not are_pictures:
        _draw(training, "confusion", one.take())
    if are_pictures:
        errors = worst_errors(test.logits, test.labels, result.WORST)
        wrong = test.total - test.correct
        title += f", {wrong} errors"
        title += f", the {len(errors)} worst" if len(errors) < wrong else ""
        images = [x[error.index] for error in errors]
        other.ask(plots.errors_png, images, errors, data.classes, title)
        if one is not other:
            _draw(training, "confusion", one.take())
        _draw(training, "errors", other.take())


def _draw(training: Training, name: str, png: bytes) -> None:
    assert training.log_dir is not None
    atomic_write(training.log_dir / f"{name}.png", png)
    training.picture(name, png)


def _title(training: Training) -> str:
    config, name = training.config, training.data.name
    if len(name) > _LONGEST_TITLE:
        name = name[: _LONGEST_TITLE - 3] + "..."
    how = f"{config.criterion}, {config.optimizer} {config.learning_rate:g}"
    return f"{config.network} on {name}, {how}"


def measure_best(training: Training) -> Score:
    """Load the best weights into the network, test them, and let `training.result` say so.

    Where no image tests, there is no result.
    """
    config, data, learner = training.config, training.data, training.learner
    progress = training.progress
    learner.load_weights(of_first(training.store.load_best))
    test = evaluate(learner, data, data.test)
    if not test.total:
        return test
    outcome = result.classification(config, data, learner, progress, test)
    if config.mirror_test:
        outcome["test"]["mirrored_accuracy"] = mirrored_accuracy(learner, data, data.test)
    best = progress.history[progress.best_epoch - 1]
    training.result = outcome
    training.hparams = (
        {"library": learner.lib.__name__} | _compared_by(config),
        {
            "hparam/test_accuracy": test.accuracy,
            "hparam/test_loss": test.loss,
            "hparam/test_sampled_accuracy": outcome["test"]["sampled_accuracy"],
            "hparam/val_accuracy": best.val_accuracy,
        },
    )
    return test


def _compared_by(config: Config) -> dict[str, Any]:
    """The settings that runs are compared by: no folders, and nothing that has no use here.

    TensorBoard shows the accuracies after all of them.
    """
    names = [field.name for field in dataclasses.fields(config)]
    left_out = {*OF_THE_PLACE, *config.idle}
    values = {name: getattr(config, name) for name in names if name not in left_out}
    return {name: value for name, value in values.items() if value is not None and value != ()}


def report(training: Training) -> Score:
    """Test the best checkpoint, write and draw what came of it, and say where everything is."""
    data, progress, log_dir = training.data, training.progress, training.log_dir
    ask_for_curves(training)
    try:
        test = measure_best(training)
    finally:
        draw_curves(training)
    if test.total and log_dir is not None:
        _draw_test(training, test)
        outcome = dict(training.result or {})
        atomic_write(log_dir / PER_CLASS, result.classes_csv(outcome).encode())
        # Last of the files: whoever finds it finds the others.
        atomic_write(log_dir / RESULT, to_json(outcome).encode())
    if test.total:
        training.callbacks.tell("on_test_end", training)
    best = progress.history[progress.best_epoch - 1]
    chosen = "the last" if not len(data.val) else f"validation {best.val_accuracy:.2f} %"
    which = f"best checkpoint: epoch {progress.best_epoch}, {chosen}"
    lines = [which]
    if test.total:
        said = f"{test.correct} of {test.total} on {data.name}; loss {test.loss:.4f}; {which}"
        lines = [
            f"test accuracy {test.accuracy:.2f} %  ({said})",
            result.summary_line(dict(training.result or {})),
        ]
    if training.checkpoint_dir is not None:
        lines.append(f"weights and settings: {training.checkpoint_dir}")
    if log_dir is not None:
        lines.append(f"logs and pictures:    {log_dir}")
        lines.append(f"curves:               tensorboard --logdir {log_dir.parent}")
    training.say("\n".join(lines))
    return test
