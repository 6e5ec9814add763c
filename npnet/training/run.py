"""A run from its settings to the test accuracy: folders, data, network, training, report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npnet
from npnet import datasets
from npnet.base.files import atomic_write, user_path
from npnet.datasets import AUTO, DataError
from npnet.models.checkpoint import BEST
from npnet.models.summary import summary
from npnet.runs.callbacks import Callback, Callbacks, LogFile, MetricsFile, TensorBoard, Terminal
from npnet.runs.errors import ConfigError, DivergedError
from npnet.runs.files import CONFIG, EVENTS, LAST, METRICS, RESULT, to_json
from npnet.runs.folders import locked, log_folder, make_folder, set_aside
from npnet.runs.plots import confusion_png
from npnet.serialization import checksum_of
from npnet.training import plots, result
from npnet.training.checkpoint import Checkpoints, Progress, best_file, read_seconds
from npnet.training.config import Config
from npnet.training.data import Data, prepare
from npnet.training.initial import load_initial
from npnet.training.learner import Learner, initial_model
from npnet.training.metrics import Score, confusion_matrix, worst_errors
from npnet.training.resume import check_same_data, needs_renewal, restore_learner, resumed
from npnet.training.trainer import Training, best_facts, evaluate, fit

__all__ = ["Result", "run"]

_LONGEST_TITLE = 32  # of a data set in the title of a picture
LOG, PER_CLASS = "log.txt", "classes.csv"
_PICTURES = ("curves.png", "confusion.png", "errors.png")


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        test: loss, accuracy and predictions of the best checkpoint on the test split.
        progress: the finished epochs.
    """

    test: Score
    progress: Progress
    checkpoint_dir: Path
    log_dir: Path


def run(config: Config, build: Callable[[Config, Data], Learner]) -> Result:
    """Train the network that `build` makes, and test the checkpoint that validated best.

    Raises:
        ConfigError: a setting does not fit the data, the folders or the run to be resumed.
        DivergedError: the loss became infinite or NaN.
        datasets.DataError, serialization.CheckpointError, OSError: a file can't be had or written.
    """
    npnet.set_num_threads(config.threads or npnet.get_num_threads())  # PyTorch learns from its data
    checkpoints = Checkpoints(make_folder(config.checkpoint_dir, "checkpoint_dir"))
    with locked(checkpoints.folder, "checkpoint_dir"):
        terminal = Terminal(config.epochs)
        config, data, learner, progress = _begin(config, build, checkpoints, terminal)
        overview = _overview(config, data, learner.lib)  # before any file: the images must fit
        log_dir = log_folder(config.log_dir, config.model)
        config = dataclasses.replace(config, log_dir=str(log_dir))
        with (
            _locked_unless(checkpoints.folder, log_dir),
            _watched(config, terminal, progress) as callback,
        ):
            training = Training(config, data, learner, progress, checkpoints, callback)
            _announce(training, overview)
            _renew_best(training)
            try:
                fit(training)
            except (KeyboardInterrupt, DivergedError):  # not a full disk: it has no room for them
                _draw_curves(training)
                raise
            _draw_curves(training)
            return _report(training)


# ---- folders -----------------------------------------------------------------------------------


def _locked_unless(own: Path, log_dir: Path) -> contextlib.AbstractContextManager[None]:
    """Lock the folder of logs, unless it is the one of checkpoints, which is locked already."""
    same = own.resolve() == log_dir.resolve()
    return contextlib.nullcontext() if same else locked(log_dir, "log_dir")


def _set_aside(folder: Path, names: tuple[str, ...], callback: Callback) -> None:
    said = set_aside(folder, names)
    if said is not None:
        callback.on_message(said)


@contextlib.contextmanager
def _watched(config: Config, terminal: Terminal, progress: Progress) -> Iterator[Callback]:
    """Everything that is told of the run; closed at its end, however it ends."""
    folder = Path(str(config.log_dir))
    if not config.resume:
        _set_aside(folder, (LOG, METRICS, RESULT, PER_CLASS, *_PICTURES, EVENTS), terminal)
    callbacks = Callbacks(
        terminal,
        LogFile(folder / LOG, config.epochs),
        MetricsFile(folder / METRICS),
        TensorBoard(folder, dataclasses.asdict(config), progress.epoch),
    )
    try:
        yield callbacks
    finally:
        callbacks.close()


# ---- beginnings --------------------------------------------------------------------------------


def _begin(
    config: Config,
    build: Callable[[Config, Data], Learner],
    checkpoints: Checkpoints,
    terminal: Callback,
) -> tuple[Config, Data, Learner, Progress]:
    """Data, network and, of a run that is resumed, where it stands.

    No file is written yet, but for a config.json that was lost.

    Returns:
        The settings too, in which `dataset` is never "auto": it is what was taken.
    """
    saved = None
    if config.resume:
        config, saved = resumed(config, checkpoints, terminal)
    progress = Progress() if saved is None else saved.progress
    data = _data(config, terminal)
    if config.dataset == AUTO:
        config = dataclasses.replace(config, dataset=data.name)
    check_same_data(progress, data)
    progress.data = data.identity
    _check_last_batch(config, data)
    learner = build(config, data)
    if saved is not None:
        restore_learner(learner, saved, data, config, checkpoints.folder)
        if config.log_dir is not None:
            progress.take_seconds(read_seconds(user_path(config.log_dir) / METRICS, progress))
    elif config.init_from is not None:
        load_initial(learner, user_path(config.init_from), len(data.classes))
    return config, data, learner, progress


def _data(config: Config, terminal: Callback) -> Data:
    try:
        return prepare(config, terminal.on_message)
    except DataError as error:
        if not (config.resume and datasets.names_npz(config.dataset)):
            raise
        raise DataError(
            f"{error}; if the file of the run was moved, say where it is now by --dataset: it is "
            "known by its checksum"
        ) from error


def _announce(training: Training, overview: str) -> None:
    """Make room for a new run, or go on with an old one, and say what it is."""
    config, callback = training.config, training.callback
    if config.resume:
        # It is the sign of a finished run, and of this one no longer.
        (training.log_dir / RESULT).unlink(missing_ok=True)
        callback.on_resume(training.progress)
    else:
        # Last first: without it the folder is no run's, wherever this is stopped.
        _set_aside(training.checkpoints.folder, (LAST, BEST, CONFIG), callback)
        callback.on_message(overview)
    if config.unused:
        names = ", ".join(config.unused)
        callback.on_message(
            f"{config.optimizer} and scheduler {config.schedule} have no use for: {names}"
        )
    training.checkpoints.save_config(config)


def _renew_best(training: Training) -> None:
    """Write best.safetensors again where its weights are those of the last epoch, and it is not.

    The run was stopped after it had written last.safetensors, or somebody lost the file since.
    """
    config, progress, checkpoints = training.config, training.progress, training.checkpoints
    if not config.resume or not needs_renewal(progress, checkpoints):
        return
    best = best_file(training.learner.weights(), best_facts(config, training.data, progress))
    progress.best_checksum = checksum_of(best)
    checkpoints.save_best(best)
    training.callback.on_message(f"{BEST} was written again, from {LAST}")


def _check_last_batch(config: Config, data: Data) -> None:
    """Batch norm can't tell the variance of one value, which a last image alone may be.

    Raises:
        ConfigError: the network refuses the last batch of an epoch.
    """
    if len(data.train) % config.batch_size != 1 and config.batch_size > 1:
        return
    model = initial_model(config, data)
    try:
        with npnet.no_grad():
            model(npnet.zeros(1, *data.image_shape))
    except ValueError as error:
        raise ConfigError(
            f"batch_size: the last batch of {len(data.train)} training images has a single one, "
            f"but {error}; choose another --batch_size or a larger --image_size"
        ) from None


def _overview(config: Config, data: Data, lib: Any) -> str:
    """What is about to happen in `lib`, npnet or torch, and the network layer by layer."""
    c, h, w = data.image_shape
    network = summary(initial_model(config, data), (1, c, h, w))
    counts = f"{len(data.train)} training, {len(data.val)} validation, {len(data.test)} test"
    return (
        f"{lib.__name__} {lib.__version__}: {config.model} on {data.name}, "
        f"{lib.get_num_threads()} threads\n"
        f"{counts} images of {c} x {h} x {w}, {len(data.classes)} classes\n"
        f"{network}"
    )


# ---- ends --------------------------------------------------------------------------------------


def _draw_curves(training: Training) -> None:
    progress = training.progress
    if progress.history:
        png = plots.curves_png(progress.history, progress.best_epoch, _title(training))
        _draw(training, "curves", png)


def _draw_test(training: Training, test: Score) -> None:
    data = training.data
    title = f"{_title(training)}: {test.accuracy:.2f} % of {test.total} test images"
    confusion = confusion_matrix(data.test.y, test.predicted, len(data.classes))
    png = confusion_png(confusion, data.classes, title)
    _draw(training, "confusion", png)
    errors = worst_errors(test.logits, data.test.y, result.WORST)
    wrong = test.total - test.correct
    title += f", {wrong} errors" + (f", the {len(errors)} worst" if len(errors) < wrong else "")
    png = plots.errors_png(data.test.x, errors, data.classes, title)
    _draw(training, "errors", png)


def _draw(training: Training, name: str, png: bytes) -> None:
    atomic_write(training.log_dir / f"{name}.png", png)
    training.callback.on_picture(name, png, training.progress.epoch)


def _title(training: Training) -> str:
    config, name = training.config, training.data.name
    if len(name) > _LONGEST_TITLE:
        name = name[: _LONGEST_TITLE - 3] + "..."
    how = f"{config.criterion}, {config.optimizer} {config.learning_rate:g}"
    return f"{config.model} on {name}, {how}"


def _report(training: Training) -> Result:
    """Test the best checkpoint, write and draw what came of it, and say where everything is."""
    config, data, learner = training.config, training.data, training.learner
    progress, checkpoints, log_dir = training.progress, training.checkpoints, training.log_dir
    learner.load_weights(checkpoints.load_best())
    test = evaluate(learner, data, data.test)
    _draw_test(training, test)
    outcome = result.classification(config, data, learner, progress, test)
    atomic_write(log_dir / PER_CLASS, result.classes_csv(outcome).encode())
    # Last of the files: whoever finds it finds the others.
    atomic_write(log_dir / RESULT, to_json(outcome).encode())
    best = progress.history[progress.best_epoch - 1]
    training.callback.on_end(
        {"library": learner.lib.__name__} | dataclasses.asdict(config),
        {
            "hparam/test_accuracy": test.accuracy,
            "hparam/test_loss": test.loss,
            "hparam/test_sampled_accuracy": outcome["test"]["sampled_accuracy"],
            "hparam/val_accuracy": best.val_accuracy,
        },
    )
    chosen = "the last" if not len(data.val) else f"validation {best.val_accuracy:.2f} %"
    training.callback.on_message(
        f"test accuracy {test.accuracy:.2f} %  ({test.correct} of {test.total} on {data.name}; "
        f"loss {test.loss:.4f}; best checkpoint: epoch {progress.best_epoch}, {chosen})\n"
        f"{result.summary_line(outcome)}\n"
        f"weights and settings: {checkpoints.folder}\n"
        f"logs and pictures:    {log_dir}\n"
        f"curves:               tensorboard --logdir {log_dir.parent}"
    )
    return Result(test, progress, checkpoints.folder, log_dir)
