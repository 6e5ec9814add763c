"""Going on with a run: what it was is what it must be, in settings, data and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from npnet import datasets
from npnet.datasets import AUTO
from npnet.models.checkpoint import BEST
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, LAST
from npnet.runs.own import is_own
from npnet.training.checkpoint import OF_THE_PLACE, Checkpoints, Progress, Saved, unusable
from npnet.training.config import Config
from npnet.training.data import Data
from npnet.training.learner import Learner
from npnet.training.parts import Parts
from npnet.training.state import restore
from npnet.training.trainer import Training

__all__ = [
    "check_same_data",
    "code_then",
    "needs_renewal",
    "restore_learner",
    "restore_own",
    "resumed",
]

# What may differ when a run is resumed, since no weight depends on it.
_FREE_ON_RESUME = {"epochs", "patience", "threads", "data_dir", "checkpoint_dir", "log_dir"}
_FREE_ON_RESUME |= {"log_images", "log_every", "record", "resume", "config"}
_FIX_THE_EPOCHS = ("poly", "cosine", "warmup_cosine", "onecycle")


def resumed(
    config: Config, checkpoints: Checkpoints, say: Callable[[str], None]
) -> tuple[Config, Saved]:
    """The settings to go on by, and what was saved; config.json is written again where it is lost.

    Raises:
        ConfigError: there is no run to go on with, or a setting that weights depend on is not its.
    """
    saved = checkpoints.load_last()
    config = _with_saved_dataset(config, saved.progress)
    _renew_config(config, checkpoints, saved, say)
    _check_resumable(config, checkpoints.folder, saved)
    return config, saved


def _with_saved_dataset(config: Config, progress: Progress) -> Config:
    """ "auto" as the saved run took it, though MNIST may have come or gone since."""
    name = progress.data.partition(", ")[0]
    asked = config.dataset == AUTO and name in datasets.NAMES
    return dataclasses.replace(config, dataset=name) if asked else config


def _renew_config(
    config: Config, checkpoints: Checkpoints, saved: Saved, say: Callable[[str], None]
) -> None:
    """Write config.json again, if there is none, as last.safetensors has it of the run."""
    if saved.settings is None or (checkpoints.folder / CONFIG).exists():
        return
    here = {name: getattr(config, name) for name in OF_THE_PLACE}
    checkpoints.save_config(dataclasses.replace(saved.settings, **here))
    say(f"{CONFIG} was written again, from {LAST}")


def _check_resumable(config: Config, folder: Path, saved: Saved) -> None:
    """Raises ConfigError where a setting that weights depend on is not the saved run's."""
    needs_renewal(saved.progress, Checkpoints(folder))
    settings, source = saved.settings, LAST
    if settings is None:  # of a version that kept them beside it alone
        settings, source = _beside(folder), CONFIG
    if settings.dataset == AUTO:  # of an earlier version; `check_same_data` sees another
        settings = dataclasses.replace(settings, dataset=config.dataset)
    free = _FREE_ON_RESUME - ({"epochs"} if config.schedule in _FIX_THE_EPOCHS else set())
    if (
        saved.progress.data
        and datasets.names_file(config.dataset)
        and datasets.names_file(settings.dataset)
    ):
        free = free | {"dataset"}  # the checksum knows it, wherever it is
    changed = [
        f"{field.name} was {getattr(settings, field.name)!r} and is {getattr(config, field.name)!r}"
        for field in dataclasses.fields(Config)
        if field.name not in free
        and _moved(getattr(settings, field.name)) != _moved(getattr(config, field.name))
    ]
    if changed:
        raise ConfigError(
            "resume: the weights depend on settings that differ from the saved run's, in "
            f"{source}: {'; '.join(changed)}; leave these flags out, and {CONFIG} as "
            "it was, or start a new run without --resume"
        )


def _moved(value: Any) -> Any:
    """A setting without the folder of a file of the user's own, which may be another by now."""
    if isinstance(value, tuple):
        return tuple(map(_moved, value))
    if isinstance(value, str) and is_own(value) and ".py:" in value:
        return Path(value).name
    return value


def _beside(folder: Path) -> Config:
    path = folder / CONFIG
    if not path.exists():
        raise ConfigError(
            f"resume: there is no {CONFIG} in {folder}, and {LAST}, of an earlier version, "
            "does not hold the settings of the run; put it back, or start a new run by "
            f"--init_from {folder / LAST}"
        )
    return Config.from_json(path)


def needs_renewal(progress: Progress, checkpoints: Checkpoints) -> bool:
    """Whether best.safetensors is not the file that last.safetensors was written with.

    Raises:
        ConfigError: so it is, and the weights of the best epoch are nowhere else.
    """
    found = checkpoints.best_checksum()
    if found is not None and progress.best_checksum in ("", found):
        return False
    if progress.best_epoch == progress.epoch:
        return True
    place = checkpoints.folder / BEST
    what = f"there is no whole {place}" if found is None else f"{place} is of another run or time"
    raise ConfigError(
        f"resume: {what}, and {LAST} goes with the {BEST} of its epoch {progress.best_epoch}; put "
        f"that file there, or start a new run by --init_from {checkpoints.folder / LAST} and "
        "another --checkpoint_dir"
    )


def check_same_data(progress: Progress, data: Data) -> None:
    """Raise ConfigError where the saved run was on other data."""
    if progress.data != "" and _content(progress.data) != _content(data.identity):
        raise ConfigError(
            f"resume: the saved run was on other data ({progress.data}) than these "
            f"({data.identity}); name its own by --dataset and --data_dir, or start a new run "
            "without --resume"
        )


def _content(identity: str) -> list[str]:
    """A `Data.identity` without the name of a file, which may be another one by now."""
    name, *rest = identity.rsplit(", ", 2)
    return ["a file" if datasets.names_file(name) else name, *rest]


def restore_learner(
    learner: Learner, saved: Saved, data: Data, config: Config, folder: Path
) -> None:
    """Let a fresh learner go on from what was saved in a folder. ConfigError if it can't."""
    library = learner.lib.__name__
    if saved.library not in ("", library):
        raise ConfigError(
            f"resume: the run in {folder} was trained by {saved.library}, not by {library}; go on "
            f"with it there, or start a new run from its weights by --init_from {folder / LAST}"
        )
    batches = data.steps(config.batch_size)
    try:
        restore(learner, saved.learner, saved.progress.epoch, batches)
    except ValueError as error:
        raise unusable(folder / LAST, str(error)) from error


def restore_own(training: Training, saved: Saved) -> None:
    """Undo what callbacks did to the network at the start, and give them back where they stood.

    What has changed of the user's own files since is told.

    Raises:
        ConfigError: the file holds something else.
    """
    parts = training.learner.parts
    if not parts.is_any:
        return
    path = Path(str(training.checkpoint_dir)) / LAST
    kept = saved.own if isinstance(saved.own, dict) else {}
    _tell_of_changes(training, kept.get("files"), parts)
    if not parts.callbacks:
        return
    training.learner.load_state(saved.learner)
    try:
        lost = training.callbacks.load_state(kept.get("callbacks"))
    except ValueError as error:
        raise unusable(path, str(error)) from error
    for line in lost:
        training.say(line)
    stopped = kept.get("stopped")
    if isinstance(stopped, str):
        training.stop(stopped)


def code_then(saved: Saved, model: str) -> str:
    """The digest of the file of the user's own network when the run was saved; "" of none."""
    files = saved.own.get("files") if isinstance(saved.own, dict) else None
    before: Mapping[str, Any] = files if isinstance(files, dict) else {}
    known = {_moved(spelling): digest for spelling, digest in before.items()}
    found = known.get(_moved(model), "")
    return found if isinstance(found, str) else ""


def _tell_of_changes(training: Training, files: Any, parts: Parts) -> None:
    before: Mapping[str, Any] = files if isinstance(files, dict) else {}
    known = {_moved(spelling): digest for spelling, digest in before.items()}
    for spelling, digest in parts.files.items():
        if known.get(_moved(spelling)) != digest:
            training.say(
                f"{spelling}: the file is not what it was when epoch {training.epoch} was saved; "
                "the run goes on with it as it is now, and may not end as it would have"
            )
