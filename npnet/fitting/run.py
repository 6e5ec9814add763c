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
from npnet.runs import callbacks
from npnet.runs.callbacks import Callback, Callbacks, MetricsFile, TensorBoard, Terminal
from npnet.runs.errors import DivergedError
from npnet.runs.files import CONFIG, EVENTS, METRICS, RESULT, to_csv, to_json
from npnet.runs.folders import locked, log_folder, set_aside
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
        callback = Callbacks(
            TensorBoard(folder, dataclasses.asdict(config)),
            _Seldom(config.epochs, Terminal(config.epochs), MetricsFile(folder / METRICS)),
        )
        with contextlib.closing(callback):
            atomic_write(folder / CONFIG, config.to_json().encode())
            callback.on_message(_overview(config, fitter))
            if aside is not None:
                callback.on_message(aside)
            progress = Progress()
            try:
                _fit(fitter, config, progress, callback)
            except (KeyboardInterrupt, DivergedError):  # not a full disk
                _write(fitter, config, folder, progress, callback)
                raise
            max_error = _write(fitter, config, folder, progress, callback)
            _report(fitter, config, folder, progress, max_error, callback)
            return Result(progress, max_error, folder)


class _Seldom(Callbacks):
    """Tells of a tenth of the epochs alone, which is enough for a reader and for the disk."""

    def __init__(self, epochs: int, *callbacks: Callback) -> None:
        super().__init__(*callbacks)
        self.epochs = epochs

    def on_measured(self, epoch: callbacks.Record, progress: callbacks.Progress) -> None:
        if self._is_due(progress):
            super().on_measured(epoch, progress)

    def on_epoch(self, epoch: callbacks.Record, progress: callbacks.Progress) -> None:
        if self._is_due(progress):
            super().on_epoch(epoch, progress)

    def _is_due(self, progress: callbacks.Progress) -> bool:
        """Whether the last record is the first of its tenth."""
        before, last = [0, *(record.epoch for record in progress.history[-2:])][-2:]
        return last * LINES // self.epochs > before * LINES // self.epochs


def _fit(fitter: Fitter, config: FitConfig, progress: Progress, callback: Callback) -> None:
    """Train, and record the first epoch, every so many, and the last."""
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
        callback.on_batch(epoch, epoch, config.epochs, record)
        callback.on_measured(record, progress)
        callback.on_epoch(record, progress)


@np.errstate(all="ignore")  # a diverged fit is told by its numbers
def _errors(fitter: Fitter) -> tuple[float, float]:
    """Mean squared errors: against the samples, and against the function on the dense grid."""
    s = fitter.samples
    train = np.mean((fitter.predict(s.x) - s.y) ** 2)
    return float(train), float(np.mean((fitter.predict(s.grid_x) - s.grid_y) ** 2))


# ---- ends --------------------------------------------------------------------------------------


def _write(
    fitter: Fitter, config: FitConfig, folder: Path, progress: Progress, callback: Callback
) -> float:
    """Write and draw what there is, whether the fit is finished or not.

    Returns:
        The largest error of the best weights on the grid; NaN where nothing was recorded.
    """
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
        callback.on_picture(name, png, best.epoch)
    return max_error


def _report(
    fitter: Fitter,
    config: FitConfig,
    folder: Path,
    progress: Progress,
    max_error: float,
    callback: Callback,
) -> None:
    """Say what a finished fit came to; result.json is the last of the files."""
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
    callback.on_end(
        {"library": fitter.lib.__name__} | dataclasses.asdict(config),
        {
            "hparam/test_loss": best.val_loss,
            "hparam/max_error": max_error,
            "hparam/train_loss": best.train_loss,
        },
    )
    atomic_write(folder / RESULT, to_json(result).encode())
    callback.on_message(
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
