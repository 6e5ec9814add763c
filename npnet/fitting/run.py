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
from npnet import Tensor
from npnet.base.files import atomic_write
from npnet.base.threads import environment_threads
from npnet.fitting import plots
from npnet.fitting.config import FitConfig
from npnet.fitting.learner import Fitter
from npnet.fitting.progress import Progress, Record
from npnet.fitting.samples import GRID, Samples, prepare
from npnet.serialization import to_bytes
from npnet.training.callbacks import progress_bar
from npnet.training.checkpoint import set_aside
from npnet.training.folders import locked, log_folder
from npnet.training.learner import DivergedError
from npnet.training.result import to_json
from npnet.training.tensorboard import EventFile

__all__ = ["Result", "run"]

RECORDS, LINES = 200, 10  # of a run: lines of metrics.csv, and those that the terminal shows
_FILES = (
    "config.json",
    "metrics.csv",
    "weights.safetensors",
    "result.json",
    "fit.png",
    "curves.png",
    "events.out.tfevents.*",
)


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
    with locked(folder, "log_dir"):
        aside = set_aside(folder, _FILES)
        reporter = _Reporter(dataclasses.replace(config, log_dir=str(folder)), fitter)
        if aside is not None:
            reporter.say(f"files of an earlier run in {folder} were moved to {aside}")
        with contextlib.closing(reporter):
            progress = Progress()
            try:
                _fit(fitter, config, progress, reporter)
            except (KeyboardInterrupt, DivergedError):  # not a full disk
                reporter.write(progress)
                raise
            return Result(progress, reporter.write(progress, finished=True), folder)


def _fit(fitter: Fitter, config: FitConfig, progress: Progress, reporter: _Reporter) -> None:
    """Train, and record the first epoch, every so many, and the last."""
    every = max(1, config.epochs // RECORDS)
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
        if progress.add(Record(epoch, rate, train_loss, val_loss, now - start)):
            progress.weights = fitter.weights()
        start = now
        reporter.record(progress)


@np.errstate(all="ignore")  # a diverged fit is told by its numbers
def _errors(fitter: Fitter) -> tuple[float, float]:
    """Mean squared errors: against the samples, and against the function on the dense grid."""
    s = fitter.samples
    train = np.mean((fitter.predict(s.x) - s.y) ** 2)
    return float(train), float(np.mean((fitter.predict(s.grid_x) - s.grid_y) ** 2))


class _Reporter:
    """The terminal, TensorBoard and the files of a fit; `config` says in which folder."""

    def __init__(self, config: FitConfig, fitter: Fitter) -> None:
        from rich.console import Console

        self.config, self.fitter, self.folder = config, fitter, Path(str(config.log_dir))
        self.console = Console(highlight=False, soft_wrap=True)
        self.bar = progress_bar(self.console)
        self.task = self.bar.add_task("", total=config.epochs, epoch="", figures="")
        self.events = EventFile(self.folder)
        self.events.settings(dataclasses.asdict(config))
        atomic_write(self.folder / "config.json", config.to_json().encode())
        self.parameters = sum(p.numel() for p in fitter.network.parameters())
        self.say(self._overview())
        self.bar.start()

    def say(self, text: str) -> None:
        """A line, or several, for the user."""
        self.console.print(text, markup=False)

    def record(self, progress: Progress) -> None:
        """Tell of the latest record."""
        latest, epochs = progress.history[-1], self.config.epochs
        figures = f"mean squared error {latest.train_loss:.2e}"
        self.bar.update(
            self.task, completed=latest.epoch, epoch=f"{latest.epoch}/{epochs}", figures=figures
        )
        self.events.scalars(
            latest.epoch,
            {
                "train/loss": latest.train_loss,
                "val/loss": latest.val_loss,
                "learning_rate": latest.learning_rate,
            },
        )
        before = progress.history[-2].epoch if len(progress.history) > 1 else 0
        if latest.epoch * LINES // epochs > before * LINES // epochs:
            atomic_write(self.folder / "metrics.csv", progress.to_csv().encode())
            self.say(
                f"epoch {latest.epoch:{len(str(epochs))}}/{epochs}  "
                f"samples {latest.train_loss:.2e}  grid {latest.val_loss:.2e}  "
                f"lr {latest.learning_rate:.3g}"
            )

    def write(self, progress: Progress, finished: bool = False) -> float:
        """Write what there is; of a finished fit also result.json, last of the files.

        Returns:
            The largest error of the best weights on the grid; NaN where nothing was recorded.
        """
        self.bar.stop()
        if progress.best is None:
            return float("nan")
        best, samples = progress.best, self.fitter.samples
        atomic_write(self.folder / "metrics.csv", progress.to_csv().encode())
        tensors = {name: Tensor(array) for name, array in progress.weights.items()}
        weights = to_bytes(tensors, self._facts(best))
        atomic_write(self.folder / "weights.safetensors", weights)
        self.fitter.load_weights(progress.weights)
        fit = self.fitter.predict(samples.grid_x)
        max_error = float(np.abs(fit - samples.grid_y).max())
        title = f"{self.config.expression}\n{self._network()}"
        error = f"mean squared error {best.val_loss:.1e}, largest error {max_error:.1e}"
        self._draw("fit", plots.fit_png(samples, fit, f"{title}: {error}"), best.epoch)
        curves = plots.curves_png(progress.history, best.epoch, f"{title}, {self._training()}")
        self._draw("curves", curves, best.epoch)
        if finished:
            self._finish(progress, best, max_error)
        return max_error

    def _finish(self, progress: Progress, best: Record, max_error: float) -> None:
        result = {
            "format": "npnet result",
            "kind": "function",
            "model": "mlp",
            "dataset": self.config.expression,
            "parameters": self.parameters,
            "epochs": self.config.epochs,
            "best_epoch": best.epoch,
            "seconds": sum(record.seconds for record in progress.history),
            "train": {"loss": best.train_loss},
            "val": None,
            "test": {"loss": best.val_loss, "max_error": max_error},
        }
        metrics = {
            "hparam/test_loss": best.val_loss,
            "hparam/max_error": max_error,
            "hparam/train_loss": best.train_loss,
        }
        settings = {"library": self.fitter.lib.__name__} | dataclasses.asdict(self.config)
        self.events.hparams(settings, metrics)
        atomic_write(self.folder / "result.json", to_json(result).encode())
        self.say(
            f"files: {self.folder} (fit.png, curves.png, metrics.csv, result.json, "
            "weights.safetensors, config.json)\n"
            f"mean squared error {best.val_loss:.2e} (on {GRID:,} points between the samples; "
            f"samples {best.train_loss:.2e}; largest error {max_error:.2e}; epoch {best.epoch} of "
            f"{self.config.epochs}, {result['seconds']:.1f} s)"
        )

    def close(self) -> None:
        """The run is over, whether it ended well or not."""
        self.bar.stop()
        self.events.close()

    def _draw(self, name: str, png: bytes, epoch: int) -> None:
        atomic_write(self.folder / f"{name}.png", png)
        self.events.png(name, epoch, png)

    def _network(self) -> str:
        widths = "-".join(map(str, (1, *self.config.widths, 1)))
        return f"{widths} {self.config.activation}"

    def _training(self) -> str:
        schedule = "" if self.config.scheduler == "none" else f", {self.config.scheduler}"
        return f"{self.config.optimizer} {self.config.learning_rate:g}{schedule}"

    def _overview(self) -> str:
        lib, (low, high) = self.fitter.lib, self.config.range
        noise = f", noise {self.config.noise:g}" if self.config.noise else ""
        return (
            f"{lib.__name__} {lib.__version__}: {self.config.expression} from {low:g} to {high:g}, "
            f"{lib.get_num_threads()} threads\n"
            f"{self.config.samples:,} samples{noise}; {self._network()}, "
            f"{self.parameters:,} parameters; {self._training()}"
        )

    def _facts(self, best: Record) -> dict[str, str]:
        """What a user of the weights must know: JSON by name, beside them in the file."""
        s = self.fitter.samples
        facts: dict[str, Any] = {
            "format": "npnet",
            "model": "mlp",
            "expression": self.config.expression,
            "range": self.config.range,
            "widths": (1, *self.config.widths, 1),
            "activation": self.config.activation,
            "x_mean": s.x_mean,
            "x_std": s.x_std,
            "y_mean": s.y_mean,
            "y_std": s.y_std,
            "epoch": best.epoch,
        }
        return {name: v if isinstance(v, str) else json.dumps(v) for name, v in facts.items()}
