"""A run from its settings to the test accuracy: folders, data, network, training, report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import npnet
from npnet import datasets
from npnet.base.files import user_path
from npnet.base.threads import available_cores
from npnet.datasets import AUTO, DataError
from npnet.models.checkpoint import BEST
from npnet.models.summary import summary
from npnet.runs.artists import artists
from npnet.runs.callbacks import Callback, Callbacks
from npnet.runs.errors import DivergedError
from npnet.runs.files import CONFIG, EVENTS, LAST, METRICS, RESULT, SNAPSHOTS
from npnet.runs.folders import locked, log_folder, make_folder, set_aside
from npnet.runs.notebook import watcher
from npnet.runs.watchers import LogFile, MetricsFile, TensorBoard, Watcher
from npnet.serialization import checksum_of
from npnet.training.blank import check_network
from npnet.training.checkpoint import (
    Checkpoints,
    Memory,
    Progress,
    Saved,
    best_file,
    read_seconds,
)
from npnet.training.config import Config
from npnet.training.data import Data, prepare
from npnet.training.details import STEPS, ImagesToTensorBoard, StepsToTensorBoard
from npnet.training.initial import load_initial
from npnet.training.learner import Learner, initial_model
from npnet.training.metrics import Score
from npnet.training.parts import Parts
from npnet.training.ranks import (
    begin_together,
    check_data_alike,
    default_threads,
    is_alone,
    is_first,
    of_first,
    places,
)
from npnet.training.report import PER_CLASS, PICTURES, ask_for_curves, draw_curves, report
from npnet.training.resume import (
    check_same_data,
    code_then,
    needs_renewal,
    restore_learner,
    restore_own,
    resumed,
)
from npnet.training.snapshots import Recorder
from npnet.training.stopping import EarlyStopping
from npnet.training.trainer import Training, best_facts, fit

__all__ = ["LOG", "Result", "Surroundings", "run"]

LOG = "log.txt"
_WRITTEN = (LOG, METRICS, RESULT, PER_CLASS, *PICTURES, EVENTS, STEPS)  # to the folder for logs

Load: TypeAlias = Callable[[Config, Callable[[str], None]], Any]
Build: TypeAlias = Callable[[Config, Data, Parts], Learner]


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        test: loss, accuracy and predictions of the best checkpoint on the test split, which may
            have no images.
        progress: the finished epochs.
        training: the run, whose network has the weights of the best checkpoint.
    """

    test: Score
    progress: Progress
    training: Training

    @property
    def checkpoint_dir(self) -> Path:
        """The folder of checkpoints."""
        return Path(str(self.training.checkpoint_dir))

    @property
    def log_dir(self) -> Path:
        """The folder for logs and pictures."""
        return Path(str(self.training.log_dir))


@dataclass(frozen=True)
class Surroundings:
    """Where a run has its data from, and who sees it: those of the command line by default.

    Attributes:
        load: the data; is told whom to say which were taken.
        parts: what is the user's own; None is what the settings spell.
        watcher: shows the run to the user; None is nobody.
        saves, logs: whether checkpoints, and logs, are written.
        begun: is given the run before its first epoch.
        artists: how many processes draw its pictures; with 0 this one does.
    """

    load: Load = prepare
    parts: Parts | None = None
    watcher: Callable[[], Watcher | None] = watcher
    saves: bool = True
    logs: bool = True
    begun: Callable[[Training], None] | None = None
    artists: int = 0


def run(config: Config, build: Build, around: Surroundings | None = None) -> Result:
    """Train the network that `build` makes, and test the checkpoint that validated best.

    Raises:
        ConfigError: a setting does not fit the data, the folders or the run to be resumed.
        FailedError: the loss became infinite or NaN (DivergedError), or code of the user's own
            failed.
        datasets.DataError, serialization.CheckpointError, OSError: a file can't be had or written.
    """
    around = Surroundings() if around is None else around
    begin_together(config)
    shared = default_threads(npnet.get_num_threads())  # in all ranks: they ask each other
    npnet.set_num_threads(config.threads or shared)
    if not is_first():  # it computes, and that is all
        around = dataclasses.replace(around, watcher=_no_watcher, saves=False, logs=False)
    # Before any file is made: what can't be executed can't be trained.
    parts = Parts.of(config) if around.parts is None else around.parts
    with contextlib.ExitStack() as stack:
        store: Checkpoints | Memory = Memory()
        if around.saves:
            store = Checkpoints(make_folder(config.checkpoint_dir, "checkpoint_dir"))
            stack.enter_context(locked(store.folder, "checkpoint_dir"))
        drawing = around.logs and around.artists > 0
        drawn_by = stack.enter_context(artists(max(1, around.artists), drawing))
        screen = around.watcher()
        say = _nobody if screen is None else screen.say
        begun = _begin(config, build, parts, store, say, around.load)
        config = begun.config
        # Before any file: the network must take the images.
        overview = _overview(config, begun.data, begun.learner)
        if begun.advice:
            overview += f"\n{begun.advice}"
        log_dir = log_folder(config.log_dir, config.network) if around.logs else None
        if log_dir is not None:
            config = dataclasses.replace(config, log_dir=str(log_dir))
            stack.enter_context(_locked_unless(store.folder, log_dir))
        callbacks = _callbacks(config, screen, begun, store.folder, log_dir)
        stack.enter_context(contextlib.closing(callbacks))
        training = Training(
            config,
            begun.data,
            begun.learner,
            begun.progress,
            store,
            callbacks,
            log_dir,
            begun.saved is not None,
        )
        training.artists = drawn_by
        stack.enter_context(_warnings_said(training))
        if around.begun is not None:
            around.begun(training)
        return _trained(training, begun.saved, overview)


def _no_watcher() -> None:
    """Who sees a rank that only computes."""


def _nobody(text: str) -> None:
    """Listens to what is said where nobody does."""


def _trained(training: Training, saved: Saved | None, overview: str) -> Result:
    """The run between its first file and its last."""
    _announce(training, saved, overview)
    _renew_best(training, saved)
    try:
        training.callbacks.tell("on_train_start", training)
        if saved is not None:
            restore_own(training, saved)
        fit(training)
    except (KeyboardInterrupt, DivergedError):  # not a full disk: it has no room for them
        ask_for_curves(training)
        draw_curves(training)
        raise
    return Result(report(training), training.progress, training)


@contextlib.contextmanager
def _warnings_said(training: Training) -> Iterator[None]:
    """Say warnings, such as why a network of one's own is not compiled, as other words are said."""
    with warnings.catch_warnings():
        if training.learner.parts.is_any:
            warnings.showwarning = lambda message, *_: training.say(f"warning: {message}")
        yield


# ---- folders -----------------------------------------------------------------------------------


def _locked_unless(own: Path | None, log_dir: Path) -> contextlib.AbstractContextManager[None]:
    """Lock the folder of logs, unless it is the one of checkpoints, which is locked already."""
    same = own is not None and own.resolve() == log_dir.resolve()
    return contextlib.nullcontext() if same else locked(log_dir, "log_dir")


def _callbacks(
    config: Config,
    screen: Watcher | None,
    begun: _Begun,
    saves: Path | None,
    folder: Path | None,
) -> Callbacks:
    """Everything that is told of the run; `saves` and `folder` are for checkpoints and logs."""
    shown: list[Callback] = [] if screen is None else [screen]
    own: list[Callback] = []
    if config.patience is not None:
        own.append(EarlyStopping(config.patience))
    if config.record and saves is not None:
        own.append(Recorder(saves))
    if folder is None:
        return Callbacks([*own, *shown], begun.learner.parts.callbacks)
    aside = None if config.resume else set_aside(folder, _WRITTEN)
    if aside is not None and screen is not None:
        screen.say(aside)
    finished = begun.progress.epoch
    tensorboard = TensorBoard(folder, dataclasses.asdict(config), finished)
    own += [
        MetricsFile(folder / METRICS),
        *shown,
        LogFile(folder / LOG),
        tensorboard,
    ]
    if config.log_every is not None:
        own.append(StepsToTensorBoard(folder, config.log_every, finished))
    if config.log_images:
        own.append(ImagesToTensorBoard(tensorboard.events))
    return Callbacks(own, begun.learner.parts.callbacks)


# ---- beginnings --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Begun:
    """A run whose data and network are there, and no file of it yet.

    Attributes:
        config: in which `dataset` is never "auto": it is what was taken.
        saved: what it goes on from.
        advice: for who made the network; "" if there is none.
    """

    config: Config
    data: Data
    learner: Learner
    progress: Progress
    saved: Saved | None
    advice: str


def _begin(
    config: Config,
    build: Build,
    parts: Parts,
    store: Checkpoints | Memory,
    say: Callable[[str], None],
    load: Load,
) -> _Begun:
    """Data, network and, of a run that is resumed, where it stands.

    No file is written yet, but for a config.json that was lost.
    """
    saved = None
    if config.resume and (isinstance(store, Checkpoints) or not is_first()):
        config, saved = of_first(functools.partial(_resumed, config, store, say))
    progress = Progress() if saved is None else saved.progress
    data = _data(config, say, load)
    if config.dataset == AUTO:
        config = dataclasses.replace(config, dataset=data.name)
    elif data.name.endswith("/") and not config.dataset.endswith("/"):
        # A folder is told from a name also when it is not there any more.
        config = dataclasses.replace(config, dataset=f"{config.dataset}/")
    check_data_alike(data.identity)
    check_same_data(progress, data)
    progress.data = data.identity
    learner = build(config, data, parts)
    advice = check_network(learner, data)
    if saved is not None:
        restore_learner(learner, saved, data, config, Path(str(store.folder)))
        if config.log_dir is not None:
            progress.take_seconds(read_seconds(user_path(config.log_dir) / METRICS, progress))
    elif config.init_from is not None and is_first():
        load_initial(learner, user_path(config.init_from), len(data.classes))
    if saved is None and not is_alone():
        learner.load_weights(of_first(learner.weights))
    return _Begun(config, data, learner, progress, saved, advice)


def _resumed(
    config: Config, store: Checkpoints | Memory, say: Callable[[str], None]
) -> tuple[Config, Saved | None]:
    return resumed(config, store, say) if isinstance(store, Checkpoints) else (config, None)


def _data(
    config: Config,
    say: Callable[[str], None],
    load: Load,
) -> Any:
    try:
        return load(config, say)
    except DataError as error:
        if not (config.resume and datasets.names_file(config.dataset)):
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
        if training.log_dir is not None:
            (training.log_dir / RESULT).unlink(missing_ok=True)
        training.say(f"resuming after {training.line}")
    else:
        # Last first: without it the folder is no run's, wherever this is stopped.
        folder = training.checkpoint_dir
        said = None if folder is None else set_aside(folder, (LAST, BEST, CONFIG, SNAPSHOTS))
        if said is not None:
            training.say(said)
        training.say(overview)
    if not is_alone():
        training.say(places())
    if config.too_short:
        training.say(config.too_short)
    if config.allreduce and is_alone():
        training.say("allreduce changes nothing: one process adds up its gradients by itself")
    cores = available_cores()
    if config.threads is not None and config.threads > cores:
        training.say(
            f"{config.threads} threads on {cores} core{'s' if cores > 1 else ''}: more than there "
            "are cores make it slower, and change no bit"
        )
    if config.unused:
        names = ", ".join(config.unused).replace("_decay_on", "_decay_on (weight_decay is 0)")
        training.say(f"{config.optimizer} and scheduler {config.schedule} have no use for: {names}")
    training.store.save_config(config)


def _renew_best(training: Training, saved: Saved | None) -> None:
    """Write best.safetensors again where its weights are those of the last epoch, and it is not.

    The run was stopped after it had written last.safetensors, or somebody lost the file since.
    """
    progress, checkpoints = training.progress, training.store
    if not isinstance(checkpoints, Checkpoints) or saved is None:
        return
    if not needs_renewal(progress, checkpoints):
        return
    learner = training.learner
    code = code_then(saved, training.config.model)
    best = best_file(learner.weights(), best_facts(learner, training.data, progress, code))
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
    lib, shape = learner.lib, data.image_shape
    model = learner.model if lib is npnet else initial_model(config, data)
    network = summary(model, (1, *shape))
    counts = f"{len(data.train)} training, {len(data.val)} validation, {len(data.test)} test"
    threads = lib.get_num_threads()
    return (
        f"{lib.__name__} {lib.__version__}: {config.model} on {data.name}, "
        f"{threads} thread{'s' if threads > 1 else ''}\n"
        f"{counts} images of {' x '.join(map(str, shape))}, {len(data.classes)} classes\n"
        f"{network}"
    )
