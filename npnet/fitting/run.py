"""A fit from its settings to its error: samples, network, training, files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import npnet
from npnet.base.files import atomic_write
from npnet.base.threads import environment_threads
from npnet.fitting import plots
from npnet.fitting.config import FitConfig
from npnet.fitting.learner import Fitter
from npnet.fitting.progress import Progress, Record
from npnet.fitting.samples import GRID, Samples, prepare
from npnet.runs.callbacks import Callback, Callbacks
from npnet.runs.errors import DivergedError
from npnet.runs.files import CONFIG, EVENTS, METRICS, RESULT, to_csv, to_json
from npnet.runs.folders import locked, log_folder, set_aside
from npnet.runs.notebook import watcher
from npnet.runs.watchers import MetricsFile, TensorBoard
from npnet.serialization import to_bytes
from npnet.tape import result

__all__ = ["Result", "run"]

MOST_RECORDS, LINES = 200, 10  # of a run: lines of metrics.csv, and those that the terminal shows
WEIGHTS = "weights.safetensors"
_WRITTEN = (CONFIG, METRICS, WEIGHTS, RESULT, "fit.png", "curves.png", EVENTS)


@dataclass(frozen=True)
class Result:
    """What a fit came to.

    Attributes:
        progress: the records, the best among them and its weights.
        max_error: largest distance of fit and function on the dense grid.
        log_dir: the folder of its files.
    """

    progress: Progress
    max_error: float
    log_dir: Path


def run(config: FitConfig, build: Callable[[FitConfig, Samples], Fitter]) -> Result:
    """Fit the function by the network that `build` makes, and write what came of it.

    Raises:
        ConfigError: a setting does not fit the function or the folder.
        DivergedError: the loss became infinite or NaN.
        OSError: a file can't be written.
    """
    npnet.set_num_threads(config.threads or environment_threads() or 1)
    samples = prepare(config)
    fitter = build(config, samples)
    folder = log_folder(config.log_dir, "fit-function")
    config = dataclasses.replace(config, log_dir=str(folder))
    with locked(folder, "log_dir"):
        aside = set_aside(folder, _WRITTEN)
        callbacks = Callbacks(
            [
                TensorBoard(folder, dataclasses.asdict(config)),
                Seldom(watcher()),
                Seldom(MetricsFile(folder / METRICS)),
            ]
        )
        fitting = Fitting(config, fitter, callbacks)
        with contextlib.closing(callbacks):
            atomic_write(folder / CONFIG, config.to_json().encode())
            fitting.say(_overview(config, fitter))
            if aside is not None:
                fitting.say(aside)
            try:
                _fit(fitting)
            except (KeyboardInterrupt, DivergedError):  # not a full disk
                _write(fitting, folder)
                raise
            max_error = _write(fitting, folder)
            _report(fitting, folder, max_error)
            return Result(fitting.progress, max_error, folder)


class Fitting:
    """A fit under way: what callbacks are given as `trainer`. Its steps are its epochs."""

    resumed = False

    def __init__(self, config: FitConfig, fitter: Fitter, callbacks: Callbacks) -> None:
        self.config, self.fitter, self.callbacks = config, fitter, callbacks
        self.progress = Progress()
        self.epoch, self.epochs = 0, config.epochs
        self.hparams: tuple[dict[str, Any], dict[str, float]] = ({}, {})

    @property
    def history(self) -> list[Record]:
        """The records so far."""
        return self.progress.history

    @property
    def done(self) -> int:
        """Epochs so far, of `total`."""
        return self.epoch

    @property
    def total(self) -> int:
        """How many there will be."""
        return self.epochs

    @property
    def figures(self) -> str:
        """What a progress bar shows."""
        return self.history[-1].figures

    @property
    def line(self) -> str:
        """The last record in one line."""
        return self.progress.line(self.epochs)

    def say(self, text: str) -> None:
        """Tell the user a line, or several."""
        self.callbacks.tell("on_message", self, text)


class Seldom(Callback):
    """Tells of a tenth of the epochs alone, which is enough for a reader and for the disk."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback

    def on_message(self, trainer: Any, text: str) -> None:
        self.callback.on_message(trainer, text)

    def on_step_end(self, trainer: Any) -> None:
        self.callback.on_step_end(trainer)

    def on_epoch_end(self, trainer: Any) -> None:
        if self._is_due(trainer):
            self.callback.on_epoch_end(trainer)

    def on_checkpoint(self, trainer: Any) -> None:
        if self._is_due(trainer):
            self.callback.on_checkpoint(trainer)

    def close(self) -> None:
        self.callback.close()

    def _is_due(self, trainer: Any) -> bool:
        """Whether the last record is the first of its tenth."""
        before, last = [0, *(record.epoch for record in trainer.history[-2:])][-2:]
        return bool(last * LINES // trainer.epochs > before * LINES // trainer.epochs)


def _fit(fitting: Fitting) -> None:
    """Train, and record the first epoch, every so many, and the last."""
    config, fitter, progress = fitting.config, fitting.fitter, fitting.progress
    tell = fitting.callbacks.tell
    every = max(1, config.epochs // MOST_RECORDS)
    start = time.perf_counter()
    for epoch in range(1, config.epochs + 1):
        rate = fitter.learning_rate
        fitter.train_epoch(epoch)
        if epoch not in (1, config.epochs) and epoch % every:
            continue
        train_loss, val_loss = _errors(fitter)
        if not np.isfinite(train_loss):
            raise DivergedError(
                f"diverged: the weights are not finite after epoch {epoch}, at learning rate "
                f"{rate:g}; lower --learning_rate"
            )
        now = time.perf_counter()
        record = Record(epoch, rate, train_loss, val_loss, now - start)
        if progress.add(record):
            progress.weights = fitter.weights()
        start = now
        fitting.epoch = epoch
        for hook in ("on_step_end", "on_epoch_end", "on_checkpoint"):
            tell(hook, fitting)


@np.errstate(all="ignore")  # a diverged fit is told by its numbers
def _errors(fitter: Fitter) -> tuple[float, float]:
    """Mean squared errors: against the samples, and against the function on the dense grid."""
    s = fitter.samples
    train = np.mean((fitter.predict(s.x) - s.y) ** 2)
    return float(train), float(np.mean((fitter.predict(s.grid_x) - s.grid_y) ** 2))


# ---- ends --------------------------------------------------------------------------------------


def _write(fitting: Fitting, folder: Path) -> float:
    """Write and draw what there is, whether the fit is finished or not.

    Returns:
        The largest error of the best weights on the grid; NaN where nothing was recorded.
    """
    config, fitter, progress = fitting.config, fitting.fitter, fitting.progress
    best, samples = progress.best, fitter.samples
    if best is None:
        return float("nan")
    atomic_write(folder / METRICS, to_csv(progress.history).encode())
    tensors = {name: result(array) for name, array in progress.weights.items()}
    atomic_write(folder / WEIGHTS, to_bytes(tensors, _facts(config, samples, best)))
    fitter.load_weights(progress.weights)
    fit = fitter.predict(samples.grid_x)
    max_error = float(np.abs(fit - samples.grid_y).max())
    title = f"{config.expression}\n{_network(config)}"
    error = f"mean squared error {best.val_loss:.1e}, largest error {max_error:.1e}"
    pictures = {
        "fit": plots.fit_png(samples, fit, f"{title}: {error}"),
        "curves": plots.curves_png(progress.history, best.epoch, f"{title}, {_training(config)}"),
    }
    for name, png in pictures.items():
        atomic_write(folder / f"{name}.png", png)
        fitting.callbacks.tell("on_picture", fitting, name, png)
    return max_error


def _report(fitting: Fitting, folder: Path, max_error: float) -> None:
    """Say what a finished fit came to; result.json is the last of the files."""
    config, fitter, progress = fitting.config, fitting.fitter, fitting.progress
    best = progress.best
    assert best is not None  # of an epoch whose loss is finite
    result = {
        "format": "npnet result",
        "kind": "function",
        "model": "mlp",
        "dataset": config.expression,
        "parameters": _count(fitter),
        "epochs": config.epochs,
        "best_epoch": best.epoch,
        "seconds": sum(record.seconds for record in progress.history),
        "train": {"loss": best.train_loss},
        "val": None,
        "test": {"loss": best.val_loss, "max_error": max_error},
    }
    fitting.hparams = (
        {"library": fitter.lib.__name__} | dataclasses.asdict(config),
        {
            "hparam/test_loss": best.val_loss,
            "hparam/max_error": max_error,
            "hparam/train_loss": best.train_loss,
        },
    )
    fitting.callbacks.tell("on_test_end", fitting)
    atomic_write(folder / RESULT, to_json(result).encode())
    fitting.say(
        f"files: {folder} (fit.png, curves.png, {METRICS}, {RESULT}, {WEIGHTS}, {CONFIG})\n"
        f"mean squared error {best.val_loss:.2e} (on {GRID:,} points between the samples; "
        f"samples {best.train_loss:.2e}; largest error {max_error:.2e}; epoch {best.epoch} of "
        f"{config.epochs}, {result['seconds']:.1f} s)"
    )


# ---- words -------------------------------------------------------------------------------------


def _count(fitter: Fitter) -> int:
    """How many parameters the network has."""
    return sum(p.numel() for p in fitter.network.parameters())


def _network(config: FitConfig) -> str:
    widths = "-".join(map(str, (1, *config.widths, 1)))
    return f"{widths} {config.activation}"


def _training(config: FitConfig) -> str:
    schedule = "" if config.scheduler == "none" else f", {config.scheduler}"
    return f"{config.optimizer} {config.learning_rate:g}{schedule}"


def _overview(config: FitConfig, fitter: Fitter) -> str:
    lib, (low, high) = fitter.lib, config.range
    noise = f", noise {config.noise:g}" if config.noise else ""
    return (
        f"{lib.__name__} {lib.__version__}: {config.expression} from {low:g} to {high:g}, "
        f"{lib.get_num_threads()} threads\n"
        f"{config.samples:,} samples{noise}; {_network(config)}, "
        f"{_count(fitter):,} parameters; {_training(config)}"
    )


def _facts(config: FitConfig, samples: Samples, best: Record) -> dict[str, str]:
    """What a user of the weights must know: JSON by name, beside them in the file."""
    facts: dict[str, Any] = {
        "format": "npnet",
        "model": "mlp",
        "expression": config.expression,
        "range": config.range,
        "widths": (1, *config.widths, 1),
        "activation": config.activation,
        "x_mean": samples.x_mean,
        "x_std": samples.x_std,
        "y_mean": samples.y_mean,
        "y_std": samples.y_std,
        "epoch": best.epoch,
    }
    return {name: v if isinstance(v, str) else json.dumps(v) for name, v in facts.items()}
