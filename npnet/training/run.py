"""A run from its settings to the test accuracy: folders, data, network, training, report."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import npnet
from npnet import datasets
from npnet.base.files import user_path
from npnet.datasets import AUTO, DataError
from npnet.models.checkpoint import BEST
from npnet.models.summary import summary
from npnet.runs.callbacks import Callback, Callbacks
from npnet.runs.errors import DivergedError
from npnet.runs.files import CONFIG, EVENTS, LAST, METRICS, RESULT
from npnet.runs.folders import locked, log_folder, make_folder, set_aside
from npnet.runs.watchers import LogFile, MetricsFile, TensorBoard, Terminal
from npnet.serialization import checksum_of
from npnet.training.blank import check_network
from npnet.training.checkpoint import Checkpoints, Progress, Saved, best_file, read_seconds
from npnet.training.config import Config
from npnet.training.data import Data, prepare
from npnet.training.initial import load_initial
from npnet.training.learner import Learner, initial_model
from npnet.training.metrics import Score
from npnet.training.parts import Parts
from npnet.training.report import PER_CLASS, PICTURES, draw_curves, report
from npnet.training.resume import (
    check_same_data,
    needs_renewal,
    restore_learner,
    restore_own,
    resumed,
)
from npnet.training.stopping import EarlyStopping
from npnet.training.trainer import Training, best_facts, fit

__all__ = ["LOG", "Result", "run"]

LOG = "log.txt"
_WRITTEN = (LOG, METRICS, RESULT, PER_CLASS, *PICTURES, EVENTS)  # to the folder for logs

Build: TypeAlias = Callable[[Config, Data, Parts], Learner]


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


def run(config: Config, build: Build) -> Result:
    """Train the network that `build` makes, and test the checkpoint that validated best.

    Raises:
        ConfigError: a setting does not fit the data, the folders or the run to be resumed.
        FailedError: the loss became infinite or NaN (DivergedError), or code of the user's own
            failed.
        datasets.DataError, serialization.CheckpointError, OSError: a file can't be had or written.
    """
    npnet.set_num_threads(config.threads or npnet.get_num_threads())  # PyTorch learns from its data
    parts = Parts.of(config)  # before any file is made: what can't be executed can't be trained
    checkpoints = Checkpoints(make_folder(config.checkpoint_dir, "checkpoint_dir"))
    with locked(checkpoints.folder, "checkpoint_dir"):
        terminal = Terminal()
        begun = _begin(config, build, parts, checkpoints, terminal.say)
        # Before any file: the network must take the images.
        overview = _overview(begun.config, begun.data, begun.learner)
        log_dir = log_folder(config.log_dir, config.network)
        config = dataclasses.replace(begun.config, log_dir=str(log_dir))
        with (
            _locked_unless(checkpoints.folder, log_dir),
            _watched(config, terminal, begun, log_dir) as callbacks,
        ):
            training = Training(
                config,
                begun.data,
                begun.learner,
                begun.progress,
                checkpoints,
                callbacks,
                log_dir,
                begun.saved is not None,
            )
            with _warnings_said(training):
                return _trained(training, begun.saved, overview)


def _trained(training: Training, saved: Saved | None, overview: str) -> Result:
    """The run between its first file and its last."""
    _announce(training, saved, overview)
    _renew_best(training)
    try:
        training.callbacks.tell("on_train_start", training)
        if saved is not None:
            restore_own(training, saved)
        fit(training)
    except (KeyboardInterrupt, DivergedError):  # not a full disk: it has no room for them
        draw_curves(training)
        raise
    draw_curves(training)
    test = report(training)
    assert training.checkpoint_dir is not None
    assert training.log_dir is not None
    return Result(test, training.progress, training.checkpoint_dir, training.log_dir)


@contextlib.contextmanager
def _warnings_said(training: Training) -> Iterator[None]:
    """Say warnings, such as why a network of one's own is not compiled, as other words are said."""
    with warnings.catch_warnings():
        if training.learner.parts.is_any:
            warnings.showwarning = lambda message, *_: training.say(f"warning: {message}")
        yield


# ---- folders -----------------------------------------------------------------------------------


def _locked_unless(own: Path, log_dir: Path) -> contextlib.AbstractContextManager[None]:
    """Lock the folder of logs, unless it is the one of checkpoints, which is locked already."""
    same = own.resolve() == log_dir.resolve()
    return contextlib.nullcontext() if same else locked(log_dir, "log_dir")


@contextlib.contextmanager
def _watched(
    config: Config, terminal: Terminal, begun: _Begun, folder: Path
) -> Iterator[Callbacks]:
    """Everything that is told of the run; closed at its end, however it ends."""
    aside = None if config.resume else set_aside(folder, _WRITTEN)
    if aside is not None:
        terminal.say(aside)
    own: list[Callback] = [
        *([] if config.patience is None else [EarlyStopping(config.patience)]),
        MetricsFile(folder / METRICS),
        terminal,
        LogFile(folder / LOG),
        TensorBoard(folder, dataclasses.asdict(config), begun.progress.epoch),
    ]
    with contextlib.closing(Callbacks(own, begun.learner.parts.callbacks)) as callbacks:
        yield callbacks


# ---- beginnings --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Begun:
    """A run whose data and network are there, and no file of it yet.

    Attributes:
        config: in which `dataset` is never "auto": it is what was taken.
        saved: what it goes on from.
    """

    config: Config
    data: Data
    learner: Learner
    progress: Progress
    saved: Saved | None


def _begin(
    config: Config,
    build: Build,
    parts: Parts,
    checkpoints: Checkpoints,
    say: Callable[[str], None],
) -> _Begun:
    """Data, network and, of a run that is resumed, where it stands.

    No file is written yet, but for a config.json that was lost.
    """
    saved = None
    if config.resume:
        config, saved = resumed(config, checkpoints, say)
    progress = Progress() if saved is None else saved.progress
    data = _data(config, say)
    if config.dataset == AUTO:
        config = dataclasses.replace(config, dataset=data.name)
    check_same_data(progress, data)
    progress.data = data.identity
    learner = build(config, data, parts)
    check_network(learner, data)
    if saved is not None:
        restore_learner(learner, saved, data, config, checkpoints.folder)
        if config.log_dir is not None:
            progress.take_seconds(read_seconds(user_path(config.log_dir) / METRICS, progress))
    elif config.init_from is not None:
        load_initial(learner, user_path(config.init_from), len(data.classes))
    return _Begun(config, data, learner, progress, saved)


def _data(config: Config, say: Callable[[str], None]) -> Data:
    try:
        return prepare(config, say)
    except DataError as error:
        if not (config.resume and datasets.names_npz(config.dataset)):
            raise
        raise DataError(
            f"{error}; if the file of the run was moved, say where it is now by --dataset: it is "
            "known by its checksum"
        ) from error


def _announce(training: Training, saved: Saved | None, overview: str) -> None:
    """Make room for a new run, or go on with an old one, and say what it is."""
    config = training.config
    if saved is not None:
        # It is the sign of a finished run, and of this one no longer.
        (Path(str(config.log_dir)) / RESULT).unlink(missing_ok=True)
        training.say(f"resuming after {training.line}")
    else:
        # Last first: without it the folder is no run's, wherever this is stopped.
        said = set_aside(Path(str(training.checkpoint_dir)), (LAST, BEST, CONFIG))
        if said is not None:
            training.say(said)
        training.say(overview)
    if config.unused:
        names = ", ".join(config.unused)
        training.say(f"{config.optimizer} and scheduler {config.schedule} have no use for: {names}")
    training.store.save_config(config)


def _renew_best(training: Training) -> None:
    """Write best.safetensors again where its weights are those of the last epoch, and it is not.

    The run was stopped after it had written last.safetensors, or somebody lost the file since.
    """
    config, progress, checkpoints = training.config, training.progress, training.store
    if not config.resume or not needs_renewal(progress, checkpoints):
        return
    learner = training.learner
    best = best_file(learner.weights(), best_facts(learner, training.data, progress))
    checksum = checksum_of(best)
    training.say(f"{BEST} was written again, from {LAST}")
    if progress.best_checksum not in ("", checksum):
        training.say(
            f"{BEST} is not to the bit what it was: a callback changed the weights after the epoch "
            "was validated"
        )
    progress.best_checksum = checksum
    checkpoints.save_best(best)


def _overview(config: Config, data: Data, learner: Learner) -> str:
    """What is about to happen in npnet or PyTorch, and the network layer by layer."""
    c, h, w = data.image_shape
    lib = learner.lib
    model = learner.model if lib is npnet else initial_model(config, data)
    network = summary(model, (1, c, h, w))
    counts = f"{len(data.train)} training, {len(data.val)} validation, {len(data.test)} test"
    threads = lib.get_num_threads()
    return (
        f"{lib.__name__} {lib.__version__}: {config.model} on {data.name}, "
        f"{threads} thread{'s' if threads > 1 else ''}\n"
        f"{counts} images of {c} x {h} x {w}, {len(data.classes)} classes\n"
        f"{network}"
    )
