"""Runs from settings to test accuracy, on a small data set."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import npnet
from npnet import models, train
from npnet.runs.errors import ConfigError, DivergedError
from npnet.training.config import Config
from npnet.training.data import prepare
from npnet.training.learner import Learner
from npnet.training.trainer import predict
from tests.pictures import is_picture
from tests.runs import run_npnet


def weights_of(folder: Path | str) -> dict[str, Any]:
    return load_file(Path(folder) / "best.safetensors")


def assert_same_weights(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.pictures
def test_a_run_learns_and_writes_its_files(small: Config) -> None:
    result = run_npnet(dataclasses.replace(small, epochs=4, optimizer="adam", learning_rate=3e-3))
    assert result.test.accuracy > 90  # chance is 25; the stripes are easy
    files = {path.name.split(".out.")[0] for path in Path(str(small.log_dir)).iterdir()}
    pictures = {"curves.png", "confusion.png", "errors.png"}
    tables = {"log.txt", "metrics.csv", "classes.csv", "result.json"}
    assert files - {".lock"} == pictures | tables | {"events"}
    assert all(is_picture((Path(str(small.log_dir)) / name).read_bytes()) for name in pictures)
    saved = {path.name for path in Path(small.checkpoint_dir).iterdir()}
    assert saved - {".lock"} == {"best.safetensors", "last.safetensors", "config.json"}
    assert Config.from_json(Path(small.checkpoint_dir) / "config.json").epochs == 4


def test_metrics_have_a_line_an_epoch(small: Config) -> None:
    result = run_npnet(small)
    with (result.log_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["val_accuracy"]) for row in rows] == [
        epoch.val_accuracy for epoch in result.progress.history
    ]


def test_accuracy_is_correct_over_total(small: Config) -> None:
    result = run_npnet(small)
    for epoch in result.progress.history:  # 192 in batches of 32, and 48 held out
        assert epoch.train_accuracy * 192 / 100 == pytest.approx(
            round(epoch.train_accuracy * 192 / 100)
        )
    assert result.test.total == 60
    assert result.test.accuracy == 100 * result.test.correct / 60


def test_same_seed_gives_the_same_bits(small: Config, tmp_path: Path) -> None:
    run_npnet(dataclasses.replace(small, threads=2))
    again = dataclasses.replace(
        small, checkpoint_dir=str(tmp_path / "again"), log_dir=str(tmp_path / "log2"), threads=1
    )
    run_npnet(again)
    assert_same_weights(weights_of(small.checkpoint_dir), weights_of(again.checkpoint_dir))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 192}, "the validation loss is not finite after epoch 1"),
        ({"batch_size": 240, "val_ratio": 0.0}, "weights are not finite after epoch 1"),
    ],
)
def test_last_step_of_an_epoch_that_diverges(
    small: Config, settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Learner.train_step

    def blow_up(learner: Learner, x: Any, y: Any) -> Any:
        batch = step(learner, x, y)
        with npnet.no_grad():
            next(iter(learner.model.parameters())).fill_(np.nan)
        return batch

    monkeypatch.setattr(Learner, "train_step", blow_up)
    with pytest.raises(DivergedError, match=message):
        run_npnet(dataclasses.replace(small, **settings))
    assert not list(Path(small.checkpoint_dir).glob("*.safetensors"))


def test_best_checkpoint_says_what_it_is(small: Config) -> None:
    result = run_npnet(small)
    path = Path(small.checkpoint_dir) / "best.safetensors"
    with safe_open(path, "numpy") as file:
        facts = file.metadata()
    assert facts["model"] == "lenet4"
    assert json.loads(facts["epoch"]) == result.progress.best_epoch
    assert json.loads(facts["classes"]) == ["0", "1", "2", "3"]
    network = models.create("lenet4", num_classes=4)
    network.load_state_dict(npnet.load(path))


def test_patience_stops_early(small: Config) -> None:
    config = dataclasses.replace(small, epochs=50, patience=1, learning_rate=1e-30)
    assert run_npnet(config).progress.epoch == 2  # such a step changes no weight


def test_without_validation_the_last_epoch_is_the_best(small: Config) -> None:
    result = run_npnet(dataclasses.replace(small, val_ratio=0.0))
    assert result.progress.best_epoch == 2
    assert np.isnan(result.progress.history[0].val_loss)


@pytest.mark.parametrize("criterion", ["mse", "softmax_bce"])
def test_other_losses_learn(small: Config, criterion: str) -> None:
    config = dataclasses.replace(
        small, criterion=criterion, optimizer="adam", learning_rate=3e-3, epochs=4
    )
    assert run_npnet(config).test.accuracy > 60  # chance is 25


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop"])
@pytest.mark.parametrize("scheduler", ["poly", "step", "multistep", "exponential", "cosine"])
def test_every_rule_and_schedule_runs(small: Config, optimizer: str, scheduler: str) -> None:
    config = dataclasses.replace(
        small,
        optimizer=optimizer,
        scheduler=scheduler,
        milestones=(1,),
        step_size=1,
        learning_rate=1e-3,
        clip_grad_norm=1.0,
    )
    history = run_npnet(config).progress.history
    assert history[0].learning_rate == 1e-3
    assert history[1].learning_rate < 1e-3


def test_polynomial_schedule(small: Config) -> None:
    config = dataclasses.replace(small, use_scheduler=True, epochs=3)
    rates = [epoch.learning_rate for epoch in run_npnet(config).progress.history]
    np.testing.assert_allclose(rates, [0.05 * (1 - e / 3) ** 0.9 for e in range(3)], rtol=1e-12)


def test_files_of_an_earlier_run_are_kept(small: Config) -> None:
    run_npnet(small)
    first = weights_of(small.checkpoint_dir)
    run_npnet(dataclasses.replace(small, seed=1))
    (aside,) = Path(small.checkpoint_dir).glob("earlier-*")
    assert_same_weights(first, weights_of(aside))
    (logs,) = Path(str(small.log_dir)).glob("earlier-*")
    assert (logs / "metrics.csv").exists()


@pytest.mark.parametrize("flag", ["checkpoint_dir", "log_dir"])
def test_two_runs_in_one_folder_are_refused(small: Config, flag: str) -> None:
    from filelock import FileLock

    folder = Path(getattr(small, flag))
    folder.mkdir()
    message = f"{flag}: another run is writing"
    with FileLock(folder / ".lock"), pytest.raises(ConfigError, match=message):
        run_npnet(small)


def test_one_folder_for_everything(small: Config) -> None:
    run_npnet(dataclasses.replace(small, log_dir=small.checkpoint_dir))
    folder = Path(small.checkpoint_dir)
    assert (folder / "best.safetensors").exists()
    assert (folder / "result.json").exists()


def test_last_batch_of_one_image_that_batch_norm_refuses(small: Config) -> None:
    config = dataclasses.replace(small, model="resnet18", batch_size=191)
    with pytest.raises(ConfigError, match=r"the last batch of 192 training images .*batch_size"):
        run_npnet(config)
    assert not list(Path(small.checkpoint_dir).glob("*.safetensors"))


def test_folder_that_cannot_be_locked(small: Config) -> None:
    (Path(small.checkpoint_dir) / ".lock").mkdir(parents=True)
    with pytest.raises(ConfigError, match="checkpoint_dir: can't write to"):
        run_npnet(small)


def test_divergence_names_step_rate_and_layer(small: Config) -> None:
    config = dataclasses.replace(
        small, model="lenet", learning_rate=1e30, epochs=3, criterion="mse"
    )
    with pytest.raises(
        DivergedError, match=r"step \d+ of epoch 1, at learning rate 1e\+30; .*layer \w+ \("
    ):
        run_npnet(config)


def test_predictions_are_those_that_are_tested(small: Config) -> None:
    result = run_npnet(small)
    data = prepare(small, notice=pytest.fail)
    learner = train.build(small, data)
    learner.load_weights(weights_of(small.checkpoint_dir))
    logits = predict(learner, data, data.test.x)
    assert logits.shape == (60, 4)
    np.testing.assert_array_equal(logits.argmax(1), result.test.predicted)
    assert predict(learner, data, data.test.x[:0]).shape == (0, 4)
