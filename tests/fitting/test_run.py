"""Fits from settings to error and files."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import npnet
from npnet.fit_function import build
from npnet.fitting.config import FitConfig
from npnet.fitting.learner import Fitter, initial_network
from npnet.fitting.run import Result, run
from npnet.fitting.samples import GRID, Samples, prepare
from npnet.runs.errors import ConfigError, DivergedError
from tests.campaign import trials
from tests.pictures import is_picture

FILES = {
    "config.json",
    "curves.png",
    "fit.png",
    "metrics.csv",
    "result.json",
    "weights.safetensors",
}


@pytest.fixture
def short(tmp_path: Path) -> FitConfig:
    """300 epochs of a small network, whose files go to tmp_path."""
    return FitConfig(epochs=300, samples=40, widths=(16, 16), log_dir=str(tmp_path / "fit"))


def fit(config: FitConfig, **changes: Any) -> Result:
    return run(dataclasses.replace(config, **changes), build)


def rows_of(result: Result) -> list[dict[str, str]]:
    with (result.log_dir / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(trials(1, 10)))
def test_the_course_function_is_fitted(tmp_path: Path, seed: int) -> None:
    result = fit(FitConfig(log_dir=str(tmp_path)), seed=seed)
    outcome = json.loads((tmp_path / "result.json").read_text())
    assert outcome["epochs"] == 10_000
    assert outcome["test"]["loss"] < 1e-4
    assert result.progress.best is not None
    assert outcome["test"]["loss"] == result.progress.best.val_loss


@pytest.mark.pictures
def test_a_fit_writes_its_files(short: FitConfig) -> None:
    result = fit(short)
    folder = result.log_dir
    names = {path.name for path in folder.iterdir() if "tfevents" not in path.name}
    assert names - {".lock"} == FILES
    pictures = [folder / name for name in FILES if name.endswith(".png")]
    assert all(is_picture(path.read_bytes()) for path in pictures)
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    outcome = json.loads((folder / "result.json").read_text())
    best = result.progress.best
    assert best is not None
    assert outcome == {
        "format": "npnet result",
        "kind": "function",
        "model": "mlp",
        "dataset": short.expression,
        "parameters": 2 * 16 + 17 * 16 + 17,
        "epochs": 300,
        "best_epoch": best.epoch,
        "seconds": outcome["seconds"],
        "train": {"loss": best.train_loss},
        "val": None,
        "test": {"loss": best.val_loss, "max_error": result.max_error},
    }
    assert best.val_loss < 1  # of a variance of 65
    assert json.loads((folder / "config.json").read_text())["widths"] == [16, 16]


def test_weights_give_the_reported_error(short: FitConfig) -> None:
    result, samples = fit(short), prepare(short)
    fitter = build(short, samples)
    fitter.load_weights(load_file(result.log_dir / "weights.safetensors"))
    error = fitter.predict(samples.grid_x) - samples.grid_y
    best = result.progress.best
    assert best is not None
    assert (float(np.mean(error**2)), float(np.abs(error).max())) == (
        best.val_loss,
        result.max_error,
    )


@pytest.mark.parametrize(
    ("epochs", "lines", "first"), [(1, 1, ["1"]), (3, 3, ["1", "2"]), (1000, 201, ["1", "5", "10"])]
)
def test_metrics_of_every_so_many_epochs(
    short: FitConfig, epochs: int, lines: int, first: list[str]
) -> None:
    rows = rows_of(fit(short, epochs=epochs, widths=(2,)))
    assert list(rows[0]) == ["epoch", "learning_rate", "train_loss", "val_loss", "seconds"]
    assert len(rows) == lines
    assert [row["epoch"] for row in rows[: len(first)]] == first
    assert rows[-1]["epoch"] == str(epochs)


@pytest.mark.parametrize("batch_size", [None, 1, 15, 16, 17])
def test_same_seed_same_bits(short: FitConfig, tmp_path: Path, batch_size: int | None) -> None:
    config = dataclasses.replace(short, epochs=3, batch_size=batch_size, noise=0.1)
    first = fit(config, threads=1).progress.weights
    second = fit(config, threads=2, log_dir=str(tmp_path / "two")).progress.weights
    other = fit(config, seed=1, log_dir=str(tmp_path / "other")).progress.weights
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert (first[name] != other[name]).any()


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "gelu"},
        {"activation": "leaky_relu", "optimizer": "nadam"},
        {"activation": "relu", "optimizer": "adamw", "scheduler": "poly"},
        {"activation": "sigmoid", "optimizer": "rmsprop", "scheduler": "none"},
        {"optimizer": "sgd", "batch_size": 8, "learning_rate": 0.05},
        {"range": (1e6, 1e6 + 1), "expression": "sin(6x)"},
        {"range": (-1e-9, 1e-9), "expression": "1e9x"},
    ],
)
def test_every_choice_learns(short: FitConfig, change: dict[str, Any]) -> None:
    history = fit(short, epochs=100, **change).progress.history
    assert history[-1].val_loss < history[0].val_loss / 2


def test_a_constant_is_fitted(short: FitConfig) -> None:
    best = fit(short, expression="5").progress.best
    assert best is not None
    assert best.val_loss < 1e-3


def test_samples() -> None:
    samples = prepare(FitConfig(expression="2x", range=(-1.0, 3.0), samples=5, noise=0.0))
    np.testing.assert_array_equal(samples.x, [-1, 0, 1, 2, 3])
    np.testing.assert_array_equal(samples.y, [-2, 0, 2, 4, 6])
    assert samples.grid_x.shape == (GRID,)
    assert -1 < samples.grid_x.min() < samples.grid_x.max() < 3
    targets = samples.targets()
    assert targets.dtype == samples.inputs(samples.x).dtype == np.float32
    assert targets.shape == (5, 1)
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(samples.values(targets), samples.y, atol=1e-6)
    assert samples.inputs(samples.grid_x).std() == pytest.approx(1, abs=1e-3)


def test_noise_is_on_the_samples_alone() -> None:
    config = FitConfig(samples=10_000)
    plain = prepare(config)
    noisy = prepare(dataclasses.replace(config, noise=0.5))
    assert (noisy.y - plain.y).std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(noisy.grid_y, plain.grid_y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expression": "x +"}, "expression: the end"),
        ({"range": (1.0, 1.0)}, "the lower first, got 1 1"),
        ({"range": (0.0, float("inf"))}, "two finite numbers"),
        ({"range": (-1.5e308, 1.5e308)}, "two finite numbers"),
        ({"samples": 1}, "samples must be >= 2"),
        ({"noise": -1.0}, "noise must be >= 0"),
        ({"noise": float("nan")}, "noise must be >= 0"),
        ({"widths": ()}, "one hidden layer at least"),
        ({"widths": (8, 0)}, "widths must be >= 1"),
        ({"widths": (10**9,)}, "widths must be .*<= 4096"),
        ({"activation": "than"}, "did you mean 'tanh'"),
        ({"optimizer": "adma"}, "did you mean 'adam"),
        ({"scheduler": "cosin"}, "did you mean 'cosine'"),
        ({"epochs": 0}, "epochs must be >= 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be > 0"),
        ({"batch_size": 0}, "batch_size must be >= 1"),
        ({"batch_size": 257}, "batch_size must be >= 1 and <= 256"),
        ({"seed": -1}, "seed must be >= 0"),
        ({"threads": 0}, "threads must be >= 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FitConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expression": "log x"}, "no finite value at x = -5"),
        ({"expression": "exp(x^2)", "range": (0.0, 26.0)}, "too large to be squared"),
        ({"noise": 1e200}, "too large to be squared"),
    ],
)
def test_wrong_functions_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(FitConfig(**settings))


def test_divergence_keeps_what_was_finished(short: FitConfig) -> None:
    with pytest.raises(DivergedError, match="lower --learning_rate"):
        fit(short, learning_rate=1e12, optimizer="sgd", scheduler="none")
    folder = Path(str(short.log_dir))
    assert not (folder / "result.json").exists()
    assert (folder / "metrics.csv").read_text().startswith("epoch,learning_rate,train_loss")


def test_ctrl_c_keeps_what_was_finished(short: FitConfig) -> None:
    class Stopped(Fitter):
        def train_epoch(self, epoch: int) -> None:
            if epoch == 5:
                raise KeyboardInterrupt
            super().train_epoch(epoch)

    def stopped(config: FitConfig, samples: Samples) -> Fitter:
        return Stopped(config, samples, initial_network(config), npnet)

    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(short, epochs=20), stopped)
    folder = Path(str(short.log_dir))
    names = {path.name for path in folder.iterdir() if "tfevents" not in path.name}
    assert names - {".lock"} == FILES - {"result.json"}
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + 4


def test_files_of_an_earlier_fit_are_moved(
    short: FitConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(short, epochs=2)
    others = [Path(str(short.log_dir)) / name for name in ("photo.png", "events.txt")]
    for path in others:  # of the user's own
        path.touch()
    fit(short, epochs=3)
    assert "files of an earlier run" in capsys.readouterr().out
    assert all(path.exists() for path in others)
    (earlier,) = Path(str(short.log_dir)).glob("earlier-*")
    assert json.loads((earlier / "result.json").read_text())["epochs"] == 2
    assert len((earlier / "metrics.csv").read_text().splitlines()) == 1 + 2
